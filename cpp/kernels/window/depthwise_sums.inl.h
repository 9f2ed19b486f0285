// Sums of a depthwise convolution for a few neighbouring points, one cache line of their channels at a time: each vector of
// weights is loaded once for all points. Points have `width` channels; they are x_step apart in the source and y_step in y.
#pragma once
#include "kernels/window/depthwise_taps.inl.h"

namespace lamella {
namespace {

// A step is 64 bytes, at least two vectors before AVX-512. A cache line that is used as a whole need not stay in L1: if points
// are 4 KiB apart, the lines of a tile are in few sets of L1. 11 of 16 registers: 4x2 sums, 2 weights, 1 of the source.
constexpr int kDepthwiseVectors = LAMELLA_VECTOR_BYTES == 64 ? 1 : 2;
constexpr int kDepthwisePoints = 8 / kDepthwiseVectors;
template <class T>
constexpr Int kDepthwiseStep = kDepthwiseVectors * kLanes<T>;

// The layout of weights and bias, or their gradients, in steps of channels: [step][tap][channel of the step]; the bias is the
// last tap.
template <class T>
struct WeightBlocks {
    Int places, width, step;

    Int block() const { return (places + 1) * step; }
    Int size() const { return ceil_divide(width, step) * block(); }
    Int at(Int place, Int channel) const { return channel / step * block() + place * step + channel % step; }
};

// Memory that the next row of points uses first, prefetched during this row: `ratio` elements from `at` on for each element of
// this row. A tile reads along about forty streams of memory, too many for the hardware's prefetcher.
template <class T>
struct Ahead {
    const T* at;
    Int ratio;

    Ahead moved(Int elements) const { return {at + elements * ratio, ratio}; }

    template <bool kWritten, Int kCount>
    LAMELLA_INLINE void prefetch(Int first) const {
        constexpr Int kLine = 64 / Int{sizeof(T)};
        const T* from = at + first * ratio;
        for (Int times = ratio; times > 0; --times, from += kCount) {
#pragma GCC unroll 8
            for (Int i = 0; i < kCount; i += kLine) __builtin_prefetch(from + i, kWritten ? 1 : 0, 2);
        }
    }
};

template <class T>
struct Points {
    const T* x;
    Int x_step;
    const Tap* taps;
    Int tap_count;
    Int width, block;  // block: size of a block of the weights
    Ahead<T> source_ahead, result_ahead;
};

template <class T>
struct Outputs {
    const T* w;
    Int bias;  // its offset in a block, or 0
    bool relu;
    T* y;
    Int y_step;

    Outputs moved(Int points) const { return {w, bias, relu, y + points * y_step, y_step}; }
    // The same with `points` neighbours joined to one point.
    Outputs joined(Int points) const { return {w, bias, relu, y, points * y_step}; }
};

// Gradients of the weights and the bias, added to dw.
template <class T>
struct WeightSums {
    const T* dy;
    Int dy_step;
    T* dw;
    Int bias;

