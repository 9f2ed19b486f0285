// Philox4x32-10 (core/philox.h) for a block of counters at once: one counter in each 64-bit lane, which has room for products
// of 32 x 32 bits.
#pragma once
#include "kernels/common.h"

namespace lamella {
namespace {

constexpr int kRounds = 10;
// Two vectors of counters: each round waits for the previous one, so with one vector the multiplier would be idle at times.
constexpr int kVectors = 2;
constexpr int kCounters = LAMELLA_VECTOR_BYTES / 8;
constexpr int kBlockWords = 4 * kCounters * kVectors;

struct KeySchedule {
    std::uint64_t k0[kRounds], k1[kRounds];

    LAMELLA_INLINE explicit KeySchedule(std::uint64_t key) {
        std::uint32_t a = static_cast<std::uint32_t>(key), b = static_cast<std::uint32_t>(key >> 32);
        for (int round = 0; round < kRounds; ++round) {
            k0[round] = a;
            k1[round] = b;
            a += 0x9E3779B9u;
            b += 0xBB67AE85u;
        }
    }
};

// words[4*i + w] = word w of counter (offset, first + i), 4*i < kBlockWords.
LAMELLA_INLINE void philox_block(const KeySchedule& key, std::uint64_t offset, std::uint64_t first, std::uint32_t* words) {
    constexpr std::uint64_t kLow = 0xFFFFFFFFu;
    const Wide m0 = Wide{} + std::uint64_t{0xD2511F53u}, m1 = Wide{} + std::uint64_t{0xCD9E8D57u};
    Wide lane{};
    for (int i = 0; i < kCounters; ++i) lane[i] = static_cast<std::uint64_t>(i);
    // Only the low halves of c0 .. c3 are used until the end.
    Wide c0[kVectors], c1[kVectors], c2[kVectors], c3[kVectors];
    for (int v = 0; v < kVectors; ++v) {
        c0[v] = lane + (first + static_cast<std::uint64_t>(v * kCounters));
        c1[v] = c0[v] >> 32;
        c2[v] = Wide{} + offset;
        c3[v] = Wide{} + (offset >> 32);
    }
#pragma GCC unroll 10
    for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) {
            const Wide p0 = multiply_low_words(c0[v], m0), p1 = multiply_low_words(c2[v], m1);
            c0[v] = (p1 >> 32) ^ c1[v] ^ key.k0[round];
            c2[v] = (p0 >> 32) ^ c3[v] ^ key.k1[round];
            c1[v] = p1;
            c3[v] = p0;
        }
    }
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
        const Wide even = (c0[v] & kLow) | c1[v] << 32, odd = (c2[v] & kLow) | c3[v] << 32;
        store_interleaved(words + v * 4 * kCounters, even, odd);
    }
}

}  // namespace
}  // namespace lamella
