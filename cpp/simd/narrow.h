// Integers of 16 and 8 bits in memory as 32-bit lanes, and the operations on them.
#pragma once
#include "simd/vec.h"

namespace lamella {
namespace {

// 32-bit lanes without a sign.
typedef std::uint32_t Words __attribute__((vector_size(LAMELLA_VECTOR_BYTES)));
constexpr int kWords = LAMELLA_VECTOR_BYTES / 4;
// 16-bit lanes without a sign.
typedef std::uint16_t Halves __attribute__((vector_size(LAMELLA_VECTOR_BYTES)));

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

// load_halves(p, part) << 16.
LAMELLA_INLINE Words load_high_halves(const std::uint16_t* p, std::int64_t part) {
#if LAMELLA_VECTOR_BYTES == 64
    if (part == 0) {
        // One operation of the vector unit instead of two.
        const __m512i all = _mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
        Halves to_high{};
#pragma GCC unroll 32  // so that it is a constant
        for (int i = 0; i < 2 * kWords; ++i) to_high[i] = static_cast<std::uint16_t>(i / 2);
        return reinterpret_cast<Words>(_mm512_maskz_permutexvar_epi16(0xaaaaaaaau, reinterpret_cast<__m512i>(to_high), all));
    }
#elif LAMELLA_VECTOR_BYTES == 32
    if (part == 0) {
        // One operation of the vector unit instead of two: both halves of the register are loaded with all eight numbers.
        const __m256i both = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
        const __m256i to_high = _mm256_setr_epi8(-1, -1, 0, 1, -1, -1, 2, 3, -1, -1, 4, 5, -1, -1, 6, 7,  //
                                                 -1, -1, 8, 9, -1, -1, 10, 11, -1, -1, 12, 13, -1, -1, 14, 15);
        return reinterpret_cast<Words>(_mm256_shuffle_epi8(both, to_high));
    }
#endif
    return load_halves(p, part) << 16;
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

// Stores the upper 16 bits of the lanes.
LAMELLA_INLINE void store_high_halves(std::uint16_t* p, Words w, std::int64_t part) {
#if LAMELLA_VECTOR_BYTES == 64
    if (part == 0) {
        // One operation of the vector unit instead of two.
        Halves high{};
#pragma GCC unroll 32  // so that it is a constant
        for (int i = 0; i < kWords; ++i) high[i] = static_cast<std::uint16_t>(2 * i + 1);
        const __m512i packed =
            _mm512_maskz_permutexvar_epi16(0xffffffffu, reinterpret_cast<__m512i>(high), reinterpret_cast<__m512i>(w));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_castsi512_si256(packed));
        return;
    }
#endif
    store_halves(p, w >> 16, part);
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

// a ^ b ^ c.
LAMELLA_INLINE Words xor_of(Words a, Words b, Words c) {
#if LAMELLA_VECTOR_BYTES == 64
    return reinterpret_cast<Words>(_mm512_ternarylogic_epi32(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b),
                                                             reinterpret_cast<__m512i>(c), 0x96));
#else
    return a ^ (b ^ c);
#endif
}

// Vectors whose lanes become bytes together: packing two vectors into one of half as many bits is one instruction for both. It
// works on each 16 bytes of a register separately, and larger numbers become the largest.
#if defined(__x86_64__)
constexpr int kPacked = 4;
typedef std::uint8_t Octets __attribute__((vector_size(LAMELLA_VECTOR_BYTES)));
#if LAMELLA_VECTOR_BYTES == 64
using Integers = __m512i;
LAMELLA_INLINE Integers to_halves(Integers a, Integers b) { return _mm512_packs_epi32(a, b); }
LAMELLA_INLINE Integers to_bytes(Integers a, Integers b) { return _mm512_packus_epi16(a, b); }
LAMELLA_INLINE Integers to_signed_bytes(Integers a, Integers b) { return _mm512_packs_epi16(a, b); }
LAMELLA_INLINE Integers min_bytes(Integers a, Integers b) { return _mm512_min_epu8(a, b); }
LAMELLA_INLINE Integers max_bytes(Integers a, Integers b) { return _mm512_max_epu8(a, b); }
#elif LAMELLA_VECTOR_BYTES == 32
using Integers = __m256i;
LAMELLA_INLINE Integers to_halves(Integers a, Integers b) { return _mm256_packs_epi32(a, b); }
LAMELLA_INLINE Integers to_bytes(Integers a, Integers b) { return _mm256_packus_epi16(a, b); }
LAMELLA_INLINE Integers to_signed_bytes(Integers a, Integers b) { return _mm256_packs_epi16(a, b); }
LAMELLA_INLINE Integers min_bytes(Integers a, Integers b) { return _mm256_min_epu8(a, b); }
LAMELLA_INLINE Integers max_bytes(Integers a, Integers b) { return _mm256_max_epu8(a, b); }
#else
using Integers = __m128i;
LAMELLA_INLINE Integers to_halves(Integers a, Integers b) { return _mm_packs_epi32(a, b); }
LAMELLA_INLINE Integers to_bytes(Integers a, Integers b) { return _mm_packus_epi16(a, b); }
LAMELLA_INLINE Integers to_signed_bytes(Integers a, Integers b) { return _mm_packs_epi16(a, b); }
LAMELLA_INLINE Integers min_bytes(Integers a, Integers b) { return _mm_min_epu8(a, b); }
LAMELLA_INLINE Integers max_bytes(Integers a, Integers b) { return _mm_max_epu8(a, b); }
#endif
#else
constexpr int kPacked = 1;
typedef Words Octets;
#endif

// A byte for each lane of kPacked vectors, in an order that store_octets changes to theirs. kSigned: bits 20 to 26 of
// `rounded`, and above them the highest bit of x. Otherwise bits 20 to 27, but at least 1 where x is not 0.
template <bool kSigned>
LAMELLA_INLINE Octets to_octets(const Words (&rounded)[kPacked], const Words (&x)[kPacked]) {
    constexpr std::uint32_t kMask = kSigned ? 0x7f : 0xff;
    Words code[kPacked];
    for (int i = 0; i < kPacked; ++i) code[i] = rounded[i] >> 20;
#if defined(__x86_64__)
    const auto halves = [](Words a, Words b) {
        return to_halves(reinterpret_cast<Integers>(a), reinterpret_cast<Integers>(b));
    };
    const auto masked = [](Integers v) { return reinterpret_cast<Integers>(reinterpret_cast<Words>(v) & kMask * 0x10001u); };
    const Integers codes = to_bytes(masked(halves(code[0], code[1])), masked(halves(code[2], code[3])));
#if LAMELLA_VECTOR_BYTES == 64
    // The test is one instruction; what it seldom finds takes five.
    if (!kSigned && _mm512_testn_epi8_mask(codes, codes) == 0) return reinterpret_cast<Octets>(codes);
#endif
    // A byte with the sign of x, which is 0 only if x is.
    const Integers of_x = to_signed_bytes(halves(x[0], x[1]), halves(x[2], x[3]));
    if (kSigned) return reinterpret_cast<Octets>(codes) | (reinterpret_cast<Octets>(of_x) & 0x80);
    return reinterpret_cast<Octets>(max_bytes(codes, min_bytes(of_x, reinterpret_cast<Integers>(Octets{} + 1))));
#else
    return kSigned ? (code[0] & kMask) | (x[0] >> 24 & 0x80u) : max_words(code[0] & kMask, min_words(x[0], Words{} + 1u));
#endif
}

LAMELLA_INLINE void store_octets(std::uint8_t* p, Octets octets) {
#if defined(__x86_64__)
#if LAMELLA_VECTOR_BYTES == 64
    const Words order = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
    octets = reinterpret_cast<Octets>(
        _mm512_maskz_permutexvar_epi32(0xffff, reinterpret_cast<__m512i>(order), reinterpret_cast<__m512i>(octets)));
#elif LAMELLA_VECTOR_BYTES == 32
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    octets = reinterpret_cast<Octets>(_mm256_permutevar8x32_epi32(reinterpret_cast<__m256i>(octets), order));
#endif
    std::memcpy(p, &octets, sizeof octets);
#else
    store_bytes<float>(p, reinterpret_cast<Bits<float>>(octets), 0);
#endif
}

// The largest lane.
LAMELLA_INLINE std::uint32_t largest_word(Words w) {
#if LAMELLA_VECTOR_BYTES == 64
    return _mm512_reduce_max_epu32(reinterpret_cast<__m512i>(w));
#else
    // Each round compares the lower half of the lanes with the upper one, and has each result twice.
    for (int width = kWords; width > 1; width /= 2) w = max_words(interleave<0>(w, w), interleave<1>(w, w));
    return w[0];
#endif
}

}  // namespace
}  // namespace lamella
