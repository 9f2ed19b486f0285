// Integers of 16 and 8 bits in memory as 32-bit lanes, and the operations on them.
#pragma once
#include "simd/vec.h"

namespace lamella {
namespace {

// 32-bit lanes without a sign.
typedef std::uint32_t Words __attribute__((vector_size(LAMELLA_VECTOR_BYTES)));
constexpr int kWords = LAMELLA_VECTOR_BYTES / 4;

// `part` is 0 for a full vector, otherwise the number of elements that are in memory; the other lanes are 0. With intrinsics,
// because gcc 12 compiles __builtin_convertvector of narrow integers lane by lane.
LAMELLA_INLINE Words load_halves(const std::uint16_t* p, std::int64_t part) {
    alignas(16) std::uint16_t few[kWords] = {};
    if (part != 0) {
        for (std::int64_t i = 0; i < part; ++i) few[i] = p[i];
        p = few;
    }
#if LAMELLA_VECTOR_BYTES == 64
    return reinterpret_cast<Words>(
        _mm512_maskz_cvtepu16_epi32(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
#elif LAMELLA_VECTOR_BYTES == 32
    return reinterpret_cast<Words>(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#elif defined(__x86_64__)
    return reinterpret_cast<Words>(_mm_cvtepu16_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
#else
    return reinterpret_cast<Words>(vmovl_u16(vld1_u16(p)));
#endif
}

// Stores lanes below 2^16.
LAMELLA_INLINE void store_halves(std::uint16_t* p, Words w, std::int64_t part) {
    alignas(16) std::uint16_t few[kWords];
    std::uint16_t* const to = part == 0 ? p : few;
#if LAMELLA_VECTOR_BYTES == 64
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_maskz_cvtepi32_epi16(0xffff, reinterpret_cast<__m512i>(w)));
#elif LAMELLA_VECTOR_BYTES == 32
    const __m256i all = reinterpret_cast<__m256i>(w);
    const __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), packed);
#elif defined(__x86_64__)
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to),
                     _mm_packus_epi32(reinterpret_cast<__m128i>(w), reinterpret_cast<__m128i>(w)));
#else
    vst1_u16(to, vmovn_u32(reinterpret_cast<uint32x4_t>(w)));
#endif
    for (std::int64_t i = 0; i < part; ++i) p[i] = few[i];
}

// Bytes whose highest bit is copied into all higher bits of the lane, or with 0 above them.
template <bool kSigned>
LAMELLA_INLINE Words load_codes(const std::uint8_t* p, std::int64_t part) {
    alignas(16) std::uint8_t few[kWords] = {};
    if (part != 0) {
        for (std::int64_t i = 0; i < part; ++i) few[i] = p[i];
        p = few;
    }
#if LAMELLA_VECTOR_BYTES == 64
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return reinterpret_cast<Words>(kSigned ? _mm512_maskz_cvtepi8_epi32(0xffff, bytes)
                                           : _mm512_maskz_cvtepu8_epi32(0xffff, bytes));
#elif LAMELLA_VECTOR_BYTES == 32
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    return reinterpret_cast<Words>(kSigned ? _mm256_cvtepi8_epi32(bytes) : _mm256_cvtepu8_epi32(bytes));
#elif defined(__x86_64__)
    std::int32_t four;
    std::memcpy(&four, p, sizeof four);
    const __m128i bytes = _mm_cvtsi32_si128(four);
    return reinterpret_cast<Words>(kSigned ? _mm_cvtepi8_epi32(bytes) : _mm_cvtepu8_epi32(bytes));
#else
    Words w{};
    for (int i = 0; i < kWords; ++i) w[i] = kSigned ? static_cast<std::uint32_t>(static_cast<std::int8_t>(p[i])) : p[i];
    return w;
#endif
}

// With intrinsics, because gcc 12 makes a comparison and a selection of the operators.
#if LAMELLA_VECTOR_BYTES == 64
LAMELLA_INLINE Words max_words(Words a, Words b) {
    return reinterpret_cast<Words>(_mm512_maskz_max_epu32(0xffff, reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
}
LAMELLA_INLINE Words min_words(Words a, Words b) {
    return reinterpret_cast<Words>(_mm512_maskz_min_epu32(0xffff, reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
}
#elif LAMELLA_VECTOR_BYTES == 32
LAMELLA_INLINE Words max_words(Words a, Words b) {
    return reinterpret_cast<Words>(_mm256_max_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
}
LAMELLA_INLINE Words min_words(Words a, Words b) {
    return reinterpret_cast<Words>(_mm256_min_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
}
#elif defined(__x86_64__)
LAMELLA_INLINE Words max_words(Words a, Words b) {
    return reinterpret_cast<Words>(_mm_max_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
}
LAMELLA_INLINE Words min_words(Words a, Words b) {
    return reinterpret_cast<Words>(_mm_min_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
}
#else
LAMELLA_INLINE Words max_words(Words a, Words b) {
    return reinterpret_cast<Words>(vmaxq_u32(reinterpret_cast<uint32x4_t>(a), reinterpret_cast<uint32x4_t>(b)));
}
LAMELLA_INLINE Words min_words(Words a, Words b) {
    return reinterpret_cast<Words>(vminq_u32(reinterpret_cast<uint32x4_t>(a), reinterpret_cast<uint32x4_t>(b)));
}
#endif

// The largest lane. Each round compares the lower half of the lanes with the upper one, and has each result twice.
LAMELLA_INLINE std::uint32_t largest_word(Words w) {
    for (int width = kWords; width > 1; width /= 2) w = max_words(interleave<0>(w, w), interleave<1>(w, w));
    return w[0];
}

}  // namespace
}  // namespace lamella
