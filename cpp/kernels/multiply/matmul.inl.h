// Products of two batches of matrices. a [B, M, K] or [B, K, M], b [B, K, N] or [B, N, K], y [B, M, N].
#pragma once
#include "kernels/multiply/gemm.inl.h"
#include "kernels/rows.h"

namespace lamella {
namespace {

// rows [B, N, K], vectors [B, K], y [B, N]: a tile would compute one column of a vector's width.
template <class T>
void multiply_vectors(const T* rows, const T* vectors, Int batch, Int n, Int k, T* y) {
    for_rows({batch * n, k}, [&](Int i) {
        const T *const row = rows + i * k, *const vector = vectors + i / n * k;
        y[i] = sum_long<T>(k, [=](Int at, Int part) { return load(row + at, part) * load(vector + at, part); });
    });
}

// columns [B, M], rows [B, N], y [B, M, N]: the gradients of products of vectors.
template <class T>
void multiply_outer(const T* columns, const T* rows, Int batch, Int m, Int n, T* y) {
    for_rows({batch * m, n}, [&](Int i) {
        const Vec<T> factor = broadcast<T>(columns[i]);
        const T* const row = rows + i / m * n;
        T* const to = y + i * n;
        for_vectors<T>(0, n, [=](Int j, Int part) { store(to + j, factor * load(row + j, part), part); });
    });
}

// Whether y = a^T b reads the columns of a [k, m] where they are, because they are read only a few times: by each panel of b
// once. Copies of them took up to a fifth of the time. The last tile is as wide as the rest of b's rows: it reads nothing
// behind b.
template <class T>
bool reads_columns(Int m, Int n, Int k) {
    const Int rest = n % kTileColumns<T>;
    if (rest != 0 && tile_columns<T>(rest) != rest) return false;
    if (n <= kTileColumns<T>) return k <= 256;
    return n <= 4 * kTileColumns<T> && k <= (m * Int(sizeof(T)) % 512 == 0 ? 64 : 128);
}

template <class T>
void multiply_columns(const T* a, const T* b, Int m, Int n, Int k, T* y) {
    const Run run{0, k};
    for (Int i0 = 0; i0 < m; i0 += kMostGroupRows) {
        const Int count = smaller(kMostGroupRows, m - i0);
        const T* rows[kMostGroupRows];
        T* c[kMostGroupRows];
        for (Int i = 0; i < count; ++i) {
            rows[i] = a + i0 + i;
            c[i] = y + (i0 + i) * n;
        }
        for (Int j = 0; j < n; j += kTileColumns<T>) {
            multiply<T, 0>({rows, c, j, count}, m, &run, 1, b + j, n, smaller(kTileColumns<T>, n - j), {nullptr, false, false});
        }
    }
}

template <class T>
Status matmul(In<T> a, In<T> b, Int transposed_a, Int transposed_b, Out<T> y) {
    LAMELLA_REQUIRE(a.rank == 3 && b.rank == 3 && y.rank == 3);
    LAMELLA_REQUIRE(b.shape[0] == a.shape[0] && y.shape[0] == a.shape[0]);
    const bool of_a = transposed_a != 0, of_b = transposed_b != 0;
    const Int batch = a.shape[0], m = a.shape[of_a ? 2 : 1], k = a.shape[of_a ? 1 : 2], n = b.shape[of_b ? 1 : 2];
    LAMELLA_REQUIRE(b.shape[of_b ? 2 : 1] == k);
    LAMELLA_REQUIRE(y.shape[1] == m && y.shape[2] == n);
    // A factor of one row or column is the same memory transposed.
    if (k == 1) return multiply_outer(a.data, b.data, batch, m, n, y.data), nullptr;
    if (m == 1 && (of_b || n == 1)) return multiply_vectors(b.data, a.data, batch, n, k, y.data), nullptr;
    if (n == 1 && !of_a) return multiply_vectors(a.data, b.data, batch, m, k, y.data), nullptr;
    const Int flops = 2 * m * n * larger(1, k);
    const bool by_columns = of_a && !of_b && flops <= kChunkFlops && reads_columns<T>(m, n, k);
    const auto some = [&](Int begin, Int end) -> Status {
        for (Int i = begin; i < end; ++i) {
            if (by_columns) {
                multiply_columns(a.data + i * m * k, b.data + i * k * n, m, n, k, y.data + i * m * n);
                continue;
            }
            const Status error =
                multiply_matrices<T>({m, n, k, a.data + i * m * k, of_a ? 1 : k, of_a ? m : 1, b.data + i * k * n, of_b ? 1 : n,
                                      of_b ? k : 1, y.data + i * m * n, n, 1, nullptr, false});
            if (error) return error;
        }
        return nullptr;
    };
    // Large products are divided themselves; of small ones a chunk computes several.
    if (flops > kChunkFlops) return some(0, batch);
    return in_chunks(batch, kChunkFlops / larger(1, flops), some);
}

}  // namespace
}  // namespace lamella
