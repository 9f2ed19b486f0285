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

// y[0] = sum of f over x.
template <class T, class F>
Status sum_all_of(In<T> x, Out<T> y, const F& f) {
    LAMELLA_REQUIRE(y.size == 1);
    if (x.size <= kChunkElements) {
        y.data[0] = sum_of(x.data, x.size, f);
        return nullptr;
    }
    const Int chunks = (x.size + kChunkElements - 1) / kChunkElements;
    double* partial;
    const Workspace own(part(partial, chunks));
    if (!own) return kOutOfMemory;
    parallel_for(x.size, kChunkElements, [&](Int begin, Int end) {
        partial[begin / kChunkElements] = static_cast<double>(sum_of(x.data + begin, end - begin, f));
    });
    double total = 0;
    for (Int c = 0; c < chunks; ++c) total += partial[c];
    y.data[0] = T(total);
    return nullptr;
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
    if (n.columns >= kLanes<T>) {
        for_rows(n, [&](Int r) { y.data[r] = sum_of(x.data + r * n.columns, n.columns, [](Vec<T> v) { return v; }); });
        return nullptr;
    }
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
    const Rows n = rows_of(x);
    LAMELLA_REQUIRE(y.size == n.columns);
    return sum_over_rows(x.data, n.rows, n.columns, y.data);
}

}  // namespace
}  // namespace lamella
