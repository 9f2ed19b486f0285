// Arrays one after another along an axis.
#pragma once
#include "kernels/common.h"

namespace lamella {
namespace {

template <class T>
LAMELLA_INLINE bool parts_fit(InList<T> xs, Int rows, Int size) {
    Int total = 0;
    for (Int k = 0; k < xs.count; ++k) {
        if (xs.items[k].size % rows != 0) return false;
        total += xs.items[k].size;
    }
    return total == size;
}

// Chunks of y's elements, which may begin and end within a row.
template <class T>
Status concatenate(InList<T> xs, Int rows, Out<T> y) {
    LAMELLA_REQUIRE(rows > 0);
    LAMELLA_REQUIRE(parts_fit<T>(xs, rows, y.size));
    const Int columns = y.size / rows;
    parallel_for(y.size, kChunkElements, [&](Int begin, Int end) {
        Int row = begin / columns, column = begin % columns;
        for (Int at = begin; at < end; ++row, column = 0) {
            Int first = 0;  // column of the part
            for (Int k = 0; k < xs.count && at < end; ++k) {
                const Int width = xs.items[k].size / rows, count = smaller(first + width - column, end - at);
                if (count > 0) {
                    copy(xs.items[k].data + row * width + column - first, y.data + at, count);
                    at += count;
                    column += count;
                }
                first += width;
            }
        }
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
