// relu with a trained slope for each column of x [R, C].
#pragma once
#include "kernels/column_sums.inl.h"

namespace lamella {
namespace {

template <class X, class A>
LAMELLA_INLINE bool has_columns(const View<X>& x, const View<A>& alpha) {
    return alpha.size > 0 ? x.size % alpha.size == 0 : x.size == 0;
}

// The chunks of both kernels: rows joined to whole vectors. If they are so long that sums for each chunk of rows would take as
// much memory as x, chunks are of columns, and each contains all rows.
struct PreluChunks {
    Int width, rows, count, grain;
    bool by_columns;

    template <class T>
    LAMELLA_INLINE PreluChunks(In<T> x, Int columns)
        : width(joined_width<T>(columns)), rows(ceil_divide(x.size, width)), by_columns(width > kChunkElements / 4) {
        count = by_columns ? width : rows;
        grain = by_columns ? larger(256, kChunkElements / rows / 64 * 64) : row_grain(rows, width);
    }

    // Calls f(at, column, n) for each row of a chunk: n elements from the offset `at`, which begin at this column.
    template <class F>
    LAMELLA_INLINE void each(Int begin, Int end, Int elements, const F& f) const {
        const Int first = by_columns ? 0 : begin, last = by_columns ? rows : end;
        for (Int r = first; r < last; ++r) {
            const Int column = by_columns ? begin : 0, stop = by_columns ? end : width, at = r * width + column;
            f(at, column, smaller(stop - column, elements - at));
        }
    }
};

template <class T>
Status prelu_forward(In<T> x, In<T> alpha, Out<T> y) {
    LAMELLA_REQUIRE(same_shape(x, y));
    LAMELLA_REQUIRE(has_columns(x, alpha));
    if (x.size == 0) return nullptr;
    const PreluChunks chunks(x, alpha.size);
    T* slopes;
    const Workspace own(part(slopes, chunks.width));
    if (!own) return kOutOfMemory;
    for (Int i = 0; i < chunks.width; ++i) slopes[i] = alpha.data[i % alpha.size];
    parallel_for(chunks.count, chunks.grain, [&](Int begin, Int end) {
        chunks.each(begin, end, x.size, [&](Int at, Int column, Int n) {
            const T *const from = x.data + at, *const slope = slopes + column;
            T* const to = y.data + at;
            for_vectors<T>(0, n, [=](Int i, Int part) {
                const Vec<T> v = load(from + i, part);
                store(to + i, v > T(0) ? v : v * load(slope + i, part), part);
            });
        });
    });
    return nullptr;
}

template <class T>
Status prelu_backward(In<T> x, In<T> alpha, In<T> dy, Out<T> dx, Out<T> dalpha) {
    LAMELLA_REQUIRE(same_shape(x, dy) && same_shape(x, dx));
    LAMELLA_REQUIRE(same_shape(alpha, dalpha));
    LAMELLA_REQUIRE(has_columns(x, alpha));
    if (x.size == 0) {
        clear(dalpha.data, dalpha.size);
        return nullptr;
    }
    const PreluChunks chunks(x, alpha.size);
    const Int width = chunks.width, parts = chunks.by_columns ? 1 : ceil_divide(chunks.rows, chunks.grain);
    T *slopes, *sums;
    const Workspace own(part(slopes, width), part(sums, parts * width));
    if (!own) return kOutOfMemory;
    for (Int i = 0; i < width; ++i) slopes[i] = alpha.data[i % alpha.size];
    parallel_for(chunks.count, chunks.grain, [&](Int begin, Int end) {
        T* const sum = sums + (chunks.by_columns ? 0 : begin / chunks.grain * width);
        clear(sum + (chunks.by_columns ? begin : 0), chunks.by_columns ? end - begin : width);
        chunks.each(begin, end, x.size, [&](Int at, Int column, Int n) {
            const T *const from = x.data + at, *const given = dy.data + at, *const slope = slopes + column;
            T *const to = dx.data + at, *const total = sum + column;
            for_vectors<T>(0, n, [=](Int i, Int part) {
                const Vec<T> v = load(from + i, part), d = load(given + i, part);
                // At 0 the gradient is 0, as in Keras. NaN gives NaN.
                store(total + i, load(total + i, part) + (v > T(0) ? Vec<T>{} : d * v), part);
                store(to + i, v > T(0) ? d : v < T(0) ? d * load(slope + i, part) : Vec<T>{}, part);
            });
        });
    });
    T* const joined = slopes;  // not needed any more
    clear(joined, width);
    for (Int k = 0; k < parts; ++k) {
        for_vectors<T>(0, width, [=](Int i, Int part) {
            store(joined + i, load(joined + i, part) + load(sums + k * width + i, part), part);
        });
    }
    fold_joined(joined, width, alpha.size, dalpha.data);
    return nullptr;
}

}  // namespace
}  // namespace lamella
