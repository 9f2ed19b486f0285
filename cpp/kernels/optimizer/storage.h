// Numbers of fewer bits in memory: bfloat16, and codes of 8 bits. The loops are over at most one block, in L1; the compiler
// turns them into vector code.
#pragma once
#include "kernels/common.h"

namespace lamella {
namespace {

// Elements that share a scale.
constexpr Int kBlock = 256;

LAMELLA_INLINE constexpr std::uint32_t bits_of(float x) { return __builtin_bit_cast(std::uint32_t, x); }
LAMELLA_INLINE constexpr float float_of(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }

template <class T>
void decode_bfloat16(const std::uint16_t* from, T* to, Int n) {
    for (Int i = 0; i < n; ++i) to[i] = static_cast<T>(float_of(static_cast<std::uint32_t>(from[i]) << 16));
}

// What is added to the bits before the lowest 16 are cut off: a random number, or what rounds to the nearest even number. A sum
// can pass into the next exponent, which is the right neighbour. NaN could become a number.
LAMELLA_INLINE std::uint16_t rounded_to_bfloat16(float x, std::uint32_t added) {
    return static_cast<std::uint16_t>(x != x ? 0x7fc0u : (bits_of(x) + added) >> 16);
}

// words: random numbers, of which the 16 bits from `shift` on are used; nullptr rounds to nearest.
template <class T>
void encode_bfloat16(const T* from, std::uint16_t* to, Int n, const std::uint32_t* words, int shift) {
    if (words == nullptr) {
        for (Int i = 0; i < n; ++i) {
            const float x = static_cast<float>(from[i]);
            to[i] = rounded_to_bfloat16(x, 0x7fffu + (bits_of(x) >> 16 & 1u));
        }
    } else {
        for (Int i = 0; i < n; ++i) to[i] = rounded_to_bfloat16(static_cast<float>(from[i]), words[i] >> shift & 0xffffu);
    }
}

// A code is a number of 3 bits of mantissa and no sign: code c above 0 stands for the float32 of the bits (c + base) << 20,
// times the block's largest magnitude, and the largest code for 1. Numbers with a sign have 7 bits, down to 2^-15.7; those
// without have 8 bits, down to 2^-31.7.
template <bool kSigned>
struct Code {
    static constexpr std::uint32_t kLargest = kSigned ? 127 : 255;
    static constexpr std::uint32_t kBase = (bits_of(1.0f) >> 20) - kLargest;
    static constexpr std::uint32_t kLeastBits = (kBase + 1) << 20;
};

template <bool kSigned, class T>
void decode_codes(const std::uint8_t* from, float scale, T* to, Int n) {
    using C = Code<kSigned>;
    for (Int i = 0; i < n; ++i) {
        const std::uint32_t code = from[i], magnitude = code & C::kLargest;
        const std::uint32_t bits = magnitude == 0 ? 0 : (magnitude + C::kBase) << 20;
        const std::uint32_t sign = kSigned ? (code & 128u) << 24 : 0;
        to[i] = static_cast<T>(float_of(bits | sign) * scale);  // 0 * NaN: all numbers of a block with a NaN become NaN
    }
}

// Returns the scale. A magnitude below the least code becomes the least code or 0: with a sign at random in proportion, so that
// the mean is right; without a sign it becomes the least code, because a second moment of 0 gives steps without a bound.
template <bool kSigned, class T>
float encode_codes(const T* from, std::uint8_t* to, Int n, const std::uint32_t* words, int shift) {
    using C = Code<kSigned>;
    constexpr float kLeast = float_of(C::kLeastBits);
    std::int32_t largest = 0;
    for (Int i = 0; i < n; ++i) {
        const auto bits = static_cast<std::int32_t>(bits_of(static_cast<float>(from[i])) & 0x7fffffffu);
        largest = bits > largest ? bits : largest;
    }
    // 0, or below the normal range, where the reciprocal would overflow.
    if (largest < 0x00800000) {
        for (Int i = 0; i < n; ++i) to[i] = 0;
        return 0;
    }
    const float scale = float_of(static_cast<std::uint32_t>(largest)), inverse = 1.0f / scale;
    for (Int i = 0; i < n; ++i) {
        const std::uint32_t bits = bits_of(static_cast<float>(from[i])), sign = bits >> 24 & 128u;
        const float ratio = float_of(bits & 0x7fffffffu) * inverse;
        const std::uint32_t of_ratio = bits_of(ratio);
        const std::uint32_t random = words == nullptr ? 0 : words[i] >> shift & 0xffffu;
        const std::uint32_t added = words == nullptr ? 0x7ffffu + (of_ratio >> 20 & 1u) : random << 4;
        const std::int32_t rounded = static_cast<std::int32_t>((of_ratio + added) >> 20) - static_cast<std::int32_t>(C::kBase);
        const std::int32_t top = static_cast<std::int32_t>(C::kLargest);
        const float point = words == nullptr ? 0.5f : static_cast<float>(static_cast<std::int32_t>(random)) * (1.0f / 65536);
        const std::int32_t least = kSigned ? ratio * (1 / kLeast) > point : ratio > 0;
        const std::int32_t code = of_ratio < C::kLeastBits ? least : rounded < top ? rounded : top;
        to[i] = static_cast<std::uint8_t>(static_cast<std::uint32_t>(code) | (kSigned && code != 0 ? sign : 0));
    }
    return largest < 0x7f800000 ? scale : __builtin_nanf("");
}

// A slot in memory, of `size` elements with `bits` each.
struct Slot {
    std::uint8_t* data;
    Int size, bits;

    Int bytes(Int of_element) const {
        return bits == 8 ? ceil_divide(size, kBlock) * 4 + size : size * (bits == 16 ? 2 : of_element);
    }
    float* scales() const { return reinterpret_cast<float*>(data); }
    std::uint8_t* codes() const { return data + ceil_divide(size, kBlock) * 4; }
    std::uint16_t* halves() const { return reinterpret_cast<std::uint16_t*>(data); }
};

// The elements from `at` on as numbers of type T: in their own memory, or decoded into `room`.
template <bool kSigned, class T>
T* opened(const Slot& slot, Int at, Int n, T* room) {
    if (slot.bits == 32) return reinterpret_cast<T*>(slot.data) + at;
    if (slot.bits == 16) decode_bfloat16(slot.halves() + at, room, n);
    else decode_codes<kSigned>(slot.codes() + at, slot.scales()[at / kBlock], room, n);
    return room;
}

template <bool kSigned, class T>
void close(const Slot& slot, Int at, Int n, const T* x, const std::uint32_t* words, int shift) {
    if (slot.bits == 16) encode_bfloat16(x, slot.halves() + at, n, words, shift);
    else if (slot.bits == 8) slot.scales()[at / kBlock] = encode_codes<kSigned>(x, slot.codes() + at, n, words, shift);
}

}  // namespace
}  // namespace lamella
