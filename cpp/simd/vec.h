// The vector type of all kernels: the compiler's vector extension, as wide as the target's registers (LAMELLA_VECTOR_BYTES, set
// by the build). Operators work on Vec<T>; other operations are here.
#pragma once
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace lamella {
namespace {

#define LAMELLA_INLINE [[gnu::always_inline]] inline

template <class T>
struct VecTypes;

template <>
struct VecTypes<float> {
    typedef float Vec __attribute__((vector_size(LAMELLA_VECTOR_BYTES)));
    typedef float Loose __attribute__((vector_size(LAMELLA_VECTOR_BYTES), aligned(4), may_alias));
    typedef std::int32_t Bits __attribute__((vector_size(LAMELLA_VECTOR_BYTES)));
    typedef std::uint32_t Unsigned __attribute__((vector_size(LAMELLA_VECTOR_BYTES)));
    typedef std::uint8_t Packed __attribute__((vector_size(LAMELLA_VECTOR_BYTES / 4)));
    using Word = std::int32_t;
};

template <>
struct VecTypes<double> {
    typedef double Vec __attribute__((vector_size(LAMELLA_VECTOR_BYTES)));
    typedef double Loose __attribute__((vector_size(LAMELLA_VECTOR_BYTES), aligned(8), may_alias));
    typedef std::int64_t Bits __attribute__((vector_size(LAMELLA_VECTOR_BYTES)));
    typedef std::uint64_t Unsigned __attribute__((vector_size(LAMELLA_VECTOR_BYTES)));
    typedef std::uint8_t Packed __attribute__((vector_size(LAMELLA_VECTOR_BYTES / 8)));
    using Word = std::int64_t;
};

// Vec<T>: kLanes<T> elements. Bits<T>: integers of the same width; a comparison gives Bits with 0 or -1.
template <class T>
using Vec = typename VecTypes<T>::Vec;
template <class T>
using Bits = typename VecTypes<T>::Bits;
template <class T>
constexpr int kLanes = LAMELLA_VECTOR_BYTES / sizeof(T);

// Registers that a kernel may fill with Vec<T>: 16 on x86 before AVX-512, else 32.
#if LAMELLA_VECTOR_BYTES == 64 || defined(__aarch64__)
constexpr int kRegisters = 32;
#else
constexpr int kRegisters = 16;
#endif

template <class T>
LAMELLA_INLINE Vec<T> load(const T* p) {
    return *reinterpret_cast<const typename VecTypes<T>::Loose*>(p);
}

template <class T>
LAMELLA_INLINE void store(T* p, Vec<T> v) {
    *reinterpret_cast<typename VecTypes<T>::Loose*>(p) = v;
}

template <class T>
LAMELLA_INLINE Vec<T> broadcast(T x) {
    return x - Vec<T>{};  // x + 0 would turn -0 into 0
}

// 0, 1, 2 ...
template <class T>
LAMELLA_INLINE Bits<T> lane_index() {
    Bits<T> index{};
    for (int i = 0; i < kLanes<T>; ++i) index[i] = i;
    return index;
}

// The first n < kLanes elements; the others are 0, and their memory is not read. Uses a mask if the target has them, because
// memcpy of a variable length is a function call.
template <class T>
LAMELLA_INLINE Vec<T> load_part(const T* p, std::int64_t n) {
#if LAMELLA_VECTOR_BYTES == 64
    const unsigned mask = (1u << n) - 1;
    if constexpr (sizeof(T) == 4) return reinterpret_cast<Vec<T>>(_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), p));
    else return reinterpret_cast<Vec<T>>(_mm512_maskz_loadu_pd(static_cast<__mmask8>(mask), p));
#elif LAMELLA_VECTOR_BYTES == 32
    const auto mask = reinterpret_cast<__m256i>(lane_index<T>() < static_cast<typename VecTypes<T>::Word>(n));
    if constexpr (sizeof(T) == 4) return reinterpret_cast<Vec<T>>(_mm256_maskload_ps(p, mask));
    else return reinterpret_cast<Vec<T>>(_mm256_maskload_pd(p, mask));
#else
    Vec<T> v{};
    for (std::int64_t i = 0; i < n; ++i) v[i] = p[i];
    return v;
#endif
}

