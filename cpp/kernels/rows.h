// Arrays as rows of their last axis; each row is processed separately.
#pragma once
#include "kernels/common.h"

namespace lamella {
namespace {

struct Rows {
    Int rows, columns;
};

// [..., C] as [R, C]; a scalar is one row of one element.
template <class V>
LAMELLA_INLINE Rows rows_of(const V& x) {
    Rows n{1, x.rank > 0 ? x.shape[x.rank - 1] : 1};
    for (Int i = 0; i + 1 < x.rank; ++i) n.rows *= x.shape[i];
    return n;
}

// The number of rows in a chunk, depending on their length.
LAMELLA_INLINE Int grain_of(Rows n) {
    return n.columns < kChunkElements ? kChunkElements / (n.columns > 1 ? n.columns : 1) : 1;
}

// Calls f(r) for each row.
template <class F>
LAMELLA_INLINE void for_rows(Rows n, const F& f) {
    parallel_for(n.rows, grain_of(n), [&](Int begin, Int end) {
        for (Int r = begin; r < end; ++r) f(r);
    });
}

// Sum of f(i, part) over 0 <= i < n; the lanes of f after the end are ignored.
template <class T, class F>
LAMELLA_INLINE T sum_over(Int n, const F& f) {
    Vec<T> sum{};
    Int i = 0;
    for (; i + kLanes<T> <= n; i += kLanes<T>) sum += f(i, Int{0});
    if (i < n) sum += first_lanes<T>(f(i, n - i), n - i, Vec<T>{});
    return reduce_add<T>(sum);
}

// The same for large n: four sums at a time hide the latency of addition.
template <class T, class F>
LAMELLA_INLINE T sum_long(Int n, const F& f) {
    constexpr Int kStep = 4 * kLanes<T>;
    Vec<T> sum[4] = {};
    Int i = 0;
    for (; i + kStep <= n; i += kStep) {
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) sum[k] += f(i + k * kLanes<T>, Int{0});
    }
    for (; i + kLanes<T> <= n; i += kLanes<T>) sum[0] += f(i, Int{0});
    if (i < n) sum[1] += first_lanes<T>(f(i, n - i), n - i, Vec<T>{});
    return reduce_add<T>((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

// Largest f(i, part) over 0 <= i < n; -inf if n is 0.
template <class T, class F>
LAMELLA_INLINE T max_over(Int n, const F& f) {
    Vec<T> best = broadcast<T>(T(-__builtin_inf()));
    Int i = 0;
    for (; i + kLanes<T> <= n; i += kLanes<T>) best = max<T>(f(i, Int{0}), best);
    if (i < n) best = max<T>(first_lanes<T>(f(i, n - i), n - i, best), best);
    return reduce_max<T>(best);
}

template <class T>
LAMELLA_INLINE T max_over(const T* x, Int n) {
    return max_over<T>(n, [=](Int i, Int part) { return load(x + i, part); });
}

}  // namespace
}  // namespace lamella
