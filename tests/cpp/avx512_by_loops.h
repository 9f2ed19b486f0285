// The AVX-512 instructions that cpp/simd uses, as loops. With -DLAMELLA_EMULATE=ON the target avx512 is compiled with this file
// and for AVX2, so that a machine without AVX-512 can check what the target computes. It says nothing about speed.
#pragma once
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace {
namespace by_loops {

// to[i] = f(i) for each set bit of the mask, else 0.
template <class To, class Element, class F>
[[gnu::always_inline]] inline To lanes(std::uint64_t mask, const F& f) {
    constexpr int kCount = sizeof(To) / sizeof(Element);
    Element lane[kCount] = {};
    for (int i = 0; i < kCount; ++i) {
        if ((mask >> i & 1) != 0) lane[i] = static_cast<Element>(f(i));
    }
    To to;
    std::memcpy(&to, lane, sizeof to);
    return to;
}

template <class Element, class From>
[[gnu::always_inline]] inline Element lane(const From& from, int i) {
    Element lane;
    std::memcpy(&lane, reinterpret_cast<const char*>(&from) + i * sizeof lane, sizeof lane);
    return lane;
}

template <class Element, class From>
[[gnu::always_inline]] inline void store(void* to, unsigned mask, const From& from) {
    for (int i = 0; i < static_cast<int>(sizeof from / sizeof(Element)); ++i) {
        const Element value = lane<Element>(from, i);
        if ((mask >> i & 1) != 0) std::memcpy(static_cast<char*>(to) + i * sizeof value, &value, sizeof value);
    }
}

// Lane i of two vectors whose lanes are packed side by side in each 16 bytes of the result, `count` of each, with limits.
template <class Element, class From>
[[gnu::always_inline]] inline int packed_lane(const From& a, const From& b, int i, int count, int least, int most) {
    const int at = i / (2 * count) * count + i % count;
    return std::min(std::max<int>(lane<Element>(i % (2 * count) < count ? a : b, at), least), most);
}

// A bit for each byte of a & b, 1 where it is 0.
template <class V>
[[gnu::always_inline]] inline std::uint64_t zero_bytes(const V& a, const V& b) {
    std::uint64_t zero = 0;
    for (int i = 0; i < 64; ++i) zero |= std::uint64_t{(lane<std::uint8_t>(a, i) & lane<std::uint8_t>(b, i)) == 0} << i;
    return zero;
}

// A bit for each lane of which one is NaN.
template <class Element, class V>
[[gnu::always_inline]] inline unsigned nans(const V& a, const V& b) {
    unsigned mask = 0;
    for (int i = 0; i < static_cast<int>(sizeof a / sizeof(Element)); ++i) {
        mask |= unsigned{std::isnan(lane<Element>(a, i)) || std::isnan(lane<Element>(b, i))} << i;
    }
    return mask;
}

// f of the lanes of both halves, then of the quarters of the result, and so on.
template <class Element, class V, class F>
[[gnu::always_inline]] inline Element folded(V v, const F& f) {
    for (int count = sizeof v / sizeof(Element) / 2; count > 0; count /= 2) {
        v = lanes<V, Element>(~0u, [&](int i) { return i < count ? f(lane<Element>(v, i), lane<Element>(v, i + count)) : 0; });
    }
    return lane<Element>(v, 0);
}

template <class V>
[[gnu::always_inline]] inline std::uint32_t largest(const V& v) {
    std::uint32_t most = 0;
    for (int i = 0; i < 16; ++i) most = std::max(most, lane<std::uint32_t>(v, i));
    return most;
}

}  // namespace by_loops
}  // namespace

