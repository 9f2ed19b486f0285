"""Pooling by its definition: a loop over windows. Each gives the pooled array and a function for the way back."""

import itertools

import numpy as np


def windows(x_shape, y_shape, size, strides, before):
    """(n, p, q, slice of rows, slice of columns, first row, first column) of each window."""
    for n, p, q in itertools.product(*map(range, y_shape[:3])):
        h, w = p * strides[0] - before[0], q * strides[1] - before[1]
        rows = slice(max(h, 0), min(h + size[0], x_shape[1]))
        columns = slice(max(w, 0), min(w + size[1], x_shape[2]))
        yield n, p, q, rows, columns, h, w


def max_pool(x, y_shape, size, strides, before):
    y, argmax = np.zeros(y_shape), np.zeros(y_shape, np.uint8)
    places = []
    for n, p, q, rows, columns, h, w in windows(x.shape, y_shape, size, strides, before):
        for c in range(x.shape[3]):
            patch = x[n, rows, columns, c]
            i, j = np.unravel_index(np.argmax(patch), patch.shape)
            i, j = i + rows.start, j + columns.start
            y[n, p, q, c] = x[n, i, j, c]
            argmax[n, p, q, c] = (i - h) * size[1] + j - w
            places.append(((n, p, q, c), (n, i, j, c)))

    def back(dy):
        dx = np.zeros(x.shape)
        for to, source in places:
            dx[source] += dy[to]
        return dx

    return y, argmax, back


def avg_pool(x, y_shape, size, strides, before):
    y = np.zeros(y_shape)
    for n, p, q, rows, columns, _, _ in windows(x.shape, y_shape, size, strides, before):
        y[n, p, q] = x[n, rows, columns].mean(axis=(0, 1), dtype=np.float64)

    def back(dy):
        dx = np.zeros(x.shape)
        for n, p, q, rows, columns, _, _ in windows(x.shape, y_shape, size, strides, before):
            patch = dx[n, rows, columns]
            patch += dy[n, p, q] / (patch.shape[0] * patch.shape[1])
        return dx

    return y, back
