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

// y[r] = operation(a[r], b[(first + r) % period]), for rows r of y [count, columns]; a has the same rows, or one for all.
template <class T>
void combine_with_numbers(Int operation, const T* a, bool one_row, const T* b, T* y, Int first, Int period, Int count,
                          Int columns) {
    Int at = first % period;
    const auto next = [&] {
        const T number = b[at];
        at = at + 1 == period ? 0 : at + 1;
        return number;
    };
    if (columns > 4 * kLanes<T>) {
        for (Int r = 0; r < count; ++r) {
            combine_one<T>(operation, a + (one_row ? 0 : r * columns), next(), y + r * columns, columns);
        }
        return;
    }
    alignas(64) T numbers[kBlock + kLanes<T>], row[kBlock];
    const Int together = kBlock / columns;
    for (Int r = 0; one_row && r < smaller(together, count); ++r) copy(a, row + r * columns, columns);
    for (Int r = 0; r < count; r += together) {
        const Int rows = smaller(together, count - r);
        for (Int i = 0; i < rows; ++i) {
            const Vec<T> w = broadcast<T>(next());
            // Whole vectors, whose ends the next row overwrites.
            for (Int c = 0; c < columns; c += kLanes<T>) store(numbers + i * columns + c, w);
        }
        combine_all<T>(operation, one_row ? row : a + r * columns, numbers, y + r * columns, rows * columns);
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

template <class T>
Status arithmetic(In<T> a, In<T> b, Int operation, Out<T> y) {
    LAMELLA_REQUIRE(operation >= 0 && operation < kOperations);
    LAMELLA_REQUIRE(a.rank == 3 && b.rank == 3 && y.rank == 3);
    for (int i = 0; i < 3; ++i) {
        LAMELLA_REQUIRE(a.shape[i] == y.shape[i] || (a.shape[i] == 1 && b.shape[i] == y.shape[i]));
        LAMELLA_REQUIRE(b.shape[i] == y.shape[i] || (b.shape[i] == 1 && a.shape[i] == y.shape[i]));
    }
    if (y.size == 0) return nullptr;
    // The first one has the size of y; or, if both are broadcast, the last axis of y, and the one before unless only b has it.
    const Int batch = y.shape[0], height = y.shape[1], width = y.shape[2];
    const auto most = [&](In<T> x) { return x.size == y.size ? 4 : 2 * (x.shape[2] == width) + (x.shape[1] == height); };
    if (most(b) > most(a)) return arithmetic<T>(b, a, in_other_order(operation), y);
    if (b.size == y.size || b.size == 1) {
        const bool one = b.size == 1;
        parallel_for(y.size, kChunkElements, [&](Int begin, Int end) {
            if (one) combine_one<T>(operation, a.data + begin, *b.data, y.data + begin, end - begin);
            else combine_all<T>(operation, a.data + begin, b.data + begin, y.data + begin, end - begin);
        });
        return nullptr;
    }
    const bool whole = a.size == y.size, rows_of_b = b.shape[1] == height, batch_of_a = a.shape[0] == batch;
    if (b.shape[2] != width) {
        const Rows n = rows_of_b ? Rows{batch * height, width} : Rows{batch, height * width};
        // Whether a has the rows of y, the same rows for each n, or one row for all or for each n.
        const bool same_rows = !whole && rows_of_b && a.shape[1] == height, one_row = !whole && !same_rows;
        const Int together = same_rows || (one_row && rows_of_b && batch_of_a) ? height : n.rows, period = b.size;
        parallel_for(n.rows, grain_of(n), [&](Int begin, Int end) {
            for (Int r = begin; r < end;) {
                const Int stop = smaller(end, (r / together + 1) * together);
                const Int row = one_row ? r / together : r % together;
                combine_with_numbers<T>(operation, a.data + row * n.columns, one_row, b.data, y.data + r * n.columns, r, period,
                                        stop - r, n.columns);
                r = stop;
            }
        });
        return nullptr;
    }
    // If both are broadcast, a is [1, R, C] and b [N, 1, C].
    const Rows n = rows_of_b ? Rows{batch, height * width} : Rows{batch * height, width};
    // The rows that share a row of b.
    const Int together = !rows_of_b && b.shape[0] == batch ? height : n.rows;
    parallel_for(n.rows, grain_of(n), [&](Int begin, Int end) {
        for (Int r = begin; r < end;) {
            const Int stop = smaller(end, (r / together + 1) * together);
            const T* const from = a.data + (whole ? r : r % together) * n.columns;
            combine_with_row<T>(operation, from, b.data + r / together * n.columns, y.data + r * n.columns, stop - r,
                                n.columns);
            r = stop;
        }
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
