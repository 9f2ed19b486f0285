// Sums, differences, products, quotients and extrema of two arrays, of which one may be broadcast.
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

template <class T>
Status arithmetic(In<T> a, In<T> b, Int operation, Out<T> y) {
    LAMELLA_REQUIRE(operation >= 0 && operation < kOperations);
    LAMELLA_REQUIRE(a.rank == 3 && b.rank == 3 && same_shape(a, y));
    for (int i = 0; i < 3; ++i) LAMELLA_REQUIRE(b.shape[i] == a.shape[i] || b.shape[i] == 1);
    if (y.size == 0) return nullptr;
    if (b.size == a.size) {
        map(a.data, b.data, y.data, y.size, [=](Vec<T> v, Vec<T> w) { return combine<T>(operation, v, w); });
        return nullptr;
    }
    const bool one = b.size == 1;
    const Rows n = one ? Rows{ceil_divide(y.size, kChunkElements), kChunkElements} : Rows{y.shape[0] * y.shape[1], y.shape[2]};
    const bool own_column = b.shape[2] != 1;
    const Int rows = y.shape[1], row_step = b.shape[1] == 1 ? 0 : b.shape[2],
              step = b.shape[0] == 1 ? 0 : b.shape[1] * b.shape[2];
    for_rows(n, [&](Int r) {
        const T *const from = a.data + r * n.columns, *const other = b.data + (one ? 0 : r / rows * step + r % rows * row_step);
        T* const to = y.data + r * n.columns;
        const Int columns = smaller(n.columns, y.size - r * n.columns);
        if (own_column) {
            for_vectors<T>(0, columns, [=](Int c, Int part) {
                store(to + c, combine<T>(operation, load(from + c, part), load(other + c, part)), part);
            });
        } else {
            const Vec<T> w = broadcast<T>(*other);
            for_vectors<T>(0, columns,
                           [=](Int c, Int part) { store(to + c, combine<T>(operation, load(from + c, part), w), part); });
        }
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
