// Gaussian noise by the transform of Box and Muller (1958).
#pragma once
#include "kernels/philox_block.h"

namespace lamella {
namespace {

// A number in (0, 1] from each of kLanes<T> words of T's size.
template <class T>
LAMELLA_INLINE Vec<T> fraction(Bits<T> words) {
    if constexpr (sizeof(T) == 4) {
        // 31 bits, of which a float keeps the first 24: small numbers, which become the largest normal ones, keep all of
        // theirs.
        return (__builtin_convertvector(words & ~kSignBit<T>, Vec<T>) + T(0.5)) * T(0x1p-31);
    } else {
        // 52 bits: only AVX-512 has an instruction that converts 64-bit integers.
        return as_vec<T>((words >> 12 & 0xFFFFFFFFFFFFF) | as_bits<T>(broadcast<T>(T(1)))) - T(1 - 0x1p-53);
    }
}

template <class T>
struct SineAndCosine {
    Vec<T> sine, cosine;
};

// Of pi * x for |x| <= 1.
template <class T>
LAMELLA_INLINE SineAndCosine<T> of_half_turns(Vec<T> x) {
    const Vec<T> shifted = x * T(2) + Format<T>::kRound;
    const Bits<T> quarter = as_bits<T>(shifted) - as_bits<T>(broadcast<T>(Format<T>::kRound));
    const Vec<T> angle = (x * T(2) - (shifted - Format<T>::kRound)) * T(1.5707963267948966);  // in [-pi/4, pi/4]
    // Taylor series; for double the first term left out is below 2^-57.
    constexpr int kLast = sizeof(T) == 4 ? 8 : 16;
    const Vec<T> square = angle * angle;
    Vec<T> sine = broadcast<T>(T(1)), cosine = broadcast<T>(T(1));
#pragma GCC unroll 8
    for (int i = kLast; i > 0; i -= 2) {
        sine = T(1) - sine * square * T(1.0 / (i * (i + 1)));
        cosine = T(1) - cosine * square * T(1.0 / (i * (i - 1)));
    }
    sine *= angle;
    const Vec<T> s = (quarter & 1) != 0 ? cosine : sine, c = (quarter & 1) != 0 ? sine : cosine;
    return {(quarter & 2) != 0 ? -s : s, ((quarter + 1) & 2) != 0 ? -c : c};
}

// Normal numbers are made from kNoiseWords words at once: those of the first half give the radius, those of the second the
// angle.
constexpr int kNoiseWords = 64;

// numbers[0 .. kNoiseWords / 2) for double and [0 .. kNoiseWords) for float, of the words from 16 * block counters on.
template <class T>
LAMELLA_INLINE void normal_block(const KeySchedule& key, std::uint64_t offset, std::uint64_t block, T* numbers) {
    constexpr int kPairs = kNoiseWords * 2 / static_cast<int>(sizeof(T));
    alignas(LAMELLA_VECTOR_BYTES) std::uint32_t words[kNoiseWords];
    for (int i = 0; i < kNoiseWords; i += kBlockWords) {
        philox_block(key, offset, block * (kNoiseWords / 4) + static_cast<std::uint64_t>(i / 4), words + i);
    }
#pragma GCC unroll 4
    for (int i = 0; i < kPairs; i += kLanes<T>) {
        Bits<T> first, second;
        std::memcpy(&first, reinterpret_cast<const char*>(words) + i * sizeof(T), sizeof first);
        std::memcpy(&second, reinterpret_cast<const char*>(words + kNoiseWords / 2) + i * sizeof(T), sizeof second);
        const Vec<T> radius = sqrt<T>(log<T>(fraction<T>(first)) * T(-2));
        const SineAndCosine<T> turn = of_half_turns<T>(fraction<T>(second) * T(2) - T(1));
        store(numbers + i, radius * turn.cosine);
        store(numbers + kPairs + i, radius * turn.sine);
    }
}

template <class T>
Status gaussian_noise(In<T> x, Real stddev, Int multiplied, Int seed, Int offset, Out<T> y) {
    LAMELLA_REQUIRE(same_shape(x, y));
    LAMELLA_REQUIRE(multiplied == 0 || multiplied == 1);
    constexpr Int kBlock = kNoiseWords * 4 / static_cast<Int>(sizeof(T));
    static_assert(kChunkElements % kBlock == 0, "blocks fill chunks");
    const KeySchedule key(static_cast<std::uint64_t>(seed));
    parallel_for(x.size, kChunkElements, [&](Int begin, Int end) {
        const T scale = T(stddev);
        for (Int at = begin; at < end; at += kBlock) {
            alignas(LAMELLA_VECTOR_BYTES) T numbers[kBlock];
            normal_block<T>(key, static_cast<std::uint64_t>(offset), static_cast<std::uint64_t>(at / kBlock), numbers);
            const T* const from = x.data + at;
            T* const to = y.data + at;
            for_vectors<T>(0, smaller(kBlock, end - at), [=, &numbers](Int i, Int part) {
                const Vec<T> v = load(from + i, part), noise = load(numbers + i) * scale;
                store(to + i, multiplied != 0 ? v * (noise + T(1)) : v + noise, part);
            });
        }
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
