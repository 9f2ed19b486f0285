// |x|, roots, bounds and small powers, with their gradients, and a choice between two arrays.
#pragma once
#include "kernels/elementwise/activation.inl.h"

namespace lamella {
namespace {

// The numbers of cpp/table/elementwise.def.
enum Elementary : Int { kAbsolute, kRoot, kClip, kPower, kElementaryFunctions };

constexpr int kLargestPower = 16;

// v to the power of halves / 2, by squaring; at most kLargestPower / 2 in size.
template <class T>
LAMELLA_INLINE Vec<T> power_of_halves(Vec<T> v, int halves) {
    const int size = halves < 0 ? -halves : halves;
    if (halves < 0) v = T(1) / v;  // first: the power itself may be denormal, which counts as 0
    Vec<T> y = broadcast<T>(T(1)), square = v;
    if (size % 2 != 0) {
        // As for pow, -0 is like 0 and -inf like inf; the root of other negative numbers is NaN.
        y = sqrt<T>(v == T(-__builtin_inf()) ? -v : v + T(0));
        square = abs<T>(v);
    }
    for (int n = size / 2; n > 0; n /= 2) {
        if (n % 2 != 0) y *= square;
        square *= square;
    }
    return y;
}

LAMELLA_INLINE bool is_small_power(Real p) {
    return p >= -kLargestPower / 2 && p <= kLargestPower / 2 && p * 2 == static_cast<int>(p * 2);
}

// The function is selected for each vector, as in arithmetic.
template <class T>
Status elementary_forward(In<T> x, Int function, Real p, Real q, Out<T> y) {
    LAMELLA_REQUIRE(function >= 0 && function < kElementaryFunctions);
    LAMELLA_REQUIRE(same_shape(x, y));
    LAMELLA_REQUIRE(function != kPower || is_small_power(p));
    const T low = T(p), high = T(q);
    const int halves = function == kPower ? static_cast<int>(p * 2) : 0;
    map(x.data, y.data, x.size, [=](Vec<T> v) {
        switch (function) {
            case kAbsolute:
                return abs<T>(v);
            case kRoot:
                return sqrt<T>(v < T(0) ? Vec<T>{} : v);  // NaN stays
            case kClip:
                return clamp<T>(v, low, high);
            default:
                return power_of_halves<T>(v, halves);
        }
    });
    return nullptr;
}

template <class T>
Status elementary_backward(In<T> x, In<T> dy, Int function, Real p, Real q, Out<T> dx) {
    LAMELLA_REQUIRE(function >= 0 && function < kElementaryFunctions);
    LAMELLA_REQUIRE(same_shape(x, dy));
    LAMELLA_REQUIRE(same_shape(x, dx));
    LAMELLA_REQUIRE(function != kPower || is_small_power(p));
    const T low = T(p), high = T(q);
    const int halves = function == kPower ? static_cast<int>(p * 2) : 0;
    map(x.data, dy.data, dx.data, x.size, [=](Vec<T> v, Vec<T> d) {
        switch (function) {
            case kAbsolute:
                return v == T(0) ? Vec<T>{} : (v == v ? as_vec<T>(as_bits<T>(d) ^ (as_bits<T>(v) & kSignBit<T>)) : v);
            case kRoot:
                return v > T(0) ? d / (sqrt<T>(v) * T(2)) : Vec<T>{};
            case kClip:
                return ((v >= low) & (v <= high)) ? d : Vec<T>{};
            default:
                return halves == 0 ? Vec<T>{} : d * low * power_of_halves<T>(v, halves - 2);
        }
    });
    return nullptr;
}

template <class T>
Status where(InBytes condition, In<T> a, In<T> b, Out<T> y) {
    LAMELLA_REQUIRE(same_shape(condition, y));
    LAMELLA_REQUIRE(same_shape(a, y) || a.size == 1);
    LAMELLA_REQUIRE(same_shape(b, y) || b.size == 1);
    const bool all_a = same_shape(a, y), all_b = same_shape(b, y);
    parallel_for(y.size, kChunkElements, [=](Int begin, Int end) {
        const std::uint8_t* const chosen = condition.data;
        const T *const from_a = a.data, *const from_b = b.data;
        T* const to = y.data;
        const Vec<T> one_a = broadcast<T>(*from_a), one_b = broadcast<T>(*from_b);
        for_vectors<T>(begin, end, [=](Int i, Int part) {
            const Vec<T> v = all_a ? load(from_a + i, part) : one_a, w = all_b ? load(from_b + i, part) : one_b;
            store(to + i, load_bytes<T>(chosen + i, part) != 0 ? v : w, part);
        });
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
