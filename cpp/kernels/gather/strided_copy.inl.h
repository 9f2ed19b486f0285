// An array with any strides, copied or added to a contiguous one: transposed arrays, slices, arrays that are broadcast.
#pragma once
#include "kernels/common.h"

namespace lamella {
namespace {

// An axis of y: its size, and the distances of its neighbours in x and in y.
struct CopiedAxis {
    Int size, from, to;
};

// Whether x has all elements offset + sum of index * stride. In this order of checks no product overflows. Functions that do
// not depend on the element type are not inlined, because the kernels of both types need them twice.
[[gnu::noinline]] bool elements_within(const Int* shape, Int rank, Labels strides, Int offset, Int size) {
    if (offset < 0 || offset >= size) return false;
    Int first = offset, last = offset;
    for (Int i = 0; i < rank; ++i) {
        const Int stride = strides.data[i], steps = shape[i] - 1;
        if (stride <= -size || stride >= size) {
            if (steps > 0) return false;
        } else if (stride != 0) {
            const Int length = stride < 0 ? -stride : stride;
            if (steps > (size - 1) / length) return false;
            (stride < 0 ? first : last) += steps * stride;
        }
    }
    return first >= 0 && last < size;
}

// The axes of a copy. Axes of size 1 are left out, and neighbours that are one axis in both arrays are joined. Two of the axes
// are the plane, which is cut into blocks: `inner` is the last axis of y, `outer` the axis along which x is contiguous; the
// last but one of y if that is the inner one, or if there is none.
struct CopyPlan {
    CopiedAxis outer{1, 0, 0}, inner{1, 1, 1}, others[kMaxRank];
    int count = 0;  // of the others
    Int block_outer, block_inner, blocks_outer, blocks_inner, blocks;

    [[gnu::noinline]] CopyPlan(const Int* shape, Int rank, Labels strides) {
        CopiedAxis axes[kMaxRank];
        int n = 0;
        for (Int i = 0; i < rank; ++i) {
            if (shape[i] == 1) continue;
            const CopiedAxis axis{shape[i], strides.data[i], 0};
            if (n > 0 && axes[n - 1].from == axis.size * axis.from) axes[n - 1] = {axes[n - 1].size * axis.size, axis.from, 0};
            else axes[n++] = axis;
        }
        Int distance = 1;
        for (int i = n - 1; i >= 0; --i) axes[i].to = distance, distance *= axes[i].size;
        if (n > 0) inner = axes[n - 1];
        int along = n - 2;
        for (int i = 0; i < n - 1 && inner.from != 1; ++i) {
            if (axes[i].from == 1) along = i;
        }
        if (along >= 0) outer = axes[along];
        for (int i = 0; i < n - 1; ++i) {
            if (i != along) others[count++] = axes[i];
        }
        cut();
        blocks = blocks_outer * blocks_inner;
        for (int i = 0; i < count; ++i) blocks *= others[i].size;
    }

    // A block is a chunk of work at most. A transposed one is cut along both axes, so that its lines of x and y stay in L1.
    LAMELLA_INLINE void cut() {
        constexpr Int kTransposed = 128;
        block_inner = smaller(inner.size, transposed() ? kTransposed : kChunkElements);
        block_outer = smaller(outer.size, larger(1, transposed() ? kTransposed : kChunkElements / block_inner));
        blocks_inner = ceil_divide(inner.size, block_inner);
        blocks_outer = ceil_divide(outer.size, block_outer);
    }

    LAMELLA_INLINE bool transposed() const { return inner.from != 1 && outer.from == 1; }

