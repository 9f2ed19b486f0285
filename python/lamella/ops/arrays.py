"""What kernels want of arrays."""

from __future__ import annotations

import numpy as np

from lamella.ops.tape import Array


def contiguous(x: Array) -> Array:
    """x itself if it is C-contiguous and aligned, else a copy that is."""
    flags = x.flags
    return x if flags.c_contiguous and flags.aligned else np.require(x, None, ("C", "A"))
