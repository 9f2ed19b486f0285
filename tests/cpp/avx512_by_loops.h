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
[[gnu::always_inline]] inline To lanes(unsigned mask, const F& f) {
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

}  // namespace by_loops
}  // namespace

// Macros, because the names are functions of the compiler, which refuses to call them without AVX-512.
#define LAMELLA_LANES(To, Element, mask, expression) by_loops::lanes<To, Element>(mask, [&](int i) { return expression; })
#define LAMELLA_LANE(Element, from) by_loops::lane<Element>(from, i)
#define _mm512_maskz_loadu_ps(mask, p) LAMELLA_LANES(__m512, float, mask, (p)[i])
#define _mm512_maskz_loadu_pd(mask, p) LAMELLA_LANES(__m512d, double, mask, (p)[i])
#define _mm512_mask_storeu_ps(p, mask, v) by_loops::store<float>(p, mask, v)
#define _mm512_mask_storeu_pd(p, mask, v) by_loops::store<double>(p, mask, v)
#define _mm512_maskz_sqrt_ps(mask, v) LAMELLA_LANES(__m512, float, mask, std::sqrt(LAMELLA_LANE(float, v)))
#define _mm512_maskz_sqrt_pd(mask, v) LAMELLA_LANES(__m512d, double, mask, std::sqrt(LAMELLA_LANE(double, v)))
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
