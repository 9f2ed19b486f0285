// Products with a few columns: the output of a convolution with 1 to 4 filters, or the gradient of an image of 1 to 4 channels.
// A tile of gemm.inl.h would leave most lanes of its vectors empty. Here the lanes are terms of the sum, which are neighbours
// in A, and their sums are added at the end.
#pragma once
#include "kernels/multiply/gemm.inl.h"

namespace lamella {
namespace {

// Rows of A at once: 6 x 4 sums, 4 vectors of B and one of A for 32 registers, 6 x 2 and 3 for 16.
constexpr int kFewRows = 6;
template <class T>
constexpr int kFewColumns = kLanes<T> / 4;

// Whether `columns` columns are so few that this pays: sums of `terms` terms, in runs of `run` neighbours. Adding the lanes of
// a sum takes about as long as a vector of terms in a tile of gemm.inl.h.
template <class T>
LAMELLA_INLINE bool few_columns_pay(Int columns, Int terms, Int run) {
    return columns <= kFewColumns<T> && terms >= (columns + 1) * kLanes<T> && run >= kLanes<T>;
}

// Adds the products of a vector of terms, or of `part` ones.
template <class T, int kColumns>
LAMELLA_INLINE void add_terms(const T* const (&a)[kFewRows], Int at, const T* b, Int terms, Int part,
                              Vec<T> (&sums)[kFewRows][kColumns]) {
    Vec<T> w[kColumns];
#pragma GCC unroll 4
    for (int j = 0; j < kColumns; ++j) w[j] = load(b + j * terms, part);
#pragma GCC unroll 6
    for (int r = 0; r < kFewRows; ++r) {
        const Vec<T> v = load(a[r] + at, part);
#pragma GCC unroll 4
        for (int j = 0; j < kColumns; ++j) accumulate<T>(sums[r][j], v, w[j]);
    }
}

// C[i][j] = sum of A_i times b[j], then the bias and relu. b: [kColumns][terms], in the order of the runs.
template <class T, int kColumns>
[[gnu::noinline]] void multiply_few(const T* const* rows, Int count, const Run* runs, Int run_count, const T* b, Int terms,
                                    T* const* c, const T* bias, bool relu) {
    for (Int i = 0; i < count; i += kFewRows) {
        const T* a[kFewRows];
        for (int r = 0; r < kFewRows; ++r) a[r] = rows[smaller(i + r, count - 1)];
        Vec<T> sums[kFewRows][kColumns] = {};
        const T* from = b;
        for (Int run = 0; run < run_count; ++run) {
            const Int end = runs[run].a + runs[run].k;
            Int at = runs[run].a;
            for (; at + kLanes<T> <= end; at += kLanes<T>, from += kLanes<T>) add_terms<T>(a, at, from, terms, 0, sums);
            if (at < end) add_terms<T>(a, at, from, terms, end - at, sums);
            from += end - at;
        }
#pragma GCC unroll 6
        for (int r = 0; r < kFewRows; ++r) {
#pragma GCC unroll 4
            for (int j = 0; j < kColumns; ++j) {
                T sum = reduce_add<T>(sums[r][j]);
                if (bias != nullptr) sum += bias[j];
                if (relu && sum < T(0)) sum = T(0);  // NaN gives NaN
                if (i + r < count) c[i + r][j] = sum;
            }
        }
    }
}

// The same for `columns` columns, at most kFewColumns<T>.
template <class T>
void multiply_few(Int columns, const T* const* rows, Int count, const Run* runs, Int run_count, const T* b, Int terms,
                  T* const* c, const T* bias, bool relu) {
    switch (columns) {
#define CASE(n)                                                                        \
    case n:                                                                            \
        if constexpr (n <= kFewColumns<T>) {                                           \
            multiply_few<T, n>(rows, count, runs, run_count, b, terms, c, bias, relu); \
        }                                                                              \
        return;
        CASE(1) CASE(2) CASE(3) CASE(4)
#undef CASE
    }
}

// y [m, columns] = x w + bias, then relu: x [m, k], w [k, columns].
template <class T>
Status affine_few(const T* x, const T* w, const T* bias, bool relu, T* y, Int m, Int k, Int columns) {
    T* packed;
    const Workspace own(part(packed, k * columns));
    if (!own) return kOutOfMemory;
    for (Int j = 0; j < columns; ++j) {
        for (Int i = 0; i < k; ++i) packed[j * k + i] = w[i * columns + j];
    }
    constexpr Int kAtOnce = 8 * kFewRows;
    const Run all{0, k};
    parallel_for(ceil_divide(m, kAtOnce), larger(1, kChunkFlops / (2 * kAtOnce * k * columns)), [&](Int begin, Int end) {
        for (Int first = begin * kAtOnce; first < smaller(end * kAtOnce, m); first += kAtOnce) {
            const Int count = smaller(kAtOnce, m - first);
            const T* a[kAtOnce];
            T* c[kAtOnce];
            for (Int i = 0; i < count; ++i) a[i] = x + (first + i) * k, c[i] = y + (first + i) * columns;
            multiply_few<T>(columns, a, count, &all, 1, packed, k, c, bias, relu);
        }
    });
    return nullptr;
}

// Points of x in rows, from which windows are read, and their values of dy, one point after the other.
template <class T>
struct FewPoints {
    const T* x;
    const T* dy;
    Int rows, columns, row_step, point_step;
};

// sums[j*total + i] += sum over the points of x[i] dy[j] for kVectors vectors of i, the last one with `part` elements.
template <class T, int kColumns, int kVectors>
[[gnu::noinline]] void add_few_gradients(const FewPoints<T>& points, Int part, T* sums, Int total) {
    Vec<T> acc[kColumns][kVectors] = {};
    const T* dy = points.dy;
    for (Int row = 0; row < points.rows; ++row) {
        const T* x = points.x + row * points.row_step;
        for (Int column = 0; column < points.columns; ++column, x += points.point_step, dy += kColumns) {
            Vec<T> v[kVectors];
#pragma GCC unroll 4
            for (int i = 0; i < kVectors; ++i) v[i] = load(x + i * kLanes<T>, i == kVectors - 1 ? part : 0);
#pragma GCC unroll 4
            for (int j = 0; j < kColumns; ++j) {
                const Vec<T> d = broadcast<T>(dy[j]);
#pragma GCC unroll 4
                for (int i = 0; i < kVectors; ++i) accumulate<T>(acc[j][i], d, v[i]);
            }
        }
    }
#pragma GCC unroll 4
    for (int j = 0; j < kColumns; ++j) {
#pragma GCC unroll 4
        for (int i = 0; i < kVectors; ++i) {
            T* const to = sums + j * total + i * kLanes<T>;
            const Int some = i == kVectors - 1 ? part : 0;
            store(to, load(to, some) + acc[j][i], some);
        }
    }
}

// The same for the `size` elements of a window.
template <class T, int kColumns>
void add_few_gradients(FewPoints<T> points, Int size, T* sums, Int total) {
    constexpr Int kStep = 4 * kLanes<T>;
    Int i = 0;
    for (; i + kStep <= size; i += kStep, points.x += kStep) add_few_gradients<T, kColumns, 4>(points, 0, sums + i, total);
    for (; i < size; i += kLanes<T>, points.x += kLanes<T>) {
        const Int part = size - i < kLanes<T> ? size - i : 0;
        add_few_gradients<T, kColumns, 1>(points, part, sums + i, total);
    }
}

template <class T>
void add_few_gradients(Int columns, const FewPoints<T>& points, Int size, T* sums, Int total) {
    switch (columns) {
#define CASE(n)                                                                                \
    case n:                                                                                    \
        if constexpr (n <= kFewColumns<T>) add_few_gradients<T, n>(points, size, sums, total); \
        return;
        CASE(1) CASE(2) CASE(3) CASE(4)
#undef CASE
    }
}

}  // namespace
}  // namespace lamella
