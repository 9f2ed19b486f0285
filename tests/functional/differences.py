"""Gradients by central differences, for functions of float64 arrays."""

import numpy as np


def gradient(function, array, step=1e-6):
    """The gradient of the number function() with respect to `array`, which it reads."""
    found = np.empty_like(array)
    for i in np.ndindex(array.shape):
        kept = array[i]
        array[i] = kept + step
        above = function()
        array[i] = kept - step
        found[i] = (above - function()) / (2 * step)
        array[i] = kept
    return found


def check(function, arrays, gradients, names):
    """Each gradient, or None for one that nobody asked for, is that of the number function()."""
    for name, array, got in zip(names, arrays, gradients, strict=True):
        if got is not None:
            np.testing.assert_allclose(got, gradient(function, array), rtol=1e-6, atol=1e-7, err_msg=name)