template <class T>
LAMELLA_INLINE void store_part(T* p, Vec<T> v, std::int64_t n) {
#if LAMELLA_VECTOR_BYTES == 64
    const unsigned mask = (1u << n) - 1;
    if constexpr (sizeof(T) == 4) _mm512_mask_storeu_ps(p, static_cast<__mmask16>(mask), reinterpret_cast<__m512>(v));
    else _mm512_mask_storeu_pd(p, static_cast<__mmask8>(mask), reinterpret_cast<__m512d>(v));
#elif LAMELLA_VECTOR_BYTES == 32
    const auto mask = reinterpret_cast<__m256i>(lane_index<T>() < static_cast<typename VecTypes<T>::Word>(n));
    if constexpr (sizeof(T) == 4) _mm256_maskstore_ps(p, mask, reinterpret_cast<__m256>(v));
    else _mm256_maskstore_pd(p, mask, reinterpret_cast<__m256d>(v));
#else
    for (std::int64_t i = 0; i < n; ++i) p[i] = v[i];
#endif
}

// v in a register: otherwise gcc makes a load part of each instruction that uses its value.
template <class T>
LAMELLA_INLINE Vec<T> in_register(Vec<T> v) {
#if defined(LAMELLA_EMULATED)  // no register has 64 bytes
    asm("" : "+m"(v));
#elif defined(__x86_64__)
    asm("" : "+v"(v));
#else
    asm("" : "+w"(v));
#endif
    return v;
}

// v, a product, rounded separately: otherwise the compiler contracts the product with a sum that follows.
template <class T>
LAMELLA_INLINE Vec<T> uncontracted(Vec<T> v) {
    return in_register<T>(v);
}

// sum += a * b. For AVX2 this is an instruction that gcc cannot change: otherwise unrelated code changes its register
// allocation of a tile that fills all 16 registers (gcc 12 kept the tile on the stack, at 52 to 92 % of the speed).
template <class T>
LAMELLA_INLINE void accumulate(Vec<T>& sum, Vec<T> a, Vec<T> b) {
#if LAMELLA_VECTOR_BYTES == 32 && defined(__FMA__)
    if constexpr (sizeof(T) == 4) asm("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
    else asm("vfmadd231pd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
#else
    sum += a * b;
#endif
}

template <class T>
LAMELLA_INLINE Bits<T> as_bits(Vec<T> v) {
    return reinterpret_cast<Bits<T>>(v);
}

template <class T>
LAMELLA_INLINE Vec<T> as_vec(Bits<T> b) {
    return reinterpret_cast<Vec<T>>(b);
}

// a < b ? a : b, so b if a or b is NaN. gcc 12 often makes a comparison and a blend of it.
template <class T>
LAMELLA_INLINE Vec<T> min(Vec<T> a, Vec<T> b) {
#if LAMELLA_VECTOR_BYTES == 64
    if constexpr (sizeof(T) == 4)
        return reinterpret_cast<Vec<T>>(_mm512_maskz_min_ps(0xffff, reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b)));
    else return reinterpret_cast<Vec<T>>(_mm512_maskz_min_pd(0xff, reinterpret_cast<__m512d>(a), reinterpret_cast<__m512d>(b)));
#elif LAMELLA_VECTOR_BYTES == 32
    if constexpr (sizeof(T) == 4)
        return reinterpret_cast<Vec<T>>(_mm256_min_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b)));
    else return reinterpret_cast<Vec<T>>(_mm256_min_pd(reinterpret_cast<__m256d>(a), reinterpret_cast<__m256d>(b)));
#else
    return a < b ? a : b;
#endif
}

// a > b ? a : b, so b if a or b is NaN.
template <class T>
LAMELLA_INLINE Vec<T> max(Vec<T> a, Vec<T> b) {
#if LAMELLA_VECTOR_BYTES == 64
    if constexpr (sizeof(T) == 4)
        return reinterpret_cast<Vec<T>>(_mm512_maskz_max_ps(0xffff, reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b)));
    else return reinterpret_cast<Vec<T>>(_mm512_maskz_max_pd(0xff, reinterpret_cast<__m512d>(a), reinterpret_cast<__m512d>(b)));
