// Sums. Chunks are summed on vectors; their sums are added in order in double, so that long sums stay accurate.
#pragma once
#include "kernels/column_sums.inl.h"
#include "kernels/elementwise/activation.inl.h"
#include "kernels/rows.h"

namespace lamella {
namespace {

// Sum of f over x[0..n).
template <class T, class F>
LAMELLA_INLINE T sum_of(const T* x, Int n, const F& f) {
    return sum_long<T>(n, [&](Int i, Int part) { return f(load(x + i, part)); });
}

// y[r] = sum of f over row r of x. A long row is cut into chunks.
template <class T, class F>
Status sum_rows_of(const T* x, Rows n, T* y, const F& f) {
    if (n.columns <= kChunkElements) {
        for_rows(n, [&](Int r) { y[r] = sum_of(x + r * n.columns, n.columns, f); });
        return nullptr;
    }
    const Int chunks = ceil_divide(n.columns, kChunkElements);  // of a row
    double* partial;
    const Workspace own(part(partial, n.rows * chunks));
    if (!own) return kOutOfMemory;
    parallel_for(n.rows * chunks, 1, [&](Int begin, Int end) {
        for (Int i = begin; i < end; ++i) {
            const Int at = i % chunks * kChunkElements;
            const T* const from = x + i / chunks * n.columns + at;
            partial[i] = static_cast<double>(sum_of(from, smaller(kChunkElements, n.columns - at), f));
        }
    });
    for (Int r = 0; r < n.rows; ++r) {
        double total = 0;
        for (Int c = 0; c < chunks; ++c) total += partial[r * chunks + c];
        y[r] = T(total);
    }
    return nullptr;
}

// y[0] = sum of f over x.
template <class T, class F>
Status sum_all_of(In<T> x, Out<T> y, const F& f) {
    LAMELLA_REQUIRE(y.size == 1);
    return sum_rows_of(x.data, {1, x.size}, y.data, f);
}

template <class T>
Status sum_all(In<T> x, Out<T> y) {
    return sum_all_of<T>(x, y, [](Vec<T> v) { return v; });
}

template <class T>
Status sum_squares(In<T> x, Out<T> y) {
    return sum_all_of<T>(x, y, [](Vec<T> v) { return v * v; });
}

template <class T>
Status sum_absolute(In<T> x, Out<T> y) {
    return sum_all_of<T>(x, y, [](Vec<T> v) { return abs<T>(v); });
}

template <class T>
Status sum_rows(In<T> x, Out<T> y) {
    const Rows n = rows_of(x);
    LAMELLA_REQUIRE(y.size == n.rows);
    if (n.columns >= kLanes<T>) return sum_rows_of(x.data, n, y.data, [](Vec<T> v) { return v; });
    if (n.columns == 1) {
        map(x.data, y.data, n.rows, [](Vec<T> v) { return v; });
        return nullptr;
    }
    // Rows shorter than a vector: scalar sums, because the CPU computes those of neighbouring rows in parallel.
    for_rows(n, [&](Int r) {
        T sum = 0;
        for (Int c = 0; c < n.columns; ++c) sum += x.data[r * n.columns + c];
        y.data[r] = sum;
    });
    return nullptr;
}

template <class T>
Status sum_columns(In<T> x, Out<T> y) {
    if (x.rank == 3 && y.size != x.shape[2]) {
        const Int columns = x.shape[2], elements = x.shape[1] * columns;
        LAMELLA_REQUIRE(y.size == x.shape[0] * columns);
        for_rows({columns == 0 ? 0 : x.shape[0], elements},
                 [&](Int n) { sum_some_rows(x.data + n * elements, elements, columns, y.data + n * columns); });
        return nullptr;
    }
    const Rows n = rows_of(x);
    LAMELLA_REQUIRE(y.size == n.columns);
    return sum_over_rows(x.data, n.rows, n.columns, y.data);
}

}  // namespace
}  // namespace lamella
