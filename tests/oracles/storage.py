"""bfloat16 and codes of 8 bits in slow, plain NumPy, as cpp/kernels/optimizer/storage.h stores them."""

import numpy as np

BLOCK = 256


def philox(key, offset, count):
    """The first `count` words of Philox4x32-10 for a key, with the counters (offset, 0), (offset, 1) ..."""
    mask = np.uint64(0xFFFFFFFF)
    low = np.arange((count + 3) // 4, dtype=np.uint64)
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


def words(seed, offset, sizes):
    """For each array of these sizes its random words; each array begins at a multiple of 256."""
    starts = np.cumsum([0, *(-(-size // BLOCK) * BLOCK for size in sizes)])
    drawn = philox(seed, offset, int(starts[-1]))
    return [drawn[start : start + size] for start, size in zip(starts, sizes)]


def to_bfloat16(x, random=None):
    """The bits of x, float32, as uint16. random: 16 bits for each element, or None to round to nearest, ties to even."""
    bits = np.asarray(x, np.float32).reshape(-1).view(np.uint32).astype(np.uint64)
    added = 0x7FFF + (bits >> 16 & 1) if random is None else np.asarray(random, np.uint64)
    return np.where(np.isnan(x).reshape(-1), 0x7FC0, bits + added >> 16).astype(np.uint16)


def from_bfloat16(bits):
    return (np.asarray(bits, np.uint32) << 16).view(np.float32)


def values(signed):
    """The code book: the number of each code 0 ... 127 or 255, for a block whose largest magnitude is 1."""
    largest = 127 if signed else 255
    code = np.arange(largest + 1)
    eighths = code - largest  # below 1, whose mantissa is 0
    exponent, mantissa = np.floor_divide(eighths, 8), np.mod(eighths, 8)
    return np.where(code == 0, 0, np.exp2(exponent) * (1 + mantissa / 8)).astype(np.float32)


def to_codes(x, signed, random=None):
    """The bytes of a slot for x, float32: the scales of its blocks, then its codes."""
    x = np.asarray(x, np.float32).reshape(-1)
    book = values(signed)
    scales, codes = [], []
    for at in range(0, len(x), BLOCK):
        block = x[at : at + BLOCK]
        draws = None if random is None else random[at : at + BLOCK]
        scale = np.abs(block).max() if np.isfinite(block).all() else np.float32(np.nan)
        scales.append(scale)
        for i, number in enumerate(block):
            if not scale > 0:
                codes.append(0)
                continue
            ratio = np.abs(number) * (np.float32(1) / scale)
            if ratio < book[1]:
                point = np.float32(0.5) if draws is None else np.float32(draws[i]) / np.float32(65536)
                code = int(ratio * (1 / book[1]) > point) if signed else int(ratio > 0)
            else:
                bits = int(ratio.view(np.uint32))
                added = 0x7FFFF + (bits >> 20 & 1) if draws is None else int(draws[i]) << 4
                code = min((bits + added >> 20) - (1016 - len(book) + 1), len(book) - 1)
            codes.append(code + 128 if signed and code and number < 0 else code)
    return np.concatenate([np.asarray(scales, np.float32).view(np.uint8), np.asarray(codes, np.uint8)])


def from_codes(data, size, signed):
    """The float32 numbers of a slot of `size` elements."""
    count = -(-size // BLOCK)
    scales, codes = data[: 4 * count].view(np.float32), data[4 * count :].astype(np.int64)
    sign = np.where(codes >= 128, -1, 1) if signed else 1
    return (sign * values(signed)[codes & 127 if signed else codes] * np.repeat(scales, BLOCK)[:size]).astype(np.float32)