#elif LAMELLA_VECTOR_BYTES == 32
    if constexpr (sizeof(T) == 4)
        return reinterpret_cast<Vec<T>>(_mm256_max_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b)));
    else return reinterpret_cast<Vec<T>>(_mm256_max_pd(reinterpret_cast<__m256d>(a), reinterpret_cast<__m256d>(b)));
#else
    return a > b ? a : b;
#endif
}

// NaN gives NaN.
template <class T>
LAMELLA_INLINE Vec<T> clamp(Vec<T> v, T low, T high) {
    return min<T>(broadcast<T>(high), max<T>(broadcast<T>(low), v));
}

// v in the first n lanes, `rest` in the others.
template <class T>
LAMELLA_INLINE Vec<T> first_lanes(Vec<T> v, std::int64_t n, Vec<T> rest) {
    return lane_index<T>() < static_cast<typename VecTypes<T>::Word>(n) ? v : rest;
}

template <class T>
constexpr typename VecTypes<T>::Word kSignBit = typename VecTypes<T>::Word(1) << (8 * sizeof(T) - 2) << 1;

template <class T>
LAMELLA_INLINE Vec<T> abs(Vec<T> v) {
    return as_vec<T>(as_bits<T>(v) & ~kSignBit<T>);
}

template <class T>
LAMELLA_INLINE Vec<T> copy_sign(Vec<T> magnitude, Vec<T> sign) {
    return as_vec<T>((as_bits<T>(magnitude) & ~kSignBit<T>) | (as_bits<T>(sign) & kSignBit<T>));
}

// The vector extension has no square root. maskz with all bits set is the instruction without a mask; gcc 12 warns at the
// intrinsic without a mask.
template <class T>
LAMELLA_INLINE Vec<T> sqrt(Vec<T> v) {
#if LAMELLA_VECTOR_BYTES == 64
    if constexpr (sizeof(T) == 4) return reinterpret_cast<Vec<T>>(_mm512_maskz_sqrt_ps(0xffff, reinterpret_cast<__m512>(v)));
    else return reinterpret_cast<Vec<T>>(_mm512_maskz_sqrt_pd(0xff, reinterpret_cast<__m512d>(v)));
#elif LAMELLA_VECTOR_BYTES == 32
    if constexpr (sizeof(T) == 4) return reinterpret_cast<Vec<T>>(_mm256_sqrt_ps(reinterpret_cast<__m256>(v)));
    else return reinterpret_cast<Vec<T>>(_mm256_sqrt_pd(reinterpret_cast<__m256d>(v)));
#elif defined(__x86_64__)
    if constexpr (sizeof(T) == 4) return reinterpret_cast<Vec<T>>(_mm_sqrt_ps(reinterpret_cast<__m128>(v)));
    else return reinterpret_cast<Vec<T>>(_mm_sqrt_pd(reinterpret_cast<__m128d>(v)));
#else
    if constexpr (sizeof(T) == 4) return reinterpret_cast<Vec<T>>(vsqrtq_f32(reinterpret_cast<float32x4_t>(v)));
    else return reinterpret_cast<Vec<T>>(vsqrtq_f64(reinterpret_cast<float64x2_t>(v)));
#endif
}

// Lane i is lane i ^ kBy of v.
template <int kBy, class T>
LAMELLA_INLINE Vec<T> exchange(Vec<T> v) {
#if defined(__clang__)
    Vec<T> other{};
    for (int i = 0; i < kLanes<T>; ++i) other[i] = v[i ^ kBy];
    return other;
#else
    Bits<T> lanes{};
    for (int i = 0; i < kLanes<T>; ++i) lanes[i] = i ^ kBy;
    return __builtin_shuffle(v, lanes);
#endif
}

// f of two lanes, then of two such results, and so on: neighbours first, so the order depends only on the width.
template <class T, class F>
LAMELLA_INLINE T reduce(Vec<T> v, const F& f) {
    if constexpr (kLanes<T> > 1) v = f(v, exchange<1, T>(v));
    if constexpr (kLanes<T> > 2) v = f(v, exchange<2, T>(v));
    if constexpr (kLanes<T> > 4) v = f(v, exchange<4, T>(v));
    if constexpr (kLanes<T> > 8) v = f(v, exchange<8, T>(v));
    return v[0];
}

