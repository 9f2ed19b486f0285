"""Philox4x32-10 (Salmon et al., SC'11) with Python's integers, and the mask of dropout."""

import numpy as np

WORD = 2**32 - 1


def philox(key, high, low):
    k0, k1 = key & WORD, key >> 32 & WORD
    c = [low & WORD, low >> 32 & WORD, high & WORD, high >> 32 & WORD]
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & WORD, (p0 >> 32) ^ c[3] ^ k1, p0 & WORD]
        k0, k1 = (k0 + 0x9E3779B9) & WORD, (k1 + 0xBB67AE85) & WORD
    return c


def kept(n, rate, seed, offset):
    words = [philox(seed, offset, i) for i in range((n + 3) // 4)]
    return np.array(words, np.uint64).reshape(-1)[:n] >= int(rate * 2**32)
