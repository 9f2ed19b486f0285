// Elementwise activations. x, y, dy, dx: any shape, all the same; outputs may be the inputs.
#pragma once
#include "kernels/common.h"

namespace lamella {
namespace {

// y[i] = f(x[i]) on vectors.
template <class T, class F>
LAMELLA_INLINE void map(const T* x, T* y, Int n, const F& f) {
    parallel_for(n, kChunkElements, [&](Int begin, Int end) {
        for_vectors<T>(begin, end, [&](Int i, Int part) { store(y + i, f(load(x + i, part)), part); });
    });
}

// y[i] = f(a[i], b[i]) on vectors.
template <class T, class F>
LAMELLA_INLINE void map(const T* a, const T* b, T* y, Int n, const F& f) {
    parallel_for(n, kChunkElements, [&](Int begin, Int end) {
        for_vectors<T>(begin, end,
                       [&](Int i, Int part) { store(y + i, f(load(a + i, part), load(b + i, part)), part); });
    });
}

template <class T>
Status relu_forward(In<T> x, Real alpha, Real max_value, Real threshold, Out<T> y) {
    LAMELLA_REQUIRE(same_shape(x, y));
    const T slope = T(alpha), top = T(max_value), from = T(threshold);
    map(x.data, y.data, x.size, [=](Vec<T> v) {
        const Vec<T> below = (v - from) * slope;
        const Vec<T> capped = v >= top ? broadcast<T>(top) : v;
        return v >= from ? capped : below;
    });
    return nullptr;
}

template <class T>
Status relu_backward(In<T> x, In<T> dy, Real alpha, Real max_value, Real threshold, Out<T> dx) {
    LAMELLA_REQUIRE(same_shape(x, dy));
    LAMELLA_REQUIRE(same_shape(x, dx));
    const T slope = T(alpha), top = T(max_value), from = T(threshold);
    map(x.data, dy.data, dx.data, x.size, [=](Vec<T> v, Vec<T> d) {
        const Vec<T> capped = v >= top ? Vec<T>{} : d;
        return v > from ? capped : d * slope;
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
