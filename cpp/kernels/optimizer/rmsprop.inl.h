// RMSprop with a momentum or with the variance, as in TensorFlow: epsilon is outside of the root, but inside of it with a
// momentum. In place; each call updates all arrays of its lists.
#pragma once
#include "kernels/optimizer/gradients.h"

namespace lamella {
namespace {

// Rounding can make the variance of equal gradients negative, whose root is NaN.
template <class T>
LAMELLA_INLINE Vec<T> variance(Vec<T> squares, Vec<T> mean) {
    return max<T>(squares - mean * mean, Vec<T>{});
}

template <class T>
Status centered_rmsprop_update(List<T> ps, InList<T> gs, List<T> as, List<T> cs, Real lr, Real rho, Real eps,
                               const Bounds<T>& bounds) {
    const MovingAverage<T> average(rho);
    const T rate = T(lr), epsilon = T(eps);
    return for_gradients<T>(
        gs, bounds,
        [=](Vec<T> d, Vec<T>(&x)[3]) {
            auto& [p, a, c] = x;
            a = average(a, d * d);
            c = average(c, d);
            p -= rate * d / (sqrt<T>(variance<T>(a, c)) + epsilon);
        },
        ps, as, cs);
}

template <class T>
Status momentum_rmsprop_update(List<T> ps, InList<T> gs, List<T> as, List<T> ms, List<T> cs, Real lr, Real rho, Real momentum,
                               Real eps, const Bounds<T>& bounds) {
    const MovingAverage<T> average(rho);
    const T rate = T(lr), mu = T(momentum), epsilon = T(eps);
    if (cs.count == 0) {
        return for_gradients<T>(
            gs, bounds,
            [=](Vec<T> d, Vec<T>(&x)[3]) {
                auto& [p, a, m] = x;
                a = average(a, d * d);
                m = mu * m + rate * d / sqrt<T>(a + epsilon);
                p -= m;
            },
            ps, as, ms);
    }
    return for_gradients<T>(
        gs, bounds,
        [=](Vec<T> d, Vec<T>(&x)[4]) {
            auto& [p, a, m, c] = x;
            a = average(a, d * d);
            c = average(c, d);
            m = mu * m + rate * d / sqrt<T>(variance<T>(a, c) + epsilon);
            p -= m;
        },
        ps, as, ms, cs);
}

}  // namespace
}  // namespace lamella