// With AVX-512 halves first: only the first of the four operations is one of 64 bytes, which take twice as long on many CPUs.
template <class T>
LAMELLA_INLINE T reduce_add(Vec<T> v) {
#if LAMELLA_VECTOR_BYTES == 64
    if constexpr (sizeof(T) == 4) return _mm512_reduce_add_ps(reinterpret_cast<__m512>(v));
    else return _mm512_reduce_add_pd(reinterpret_cast<__m512d>(v));
#else
    return reduce<T>(v, [](Vec<T> a, Vec<T> b) { return a + b; });
#endif
}

// No lane may be NaN.
template <class T>
LAMELLA_INLINE T reduce_max(Vec<T> v) {
#if LAMELLA_VECTOR_BYTES == 64
    if constexpr (sizeof(T) == 4) return _mm512_reduce_max_ps(reinterpret_cast<__m512>(v));
    else return _mm512_reduce_max_pd(reinterpret_cast<__m512d>(v));
#else
    return reduce<T>(v, [](Vec<T> a, Vec<T> b) { return max<T>(a, b); });
#endif
}

// Whether a lane is NaN.
template <class T>
LAMELLA_INLINE bool has_nan(Vec<T> v) {
#if LAMELLA_VECTOR_BYTES == 64
    if constexpr (sizeof(T) == 4) {
        const auto x = reinterpret_cast<__m512>(v);
        return _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q) != 0;
    } else {
        const auto x = reinterpret_cast<__m512d>(v);
        return _mm512_cmp_pd_mask(x, x, _CMP_UNORD_Q) != 0;
    }
#elif LAMELLA_VECTOR_BYTES == 32
    if constexpr (sizeof(T) == 4) {
        const auto x = reinterpret_cast<__m256>(v);
        return _mm256_movemask_ps(_mm256_cmp_ps(x, x, _CMP_UNORD_Q)) != 0;
    } else {
        const auto x = reinterpret_cast<__m256d>(v);
        return _mm256_movemask_pd(_mm256_cmp_pd(x, x, _CMP_UNORD_Q)) != 0;
    }
#else
    const T sum = reduce_add<T>(v != v ? v : Vec<T>{});
    return sum != sum;
#endif
}

// Calls f(i, part) for full vectors at i = begin, begin + kLanes ..., then for the rest. part is 0 for a full vector, otherwise
// the length of the rest.
template <class T, class F>
LAMELLA_INLINE void for_vectors(std::int64_t begin, std::int64_t end, const F& f) {
    std::int64_t i = begin;
    for (; i + kLanes<T> <= end; i += kLanes<T>) f(i, std::int64_t{0});
    if (i < end) f(i, end - i);
}

template <class T>
LAMELLA_INLINE Vec<T> load(const T* p, std::int64_t part) {
    return part == 0 ? load(p) : load_part(p, part);
}

template <class T>
LAMELLA_INLINE void store(T* p, Vec<T> v, std::int64_t part) {
    if (part == 0) store(p, v);
    else store_part(p, v, part);
}

// Stores small integers as bytes: b[0..kLanes), or the first `part` of them.
template <class T>
LAMELLA_INLINE void store_bytes(std::uint8_t* p, Bits<T> b, std::int64_t part) {
    using Packed = typename VecTypes<T>::Packed;
    Packed packed;
    // gcc 12 compiles __builtin_convertvector lane by lane here, which makes max pooling half as fast.
#if LAMELLA_VECTOR_BYTES == 64
    if constexpr (sizeof(T) == 4) {
        packed = reinterpret_cast<Packed>(_mm512_maskz_cvtepi32_epi8(0xffff, reinterpret_cast<__m512i>(b)));
    } else {
        const __m128i low = _mm512_maskz_cvtepi64_epi8(0xff, reinterpret_cast<__m512i>(b));
        std::memcpy(&packed, &low, sizeof packed);
    }
#elif LAMELLA_VECTOR_BYTES == 32
    if constexpr (sizeof(T) == 4) {
        const __m256i all = reinterpret_cast<__m256i>(b);
        const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
        const __m128i low = _mm_packus_epi16(words, words);
        std::memcpy(&packed, &low, sizeof packed);
    } else {
        packed = __builtin_convertvector(b, Packed);
    }
#else
    packed = __builtin_convertvector(b, Packed);
#endif
    if (part == 0) std::memcpy(p, &packed, sizeof packed);
    else
        for (std::int64_t i = 0; i < part; ++i) p[i] = packed[i];
}