    WeightSums moved(Int points) const { return {dy + points * dy_step, dy_step, dw, bias}; }
    WeightSums joined(Int points) const { return {dy, points * dy_step, dw, bias}; }
};

// The block of channel c begins at `at` in w or dw. `part` is the number of lanes of the last vector that are used; 0 means
// all.
template <class T, int NP, int NV>
LAMELLA_INLINE void work_at(const Points<T>& p, const Outputs<T>& out, Int at, Int c, Int part) {
    const T* const w = out.w + at;
    const Int step = p.x_step;
    Vec<T> sums[NP][NV] = {};
    for (Int t = 0; t < p.tap_count; ++t) {
        const T* const x = p.x + p.taps[t].x + c;
        Vec<T> weights[NV];
#pragma GCC unroll 2
        for (int v = 0; v < NV; ++v) weights[v] = load(w + p.taps[t].w + v * kLanes<T>);
#pragma GCC unroll 8
        for (int i = 0; i < NP; ++i) {
#pragma GCC unroll 2
            for (int v = 0; v < NV; ++v) sums[i][v] += load(x + i * step + v * kLanes<T>, part) * weights[v];
        }
    }
#pragma GCC unroll 2
    for (int v = 0; v < NV; ++v) {
        const Vec<T> bias = out.bias != 0 ? load(w + out.bias + v * kLanes<T>) : Vec<T>{};
#pragma GCC unroll 8
        for (int i = 0; i < NP; ++i) {
            Vec<T> sum = sums[i][v] + bias;
            if (out.relu) sum = sum < T(0) ? Vec<T>{} : sum;  // NaN gives NaN
            store(out.y + i * out.y_step + c + v * kLanes<T>, sum, part);
        }
    }
}

template <class T, int NP, int NV>
LAMELLA_INLINE void work_at(const Points<T>& p, const WeightSums<T>& into, Int at, Int c, Int part) {
    T* const dw = into.dw + at;
    const Int step = p.x_step;
    Vec<T> dy[NP][NV];
#pragma GCC unroll 8
    for (int i = 0; i < NP; ++i) {
#pragma GCC unroll 2
        for (int v = 0; v < NV; ++v) dy[i][v] = load(into.dy + i * into.dy_step + c + v * kLanes<T>, part);
    }
    for (Int t = 0; t < p.tap_count; ++t) {
        const T* const x = p.x + p.taps[t].x + c;
        T* const to = dw + p.taps[t].w;
#pragma GCC unroll 2
        for (int v = 0; v < NV; ++v) {
            Vec<T> sum = load(to + v * kLanes<T>);
#pragma GCC unroll 8
            for (int i = 0; i < NP; ++i) sum += load(x + i * step + v * kLanes<T>, part) * dy[i][v];
            store(to + v * kLanes<T>, sum);
        }
    }
#pragma GCC unroll 2
    for (int v = 0; v < NV; ++v) {
        T* const bias = dw + into.bias + v * kLanes<T>;
        Vec<T> sum = load(bias);
#pragma GCC unroll 8
        for (int i = 0; i < NP; ++i) sum += dy[i][v];
        store(bias, sum);
    }
}

// Arguments are passed by value: otherwise the compiler must assume that a store changes them.
template <class T, int NP, class Result>
[[gnu::noinline]] void work_on(Points<T> p, Result result) {
    constexpr bool kWrites = __is_same(Result, Outputs<T>);
    Int c = 0, at = 0;
    for (; c + kDepthwiseStep<T> <= p.width; c += kDepthwiseStep<T>, at += p.block) {
        p.source_ahead.template prefetch<false, NP * kDepthwiseStep<T>>(NP * c);
        p.result_ahead.template prefetch<kWrites, NP * kDepthwiseStep<T>>(NP * c);
        work_at<T, NP, kDepthwiseVectors>(p, result, at, c, 0);
    }
    for (; c < p.width; c += kLanes<T>, at += kLanes<T>) {
        work_at<T, NP, 1>(p, result, at, c, p.width - c < kLanes<T> ? p.width - c : 0);
    }
}

template <class T, int NP, class Result>
LAMELLA_INLINE void work_on_next(Points<T>& p, Result& result, Int& count) {
    work_on<T, NP>(p, result);
    p.x += NP * p.x_step;
    p.source_ahead = p.source_ahead.moved(NP * p.width);
    p.result_ahead = p.result_ahead.moved(NP * p.width);
    result = result.moved(NP);
    count -= NP;
}

// `count` neighbouring points.
template <class T, class Result>
void work_along(Points<T> p, Result result, Int count) {
    while (count >= kDepthwisePoints) work_on_next<T, kDepthwisePoints>(p, result, count);
    if constexpr (kDepthwisePoints > 4) {
        if (count >= 4) work_on_next<T, 4>(p, result, count);
    }
    if (count >= 2) work_on_next<T, 2>(p, result, count);
    if (count >= 1) work_on_next<T, 1>(p, result, count);
}

}  // namespace
}  // namespace lamella
