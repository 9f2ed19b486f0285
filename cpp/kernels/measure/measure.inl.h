// The limits of the machine, with which bench/ compares the other kernels.
#pragma once
#include "kernels/common.h"

namespace lamella {
namespace {

// A multiply-add takes 4 or 5 cycles, and two start in each cycle (four on wide Arm cores); without FMA the add waits for the
// multiply. 12 chains keep two pipelines busy, 24 keep four busy, and both leave registers for the two constants.
constexpr int kMeasureChains = kRegisters == 32 ? 24 : 12;
constexpr Int kMeasureRound = 384;  // multiply-adds: a whole number of vectors for every chain, width and type

template <class T>
Status measure_fma(Int rounds, Out<T> sums) {
    LAMELLA_REQUIRE(rounds >= 0);
    constexpr Int kSteps = kMeasureRound / (kMeasureChains * kLanes<T>);
    static_assert(kSteps * kMeasureChains * kLanes<T> == kMeasureRound, "a round is whole vectors for every chain");
    parallel_for(sums.size, 1, [&](Int begin, Int end) {
        for (Int i = begin; i < end; ++i) {
            Vec<T> chain[kMeasureChains];
            // The compiler would compute equal chains only once; x/2 + 1 stays between 1 and 2.
            for (int c = 0; c < kMeasureChains; ++c) chain[c] = broadcast<T>(T(1) + T(c) / kMeasureChains);
            const Vec<T> half = broadcast<T>(T(0.5)), one = broadcast<T>(T(1));
            for (Int step = 0; step < rounds * kSteps; ++step) {
#pragma GCC unroll 24
                for (int c = 0; c < kMeasureChains; ++c) chain[c] = chain[c] * half + one;
            }
            Vec<T> sum{};
            for (int c = 0; c < kMeasureChains; ++c) sum += chain[c];
            sums.data[i] = reduce_add<T>(sum);
        }
    });
    return nullptr;
}

template <class T>
Status measure_stream(Out<T> a, Out<T> b, Out<T> c, In<T> g) {
    LAMELLA_REQUIRE(same_shape(a, g) && same_shape(b, g) && same_shape(c, g));
    parallel_for(g.size, kChunkElements, [&](Int begin, Int end) {
        for_vectors<T>(begin, end, [&](Int i, Int part) {
            const Vec<T> d = load(g.data + i, part);
            store(a.data + i, load(a.data + i, part) + d, part);
            store(b.data + i, load(b.data + i, part) + d, part);
            store(c.data + i, load(c.data + i, part) + d, part);
        });
    });
    return nullptr;
}

template <class T>
Status measure_region(Int regions, Int chunks) {
    LAMELLA_REQUIRE(chunks >= 0);
    for (Int i = 0; i < regions; ++i) parallel_for(chunks, 1, [](Int, Int) {});
    return nullptr;
}

}  // namespace
}  // namespace lamella
