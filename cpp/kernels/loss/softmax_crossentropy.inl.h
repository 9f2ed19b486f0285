// softmax and cross-entropy of logits, fused. z, p, y [R, C]; labels, loss, dloss [R].
#pragma once
#include "kernels/elementwise/softmax.inl.h"

namespace lamella {
namespace {

// -sum(y log p) = sum(y) log(sum exp(z - largest)) - sum(y (z - largest)); where y is 0 nothing is added, even if z is -inf.
template <class T>
Status softmax_crossentropy_forward(In<T> z, In<T> y, Out<T> p, Out<T> loss) {
    const Rows n = rows_of(z);
    LAMELLA_REQUIRE(same_shape(z, y));
    LAMELLA_REQUIRE(same_shape(z, p));
    LAMELLA_REQUIRE(loss.size == n.rows);
    LAMELLA_REQUIRE(n.columns > 0 || n.rows == 0);
    for_rows(n, [&](Int r) {
        const T *from = z.data + r * n.columns, *target = y.data + r * n.columns;
        const T largest = max_over(from, n.columns);
        Vec<T> weight{};
        const T linear = sum_over<T>(n.columns, [&](Int i, Int part) {
            const Vec<T> t = load(target + i, part), value = (load(from + i, part) - largest) * t;
            weight += t;
            return t == T(0) ? Vec<T>{} : value;
        });
        T sum;
        softmax_row(from, p.data + r * n.columns, n.columns, &sum);
        loss.data[r] = reduce_add<T>(weight) * log<T>(broadcast<T>(sum))[0] - linear;
    });
    return nullptr;
}

template <class T>
Status softmax_crossentropy_backward(In<T> p, In<T> y, In<T> dloss, Out<T> dz) {
    const Rows n = rows_of(p);
    LAMELLA_REQUIRE(same_shape(p, y));
    LAMELLA_REQUIRE(same_shape(p, dz));
    LAMELLA_REQUIRE(dloss.size == n.rows);
    for_rows(n, [&](Int r) {
        const T *from = p.data + r * n.columns, *target = y.data + r * n.columns, d = dloss.data[r];
        T* out = dz.data + r * n.columns;
        const T weight = sum_over<T>(n.columns, [=](Int i, Int part) { return load(target + i, part); });
        for_vectors<T>(0, n.columns, [=](Int i, Int part) {
            store(out + i, (load(from + i, part) * weight - load(target + i, part)) * d, part);
        });
    });
    return nullptr;
}

template <class T>
Status sparse_softmax_crossentropy_forward(In<T> z, Labels y, Out<T> p, Out<T> loss) {
    const Rows n = rows_of(z);
    LAMELLA_REQUIRE(same_shape(z, p));
    LAMELLA_REQUIRE(y.size == n.rows);
    LAMELLA_REQUIRE(loss.size == n.rows);
    LAMELLA_REQUIRE(all_within(y, n.columns));
    for_rows(n, [&](Int r) {
        const T* from = z.data + r * n.columns;
        const T right = from[y.data[r]];
        T sum;
        const T largest = softmax_row(from, p.data + r * n.columns, n.columns, &sum);
        loss.data[r] = log<T>(broadcast<T>(sum))[0] - (right - largest);
    });
    return nullptr;
}

template <class T>
Status sparse_softmax_crossentropy_backward(In<T> p, Labels y, In<T> dloss, Out<T> dz) {
    const Rows n = rows_of(p);
    LAMELLA_REQUIRE(same_shape(p, dz));
    LAMELLA_REQUIRE(y.size == n.rows);
    LAMELLA_REQUIRE(dloss.size == n.rows);
    LAMELLA_REQUIRE(all_within(y, n.columns));
    for_rows(n, [&](Int r) {
        const T *from = p.data + r * n.columns, d = dloss.data[r];
        T* out = dz.data + r * n.columns;
        const T right = (from[y.data[r]] - T(1)) * d;
        for_vectors<T>(0, n.columns, [=](Int i, Int part) { store(out + i, load(from + i, part) * d, part); });
        out[y.data[r]] = right;
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
