"""Arrays with a guard zone on both sides, at any alignment of whole elements."""

import numpy as np

ZONE = 32
MARK = {"f": 12345.0, "u": 213, "i": 123456789}


class Guarded:
    """An `array`, filled with NaN, or 0 for integers. `intact()` tells whether the guard zones around it are unchanged."""

    def __init__(self, shape, dtype, shift=0):
        dtype = np.dtype(dtype)
        size = int(np.prod(shape))
        self.mark = MARK[dtype.kind]
        self.buffer = np.full(size + 2 * ZONE + shift, self.mark, dtype)
        self.begin, self.end = ZONE + shift, ZONE + shift + size
        self.array = self.buffer[self.begin : self.end].reshape(shape)
        self.array[...] = np.nan if dtype.kind == "f" else 0

    def intact(self):
        return bool((self.buffer[: self.begin] == self.mark).all() and (self.buffer[self.end :] == self.mark).all())


def surrounded(values, dtype, shift=0):
    """An array with `values` and NaNs around it, which would appear in the results of a kernel that reads outside of it."""
    guarded = Guarded(np.shape(values), dtype, shift)
    guarded.array[...] = values
    guarded.buffer[: guarded.begin] = guarded.buffer[guarded.end :] = np.nan
    return guarded.array


def close(got, wanted, ulps, scale=None):
    """|got - wanted| within `ulps` units in the last place of the largest wanted value (0.1 at least), or of `scale`."""
    wanted = np.asarray(wanted, np.float64)
    assert got.shape == wanted.shape
    if wanted.size:
        largest = max(np.abs(wanted).max(), 0.1) if scale is None else scale
        atol = ulps * np.finfo(got.dtype).eps * largest
        # assert_allclose takes most of the time of tests with many small arrays, so only what is not finite, or wrong, gets there.
        if not np.all(np.abs(got - wanted) <= atol):
            np.testing.assert_allclose(got, wanted, rtol=0, atol=atol)
