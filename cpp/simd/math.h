// exp, log and related functions on Vec<T>. Arguments are reduced to a short interval; there a Taylor or atanh series with
// enough terms for the type is evaluated. tests/kernels/test_activations.py bounds the errors.
#pragma once
#include "simd/vec.h"

namespace lamella {
namespace {

template <class T>
struct Format;

template <>
struct Format<float> {
    static constexpr int kMantissa = 23, kBias = 127;
    // 1.5 * 2^23: adding and subtracting it rounds to an integer; the low bits of the sum are this integer, too.
    static constexpr float kRound = 12582912.0f;
    static constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
    // exp(kExpInf) is inf, but 2^n not yet: n is 128.
    static constexpr float kExpInf = 89, kExpMin = -87.33654f;
    static constexpr int kLogTerms = 6;
    // (exp(r) - 1 - r) / r^2 for |r| <= ln2/2: the polynomial whose error relative to exp(r) - 1 is least, 1.8e-8 (Remez).
    static constexpr float kExp[] = {0.5f, 0x1.5554aep-3f, 0x1.555486p-5f, 0x1.1227fep-7f, 0x1.6d990cp-10f};
};

template <>
struct Format<double> {
    static constexpr int kMantissa = 52, kBias = 1023;
    static constexpr double kRound = 6755399441055744.0;
    static constexpr double kLn2High = 6.93145751953125e-1, kLn2Low = 1.42860682030941723212e-6;
    static constexpr double kExpInf = 710, kExpMin = -708.3964185322641;  // n is 1024 in kExpInf
    static constexpr int kLogTerms = 12;
    // The Taylor series of (exp(r) - 1 - r) / r^2 up to r^13.
    static constexpr double kExp[] = {1 / 2.,     1 / 6.,      1 / 24.,      1 / 120.,      1 / 720.,       1 / 5040.,
                                      1 / 40320., 1 / 362880., 1 / 3628800., 1 / 39916800., 1 / 479001600., 1 / 6227020800.};
};

template <class T>
struct Reduced {
    Vec<T> r;  // in [-ln2/2, ln2/2]
    Vec<T> n;  // x = r + n*ln2
    Bits<T> n_bits;
};

template <class T>
LAMELLA_INLINE Reduced<T> reduce_by_ln2(Vec<T> x) {
    using F = Format<T>;
    const Vec<T> shifted = x * T(1.4426950408889634) + F::kRound;
    const Vec<T> n = shifted - F::kRound;
    return {(x - n * F::kLn2High) - n * F::kLn2Low, n, as_bits<T>(shifted) - as_bits<T>(broadcast<T>(F::kRound))};
}

// exp(r) - 1 = r + r^2 (c0 + c1 r + c2 r^2 + ...) without cancellation. Even and odd powers are two sums: the CPU computes them
// at the same time.
template <class T>
LAMELLA_INLINE Vec<T> expm1_series(Vec<T> r) {
    constexpr auto& c = Format<T>::kExp;
    constexpr int kTerms = sizeof(c) / sizeof(c[0]);
    const Vec<T> square = r * r;
    Vec<T> sums[2] = {broadcast<T>(c[kTerms - 2 + kTerms % 2]), broadcast<T>(c[kTerms - 1 - kTerms % 2])};
#pragma GCC unroll 16
    for (int i = kTerms - 3; i >= 0; --i) sums[i % 2] = sums[i % 2] * square + c[i];
    return (sums[1] * r + sums[0]) * square + r;
}

// 2^n for n in the normal range.
template <class T>
LAMELLA_INLINE Vec<T> power_of_two(Bits<T> n) {
    return as_vec<T>((n + Format<T>::kBias) << Format<T>::kMantissa);
}

// v * 2^n, where v is exp(r): inf if that is too large.
template <class T>
LAMELLA_INLINE Vec<T> scaled(Vec<T> v, const Reduced<T>& k) {
#if LAMELLA_VECTOR_BYTES == 64
    if constexpr (sizeof(T) == 4)
        return reinterpret_cast<Vec<T>>(
            _mm512_maskz_scalef_ps(0xffff, reinterpret_cast<__m512>(v), reinterpret_cast<__m512>(k.n)));
    else
        return reinterpret_cast<Vec<T>>(
            _mm512_maskz_scalef_pd(0xff, reinterpret_cast<__m512d>(v), reinterpret_cast<__m512d>(k.n)));
#else
    // In two factors: n may be one above the largest exponent, and no product before the last one may be denormal.
    const Bits<T> half = k.n_bits >> 1;
    return v * power_of_two<T>(half) * power_of_two<T>(k.n_bits - half);
#endif
}

// 0 if the result is below the smallest normal number, inf if it is above the largest; NaN gives NaN.
template <class T>
LAMELLA_INLINE Vec<T> exp(Vec<T> x) {
    using F = Format<T>;
    const Reduced<T> k = reduce_by_ln2<T>(clamp<T>(x, F::kExpMin, F::kExpInf));
    const Vec<T> y = scaled<T>(expm1_series<T>(k.r) + T(1), k);
    return x < F::kExpMin ? Vec<T>{} : y;
}

// exp(x) - 1, with an error of a few ulp also near 0.
template <class T>
LAMELLA_INLINE Vec<T> expm1(Vec<T> x) {
    using F = Format<T>;
    // Below -ln2 * (mantissa + 2) the result is -1.
    const T low = T(-0.6931471805599453 * (F::kMantissa + 2));
    const Reduced<T> k = reduce_by_ln2<T>(clamp<T>(x, low, F::kExpInf));
    const Vec<T> half = power_of_two<T>(k.n_bits - 1);
    return (expm1_series<T>(k.r) * half + (half - T(0.5))) * T(2);
}

// log(0) is -inf, log of a negative number NaN; denormals count as 0.
template <class T>
LAMELLA_INLINE Vec<T> log(Vec<T> x) {
    using F = Format<T>;
    using Word = typename VecTypes<T>::Word;
    using Unsigned = typename VecTypes<T>::Unsigned;  // the bits of a negative x may leave the range of signed integers
    // x = m * 2^n with m in [sqrt(1/2), sqrt(2)).
    const Word half_root = sizeof(T) == 4 ? Word(0x3f3504f3) : Word(0x3fe6a09e667f3bcdLL);
    const Unsigned bits = (Unsigned)as_bits<T>(x), shifted = bits - (Unsigned)(Bits<T>{} + half_root);
    const Bits<T> n = (Bits<T>)shifted >> F::kMantissa;
    const Vec<T> m = as_vec<T>((Bits<T>)(bits - ((Unsigned)n << F::kMantissa)));
    // log m = 2 atanh(s).
    const Vec<T> f = m - T(1), s = f / (m + T(1)), s2 = s * s;
    Vec<T> sum = broadcast<T>(T(2.0 / (2 * F::kLogTerms + 1)));
#pragma GCC unroll 16
    for (int i = F::kLogTerms - 1; i >= 1; --i) sum = sum * s2 + T(2.0 / (2 * i + 1));
    // f - s*(f - s2*sum) is 2s + s*s2*sum with f's rounding only.
    const Vec<T> log_m = f - s * (f - s2 * sum);
    const Vec<T> n_real = __builtin_convertvector(n, Vec<T>);
    Vec<T> y = n_real * F::kLn2High + (n_real * F::kLn2Low + log_m);
    const T smallest = sizeof(T) == 4 ? T(1.17549435e-38) : T(2.2250738585072014e-308);
    y = x < smallest ? broadcast<T>(T(-__builtin_inf())) : y;
    y = x < T(0) ? broadcast<T>(T(__builtin_nan(""))) : y;
    return x < T(__builtin_inf()) ? y : x;  // x is inf or NaN
}

// log(1 + x) for x >= 0: the rounding error of 1 + x is corrected to first order.
template <class T>
LAMELLA_INLINE Vec<T> log1p(Vec<T> x) {
    const Vec<T> w = x + T(1);
    const Vec<T> y = log<T>(w) + (x - (w - T(1))) / w;
    return x == T(__builtin_inf()) ? x : y;
}

// x = r + n*ln2 if 2^n is a normal number: the parts of exp without the cases at its limits. NaN gives NaN in r.
template <class T>
struct Scaled {
    Vec<T> r;      // in [-ln2/2, ln2/2]
    Vec<T> scale;  // 2^n
};

template <class T>
LAMELLA_INLINE Scaled<T> scale_by_ln2(Vec<T> x) {
    using F = Format<T>;
    // The low bits of the sum are n + bias; the shift removes all other bits.
    constexpr T kRound = F::kRound + F::kBias;
    const Vec<T> shifted = x * T(1.4426950408889634) + kRound;
    const Vec<T> n = shifted - kRound;
    return {(x - n * F::kLn2High) - n * F::kLn2Low, as_vec<T>(as_bits<T>(shifted) << F::kMantissa)};
}

template <class T>
LAMELLA_INLINE Vec<T> tanh(Vec<T> x) {
    // tanh |x| = e / (e + 2) with e = exp(2|x|) - 1; from 22 on all bits are those of 1.
    const Vec<T> inside = min<T>(broadcast<T>(T(22)), abs<T>(x));
    const Scaled<T> k = scale_by_ln2<T>(inside + inside);
    const Vec<T> e = expm1_series<T>(k.r) * k.scale + (k.scale - T(1));
    return as_vec<T>(as_bits<T>(e / (e + T(2))) | (as_bits<T>(x) & kSignBit<T>));
}

template <class T>
LAMELLA_INLINE Vec<T> sigmoid(Vec<T> x) {
    // e / (e + 1) or 1 / (e + 1) with e = exp(-|x|). From |x| = (bias - 1/2) ln2 on, the bits of the scale are 0, and e is 0.
    constexpr T kNone = T(-0.6931471805599453 * (Format<T>::kBias + 0.25));
    const Vec<T> down = as_vec<T>(as_bits<T>(x) | kSignBit<T>);  // -|x|
    const Scaled<T> k = scale_by_ln2<T>(max<T>(broadcast<T>(kNone), down));
    const Vec<T> e = (expm1_series<T>(k.r) + T(1)) * k.scale;  // without FMA, a product with k.r alone would be denormal
    return (as_bits<T>(x) < 0 ? e : broadcast<T>(T(1))) / (e + T(1));
}

}  // namespace
}  // namespace lamella
