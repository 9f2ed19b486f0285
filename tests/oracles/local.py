"""Local convolution by its definition: place by place, in float64."""

import numpy as np


def local_conv(x, kernel, size, strides, channels_first=False):
    """x channels last; the rows of a place's kernel in the order [window, C], or [C, window] with channels_first."""
    counts = [(n - k) // s + 1 for n, k, s in zip(x.shape[1:-1], size, strides)]
    y = np.zeros((len(x), *counts, kernel.shape[-1]))
    for number, p in enumerate(np.ndindex(*counts)):
        seen = x[(slice(None), *(slice(i * s, i * s + k) for i, s, k in zip(p, strides, size)))].astype(np.float64)
        if channels_first:
            seen = np.moveaxis(seen, -1, 1)
        y[(slice(None), *p)] = seen.reshape(len(x), -1) @ kernel[number]
    return y
