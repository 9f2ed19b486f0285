// Dense layer. x [M, K], w [K, N], bias [N] or absent, y [M, N].
#pragma once
#include "kernels/column_sums.inl.h"
#include "kernels/gemm.inl.h"

namespace lamella {
namespace {

template <class T>
Status dense_forward(In<T> x, In<T> w, In<T> bias, Int relu, Out<T> y) {
    LAMELLA_REQUIRE(x.rank == 2 && w.rank == 2 && y.rank == 2);
    LAMELLA_REQUIRE(x.shape[1] == w.shape[0]);
    LAMELLA_REQUIRE(y.shape[0] == x.shape[0] && y.shape[1] == w.shape[1]);
    LAMELLA_REQUIRE(bias.size == 0 || bias.size == w.shape[1]);
    const Int m = x.shape[0], k = x.shape[1], n = w.shape[1];
    return multiply_matrices<T>(
        {m, n, k, x.data, k, 1, w.data, n, 1, y.data, bias.size > 0 ? bias.data : nullptr, relu != 0});
}

template <class T>
Status dense_backward_input(In<T> dy, In<T> w, Out<T> dx) {
    LAMELLA_REQUIRE(dy.rank == 2 && w.rank == 2 && dx.rank == 2);
    LAMELLA_REQUIRE(dy.shape[1] == w.shape[1]);
    LAMELLA_REQUIRE(dx.shape[0] == dy.shape[0] && dx.shape[1] == w.shape[0]);
    const Int m = dx.shape[0], n = dx.shape[1], k = dy.shape[1];
    return multiply_matrices<T>({m, n, k, dy.data, k, 1, w.data, 1, k, dx.data, nullptr, false});
}

template <class T>
Status dense_backward_weights(In<T> x, In<T> dy, Out<T> dw, Out<T> dbias) {
    LAMELLA_REQUIRE(x.rank == 2 && dy.rank == 2 && dw.rank == 2);
    LAMELLA_REQUIRE(x.shape[0] == dy.shape[0]);
    LAMELLA_REQUIRE(dw.shape[0] == x.shape[1] && dw.shape[1] == dy.shape[1]);
    LAMELLA_REQUIRE(dbias.size == 0 || dbias.size == dy.shape[1]);
    const Int m = dw.shape[0], n = dw.shape[1], k = x.shape[0];
    if (dbias.size > 0) {
        if (const Status error = sum_over_rows(dy.data, k, n, dbias.data)) return error;
    }
    return multiply_matrices<T>({m, n, k, x.data, 1, m, dy.data, n, 1, dw.data, nullptr, false});
}

}  // namespace
}  // namespace lamella
