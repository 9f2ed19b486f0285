// Lists of arrays as one piece of work, for the optimizers and the global norm.
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

// update(k, begin, end) on pieces of array k. The arrays stand in one row, each on a multiple of 64 elements, and
// the row is cut: one parallel region a step, whatever the number of arrays, and cuts on cache lines.
template <class L, class F>
Status for_pieces(const L& ps, const F& update) {
    Int* start = static_cast<Int*>(call_scratch((ps.count + 1) * Int{sizeof(Int)}));
    if (start == nullptr) return kOutOfMemory;
    start[0] = 0;
    for (Int k = 0; k < ps.count; ++k) start[k + 1] = start[k] + (ps.items[k].size + 63) / 64 * 64;
    parallel_for(start[ps.count], kChunkElements, [&](Int begin, Int end) {
        Int k = 0, above = ps.count;  // start[k] <= begin < start[above]
        while (above - k > 1) {
            const Int middle = (k + above) / 2;
            (start[middle] <= begin ? k : above) = middle;
        }
        for (; k < ps.count && start[k] < end; ++k) {
            const Int from = begin > start[k] ? begin - start[k] : 0;
            const Int to = end - start[k] < ps.items[k].size ? end - start[k] : ps.items[k].size;
            if (from < to) update(k, from, to);
        }
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
