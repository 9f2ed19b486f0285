"""One step of each optimizer on one array, float64: Keras 2.2.5's formulas. Slots are changed in place; p comes back."""

import numpy as np


def read(g, scale, clip):
    return np.clip(g * scale, -clip, clip) if clip else g * scale


def sgd(p, g, m, lr, momentum, nesterov):
    if m is None:
        return p - lr * g
    m[...] = momentum * m - lr * g
    return p + (momentum * m - lr * g if nesterov else m)


def adagrad(p, g, a, lr, eps):
    a += g * g
    return p - lr * g / (np.sqrt(a) + eps)


def adam(p, g, m, v, lr, beta1, beta2, eps):
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * g * g
    return p - lr * m / (np.sqrt(v) + eps)


def amsgrad(p, g, m, v, h, lr, beta1, beta2, eps):
    adam(p, g, m, v, lr, beta1, beta2, eps)
    h[...] = np.maximum(h, v)
    return p - lr * m / (np.sqrt(h) + eps)