// Macros, because the names are functions of the compiler, which refuses to call them without AVX-512.
#define LAMELLA_LANES(To, Element, mask, expression) by_loops::lanes<To, Element>(mask, [&](int i) { return expression; })
#define LAMELLA_BYTES(expression) LAMELLA_LANES(__m512i, std::uint8_t, ~std::uint64_t{0}, expression)
#define LAMELLA_LANE(Element, from) by_loops::lane<Element>(from, i)
#define _mm512_maskz_loadu_ps(mask, p) LAMELLA_LANES(__m512, float, mask, (p)[i])
#define _mm512_maskz_loadu_pd(mask, p) LAMELLA_LANES(__m512d, double, mask, (p)[i])
#define _mm512_mask_storeu_ps(p, mask, v) by_loops::store<float>(p, mask, v)
#define _mm512_mask_storeu_pd(p, mask, v) by_loops::store<double>(p, mask, v)
#define _mm512_maskz_sqrt_ps(mask, v) LAMELLA_LANES(__m512, float, mask, std::sqrt(LAMELLA_LANE(float, v)))
#define _mm512_maskz_sqrt_pd(mask, v) LAMELLA_LANES(__m512d, double, mask, std::sqrt(LAMELLA_LANE(double, v)))
// The second one if one is NaN.
#define _mm512_maskz_max_ps(mask, a, b) \
    LAMELLA_LANES(__m512, float, mask,  \
                  LAMELLA_LANE(float, a) > LAMELLA_LANE(float, b) ? LAMELLA_LANE(float, a) : LAMELLA_LANE(float, b))
#define _mm512_maskz_max_pd(mask, a, b)  \
    LAMELLA_LANES(__m512d, double, mask, \
                  LAMELLA_LANE(double, a) > LAMELLA_LANE(double, b) ? LAMELLA_LANE(double, a) : LAMELLA_LANE(double, b))
#define _mm512_maskz_min_ps(mask, a, b) \
    LAMELLA_LANES(__m512, float, mask,  \
                  LAMELLA_LANE(float, a) < LAMELLA_LANE(float, b) ? LAMELLA_LANE(float, a) : LAMELLA_LANE(float, b))
#define _mm512_maskz_min_pd(mask, a, b)  \
    LAMELLA_LANES(__m512d, double, mask, \
                  LAMELLA_LANE(double, a) < LAMELLA_LANE(double, b) ? LAMELLA_LANE(double, a) : LAMELLA_LANE(double, b))
// The only powers are whole numbers.
#define _mm512_maskz_scalef_ps(mask, v, n) \
    LAMELLA_LANES(__m512, float, mask, std::ldexp(LAMELLA_LANE(float, v), static_cast<int>(LAMELLA_LANE(float, n))))
#define _mm512_maskz_scalef_pd(mask, v, n) \
    LAMELLA_LANES(__m512d, double, mask, std::ldexp(LAMELLA_LANE(double, v), static_cast<int>(LAMELLA_LANE(double, n))))
// The only comparison is whether one is NaN.
#define _mm512_cmp_ps_mask(a, b, unordered) by_loops::nans<float>(a, b)
#define _mm512_cmp_pd_mask(a, b, unordered) by_loops::nans<double>(a, b)
#define _mm512_maskz_max_epu32(mask, a, b) \
    LAMELLA_LANES(__m512i, std::uint32_t, mask, std::max(LAMELLA_LANE(std::uint32_t, a), LAMELLA_LANE(std::uint32_t, b)))
#define _mm512_maskz_min_epu32(mask, a, b) \
    LAMELLA_LANES(__m512i, std::uint32_t, mask, std::min(LAMELLA_LANE(std::uint32_t, a), LAMELLA_LANE(std::uint32_t, b)))
// The low words of 64-bit lanes.
#define _mm512_maskz_mul_epu32(mask, a, b)      \
    LAMELLA_LANES(__m512i, std::uint64_t, mask, \
                  (LAMELLA_LANE(std::uint64_t, a) & 0xffffffffu) * (LAMELLA_LANE(std::uint64_t, b) & 0xffffffffu))
