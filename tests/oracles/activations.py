"""Activations and their slopes by definition, in float64. slope(x) is dy/dx."""

import numpy as np


def relu(x, alpha, top, threshold):
    passed = x if np.isinf(top) else np.maximum(np.minimum(x, top), 0)
    below = alpha * (x - threshold) if alpha else np.where(np.isnan(x), x, 0)
    return np.where(x > threshold, passed, below)


def relu_slope(x, alpha, top, threshold):
    passes = x < top if np.isinf(top) else (x >= 0) & (x < top)
    return np.where(x > threshold, np.where(passes, 1.0, 0.0), alpha)


def elu(x, alpha, scale):
    return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def elu_slope(x, alpha, scale):
    return scale * np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0)))


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


# name: (f, slope) of the activations without parameters.
PLAIN = {
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    "hard_sigmoid": (lambda x: np.clip(0.2 * x + 0.5, 0, 1), lambda x: np.where(np.abs(x) < 2.5, 0.2, 0)),
    "softplus": (softplus, sigmoid),
    "softsign": (lambda x: x / (1 + np.abs(x)), lambda x: 1 / (1 + np.abs(x)) ** 2),
}
