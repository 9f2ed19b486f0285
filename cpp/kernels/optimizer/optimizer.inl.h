// SGD, Adagrad, RMSprop and Adadelta, and the accumulation of gradients. In place; each call updates all arrays of its lists.
#pragma once
#include "kernels/optimizer/gradients.h"

namespace lamella {
namespace {

template <class T>
Status accumulate_gradients(List<T> sums, InList<T> gs, Int first) {
    const ViewList<const T> none{nullptr, 0};
    return for_gradients<T>(gs, {none, 1, 0, 0, 0}, [=](Vec<T> d, Vec<T>(&x)[1]) { x[0] = first ? d : x[0] + d; }, sums);
}

template <class T>
Status sgd_update(List<T> ps, InList<T> gs, List<T> ms, Real lr, Real momentum, Int nesterov, const Bounds<T>& bounds) {
    LAMELLA_REQUIRE(ms.count > 0 || ps.count == 0 || momentum == 0);
    const T rate = T(lr), mu = T(momentum);
    if (ms.count == 0) {
        // The same bits as the rule below with momentum 0, which adds the rounded v.
        return for_gradients<T>(gs, bounds, [=](Vec<T> d, Vec<T>(&x)[1]) { x[0] -= uncontracted<T>(rate * d); }, ps);
    }
    return for_gradients<T>(
        gs, bounds,
        [=](Vec<T> d, Vec<T>(&x)[2]) {
            auto& [p, m] = x;
            const Vec<T> step = rate * d;
            m = mu * m - step;
            p += nesterov ? mu * m - step : m;
        },
        ps, ms);
}

template <class T>
Status adagrad_update(List<T> ps, InList<T> gs, List<T> as, Real lr, Real eps, const Bounds<T>& bounds) {
    const T rate = T(lr), epsilon = T(eps);
    return for_gradients<T>(
        gs, bounds,
        [=](Vec<T> d, Vec<T>(&x)[2]) {
            auto& [p, a] = x;
            a += d * d;
            p -= rate * d / (sqrt<T>(a) + epsilon);
        },
        ps, as);
}

template <class T>
Status rmsprop_update(List<T> ps, InList<T> gs, List<T> as, Real lr, Real rho, Real eps, const Bounds<T>& bounds) {
    const T rate = T(lr), keep = T(rho), take = T(1 - rho), epsilon = T(eps);
    return for_gradients<T>(
        gs, bounds,
        [=](Vec<T> d, Vec<T>(&x)[2]) {
            auto& [p, a] = x;
            a = keep * a + take * (d * d);
            p -= rate * d / (sqrt<T>(a) + epsilon);
        },
        ps, as);
}

template <class T>
Status adadelta_update(List<T> ps, InList<T> gs, List<T> as, List<T> ds, Real lr, Real rho, Real eps, const Bounds<T>& bounds) {
    const T rate = T(lr), keep = T(rho), take = T(1 - rho), epsilon = T(eps);
    return for_gradients<T>(
        gs, bounds,
        [=](Vec<T> d, Vec<T>(&x)[3]) {
            auto& [p, a, moved] = x;
            a = keep * a + take * (d * d);
            // The root of the quotient instead of the quotient of two roots: one root, one division.
            const Vec<T> u = d * sqrt<T>((moved + epsilon) / (a + epsilon));
            moved = keep * moved + take * (u * u);
            p -= rate * u;
        },
        ps, as, ds);
}

}  // namespace
}  // namespace lamella
