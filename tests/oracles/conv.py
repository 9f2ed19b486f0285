"""Convolution on any number of axes by its definition: a loop over the taps of the filter, always in float64."""

import itertools

import numpy as np


def _taps(x, size, lengths, strides, dilation, before):
    """The zero-padded x, and for each tap the points that the outputs read."""
    axes = range(len(size))
    least = [(lengths[i] - 1) * strides[i] + (size[i] - 1) * dilation[i] + 1 for i in axes]
    padded = np.zeros((x.shape[0], *(max(least[i], before[i] + x.shape[1 + i]) for i in axes), x.shape[-1]))
    padded[inner(x, before)] = x
    taps = {}
    for tap in itertools.product(*map(range, size)):
        at = [tap[i] * dilation[i] for i in axes]
        taps[tap] = (slice(None), *(slice(at[i], at[i] + (lengths[i] - 1) * strides[i] + 1, strides[i]) for i in axes))
    return padded, taps


def inner(x, before):
    return (slice(None), *(slice(b, b + n) for b, n in zip(before, x.shape[1:-1])))


def forward(x, w, bias, relu, y_shape, strides, dilation, before):
    padded, taps = _taps(x, w.shape[:-2], y_shape[1:-1], strides, dilation, before)
    y = np.zeros(y_shape)
    for tap, points in taps.items():
        y += padded[points] @ w[tap].astype(np.float64)
    if bias.size:
        y += bias
    return np.maximum(y, 0) if relu else y


def backward(x, w, dy, strides, dilation, before):
    """dx, dw, dbias."""
    dy = dy.astype(np.float64)
    padded, taps = _taps(x, w.shape[:-2], dy.shape[1:-1], strides, dilation, before)
    dpadded, dw = np.zeros_like(padded), np.zeros(w.shape)
    points_axes = tuple(range(dy.ndim - 1))
    for tap, points in taps.items():
        dpadded[points] += dy @ w[tap].astype(np.float64).T
        dw[tap] = np.tensordot(padded[points], dy, axes=(points_axes, points_axes))
    return dpadded[inner(x, before)], dw, dy.sum(axis=points_axes)


def convolve(x, w, strides, dilation, before):
    """Only the windows inside of x, after adding zeros before it."""
    sizes = zip(x.shape[1:-1], w.shape[:-2], strides, dilation, before)
    lengths = [(b + n - (k - 1) * d - 1) // s + 1 for n, k, s, d, b in sizes]
    return forward(x, w, np.zeros(0), 0, (x.shape[0], *lengths, w.shape[-1]), strides, dilation, before)
