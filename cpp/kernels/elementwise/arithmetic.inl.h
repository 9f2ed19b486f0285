// Sums, differences, products, quotients and extrema of two arrays that are broadcast.
#pragma once
#include "kernels/elementwise/activation.inl.h"
#include "kernels/rows.h"

namespace lamella {
namespace {

// The numbers of cpp/table/elementwise.def.
enum Operation : Int { kAdd, kSubtract, kSubtractFrom, kMultiply, kDivide, kDivideInto, kMaximum, kMinimum, kOperations };

// The operation is selected for each vector: the loops wait for memory, and code for each operation would be eight times as
// long.
template <class T>
LAMELLA_INLINE Vec<T> combine(Int operation, Vec<T> a, Vec<T> b) {
    switch (operation) {
        case kAdd:
            return a + b;
        case kSubtract:
            return a - b;
        case kSubtractFrom:
            return b - a;
        case kMultiply:
            return a * b;
        case kDivide:
            return a / b;
        case kDivideInto:
            return b / a;
        case kMaximum:
            return ((a >= b) | (a != a)) ? a : b;
        default:
            return ((a <= b) | (a != a)) ? a : b;
    }
}

// y[i] = operation(a[i], b[i]) for n numbers.
template <class T>
void combine_all(Int operation, const T* a, const T* b, T* y, Int n) {
    for_vectors<T>(0, n,
                   [=](Int i, Int part) { store(y + i, combine<T>(operation, load(a + i, part), load(b + i, part)), part); });
}

template <class T>
void combine_one(Int operation, const T* a, T b, T* y, Int n) {
    const Vec<T> w = broadcast<T>(b);
    for_vectors<T>(0, n, [=](Int i, Int part) { store(y + i, combine<T>(operation, load(a + i, part), w), part); });
}

// Short rows are combined many at once with a block of memory that holds what b is for all of them: three numbers of a row
// would each time cost a vector and its end.
constexpr Int kBlock = 512;

// y[r] = operation(a[r], b), for rows r of a, y [count, columns] and one row b.
template <class T>
void combine_with_row(Int operation, const T* a, const T* b, T* y, Int count, Int columns) {
    const Int together = smaller(count, kBlock / columns);
    if (together < 3) {
        for (Int r = 0; r < count; ++r) combine_all<T>(operation, a + r * columns, b, y + r * columns, columns);
        return;
    }
    alignas(64) T block[kBlock];
    for (Int r = 0; r < together; ++r) copy(b, block + r * columns, columns);
    for (Int r = 0; r < count; r += together) {
        combine_all<T>(operation, a + r * columns, block, y + r * columns, smaller(together, count - r) * columns);
    }
}

// y[r] = operation(a[r], b[(first + r) % period]), for rows r of a, y [count, columns].
template <class T>
void combine_with_numbers(Int operation, const T* a, const T* b, T* y, Int first, Int period, Int count, Int columns) {
    Int at = first % period;
    const auto next = [&] {
        const T number = b[at];
        at = at + 1 == period ? 0 : at + 1;
        return number;
    };
    if (columns > 4 * kLanes<T>) {
        for (Int r = 0; r < count; ++r) combine_one<T>(operation, a + r * columns, next(), y + r * columns, columns);
        return;
    }
    // Whole vectors are stored, each over the end of the last row's.
    alignas(64) T block[kBlock + kLanes<T>];
    const Int together = kBlock / columns;
    for (Int r = 0; r < count; r += together) {
        const Int rows = smaller(together, count - r);
        for (Int i = 0; i < rows; ++i) {
            const Vec<T> w = broadcast<T>(next());
            for (Int c = 0; c < columns; c += kLanes<T>) store(block + i * columns + c, w);
        }
        combine_all<T>(operation, a + r * columns, block, y + r * columns, rows * columns);
    }
}

// The operation with its arguments in the other order.
LAMELLA_INLINE Int in_other_order(Int operation) {
    switch (operation) {
        case kSubtract:
            return kSubtractFrom;
        case kSubtractFrom:
            return kSubtract;
        case kDivide:
            return kDivideInto;
        case kDivideInto:
            return kDivide;
        default:
            return operation;
    }
}

// y[begin..end) of x broadcast to y. The last axis of x is that of y; begin and end are at ends of rows.
template <class T>
void spread(In<T> x, Out<T> y, Int begin, Int end) {
    const Int height = y.shape[1], width = y.shape[2], step = x.shape[1] == height ? width : 0;
    const Int batch_step = x.shape[0] == y.shape[0] ? x.shape[1] * width : 0;
    for (Int at = begin; at < end; at += width) {
        const Int row = at / width;
        copy(x.data + row / height * batch_step + row % height * step, y.data + at, width);
    }
}

template <class T>
Status arithmetic(In<T> a, In<T> b, Int operation, Out<T> y) {
    LAMELLA_REQUIRE(operation >= 0 && operation < kOperations);
    LAMELLA_REQUIRE(a.rank == 3 && b.rank == 3 && y.rank == 3);
    for (int i = 0; i < 3; ++i) {
        LAMELLA_REQUIRE(a.shape[i] == y.shape[i] || (a.shape[i] == 1 && b.shape[i] == y.shape[i]));
        LAMELLA_REQUIRE(b.shape[i] == y.shape[i] || (b.shape[i] == 1 && a.shape[i] == y.shape[i]));
    }
    if (y.size == 0) return nullptr;
    // The first one has the size of y; or, if both are broadcast, the last axis of y, and is copied to y chunk by chunk.
    const bool same_order = a.size == y.size || (b.size != y.size && a.shape[2] == y.shape[2]);
    if (!same_order) return arithmetic<T>(b, a, in_other_order(operation), y);
    if (b.size == y.size || b.size == 1) {
        const bool one = b.size == 1;
        parallel_for(y.size, kChunkElements, [&](Int begin, Int end) {
            if (one) combine_one<T>(operation, a.data + begin, *b.data, y.data + begin, end - begin);
            else combine_all<T>(operation, a.data + begin, b.data + begin, y.data + begin, end - begin);
        });
        return nullptr;
    }
    const bool copied = a.size != y.size;
    const auto source = [&](Int begin, Int end) {
        if (copied) spread<T>(a, y, begin, end);
        return (copied ? y.data : a.data) + begin;
    };
    const Int batch = y.shape[0], height = y.shape[1], width = y.shape[2];
    const auto shared = [&](int axis) { return b.shape[axis] != y.shape[axis]; };
    if (shared(2)) {
        const Rows n = shared(1) ? Rows{batch, height * width} : Rows{batch * height, width};
        const Int period = b.size;
        parallel_for(n.rows, grain_of(n), [&](Int begin, Int end) {
            const Int at = begin * n.columns;
            const T* const from = source(at, end * n.columns);
            combine_with_numbers<T>(operation, from, b.data, y.data + at, begin, period, end - begin, n.columns);
        });
        return nullptr;
    }
    const Rows n = shared(1) ? Rows{batch * height, width} : Rows{batch, height * width};
    // The rows that share a row of b.
    const Int together = shared(1) && !shared(0) ? height : n.rows;
    parallel_for(n.rows, grain_of(n), [&](Int begin, Int end) {
        const T* from = source(begin * n.columns, end * n.columns);
        for (Int r = begin; r < end;) {
            const Int stop = smaller(end, (r / together + 1) * together);
            combine_with_row<T>(operation, from, b.data + r / together * n.columns, y.data + r * n.columns, stop - r,
                                n.columns);
            from += (stop - r) * n.columns;
            r = stop;
        }
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
