// Sums over the rows of x [R, C], for bias gradients and statistics.
#pragma once
#include "kernels/common.h"

namespace lamella {
namespace {

// out[c] (kept in `columns` places) = sum of rows [begin, end) in order.
template <class T>
void sum_some_rows(const T* x, Int begin, Int end, Int columns, T* out) {
    constexpr int kVectors = 4;
    constexpr Int kWide = kVectors * kLanes<T>;
    Int c = 0;
    for (; c + kWide <= columns; c += kWide) {
        Vec<T> sum[kVectors] = {};
        for (Int r = begin; r < end; ++r) {
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) sum[v] += load(x + r * columns + c + v * kLanes<T>);
        }
        for (int v = 0; v < kVectors; ++v) store(out + c + v * kLanes<T>, sum[v]);
    }
    for (; c + kLanes<T> <= columns; c += kLanes<T>) {
        Vec<T> sum{};
        for (Int r = begin; r < end; ++r) sum += load(x + r * columns + c);
        store(out + c, sum);
    }
    for (; c < columns; ++c) {
        T sum = 0;
        for (Int r = begin; r < end; ++r) sum += x[r * columns + c];
        out[c] = sum;
    }
}

// out[c] = sum of column c: chunks of rows first, then the chunks in order.
template <class T>
Status sum_over_rows(const T* x, Int rows, Int columns, T* out) {
    constexpr Int kMaxChunks = 64;
    if (columns == 0) return nullptr;
    const Int by_work = (kChunkElements + columns - 1) / columns, by_count = (rows + kMaxChunks - 1) / kMaxChunks;
    const Int grain = by_work > by_count ? by_work : by_count;
    if (rows <= grain) {
        sum_some_rows(x, 0, rows, columns, out);
        return nullptr;
    }
    T* const partial = static_cast<T*>(call_scratch(kMaxChunks * columns * Int(sizeof(T))));
    if (partial == nullptr) return kOutOfMemory;
    parallel_for(rows, grain, [&](Int begin, Int end) {
        sum_some_rows(x, begin, end, columns, partial + begin / grain * columns);
    });
    sum_some_rows(partial, 0, (rows + grain - 1) / grain, columns, out);
    return nullptr;
}

}  // namespace
}  // namespace lamella
