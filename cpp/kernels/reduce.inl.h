// Sums. Chunks are summed on vectors, then added up in order in double, so that long sums keep their digits.
#pragma once
#include "kernels/activation.inl.h"
#include "kernels/column_sums.inl.h"
#include "kernels/rows.h"

namespace lamella {
namespace {

// Sum of f over x[0..n): four sums at a time hide the latency of addition.
template <class T, class F>
LAMELLA_INLINE T sum_of(const T* x, Int n, const F& f) {
    constexpr Int kStep = 4 * kLanes<T>;
    Vec<T> sum[4] = {};
    Int i = 0;
    for (; i + kStep <= n; i += kStep) {
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) sum[k] += f(load(x + i + k * kLanes<T>));
    }
    const T rest = sum_over<T>(n - i, [&](Int j, Int part) { return f(load(x + i + j, part)); });
    return reduce_add<T>((sum[0] + sum[1]) + (sum[2] + sum[3])) + rest;
}

// *total = sum of f over x.
template <class T, class F>
Status total_of(In<T> x, const F& f, double* total) {
    *total = 0;
    if (x.size <= kChunkElements) {
        *total = static_cast<double>(sum_of(x.data, x.size, f));
        return nullptr;
    }
    const Int chunks = (x.size + kChunkElements - 1) / kChunkElements;
    double* const partial = static_cast<double*>(call_scratch(chunks * Int{sizeof(double)}));
    if (partial == nullptr) return kOutOfMemory;
    parallel_for(x.size, kChunkElements, [&](Int begin, Int end) {
        partial[begin / kChunkElements] = static_cast<double>(sum_of(x.data + begin, end - begin, f));
    });
    for (Int c = 0; c < chunks; ++c) *total += partial[c];
    return nullptr;
}

template <class T, class F>
Status sum_all_of(In<T> x, Out<T> y, const F& f) {
    LAMELLA_REQUIRE(y.size == 1);
    double total;
    const Status status = total_of<T>(x, f, &total);
    if (status == nullptr) y.data[0] = T(total);
    return status;
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
Status global_norm(InList<T> xs, Out<T> y) {
    LAMELLA_REQUIRE(y.size == 1);
    double sum = 0;
    for (Int k = 0; k < xs.count; ++k) {
        double total;
        if (const Status status = total_of<T>(xs.items[k], [](Vec<T> v) { return v * v; }, &total)) return status;
        sum += total;
    }
    y.data[0] = T(__builtin_sqrt(sum));
    return nullptr;
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
    // Rows shorter than a vector: plain sums of neighbouring rows overlap in the pipeline.
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
