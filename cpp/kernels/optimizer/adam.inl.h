// Adam and related rules: steps along a moving average m of the gradients. In place; each call updates all arrays of its lists.
#pragma once
#include "kernels/optimizer/gradients.h"

namespace lamella {
namespace {

template <class T>
Status adam_update(List<T> ps, InList<T> gs, List<T> ms, List<T> vs, Real lr, Real shrink, const Moments<T>& moments,
                   const Bounds<T>& bounds) {
    const MovingAverage<T> first(moments.beta1), second(moments.beta2);
    const T rate = T(lr), epsilon = T(moments.eps), kept = T(1 - shrink);
    return for_gradients<T>(
        gs, bounds,
        [=](Vec<T> d, Vec<T>(&x)[3]) {
            auto& [p, m, v] = x;
            m = first(m, d);
            v = second(v, d * d);
            p = kept * p - rate * m / (sqrt<T>(v) + epsilon);
        },
        ps, ms, vs);
}

template <class T>
Status amsgrad_update(List<T> ps, InList<T> gs, List<T> ms, List<T> vs, List<T> hs, Real lr, Real shrink,
                      const Moments<T>& moments, const Bounds<T>& bounds) {
    const MovingAverage<T> first(moments.beta1), second(moments.beta2);
    const T rate = T(lr), epsilon = T(moments.eps), kept = T(1 - shrink);
    return for_gradients<T>(
        gs, bounds,
        [=](Vec<T> d, Vec<T>(&x)[4]) {
            auto& [p, m, v, h] = x;
            m = first(m, d);
            v = second(v, d * d);
            h = max<T>(h, v);
            p = kept * p - rate * m / (sqrt<T>(h) + epsilon);
        },
        ps, ms, vs, hs);
}

template <class T>
Status adamax_update(List<T> ps, InList<T> gs, List<T> ms, List<T> us, Real lr, const Moments<T>& moments,
                     const Bounds<T>& bounds) {
    const MovingAverage<T> first(moments.beta1);
    const T rate = T(lr), epsilon = T(moments.eps), keep = T(moments.beta2);
    return for_gradients<T>(
        gs, bounds,
        [=](Vec<T> d, Vec<T>(&x)[3]) {
            auto& [p, m, u] = x;
            m = first(m, d);
            u = max<T>(keep * u, abs<T>(d));
            p -= rate * m / (u + epsilon);
        },
        ps, ms, us);
}

template <class T>
Status nadam_update(List<T> ps, InList<T> gs, List<T> ms, List<T> vs, Real lr_g, Real lr_m, Real correction,
                    const Moments<T>& moments, const Bounds<T>& bounds) {
    const MovingAverage<T> first(moments.beta1), second(moments.beta2);
    const T along_g = T(lr_g), along_m = T(lr_m), corrected = T(correction), epsilon = T(moments.eps);
    return for_gradients<T>(
        gs, bounds,
        [=](Vec<T> d, Vec<T>(&x)[3]) {
            auto& [p, m, v] = x;
            m = first(m, d);
            v = second(v, d * d);
            p -= (along_g * d + along_m * m) / (sqrt<T>(corrected * v) + epsilon);
        },
        ps, ms, vs);
}

}  // namespace
}  // namespace lamella
