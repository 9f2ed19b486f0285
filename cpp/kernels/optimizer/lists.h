// Divides the work on lists of arrays, for the optimizers.
#pragma once
#include "kernels/common.h"

namespace lamella {
namespace {

template <class A, class B>
bool same_shapes(const A& a, const B& b) {
    if (a.count != b.count) return false;
    for (Int k = 0; k < a.count; ++k) {
        if (!same_shape(a.items[k], b.items[k])) return false;
    }
    return true;
}

// The arrays are treated as one row, in which each begins at a multiple of 64 elements, and the row is cut into chunks: one
// parallel region for any number of arrays, with cuts at cache lines.
LAMELLA_INLINE Int length_in_row(Int size) { return (size + 63) / 64 * 64; }

template <class L>
Int row_length(const L& xs) {
    Int length = 0;
    for (Int k = 0; k < xs.count; ++k) length += length_in_row(xs.items[k].size);
    return length;
}

// Calls f(k, begin, end, piece) for pieces of array k; start [count + 1] has the position of each array in the row. The number
// of a piece is the number of chunks and arrays before it, so numbers increase, with gaps.
template <class L, class F>
void for_pieces(const L& xs, const Int* start, const F& f) {
    parallel_for(start[xs.count], kChunkElements, [&](Int begin, Int end) {
        Int k = 0, above = xs.count;  // start[k] <= begin < start[above]
        while (above - k > 1) {
            const Int middle = (k + above) / 2;
            (start[middle] <= begin ? k : above) = middle;
        }
        for (; k < xs.count && start[k] < end; ++k) {
            const Int from = begin > start[k] ? begin - start[k] : 0;
            const Int to = end - start[k] < xs.items[k].size ? end - start[k] : xs.items[k].size;
            if (from < to) f(k, from, to, begin / kChunkElements + k);
        }
    });
}

}  // namespace
}  // namespace lamella
