"""bfloat16 and codes of 8 bits in slow, plain NumPy, as cpp/kernels/optimizer/storage.h stores them."""

import numpy as np

BLOCK = 256
CHUNK = 16_384  # kChunkElements of cpp/core/parallel.h


def philox(key, offset, count, first=0):
    """`count` words of Philox4x32-10 for a key, with the counters (offset, first), (offset, first + 1) ..."""
    mask = np.uint64(0xFFFFFFFF)
    low = first + np.arange((count + 3) // 4, dtype=np.uint64)
    c0, c1 = low & mask, low >> np.uint64(32)
    c2, c3 = (np.full_like(low, part) for part in (offset & 0xFFFFFFFF, offset >> 32))
    k0, k1 = key & 0xFFFFFFFF, key >> 32 & 0xFFFFFFFF
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (
            (p1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0),
            p1 & mask,
            (p0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1),
            p0 & mask,
        )
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], 1).reshape(-1)[:count].astype(np.uint32)


def xoshiro(state, count):
    """The next `count` words of each stream of xoshiro128++: [count, streams]. state: uint32 [4, streams]."""
    s0, s1, s2, s3 = (np.array(x, np.uint32) for x in state)
    rows = np.empty((count, s0.size), np.uint32)
    for row in rows:
        total = s0 + s3
        row[:] = (total << np.uint32(7) | total >> np.uint32(25)) + s0
        shifted = s1 << np.uint32(9)
        s2, s3 = s2 ^ s0, s3 ^ s1
        s1, s0 = s1 ^ s2, s0 ^ s3
        s2 ^= shifted
        s3 = s3 << np.uint32(11) | s3 >> np.uint32(21)
    return rows


def random_halves(seed, offset, sizes):
    """For each array of these sizes its random numbers of 16 bits.

    The arrays are one row, in which each begins at a multiple of 256. At each array's begin and at each multiple of 16,384
    elements, 16 streams begin, whose states are Philox's words from counter position / 4 on. Each of their words is two numbers.
    """
    drawn, start = [], 0
    for size in sizes:
        begin, parts = start, []
        while begin < start + size:
            end = min(start + size, (begin // CHUNK + 1) * CHUNK)
            state = philox(seed, offset, 64, begin // 4).reshape(4, 16)
            words = xoshiro(state, -(-(end - begin) // 32))
            parts.append(np.stack([words & 0xFFFF, words >> 16], -1).reshape(-1)[: end - begin])
            begin = end
        drawn.append(np.concatenate([np.zeros(0, np.uint32), *parts]))
        start += -(-size // BLOCK) * BLOCK
    return drawn


def to_bfloat16(x, random=None):
    """The bits of x, float32, as uint16. random: 16 bits for each element, or None to round to nearest, ties to even."""
    bits = np.asarray(x, np.float32).reshape(-1).view(np.uint32).astype(np.uint64)
    added = 0x7FFF + (bits >> 16 & 1) if random is None else np.asarray(random, np.uint64)
    return np.where(np.isnan(x).reshape(-1), 0x7FC0, bits + added >> 16).astype(np.uint16)


def from_bfloat16(bits):
    return (np.asarray(bits, np.uint32) << 16).view(np.float32)


def values(signed):
    """The code book: the number of each code 0 ... 127 or 255, times the scale."""
    count, first = (128, 0x380) if signed else (256, 0x300)
    f = (np.arange(first, first + count, dtype=np.uint32) << 20).view(np.float32)
    return f - f[0]


def scale_of(block):
    """The power of two by which the numbers of a block are divided before they become codes."""
    largest = np.abs(block).max()
    if not largest >= np.finfo(np.float32).tiny:
        return np.float32(np.nan if np.isnan(largest) else 0)
    scale = 2.0 ** np.floor(np.log2(np.float64(largest)))
    # The number of the largest code is 1.875 - f(0), f(0) is at most 2^-15, and rounding adds less than 2^-15.
    scale *= 2 if largest / scale >= 1.875 - 2.0**-14 else 1
    return np.float32(scale if scale < 2.0**127 else np.nan)


def to_codes(x, signed, random=None):
    """The bytes of a slot for x, float32: the scales of its blocks, then its codes."""
    x = np.asarray(x, np.float32).reshape(-1)
    zero = np.float32(2.0**-15 if signed else 2.0**-31)
    scales, codes = [], []
    for at in range(0, len(x), BLOCK):
        block = x[at : at + BLOCK]
        scale = scale_of(block)
        scales.append(scale)
        ratio = np.abs(block) * (1 / scale if scale > 0 else np.float32(0)) + zero
        bits = ratio.view(np.uint32)
        added = 0x7FFFF + (bits >> 20 & 1) if random is None else np.asarray(random[at : at + BLOCK], np.uint32) << 4
        code = (bits + added >> 20) - (zero.view(np.uint32) >> 20)
        codes.append(code + 128 * np.signbit(block) if signed else np.maximum(code, block > 0))
    return np.concatenate([np.asarray(scales, np.float32).view(np.uint8), *codes]).astype(np.uint8)


def from_codes(data, size, signed):
    """The float32 numbers of a slot of `size` elements."""
    count = -(-size // BLOCK)
    scales, codes = data[: 4 * count].view(np.float32), data[4 * count :].astype(np.int64)
    sign = np.where(codes >= 128, -1, 1) if signed else 1
    return (sign * values(signed)[codes & 127 if signed else codes] * np.repeat(scales, BLOCK)[:size]).astype(np.float32)
