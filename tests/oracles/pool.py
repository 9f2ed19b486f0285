"""Pooling on any number of axes by its definition: a loop over windows. Each function returns the result and its backward."""

import itertools

import numpy as np


def windows(x_shape, y_shape, size, strides, before):
    """For each window: (place in y without channels, slices of the window in x, first place of the window)."""
    for n, *place in itertools.product(*map(range, y_shape[:-1])):
        first = [p * s - b for p, s, b in zip(place, strides, before)]
        covered = [slice(max(f, 0), min(f + k, length)) for f, k, length in zip(first, size, x_shape[1:-1])]
        yield (n, *place), (n, *covered), first


def max_pool(x, y_shape, size, strides, before):
    y, argmax = np.zeros(y_shape), np.zeros(y_shape, np.int64)
    places = []
    for to, covered, first in windows(x.shape, y_shape, size, strides, before):
        for c in range(x.shape[-1]):
            patch = x[(*covered, c)]
            found = np.unravel_index(np.argmax(patch), patch.shape)
            source = [i + s.start for i, s in zip(found, covered[1:])]
            y[(*to, c)] = x[(to[0], *source, c)]
            argmax[(*to, c)] = np.ravel_multi_index([i - f for i, f in zip(source, first)], size)
            places.append(((*to, c), (to[0], *source, c)))

    def back(dy):
        dx = np.zeros(x.shape)
        for to, source in places:
            dx[source] += dy[to]
        return dx

    return y, argmax, back


def avg_pool(x, y_shape, size, strides, before):
    axes = tuple(range(len(size)))
    y = np.zeros(y_shape)
    for to, covered, _ in windows(x.shape, y_shape, size, strides, before):
        y[to] = x[covered].mean(axis=axes, dtype=np.float64)

    def back(dy):
        dx = np.zeros(x.shape)
        for to, covered, _ in windows(x.shape, y_shape, size, strides, before):
            patch = dx[covered]
            patch += dy[to] / np.prod(patch.shape[:-1])
        return dx

    return y, back


def pooled(x, size, strides, reduce):
    """reduce(places, axis=) over the windows inside of x."""
    lengths = [(n - k) // s + 1 for n, k, s in zip(x.shape[1:-1], size, strides)]
    y = np.zeros((x.shape[0], *lengths, x.shape[-1]))
    for to, covered, _ in windows(x.shape, y.shape, size, strides, (0,) * len(size)):
        y[to] = reduce(x[covered], axis=tuple(range(len(size))))
    return y
