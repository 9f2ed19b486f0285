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
    static constexpr float kExpMax = 88.72283f, kExpMin = -87.33654f;
    static constexpr int kExpTerms = 7, kLogTerms = 6;
};

template <>
struct Format<double> {
    static constexpr int kMantissa = 52, kBias = 1023;
    static constexpr double kRound = 6755399441055744.0;
    static constexpr double kLn2High = 6.93145751953125e-1, kLn2Low = 1.42860682030941723212e-6;
    static constexpr double kExpMax = 709.782712893384, kExpMin = -708.3964185322641;
    static constexpr int kExpTerms = 13, kLogTerms = 12;
};

template <class T>
struct Reduced {
    Vec<T> r;   // in [-ln2/2, ln2/2]
    Bits<T> n;  // x = r + n*ln2
};

template <class T>
LAMELLA_INLINE Reduced<T> reduce_by_ln2(Vec<T> x) {
    using F = Format<T>;
    const Vec<T> shifted = x * T(1.4426950408889634) + F::kRound;
    const Vec<T> n = shifted - F::kRound;
    return {(x - n * F::kLn2High) - n * F::kLn2Low, as_bits<T>(shifted) - as_bits<T>(broadcast<T>(F::kRound))};
}

// r + r^2/2! + r^3/3! + ...: exp(r) - 1 without cancellation.
template <class T>
LAMELLA_INLINE Vec<T> expm1_series(Vec<T> r) {
    constexpr int kTerms = Format<T>::kExpTerms;
    T inverse[kTerms + 1] = {T(1)};
    double factorial = 1;
    for (int i = 1; i <= kTerms; ++i) {
        factorial *= i;
        inverse[i] = T(1.0 / factorial);
    }
    Vec<T> sum = broadcast<T>(inverse[kTerms]);
#pragma GCC unroll 16
    for (int i = kTerms - 1; i >= 1; --i) sum = sum * r + inverse[i];
    return sum * r;
}

// 2^n for n in the normal range.
template <class T>
LAMELLA_INLINE Vec<T> power_of_two(Bits<T> n) {
    return as_vec<T>((n + Format<T>::kBias) << Format<T>::kMantissa);
}

// 0 if the result is below the smallest normal number, inf if it is above the largest; NaN gives NaN.
template <class T>
LAMELLA_INLINE Vec<T> exp(Vec<T> x) {
    using F = Format<T>;
    const Vec<T> inside = min<T>(max<T>(x, broadcast<T>(F::kExpMin)), broadcast<T>(F::kExpMax));
    const Reduced<T> k = reduce_by_ln2<T>(inside);
    // In two factors: n may be one above the largest exponent, and no product before the last one may be denormal.
    const Bits<T> half = k.n >> 1;
    Vec<T> y = (expm1_series<T>(k.r) + T(1)) * power_of_two<T>(half) * power_of_two<T>(k.n - half);
    y = x < F::kExpMin ? Vec<T>{} : y;
    y = x > F::kExpMax ? broadcast<T>(T(__builtin_inf())) : y;
    return x != x ? x : y;
}

// exp(x) - 1, with an error of a few ulp also near 0.
template <class T>
LAMELLA_INLINE Vec<T> expm1(Vec<T> x) {
    using F = Format<T>;
    // Below -ln2 * (mantissa + 2) the result is -1.
    const T low = T(-0.6931471805599453 * (F::kMantissa + 2));
    const Vec<T> inside = min<T>(max<T>(x, broadcast<T>(low)), broadcast<T>(F::kExpMax));
    const Reduced<T> k = reduce_by_ln2<T>(inside);
    const Vec<T> half = power_of_two<T>(k.n - 1);
    Vec<T> y = (expm1_series<T>(k.r) * half + (half - T(0.5))) * T(2);
    y = x > F::kExpMax ? broadcast<T>(T(__builtin_inf())) : y;
    return x != x ? x : y;
}

// log(0) is -inf, log of a negative number NaN; denormals count as 0.
template <class T>
LAMELLA_INLINE Vec<T> log(Vec<T> x) {
    using F = Format<T>;
    using Word = typename VecTypes<T>::Word;
    // x = m * 2^n with m in [sqrt(1/2), sqrt(2)).
    const Word half_root = sizeof(T) == 4 ? Word(0x3f3504f3) : Word(0x3fe6a09e667f3bcdLL);
    const Bits<T> shifted = as_bits<T>(x) - half_root;
    const Bits<T> n = shifted >> F::kMantissa;
    const Vec<T> m = as_vec<T>(as_bits<T>(x) - (n << F::kMantissa));
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
    y = x == T(__builtin_inf()) ? x : y;
    return x != x ? x : y;
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
    return copy_sign<T>(e / (e + T(2)), x);
}

template <class T>
LAMELLA_INLINE Vec<T> sigmoid(Vec<T> x) {
    // e / (e + 1) or 1 / (e + 1) with e = exp(-|x|), which is 0 where it would be denormal.
    const T low = Format<T>::kExpMin;
    const Vec<T> down = -abs<T>(x);
    const Scaled<T> k = scale_by_ln2<T>(max<T>(broadcast<T>(low), down));
    const Vec<T> e = down < low ? Vec<T>{} : (expm1_series<T>(k.r) + T(1)) * k.scale;
    return (x < T(0) ? e : broadcast<T>(T(1))) / (e + T(1));
}

}  // namespace
}  // namespace lamella