#define _mm512_maskz_cvtepu8_epi32(mask, v) LAMELLA_LANES(__m512i, std::uint32_t, mask, LAMELLA_LANE(std::uint8_t, v))
#define _mm512_maskz_cvtepi8_epi32(mask, v) LAMELLA_LANES(__m512i, std::int32_t, mask, LAMELLA_LANE(std::int8_t, v))
#define _mm512_maskz_cvtepu16_epi32(mask, v) LAMELLA_LANES(__m512i, std::uint32_t, mask, LAMELLA_LANE(std::uint16_t, v))
#define _mm512_maskz_cvtepi32_epi8(mask, v) LAMELLA_LANES(__m128i, std::uint8_t, mask, LAMELLA_LANE(std::uint32_t, v))
#define _mm512_maskz_cvtepi32_epi16(mask, v) LAMELLA_LANES(__m256i, std::uint16_t, mask, LAMELLA_LANE(std::uint32_t, v))
// Eight bytes; the other eight are 0.
#define _mm512_maskz_cvtepi64_epi8(mask, v) \
    LAMELLA_LANES(__m128i, std::uint8_t, (mask) & 0xffu, i < 8 ? LAMELLA_LANE(std::uint64_t, v) : 0)
// The only use is the exclusive or of three.
#define _mm512_ternarylogic_epi32(a, b, c, table) \
    LAMELLA_LANES(__m512i, std::uint32_t, ~0u,    \
                  LAMELLA_LANE(std::uint32_t, a) ^ LAMELLA_LANE(std::uint32_t, b) ^ LAMELLA_LANE(std::uint32_t, c))
#define _mm512_maskz_permutexvar_epi32(mask, order, v) \
    LAMELLA_LANES(__m512i, std::uint32_t, mask, by_loops::lane<std::uint32_t>(v, LAMELLA_LANE(int, order)))
#define _mm512_maskz_permutexvar_epi16(mask, order, v) \
    LAMELLA_LANES(__m512i, std::uint16_t, mask, by_loops::lane<std::uint16_t>(v, LAMELLA_LANE(std::uint16_t, order)))
#define _mm512_castsi256_si512(v) LAMELLA_LANES(__m512i, std::uint32_t, 0xffu, i < 8 ? LAMELLA_LANE(std::uint32_t, v) : 0)
#define _mm512_castsi512_si256(v) LAMELLA_LANES(__m256i, std::uint32_t, ~0u, LAMELLA_LANE(std::uint32_t, v))
#define _mm512_packs_epi32(a, b) \
    LAMELLA_LANES(__m512i, std::int16_t, ~0u, (by_loops::packed_lane<std::int32_t>(a, b, i, 4, -32768, 32767)))
#define _mm512_packs_epi16(a, b) LAMELLA_BYTES((by_loops::packed_lane<std::int16_t>(a, b, i, 8, -128, 127)))
#define _mm512_packus_epi16(a, b) LAMELLA_BYTES((by_loops::packed_lane<std::int16_t>(a, b, i, 8, 0, 255)))
#define _mm512_max_epu8(a, b) LAMELLA_BYTES(std::max(LAMELLA_LANE(std::uint8_t, a), LAMELLA_LANE(std::uint8_t, b)))
#define _mm512_min_epu8(a, b) LAMELLA_BYTES(std::min(LAMELLA_LANE(std::uint8_t, a), LAMELLA_LANE(std::uint8_t, b)))
#define _mm512_testn_epi8_mask(a, b) by_loops::zero_bytes(a, b)
#define _mm512_reduce_max_epu32(v) by_loops::largest(v)
#define _mm512_reduce_add_ps(v) by_loops::folded<float>(v, [](float a, float b) { return a + b; })
#define _mm512_reduce_add_pd(v) by_loops::folded<double>(v, [](double a, double b) { return a + b; })
#define _mm512_reduce_max_ps(v) by_loops::folded<float>(v, [](float a, float b) { return std::max(a, b); })
#define _mm512_reduce_max_pd(v) by_loops::folded<double>(v, [](double a, double b) { return std::max(a, b); })
