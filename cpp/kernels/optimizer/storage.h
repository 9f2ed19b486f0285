// Numbers of fewer bits in memory: bfloat16, and codes of 8 bits. The same numbers have the same bits on all targets.
#pragma once
#include "kernels/common.h"
#include "simd/narrow.h"

namespace lamella {
namespace {

// Elements that share a scale.
constexpr Int kBlock = 256;

using Floats = Vec<float>;

LAMELLA_INLINE constexpr std::uint32_t bits_of(float x) { return __builtin_bit_cast(std::uint32_t, x); }
LAMELLA_INLINE constexpr float float_of(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }
LAMELLA_INLINE Words bits_of(Floats x) { return reinterpret_cast<Words>(x); }
LAMELLA_INLINE Floats floats_of(Words bits) { return reinterpret_cast<Floats>(bits); }

// Storage converts vectors of float32. Those of float64 have half as many lanes: `part` says how many of a vector's are in use.
template <class T>
LAMELLA_INLINE Int float_part(Int part) {
    return sizeof(T) == sizeof(float) || part != 0 ? part : kLanes<T>;
}

template <class T>
LAMELLA_INLINE Floats to_floats(Vec<T> v) {
    if constexpr (sizeof(T) == sizeof(float)) return v;
    Floats x{};
    for (int i = 0; i < kLanes<T>; ++i) x[i] = static_cast<float>(v[i]);
    return x;
}

template <class T>
LAMELLA_INLINE Vec<T> from_floats(Floats x) {
    if constexpr (sizeof(T) == sizeof(float)) return x;
    Vec<T> v{};
    for (int i = 0; i < kLanes<T>; ++i) v[i] = static_cast<T>(x[i]);
    return v;
}

template <class T>
LAMELLA_INLINE Vec<T> load_bfloat16(const std::uint16_t* p, Int part) {
    return from_floats<T>(floats_of(load_high_halves(p, float_part<T>(part))));
}

// random: 16 random bits for each element, which are added before the lowest 16 are cut off; nullptr rounds to the nearest even
// number. A sum can pass into the next exponent, which is the right neighbour. A NaN could become a number, so it has bits of
// its own; among numbers without a sign it has the largest bits, so that a minimum is enough.
template <class T, bool kSigned = true>
LAMELLA_INLINE void store_bfloat16(std::uint16_t* p, Vec<T> v, const std::uint16_t* random, Int part) {
    constexpr std::uint32_t kNan = 0x7fc00000u;
    const Floats x = to_floats<T>(v);
    const Words bits = kSigned ? bits_of(x) : min_words(bits_of(x), Words{} + kNan);
    const Words added = random == nullptr ? 0x7fffu + (bits >> 16 & 1u) : load_halves(random, 0);
    const Words rounded = bits + added;
    store_high_halves(p, kSigned ? (x != x ? Words{} + kNan : rounded) : rounded, float_part<T>(part));
}

// A code is a number of 3 bits of mantissa: code c stands for f(c) - f(0), times the scale of the block, where f(c) is the
// float32 of the bits (c << 20) + kFirst, and f(0) a power of two. So 0 is a code, the codes near it have equal distances, and
// above f(0) they are 1/8 to 1/16 of their size apart. Numbers with a sign have codes of 7 bits, down to 2^-18, in bit 7 the
// sign; those without have 8 bits, down to 2^-34.
template <bool kSigned>
struct Code {
    static constexpr std::uint32_t kFirst = kSigned ? 0x38000000u : 0x30000000u, kMagnitude = kSigned ? 0x7fu : 0xffu;
    static constexpr float kZero = float_of(kFirst);

    LAMELLA_INLINE static Floats decode(const std::uint8_t* p, float scale, Int part) {
        const Words code = load_codes<kSigned>(p, part) << 20;
        const Floats f = floats_of((kSigned ? code & kMagnitude << 20 : code) | kFirst);
        const Floats x = f * scale - kZero * scale;  // exact, contracted or not, because the scale is a power of two
        return kSigned ? floats_of(bits_of(x) ^ (code & 0x80000000u)) : x;
    }