template <class T>
LAMELLA_INLINE Bits<T> load_bytes(const std::uint8_t* p, std::int64_t part) {
    using Packed = typename VecTypes<T>::Packed;
    Packed packed{};
    if (part == 0) std::memcpy(&packed, p, sizeof packed);
    else
        for (std::int64_t i = 0; i < part; ++i) packed[i] = p[i];
    return __builtin_convertvector(packed, Bits<T>);
}

// 64-bit lanes, for integers.
typedef std::uint64_t Wide __attribute__((vector_size(LAMELLA_VECTOR_BYTES)));

// Products of the low 32 bits. With operators gcc 12 multiplies all 64 bits, which made dropout take twice as long on AVX2.
LAMELLA_INLINE Wide multiply_low_words(Wide a, Wide b) {
#if LAMELLA_VECTOR_BYTES == 64
    return reinterpret_cast<Wide>(_mm512_maskz_mul_epu32(0xff, reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif LAMELLA_VECTOR_BYTES == 32
    return reinterpret_cast<Wide>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif defined(__x86_64__)
    return reinterpret_cast<Wide>(_mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
    return reinterpret_cast<Wide>(
        vmull_u32(vmovn_u64(reinterpret_cast<uint64x2_t>(a)), vmovn_u64(reinterpret_cast<uint64x2_t>(b))));
#endif
}

// a[0], b[0], a[1], b[1] ...: one V from the lower halves of a and b (kHalf = 0) or from the upper ones (1).
template <int kHalf, class V>
LAMELLA_INLINE V interleave(V a, V b) {
    constexpr int kCount = sizeof(V) / sizeof(a[0]), kFirst = kHalf * kCount / 2;
#if defined(__clang__)
    V both{};
    for (int i = 0; i < kCount / 2; ++i) both[2 * i] = a[kFirst + i], both[2 * i + 1] = b[kFirst + i];
    return both;
#else
    decltype(a < b) lanes{};
    for (int i = 0; i < kCount / 2; ++i) lanes[2 * i] = kFirst + i, lanes[2 * i + 1] = kCount + kFirst + i;
    return __builtin_shuffle(a, b, lanes);
#endif
}

// Transposes a square of kLanes x kLanes in registers: each round moves one bit of the row's index to the lane's index.
template <class T>
LAMELLA_INLINE void transpose(Vec<T> (&rows)[kLanes<T>]) {
    constexpr int kHalf = kLanes<T> / 2;
#pragma GCC unroll 4
    for (int round = 1; round < kLanes<T>; round *= 2) {
        Vec<T> mixed[kLanes<T>];
#pragma GCC unroll 16
        for (int i = 0; i < kHalf; ++i) {
            mixed[2 * i] = interleave<0>(rows[i], rows[i + kHalf]);
            mixed[2 * i + 1] = interleave<1>(rows[i], rows[i + kHalf]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < kLanes<T>; ++i) rows[i] = mixed[i];
    }
}

// Stores even[0], odd[0], even[1], odd[1] ... as pairs of 32-bit words. If single lanes were stored, the vector loads that
// follow would wait for these narrow stores.
LAMELLA_INLINE void store_interleaved(std::uint32_t* words, Wide even, Wide odd) {
    const Wide first = interleave<0>(even, odd), second = interleave<1>(even, odd);
    std::memcpy(words, &first, sizeof first);
    std::memcpy(words + sizeof first / sizeof *words, &second, sizeof second);
}

// Loads kLanes words: minus 2^31 for float32, so that they compare as signed integers; unchanged for float64.
template <class T>
LAMELLA_INLINE Bits<T> load_words(const std::uint32_t* words) {
    Bits<T> b;
    if constexpr (sizeof(T) == 4) {
        std::memcpy(&b, words, sizeof b);
        b ^= kSignBit<T>;
    } else {
        for (int i = 0; i < kLanes<T>; ++i) b[i] = words[i];
    }
    return b;
}

}  // namespace
}  // namespace lamella
