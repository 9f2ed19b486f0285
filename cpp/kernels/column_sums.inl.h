// Sums over the rows of x [R, C]: bias gradients, statistics, averages. Rows shorter than a few vectors are joined: k rows are
// treated as one row of k*C elements, whose vectors are full; the last joined row may be shorter. At the end the k sums of each
// column are added (folded).
#pragma once
#include "kernels/common.h"

namespace lamella {
namespace {

constexpr Int kMaxJoined = 1024;

// For 1 <= C < 64 k*C, at most kMaxJoined: a whole number of vectors, at least four. For larger C it is C.
template <class T>
LAMELLA_INLINE Int joined_width(Int columns) {
    if (columns >= 64) return columns;
    Int k = 1;
    while (columns * k % kLanes<T> != 0 || columns * k < 4 * kLanes<T>) k *= 2;
    return columns * k;
}

// Rows that are summed at once. Wide rows are read in the order of memory, and sums are loaded and stored once in four rows. A
// strip of a few columns along all rows kept them in registers, but took 1.3 to 1.5 times as long where the rows were not in
// the cache (256 and 512 columns; EPYC, AVX-512).
constexpr Int kSummedRows = 4;
// Rows are prefetched so far ahead, to L2.
constexpr Int kSumsAheadBytes = 32 * 1024;

// out[s][i] = sum over the rows of the values that f adds to sum[s] for column i; out is [kSums, width]. f(at, i, part, sum)
// gets the offsets at = row * width + i. Rows are added in order. ahead(at) prefetches the cache line at this offset, which may
// be after the last row.
template <class T, int kSums, class F, class Ahead>
LAMELLA_INLINE void sum_joined(Int elements, Int width, T* out, const F& f, const Ahead& ahead) {
    constexpr int kBlock = 4;
    constexpr Int kStep = kBlock * kLanes<T>, kLine = 64 / Int{sizeof(T)};
    const bool wide = width * Int{sizeof(T)} > 256;
    const Int full = elements / width * width, tile = wide ? kSummedRows * width : larger(full, 1);
    for (Int begin = 0; begin == 0 || begin < full; begin += tile) {
        const Int end = smaller(begin + tile, full);
        const bool first = begin == 0;
        Int i = 0;
        for (; i + kStep <= width; i += kStep) {
            Vec<T> sum[kBlock][kSums] = {};
            for (int v = 0; v < kBlock && !first; ++v) {
                for (int s = 0; s < kSums; ++s) sum[v][s] = load(out + s * width + i + v * kLanes<T>);
            }
            if (wide) {
                const Int next = begin + kSummedRows * i + kSumsAheadBytes / Int{sizeof(T)};
                for (Int k = 0; k < kSummedRows * kStep; k += kLine) ahead(next + k);
            }
            for (Int at = begin + i; at < end; at += width) {
#pragma GCC unroll 4
                for (int v = 0; v < kBlock; ++v) f(at + v * kLanes<T>, i + v * kLanes<T>, Int{0}, sum[v]);
            }
            for (int v = 0; v < kBlock; ++v) {
                for (int s = 0; s < kSums; ++s) store(out + s * width + i + v * kLanes<T>, sum[v][s]);
            }
        }
        for_vectors<T>(i, width, [&](Int j, Int part) {
            Vec<T> sum[kSums] = {};
            for (int s = 0; s < kSums && !first; ++s) sum[s] = load(out + s * width + j, part);
            for (Int at = begin + j; at < end; at += width) f(at, j, part, sum);
            for (int s = 0; s < kSums; ++s) store(out + s * width + j, sum[s], part);
        });
    }
    for_vectors<T>(0, elements - full, [&](Int j, Int part) {
        Vec<T> sum[kSums];
        for (int s = 0; s < kSums; ++s) sum[s] = load(out + s * width + j, part);
        f(full + j, j, part, sum);
        for (int s = 0; s < kSums; ++s) store(out + s * width + j, sum[s], part);
    });
}

// out[c] = sum of joined[c], joined[c + columns] ...; out may be joined.
template <class T>
LAMELLA_INLINE void fold_joined(const T* joined, Int width, Int columns, T* out) {
    for (Int c = 0; c < columns; ++c) {
        T sum = joined[c];
        for (Int i = c + columns; i < width; i += columns) sum += joined[i];
        out[c] = sum;
    }
}

// out[c] = sum of column c of [elements / columns, columns].
template <class T>
LAMELLA_INLINE void sum_some_rows(const T* x, Int elements, Int columns, T* out) {
    const auto sum = [=](Int first, Int count, Int width, T* to) {
        const auto add = [=](Int at, Int, Int part, Vec<T>(&sums)[1]) { sums[0] += load(x + first + at, part); };
        const auto ahead = [=](Int at) { __builtin_prefetch(x + first + at, 0, 2); };
        sum_joined<T, 1>(count, width, to, add, ahead);
    };
    const Int width = joined_width<T>(columns), most = kRowsOfPiece * width;
    if (width > kMaxJoined || (width == columns && elements <= most)) {
        sum(0, elements, width, out);
        return;
    }
    T joined[kMaxJoined], next[kMaxJoined];
    sum(0, smaller(elements, most), width, joined);
    for (Int at = most; at < elements; at += most) {
        sum(at, smaller(elements - at, most), width, next);
        for_vectors<T>(0, width,
                       [&](Int i, Int part) { store(joined + i, load(joined + i, part) + load(next + i, part), part); });
    }
    fold_joined(joined, width, columns, out);
}

// Rows are cut into at most kMaxRowChunks chunks, so that the partial sums are small compared with the rows, or into chunks of
// kRowsOfPiece rows.
constexpr Int kMaxRowChunks = 64;
LAMELLA_INLINE Int row_grain(Int rows, Int columns) {
    const Int by_work = ceil_divide(kChunkElements, columns), by_count = ceil_divide(rows, kMaxRowChunks);
    return larger(by_work, smaller(by_count, kRowsOfPiece));
}

// out[c] = sum of column c: chunks of rows first, then the chunks in order.
template <class T>
Status sum_over_rows(const T* x, Int rows, Int columns, T* out) {
    if (columns == 0) return nullptr;
    const Int grain = row_grain(rows, columns);
    if (rows <= grain) {
        sum_some_rows(x, rows * columns, columns, out);
        return nullptr;
    }
    const Int chunks = (rows + grain - 1) / grain;
    T* partial;
    const Workspace own(part(partial, chunks * columns));
    if (!own) return kOutOfMemory;
    parallel_for(rows, grain, [&](Int begin, Int end) {
        sum_some_rows(x + begin * columns, (end - begin) * columns, columns, partial + begin / grain * columns);
    });
    sum_some_rows(partial, chunks * columns, columns, out);
    return nullptr;
}

}  // namespace
}  // namespace lamella
