"""Convolution by its definition: a loop over the taps of the filter, in float64 whatever comes in."""

import numpy as np


def _taps(x, w_shape, y_shape, strides, dilation, before):
    """The zero-padded x, and for each tap the points of it that the outputs read."""
    rows = (y_shape[1] - 1) * strides[0] + (w_shape[0] - 1) * dilation[0] + 1
    columns = (y_shape[2] - 1) * strides[1] + (w_shape[1] - 1) * dilation[1] + 1
    top, left = before
    height, width = x.shape[1:3]
    padded = np.zeros((x.shape[0], max(rows, top + height), max(columns, left + width), x.shape[3]))
    padded[:, top : top + height, left : left + width] = x
    taps = {}
    for r in range(w_shape[0]):
        for s in range(w_shape[1]):
            i, j = r * dilation[0], s * dilation[1]
            taps[r, s] = (
                slice(None),
                slice(i, i + (y_shape[1] - 1) * strides[0] + 1, strides[0]),
                slice(j, j + (y_shape[2] - 1) * strides[1] + 1, strides[1]),
            )
    return padded, taps


def forward(x, w, bias, relu, y_shape, strides, dilation, before):
    padded, taps = _taps(x, w.shape, y_shape, strides, dilation, before)
    y = np.zeros(y_shape)
    for tap, points in taps.items():
        y += padded[points] @ w[tap].astype(np.float64)
    if bias.size:
        y += bias
    return np.maximum(y, 0) if relu else y


def backward(x, w, dy, strides, dilation, before):
    """dx, dw, dbias."""
    dy = dy.astype(np.float64)
    padded, taps = _taps(x, w.shape, dy.shape, strides, dilation, before)
    dpadded, dw = np.zeros_like(padded), np.zeros(w.shape)
    for tap, points in taps.items():
        dpadded[points] += dy @ w[tap].astype(np.float64).T
        dw[tap] = np.tensordot(padded[points], dy, axes=((0, 1, 2), (0, 1, 2)))
    top, left = before
    dx = dpadded[:, top : top + x.shape[1], left : left + x.shape[2]]
    return dx, dw, dy.sum(axis=(0, 1, 2))
