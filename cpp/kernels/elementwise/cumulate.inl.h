// Sums and products so far along an axis. x, factors, y [N, S, C].
#pragma once
#include "kernels/rows.h"

namespace lamella {
namespace {

// Columns that are computed in all rows before the next ones. The results of the row before stay in L1.
constexpr Int kCumulatedColumns = 1024;
// Rows of an axis that is the last one. Each result waits for the one before it, so several rows are computed in turn.
constexpr int kCumulatedRows = 4;

template <class T>
Status cumulate(In<T> x, In<T> factors, Int product, Int reverse, Out<T> y) {
    LAMELLA_REQUIRE(x.rank == 3 && same_shape(x, y));
    LAMELLA_REQUIRE(factors.size == 0 || (product == 0 && same_shape(factors, x)));
    if (y.size == 0) return nullptr;
    const bool scaled = factors.size != 0, multiplied = product != 0;
    const Int places = x.shape[1], columns = x.shape[2];
    const Int begin = reverse != 0 ? (places - 1) * columns : 0, step = reverse != 0 ? -columns : columns;
    if (columns == 1) {
        // Every result is last * scale + term.
        const T constants[2] = {T(0), T(1)};
        const T* const scales = multiplied ? x.data : scaled ? factors.data - step : constants + 1;
        const T* const terms = multiplied ? constants : x.data;
        const Int scale_step = multiplied || scaled ? 1 : 0, term_step = multiplied ? 0 : 1;
        const Int groups = ceil_divide(x.shape[0], kCumulatedRows);
        for_rows({groups, kCumulatedRows * places}, [&](Int group) {
            const Int first = group * kCumulatedRows;
            // Of the last group some rows are computed twice, or more often if there are fewer.
            Int starts[kCumulatedRows];
            T last[kCumulatedRows];
#pragma GCC unroll 1
            for (int k = 0; k < kCumulatedRows; ++k) {
                starts[k] = smaller(first + k, x.shape[0] - 1) * places + begin;
                last[k] = y.data[starts[k]] = x.data[starts[k]];
            }
            for (Int s = 1; s < places; ++s) {
                for (int k = 0; k < kCumulatedRows; ++k) {
                    const Int at = starts[k] + s * step;
                    y.data[at] = last[k] = last[k] * scales[at * scale_step] + terms[at * term_step];
                }
            }
        });
        return nullptr;
    }
    const Int width = smaller(columns, kCumulatedColumns), blocks = ceil_divide(columns, width);
    for_rows({x.shape[0] * blocks, places * width}, [&](Int i) {
        const Int column = i % blocks * width, count = smaller(width, columns - column);
        const Int at = i / blocks * places * columns + column + begin;
        const T *from = x.data + at, *factor = factors.data + (scaled ? at : 0);
        T* to = y.data + at;
        copy(from, to, count);
        for (Int s = 1; s < places; ++s) {
            from += step;
            for_vectors<T>(0, count, [=](Int c, Int part) {
                Vec<T> last = load(to + c, part);
                if (scaled) last *= load(factor + c, part);
                const Vec<T> value = load(from + c, part);
                store(to + step + c, multiplied ? last * value : last + value, part);
            });
            to += step;
            if (scaled) factor += step;
        }
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
