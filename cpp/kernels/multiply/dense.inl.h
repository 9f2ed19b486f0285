// Dense layer. x [M, K], w [K, N], bias [N] or absent, y [M, N].
#pragma once
#include "kernels/column_sums.inl.h"
#include "kernels/elementwise/activation.inl.h"
#include "kernels/multiply/few_columns.inl.h"

namespace lamella {
namespace {

// y = x w + bias: x [m, k], w [k, n].
template <class T>
Status affine(const T* x, const T* w, In<T> bias, bool relu, T* y, Int m, Int k, Int n) {
    const T* const added = bias.size > 0 ? bias.data : nullptr;
    if (few_columns_pay<T>(n, k, k)) return affine_few(x, w, added, relu, y, m, k, n);
    return multiply_matrices<T>({m, n, k, x, k, 1, w, n, 1, y, n, 1, added, relu});
}

// dx = dy w^T: dy [m, n], w [k, n]; or dx^T = w dy^T. Each group of rows reads one factor transposed, and dx^T is stored
// transposed: the product that moves fewer elements is computed.
template <class T>
Status affine_backward_input(const T* dy, const T* w, T* dx, Int m, Int k, Int n) {
    const Int plain = k * n * ceil_divide(m, kMostGroupRows), transposed = m * n * ceil_divide(k, kMostGroupRows) + m * k;
    if (transposed < plain) return multiply_matrices<T>({k, m, n, w, n, 1, dy, 1, n, dx, 1, k, nullptr, false});
    return multiply_matrices<T>({m, k, n, dy, n, 1, w, 1, n, dx, k, 1, nullptr, false});
}

// dw = x^T dy: x [m, k], dy [m, n]. If dy's columns leave a quarter of a tile's width empty, dw^T = dy^T x is computed and
// stored transposed, because x fills that width: 1.3 to 4 times as fast on AVX2. If less is empty, incomplete tiles of rows
// cost as much.
template <class T>
Status affine_backward_weights(const T* x, const T* dy, T* dw, Int m, Int k, Int n) {
    const bool narrow = 4 * n <= 3 * tile_columns<T>(n) && n < k;
    if (narrow) return multiply_matrices<T>({n, k, m, dy, 1, n, x, k, 1, dw, 1, n, nullptr, false});
    return multiply_matrices<T>({k, n, m, x, 1, k, dy, n, 1, dw, n, 1, nullptr, false});
}

template <class T>
Status dense_forward(In<T> x, In<T> w, In<T> bias, Int relu, Out<T> y) {
    LAMELLA_REQUIRE(x.rank == 2 && w.rank == 2 && y.rank == 2);
    LAMELLA_REQUIRE(x.shape[1] == w.shape[0]);
    LAMELLA_REQUIRE(y.shape[0] == x.shape[0] && y.shape[1] == w.shape[1]);
    LAMELLA_REQUIRE(bias.size == 0 || bias.size == w.shape[1]);
    return affine(x.data, w.data, bias, relu != 0, y.data, x.shape[0], x.shape[1], w.shape[1]);
}

template <class T>
Status dense_backward(In<T> x, In<T> w, In<T> y, In<T> dy, Out<T> dz, Out<T> dx, Out<T> dw, Out<T> dbias) {
    LAMELLA_REQUIRE(x.rank == 2 && w.rank == 2 && dy.rank == 2);
    LAMELLA_REQUIRE(x.shape[1] == w.shape[0]);
    LAMELLA_REQUIRE(dy.shape[0] == x.shape[0] && dy.shape[1] == w.shape[1]);
    LAMELLA_REQUIRE(y.size == 0 || (same_shape(y, dy) && same_shape(y, dz)));
    LAMELLA_REQUIRE(dx.size == 0 || same_shape(dx, x));
    LAMELLA_REQUIRE(dw.size == 0 || same_shape(dw, w));
    LAMELLA_REQUIRE(dbias.size == 0 || dbias.size == w.shape[1]);
    const Int m = x.shape[0], k = x.shape[1], n = w.shape[1];
    const T* d = dy.data;
    if (y.size > 0) {
        if (const Status error = relu_backward<T>(y, dy, 0, __builtin_inf(), 0, dz)) return error;
        d = dz.data;
    }
    if (dbias.size > 0) {
        if (const Status error = sum_over_rows(d, m, n, dbias.data)) return error;
    }
    if (dw.size > 0) {
        if (const Status error = affine_backward_weights(x.data, d, dw.data, m, k, n)) return error;
    }
    return dx.size > 0 ? affine_backward_input(d, w.data, dx.data, m, k, n) : nullptr;
}

}  // namespace
}  // namespace lamella
