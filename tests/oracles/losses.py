"""Losses of rows by definition, in float64: the loss and the gradient of the prediction."""

import numpy as np


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_backward(p, dy):
    return p * (dy - (dy * p).sum(axis=-1, keepdims=True))


def sigmoid(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def squared_error(p, y):
    return ((p - y) ** 2).mean(axis=-1), 2 * (p - y) / p.shape[-1]


def absolute_error(p, y):
    return np.abs(p - y).mean(axis=-1), np.sign(p - y) / p.shape[-1]


def binary_crossentropy(p, y, eps):
    q = np.clip(p, eps, 1 - eps)
    inside = (p >= eps) & (p <= 1 - eps)
    loss = -(y * np.log(q) + (1 - y) * np.log(1 - q)).mean(axis=-1)
    return loss, np.where(inside, (1 - y) / (1 - q) - y / q, 0) / p.shape[-1]


def categorical_crossentropy(p, y, eps):
    total = p.sum(axis=-1, keepdims=True)
    q = np.clip(p / total, eps, 1 - eps)
    inside = (p / total >= eps) & (p / total <= 1 - eps)
    dq = np.where(inside, -y / q, 0)
    return -(y * np.log(q)).sum(axis=-1), (dq - (dq * p / total).sum(axis=-1, keepdims=True)) / total


def one_hot(labels, classes):
    return np.eye(classes)[labels]


def sparse_categorical_crossentropy(p, labels, eps):
    q = np.clip(p, eps, 1 - eps)
    inside = (p >= eps) & (p <= 1 - eps)
    y = one_hot(labels, p.shape[-1])
    total = q.sum(axis=-1)
    return np.log(total) - np.log((q * y).sum(axis=-1)), np.where(inside, 1 / total[:, None] - y / q, 0)


def softmax_crossentropy(z, y):
    shifted = z - z.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return -(y * log_p).sum(axis=-1), np.exp(log_p) * y.sum(axis=-1, keepdims=True) - y


def sigmoid_crossentropy(z, y):
    loss = np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))
    return loss.mean(axis=-1), (sigmoid(z) - y) / z.shape[-1]


# The same, also with the gradient of the target.


def percentage_error(p, y, eps):
    scale = np.maximum(np.abs(y), eps)
    moving = np.where(np.abs(y) >= eps, np.sign(y) * np.abs(p - y) / scale**2, 0)
    dp, dy = np.sign(p - y) / scale, -np.sign(p - y) / scale - moving
    return 100 * (np.abs(p - y) / scale).mean(axis=-1), 100 * dp / p.shape[-1], 100 * dy / p.shape[-1]


def logarithmic_error(p, y, eps):
    d = np.log(np.maximum(p, eps) + 1) - np.log(np.maximum(y, eps) + 1)
    dp, dy = np.where(p >= eps, 2 * d / (p + 1), 0), np.where(y >= eps, -2 * d / (y + 1), 0)
    return (d**2).mean(axis=-1), dp / p.shape[-1], dy / p.shape[-1]


def logcosh(p, y):
    x = np.abs(p - y)
    small = np.minimum(x, 5e-3)  # the other formula loses digits by cancellation there
    loss = np.where(x < 5e-3, small**2 / 2 - small**4 / 12 + small**6 / 45, x + np.log1p(np.exp(-2 * x)) - np.log(2))
    return loss.mean(axis=-1), np.tanh(p - y) / p.shape[-1], -np.tanh(p - y) / p.shape[-1]


def poisson(p, y, eps):
    return (p - y * np.log(p + eps)).mean(axis=-1), (1 - y / (p + eps)) / p.shape[-1], -np.log(p + eps) / p.shape[-1]


def hinge(p, y):
    short = 1 - y * p > 0
    return np.maximum(1 - y * p, 0).mean(axis=-1), np.where(short, -y, 0) / p.shape[-1], np.where(short, -p, 0) / p.shape[-1]


def squared_hinge(p, y):
    margin = np.maximum(1 - y * p, 0)
    return (margin**2).mean(axis=-1), -2 * margin * y / p.shape[-1], -2 * margin * p / p.shape[-1]


def categorical_hinge(p, y):
    wrong = (1 - y) * p
    largest = wrong == wrong.max(axis=-1, keepdims=True)
    share = largest / largest.sum(axis=-1, keepdims=True)
    margin = wrong.max(axis=-1) - (y * p).sum(axis=-1) + 1
    above = (margin > 0)[:, None]
    return np.maximum(margin, 0), above * (share * (1 - y) - y), above * (-share * p - p)


def kl_divergence(p, y, eps):
    a, b = np.clip(p, eps, 1), np.clip(y, eps, 1)
    dp = np.where((p >= eps) & (p <= 1), -b / a, 0)
    dy = np.where((y >= eps) & (y <= 1), np.log(b / a) + 1, 0)
    return (b * np.log(b / a)).sum(axis=-1), dp, dy


def cosine(p, y):
    a, b = (np.sqrt(np.maximum((x**2).sum(axis=-1, keepdims=True), 1e-12)) for x in (p, y))
    dot = (p * y).sum(axis=-1, keepdims=True)
    moves = [(x**2).sum(axis=-1, keepdims=True) >= 1e-12 for x in (p, y)]
    dp = np.where(moves[0], dot * p / a**3 / b, 0) - y / a / b
    dy = np.where(moves[1], dot * y / b**3 / a, 0) - p / a / b
    return -(dot / a / b)[..., 0], dp, dy
