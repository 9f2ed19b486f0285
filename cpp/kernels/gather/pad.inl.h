// Images with zeros around them. x [N, H, W, C], y [N, P, Q, C].
#pragma once
#include "kernels/common.h"

namespace lamella {
namespace {

template <class T>
Status pad(In<T> x, Int top, Int left, Out<T> y) {
    LAMELLA_REQUIRE(x.rank == 4 && y.rank == 4 && x.shape[0] == y.shape[0] && x.shape[3] == y.shape[3]);
    LAMELLA_REQUIRE(top >= 0 && top <= y.shape[1] - x.shape[1]);
    LAMELLA_REQUIRE(left >= 0 && left <= y.shape[2] - x.shape[2]);
    if (y.size == 0) return nullptr;
    const Int channels = x.shape[3], given = x.shape[2] * channels, row = y.shape[2] * channels, before = left * channels;
    parallel_for(y.shape[0] * y.shape[1], larger(1, kChunkElements / row), [&](Int begin, Int end) {
        for (Int i = begin; i < end; ++i) {
            T* const to = y.data + i * row;
            const Int h = i % y.shape[1] - top;
            const bool inside = h >= 0 && h < x.shape[1];
            const Int zeros = inside ? before : row;
            clear(to, zeros);
            if (!inside) continue;
            copy(x.data + (i / y.shape[1] * x.shape[1] + h) * given, to + before, given);
            clear(to + before + given, row - before - given);
        }
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