    // The code of |x| from bit 20 on; the bits above it are not 0. inverse: 1 / scale. random: for each number 16 random bits,
    // above 4 bits of 0.
    template <bool kRandom>
    LAMELLA_INLINE static Words rounded(Floats x, float inverse, Words random) {
        const Words f = bits_of((kSigned ? abs<float>(x) : x) * inverse + kZero);
        return f + (kRandom ? random : 0x7ffffu + (f >> 20 & 1u));
    }

    // A number above 0 without a sign does not become 0: a second moment of 0 gives steps without a bound.
    template <bool kRandom>
    LAMELLA_INLINE static Words encode(Floats x, float inverse, Words random) {
        const Words code = rounded<kRandom>(x, inverse, random) >> 20;
        if constexpr (kSigned) {
            const Words sign = bits_of(x) >> 24;
            return ((code ^ sign) & kMagnitude) ^ sign;  // bit 7 of `sign`, the others of `code`: one instruction of AVX-512
        }
        return max_words(code & kMagnitude, min_words(bits_of(x), Words{} + 1u));
    }

    // Of kPacked full vectors.
    template <bool kRandom>
    LAMELLA_INLINE static Octets encode(const float* from, float inverse, const Words (&random)[kPacked]) {
        Words x[kPacked], codes[kPacked];
        for (int i = 0; i < kPacked; ++i) {
            x[i] = bits_of(load(from + i * kWords));
            codes[i] = rounded<kRandom>(floats_of(x[i]), inverse, random[i]);
        }
        return to_octets<kSigned>(codes, x);
    }
};

// The power of two s for a block with this largest magnitude, given as bits, so that largest / s is below the number of the
// largest code, 1.875 - f(0): at most by a random number that reaches it. 0 for 0 and for what is below the normal range; NaN
// for NaN, infinity and what is above 1.5e38, where 1 / s is below the normal range: 0 * NaN makes the whole block NaN.
LAMELLA_INLINE float scale_for(std::uint32_t largest) {
    const std::uint32_t exponent = (largest + 0x00100200u) >> 23;  // 1 / 8 of the exponent's step, and 2^-14 more than that
    if (largest < 0x00800000u) return 0;
    return exponent < 254 ? float_of(exponent << 23) : __builtin_nanf("");
}

// The numbers of one block that become codes.
template <bool kSigned>
struct Codes {
    const float* from;
    std::uint8_t* to;
    float inverse;

    // Returns the scale.
    LAMELLA_INLINE float begin(const float* numbers, std::uint8_t* codes, Words largest) {
        const float scale = scale_for(largest_word(largest) & 0x7fffffffu);
        *this = {numbers, codes, scale > 0 ? float_of((254u << 23) - bits_of(scale)) : 0};
        return scale;
    }
    template <bool kRandom>
    LAMELLA_INLINE Words at(Int i, Int part, Words random) const {
        return Code<kSigned>::template encode<kRandom>(load(from + i, part), inverse, random);
    }
    template <bool kRandom>
    LAMELLA_INLINE Octets octets_at(Int i, const Words (&random)[kPacked]) const {
        return Code<kSigned>::template encode<kRandom>(from + i, inverse, random);
    }
};

// A slot in memory, of `size` elements with `bits` each.
struct Slot {
    std::uint8_t* data;
    Int size, bits;

    Int bytes(Int of_element) const {
        return bits == 8 ? ceil_divide(size, kBlock) * 4 + size : size * (bits == 16 ? 2 : of_element);
    }
    float* scales() const { return reinterpret_cast<float*>(data); }
    std::uint8_t* codes() const { return data + ceil_divide(size, kBlock) * 4; }
};

}  // namespace
}  // namespace lamella
