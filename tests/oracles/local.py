"""Local convolution by its definition: place by place, in float64."""

import numpy as np


def places(x, size, strides):
    """(place, slices of its window in x) for each place, row by row."""
    counts = [(n - k) // s + 1 for n, k, s in zip(x.shape[1:-1], size, strides)]
    for p in np.ndindex(*counts):
        yield p, (slice(None), *(slice(i * s, i * s + k) for i, s, k in zip(p, strides, size)))


def local_conv(x, kernel, size, strides, channels_first=False):
    """x has the channels last. The rows of a place's kernel are in the order [window, C], or [C, window] with channels_first."""
    seen = list(places(x, size, strides))
    y = np.zeros((len(x), *(n + 1 for n in seen[-1][0]), kernel.shape[-1]))
    for number, (p, window) in enumerate(seen):
        rows = x[window].astype(np.float64)
        rows = np.moveaxis(rows, -1, 1) if channels_first else rows
        y[(slice(None), *p)] = rows.reshape(len(x), -1) @ kernel[number].astype(np.float64)
    return y


def backward(x, kernel, dy, size, strides, channels_first=False):
    """The gradients of x and of the kernel."""
    dx, dkernel = np.zeros(x.shape), np.zeros(kernel.shape)
    for number, (p, window) in enumerate(places(x, size, strides)):
        rows, to = x[window].astype(np.float64), dy[(slice(None), *p)].astype(np.float64)
        rows = np.moveaxis(rows, -1, 1) if channels_first else rows
        dkernel[number] = rows.reshape(len(x), -1).T @ to
        drows = (to @ kernel[number].T.astype(np.float64)).reshape(rows.shape)
        dx[window] += np.moveaxis(drows, 1, -1) if channels_first else drows
    return dx, dkernel
