// Losses that are sums over the elements of a row. p (prediction), y (target), dp [R, C]; loss, dloss [R].
#pragma once
#include "kernels/elementwise/activation.inl.h"
#include "kernels/rows.h"

namespace lamella {
namespace {

// loss[r] = sum over c of f(p, y), or their mean.
template <class T, class F>
Status row_loss(In<T> p, In<T> y, Out<T> loss, bool mean, const F& f) {
    const Rows n = rows_of(p);
    LAMELLA_REQUIRE(same_shape(p, y));
    LAMELLA_REQUIRE(loss.size == n.rows);
    LAMELLA_REQUIRE(n.columns > 0 || n.rows == 0);
    if (n.columns == 1) {  // one element in each row: vectors of rows
        map(p.data, y.data, loss.data, n.rows, f);
        return nullptr;
    }
    const T divisor = mean ? T(n.columns) : T(1);
    for_rows(n, [&](Int r) {
        const T *from = p.data + r * n.columns, *target = y.data + r * n.columns;
        const T sum = sum_over<T>(n.columns, [&](Int i, Int part) { return f(load(from + i, part), load(target + i, part)); });
        loss.data[r] = sum / divisor;
    });
    return nullptr;
}

template <class T, class F>
Status mean_loss(In<T> p, In<T> y, Out<T> loss, const F& f) {
    return row_loss<T>(p, y, loss, true, f);
}

// dp[r, c] = dloss[r] * slope(p, y), divided by C for a mean. For the gradient of y pass y's slope and dy.
template <class T, class F>
Status row_loss_backward(In<T> p, In<T> y, In<T> dloss, Out<T> dp, bool mean, const F& slope) {
    const Rows n = rows_of(p);
    LAMELLA_REQUIRE(same_shape(p, y));
    LAMELLA_REQUIRE(same_shape(p, dp));
    LAMELLA_REQUIRE(dloss.size == n.rows);
    if (n.columns == 1) {
        const T *from = p.data, *target = y.data, *d = dloss.data;
        T* out = dp.data;
        parallel_for(n.rows, kChunkElements, [=](Int begin, Int end) {
            for_vectors<T>(begin, end, [=](Int i, Int part) {
                store(out + i, slope(load(from + i, part), load(target + i, part)) * load(d + i, part), part);
            });
        });
        return nullptr;
    }
    const T divisor = mean ? T(n.columns) : T(1);
    for_rows(n, [&](Int r) {
        const T *from = p.data + r * n.columns, *target = y.data + r * n.columns, d = dloss.data[r] / divisor;
        T* out = dp.data + r * n.columns;
        for_vectors<T>(0, n.columns,
                       [=](Int i, Int part) { store(out + i, slope(load(from + i, part), load(target + i, part)) * d, part); });
    });
    return nullptr;
}

template <class T, class F>
Status mean_loss_backward(In<T> p, In<T> y, In<T> dloss, Out<T> dp, const F& slope) {
    return row_loss_backward<T>(p, y, dloss, dp, true, slope);
}

// x where the comparison `inside` is true, 0 elsewhere: the gradient of a clip.
template <class T>
LAMELLA_INLINE Vec<T> only_where(Bits<T> inside, Vec<T> x) {
    return inside ? x : Vec<T>{};
}

// -1, 0 or 1; NaN gives NaN.
template <class T>
LAMELLA_INLINE Vec<T> sign(Vec<T> x) {
    const Vec<T> one = copy_sign<T>(broadcast<T>(T(1)), x);
    return ((x < T(0)) | (x > T(0))) ? one : x;
}

}  // namespace
}  // namespace lamella
