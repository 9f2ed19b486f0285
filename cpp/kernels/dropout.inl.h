// Dropout. The words of Philox4x32-10 (core/philox.h states it) are made for a block of counters at once: one counter a
// 64-bit lane, whose 32 x 32 bit products fit.
#pragma once
#include "kernels/common.h"

namespace lamella {
namespace {

typedef std::uint64_t Wide __attribute__((vector_size(LAMELLA_VECTOR_BYTES)));
constexpr int kCounters = LAMELLA_VECTOR_BYTES / 8;
constexpr int kBlockWords = 4 * kCounters;

// words[4*i + w] = word w of counter (offset, first + i), 0 <= i < kCounters.
LAMELLA_INLINE void philox_block(std::uint64_t key, std::uint64_t offset, std::uint64_t first, std::uint32_t* words) {
    constexpr std::uint64_t kLow = 0xFFFFFFFFu;
    Wide counter{};
    for (int i = 0; i < kCounters; ++i) counter[i] = i;
    counter += first;
    Wide c0 = counter & kLow, c1 = counter >> 32, c2 = Wide{} + (offset & kLow), c3 = Wide{} + (offset >> 32);
    std::uint64_t k0 = key & kLow, k1 = key >> 32;
    for (int round = 0; round < 10; ++round) {
        const Wide p0 = (c0 & kLow) * std::uint64_t{0xD2511F53u}, p1 = (c2 & kLow) * std::uint64_t{0xCD9E8D57u};
        c0 = (p1 >> 32) ^ c1 ^ k0;
        c2 = (p0 >> 32) ^ c3 ^ k1;
        c1 = p1 & kLow;
        c3 = p0 & kLow;
        k0 = (k0 + 0x9E3779B9u) & kLow;
        k1 = (k1 + 0xBB67AE85u) & kLow;
    }
    const Wide even = c0 | c1 << 32, odd = c2 | c3 << 32;
    for (int i = 0; i < kCounters; ++i) {
        const std::uint64_t pair[2] = {even[i], odd[i]};
        std::memcpy(words + 4 * i, pair, sizeof pair);
    }
}

template <class T>
Status dropout(In<T> x, Real rate, Int seed, Int offset, Out<T> y) {
    LAMELLA_REQUIRE(same_shape(x, y));
    LAMELLA_REQUIRE(rate >= 0 && rate < 1);
    using Word = typename VecTypes<T>::Word;
    const T scale = T(1 / (1 - rate));
    const auto word_at_rate = static_cast<std::uint32_t>(rate * 4294967296.0);
    const Word threshold = sizeof(T) == 4 ? static_cast<Word>(word_at_rate ^ 1u << 31) : static_cast<Word>(word_at_rate);
    static_assert(kChunkElements % kBlockWords == 0 && kBlockWords % kLanes<T> == 0, "blocks fill chunks");
    parallel_for(x.size, kChunkElements, [&](Int begin, Int end) {
        for (Int at = begin; at < end; at += kBlockWords) {
            alignas(LAMELLA_VECTOR_BYTES) std::uint32_t words[kBlockWords];
            philox_block(static_cast<std::uint64_t>(seed), static_cast<std::uint64_t>(offset),
                         static_cast<std::uint64_t>(at) / 4, words);
            const Int length = end - at < kBlockWords ? end - at : kBlockWords;
            for_vectors<T>(0, length, [&](Int i, Int part) {
                // Words are compared as signed integers of T's width: float32 flips the sign bit, float64 has room.
                Bits<T> word;
                if constexpr (sizeof(T) == 4) {
                    std::memcpy(&word, words + i, sizeof word);
                    word ^= kSignBit<T>;
                } else {
                    for (int l = 0; l < kLanes<T>; ++l) word[l] = words[i + l];
                }
                store(y.data + at + i, word >= threshold ? load(x.data + at + i, part) * scale : Vec<T>{}, part);
            });
        }
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
