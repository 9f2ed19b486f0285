// softmax over the last axis. x, y, z, p [R, C].
#pragma once
#include "kernels/rows.h"

namespace lamella {
namespace {

// p = softmax(z); p may be z. Returns the largest element of z; *sum is the sum of exp(z - largest).
template <class T>
LAMELLA_INLINE T softmax_row(const T* z, T* p, Int n, T* sum) {
    const T largest = max_over(z, n);
    *sum = sum_over<T>(n, [=](Int i, Int part) {
        const Vec<T> e = exp<T>(load(z + i, part) - largest);
        store(p + i, e, part);
        return e;
    });
    const T inverse = T(1) / *sum;
    for_vectors<T>(0, n, [=](Int i, Int part) { store(p + i, load(p + i, part) * inverse, part); });
    return largest;
}

template <class T>
Status softmax_forward(In<T> x, Out<T> y) {
    LAMELLA_REQUIRE(same_shape(x, y));
    const Rows n = rows_of(x);
    if (x.size == 0) return nullptr;
    for_rows(n, [&](Int r) {
        T sum;
        softmax_row(x.data + r * n.columns, y.data + r * n.columns, n.columns, &sum);
    });
    return nullptr;
}

template <class T>
Status softmax_backward(In<T> y, In<T> dy, Out<T> dx) {
    LAMELLA_REQUIRE(same_shape(y, dy));
    LAMELLA_REQUIRE(same_shape(y, dx));
    const Rows n = rows_of(y);
    if (y.size == 0) return nullptr;
    for_rows(n, [&](Int r) {
        const T *p = y.data + r * n.columns, *d = dy.data + r * n.columns;
        T* out = dx.data + r * n.columns;
        const T dot = sum_over<T>(n.columns, [=](Int i, Int part) { return load(d + i, part) * load(p + i, part); });
        for_vectors<T>(0, n.columns,
                       [=](Int i, Int part) { store(out + i, load(p + i, part) * (load(d + i, part) - dot), part); });
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
