"""The transform of Box and Muller (1958) for the words of Philox, in float64."""

import numpy as np

from tests.oracles.dropout import philox


def standard_normal(n, dtype, seed, offset):
    size = np.dtype(dtype).itemsize
    at_once = 256 // size
    numbers = []
    for block in range(-(-n // at_once)):
        words = np.array([philox(seed, offset, 16 * block + i) for i in range(16)], np.uint32).reshape(2, 32)
        u, v = (fraction(half.view(f"u{size}")) for half in words)
        radius, angle = np.sqrt(-2 * np.log(u)), np.pi * (2 * v - 1)
        numbers += [radius * np.cos(angle), radius * np.sin(angle)]
    return np.concatenate([*numbers, np.empty(0)])[:n]


def fraction(words):
    """Numbers in (0, 1]: of the lower 31 bits of 32, or of the upper 52 of 64."""
    if words.dtype == np.uint32:
        return ((words & 0x7FFFFFFF).astype(np.float32) + np.float32(0.5)).astype(np.float64) / 2**31
    return (words >> np.uint64(12)).astype(np.float64) / 2**52 + 2.0**-53