    // The sizes of the block with this number; from and to: where it begins in x and y.
    [[gnu::noinline]] void find(Int block, Int& rows, Int& columns, Int& from, Int& to) const {
        const Int column = block % blocks_inner * block_inner;
        block /= blocks_inner;
        const Int row = block % blocks_outer * block_outer;
        block /= blocks_outer;
        rows = smaller(block_outer, outer.size - row);
        columns = smaller(block_inner, inner.size - column);
        from += row * outer.from + column * inner.from;
        to += row * outer.to + column * inner.to;
        for (int i = count - 1; i >= 0; --i) {
            const Int index = block % others[i].size;
            block /= others[i].size;
            from += index * others[i].from;
            to += index * others[i].to;
        }
    }
};

// y = v, or with kAdd before + v, where `before` has y's order.
template <bool kAdd, class T>
LAMELLA_INLINE void put(T* y, const T* before, Vec<T> v, Int part) {
    if constexpr (kAdd) store(y, load(before, part) + v, part);
    else store(y, v, part);
}

template <bool kAdd, class T>
LAMELLA_INLINE void put(T* y, const T* before, T v) {
    if constexpr (kAdd) *y = *before + v;
    else *y = v;
}

// y[r * to + c] = x[c * from + r], where y has `rows` rows of `columns` elements, at most kLanes each.
template <bool kAdd, class T>
LAMELLA_INLINE void transpose_square(const T* x, Int from, const T* before, T* y, Int to, int rows, int columns) {
    Vec<T> square[kLanes<T>];
    if (rows == kLanes<T> && columns == kLanes<T>) {
        for (int i = 0; i < kLanes<T>; ++i) square[i] = load(x + i * from);
        transpose<T>(square);
        for (int i = 0; i < kLanes<T>; ++i) put<kAdd>(y + i * to, before + i * to, square[i], 0);
        return;
    }
    for (int i = 0; i < kLanes<T>; ++i) square[i] = i < columns ? load(x + i * from, rows % kLanes<T>) : Vec<T>{};
    transpose<T>(square);
    for (int i = 0; i < rows; ++i) put<kAdd>(y + i * to, before + i * to, square[i], columns % kLanes<T>);
}

template <bool kAdd, class T>
void transpose_block(const T* x, Int from, const T* before, T* y, Int to, Int rows, Int columns) {
    for (Int r = 0; r < rows; r += kLanes<T>) {
        for (Int c = 0; c < columns; c += kLanes<T>) {
            const int height = static_cast<int>(smaller(kLanes<T>, rows - r)),
                      width = static_cast<int>(smaller(kLanes<T>, columns - c));
            transpose_square<kAdd>(x + c * from + r, from, before + r * to + c, y + r * to + c, to, height, width);
        }
    }
}

template <bool kAdd, class T>
Status for_strided(In<T> x, Int offset, Labels strides, const T* before, Out<T> y) {
    LAMELLA_REQUIRE(strides.size == y.rank);
    if (y.size == 0) return nullptr;
    LAMELLA_REQUIRE(elements_within(y.shape, y.rank, strides, offset, x.size));
    const CopyPlan plan(y.shape, y.rank, strides);
    const bool transposed = plan.transposed(), rows_are_contiguous = plan.inner.from == 1;
    const Int grain = larger(1, kChunkElements / (plan.block_outer * plan.block_inner));
    parallel_for(plan.blocks, grain, [&](Int begin, Int end) {
        for (Int block = begin; block < end; ++block) {
            Int rows, columns, from = offset, to = 0;
            plan.find(block, rows, columns, from, to);
            if (transposed) {
                transpose_block<kAdd>(x.data + from, plan.inner.from, before + to, y.data + to, plan.outer.to, rows, columns);
                continue;
            }
            for (Int r = 0; r < rows; ++r) {
                const T *const source = x.data + from + r * plan.outer.from, *const old = before + to + r * plan.outer.to;
                T* const row = y.data + to + r * plan.outer.to;
                if (rows_are_contiguous) {
                    for_vectors<T>(0, columns,
                                   [=](Int c, Int part) { put<kAdd>(row + c, old + c, load(source + c, part), part); });
                } else {
                    for (Int c = 0; c < columns; ++c) put<kAdd>(row + c, old + c, source[c * plan.inner.from]);
                }
            }
        }
    });
    return nullptr;
}

template <class T>
Status strided_copy(In<T> x, Int offset, Labels strides, Out<T> y) {
    return for_strided<false>(x, offset, strides, y.data, y);
}

template <class T>
Status strided_add(In<T> x, Int offset, Labels strides, In<T> before, Out<T> y) {
    LAMELLA_REQUIRE(same_shape(before, y));
    LAMELLA_REQUIRE(y.size == 0 || y.data != x.data);
    return for_strided<true>(x, offset, strides, before.data, y);
}

}  // namespace
}  // namespace lamella
