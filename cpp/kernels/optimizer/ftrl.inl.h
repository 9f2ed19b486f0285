// Follow the regularized leader: weights in closed form from the sums of gradients. In place; each call updates all arrays of
// its lists.
#pragma once
#include "kernels/optimizer/gradients.h"
#include "simd/math.h"

namespace lamella {
namespace {

// The increase (`by`) of a^power when g*g is added to a, without the cancellation of n^power - a^power, and the new value
// (`to`).
template <class T>
struct Growth {
    Vec<T> by, to;
};

template <class T>
LAMELLA_INLINE Growth<T> growth_of_root(Vec<T> a, Vec<T> square) {
    const Vec<T> n = a + square, root = sqrt<T>(n);
    return {n > T(0) ? square / (root + sqrt<T>(a)) : Vec<T>{}, root};
}

template <class T>
LAMELLA_INLINE Growth<T> growth_of_power(Vec<T> a, Vec<T> square, T power) {
    if (power == 0) return {Vec<T>{}, broadcast<T>(T(1))};
    const Vec<T> from = exp<T>(power * log<T>(a)), first = exp<T>(power * log<T>(square));
    const Vec<T> by = a > T(0) ? from * expm1<T>(power * log1p<T>(square / a)) : first;
    return {by, a > T(0) ? from + by : first};
}

template <class T>
Status ftrl_update(List<T> ps, InList<T> gs, List<T> as, List<T> zs, Real lr, Real power, Real l1, Real l2, Real shrinkage,
                   const Bounds<T>& bounds) {
    LAMELLA_REQUIRE(lr > 0);
    LAMELLA_REQUIRE(power >= 0);
    const T inverse = T(1 / lr), exponent = T(power), sparse = T(l1), flat = T(2 * l2), shrink = T(2 * shrinkage);
    const auto step = [=](Vec<T> d, Vec<T>(&x)[3], Growth<T> growth) {
        auto& [p, a, z] = x;
        a += d * d;
        z += d + shrink * p - growth.by * inverse * p;
        const Vec<T> y = growth.to * inverse + flat;
        const Vec<T> moved = (copy_sign<T>(broadcast<T>(sparse), z) - z) / y;
        // NaN gives NaN. y is 0 where there were no gradients above the square root of the normal range.
        p = ((abs<T>(z) <= sparse) | (y == T(0))) ? Vec<T>{} : moved;
    };
    if (power == 0.5) {
        return for_gradients<T>(
            gs, bounds, [=](Vec<T> d, Vec<T>(&x)[3]) { step(d, x, growth_of_root<T>(x[1], d * d)); }, ps, as, zs);
    }
    return for_gradients<T>(
        gs, bounds, [=](Vec<T> d, Vec<T>(&x)[3]) { step(d, x, growth_of_power<T>(x[1], d * d, exponent)); }, ps, as, zs);
}

}  // namespace
}  // namespace lamella
