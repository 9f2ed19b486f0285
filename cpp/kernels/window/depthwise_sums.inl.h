// Sums of a depthwise convolution for a few points side by side, vector by vector of their channels: each vector of weights
// is loaded once for all of them. Points are x_step apart in the source and y_step in y, of `width` channels each.
#pragma once
#include "kernels/window/depthwise_taps.inl.h"

namespace lamella {
namespace {

// Twelve of 16 registers where three taps share what they read: 8 sums, 3 weights, 1 of the source. On the way back 8 of dy,
// 3 sums, 1 of the source.
constexpr int kDepthwisePoints = 8;

template <class T>
struct Points {
    const T* x;
    Int x_step;
    const Tap* taps;
    Int tap_count;
    Int width;
    // Of three taps that read neighbours, only the first is listed; this far apart are their weights. Columns outside of
    // [left, right), counted from the first that the first point reads, are zeros.
    Int w_step, left, right;
};

template <class T>
struct Outputs {
    const T* w;
    const T* bias;  // or nullptr
    bool relu;
    T* y;
    Int y_step;

    Outputs moved(Int points) const { return {w, bias, relu, y + points * y_step, y_step}; }
    // The same with `points` neighbours taken for one.
    Outputs joined(Int points) const { return {w, bias, relu, y, points * y_step}; }
};

// Weights' gradients, laid out as the weights are, and the bias's, or nullptr.
template <class T>
struct WeightSums {
    const T* dy;
    Int dy_step;
    T* dw;
    T* dbias;

    WeightSums moved(Int points) const { return {dy + points * dy_step, dy_step, dw, dbias}; }
    WeightSums joined(Int points) const { return {dy, points * dy_step, dw, dbias}; }
};

template <class T, int NP>
LAMELLA_INLINE void store_points(const Vec<T> (&sums)[NP], const Outputs<T>& out, Int c, Int part) {
#pragma GCC unroll 8
    for (int i = 0; i < NP; ++i) {
        Vec<T> sum = sums[i];
        if (out.bias != nullptr) sum += load(out.bias + c, part);
        if (out.relu) sum = sum < T(0) ? Vec<T>{} : sum;  // NaN stays
        store(out.y + i * out.y_step + c, sum, part);
    }
}

// Any list of taps.
struct ByTap {
    template <class T, int NP>
    LAMELLA_INLINE static void sum(const Points<T>& p, const Outputs<T>& out, Int c, Int part) {
        Vec<T> sums[NP] = {};
        const Int step = p.x_step;
        for (Int t = 0; t < p.tap_count; ++t) {
            const T* const x = p.x + p.taps[t].x + c;
            const Vec<T> w = load(out.w + p.taps[t].w + c, part);
#pragma GCC unroll 8
            for (int i = 0; i < NP; ++i) accumulate<T>(sums[i], load(x + i * step, part), w);
        }
        store_points<T, NP>(sums, out, c, part);
    }

    template <class T, int NP>
    LAMELLA_INLINE static void add(const Points<T>& p, const WeightSums<T>& into, const Vec<T> (&dy)[NP], Int c, Int part) {
        const Int step = p.x_step;
        for (Int t = 0; t < p.tap_count; ++t) {
            const T* const x = p.x + p.taps[t].x + c;
            T* const to = into.dw + p.taps[t].w + c;
            Vec<T> sum = load(to, part);
#pragma GCC unroll 8
            for (int i = 0; i < NP; ++i) accumulate<T>(sum, load(x + i * step, part), dy[i]);
            store(to, sum, part);
        }
    }
};

// Threes of taps that read neighbours, as points do: a window of three columns, stride and dilation 1.
struct ByThrees {
    template <int NP>
    LAMELLA_INLINE static bool outside(int column, Int left, Int right) {
        return (column < 2 && column < left) || (column >= NP && column >= right);
    }

    template <class T, int NP>
    LAMELLA_INLINE static void sum(const Points<T>& p, const Outputs<T>& out, Int c, Int part) {
        Vec<T> sums[NP] = {};
        const Int step = p.x_step, left = p.left, right = p.right;
        for (Int t = 0; t < p.tap_count; ++t) {
            const T* const x = p.x + p.taps[t].x + c;
            const T* const first = out.w + p.taps[t].w + c;
            const Vec<T> w[3] = {load(first, part), load(first + p.w_step, part), load(first + 2 * p.w_step, part)};
#pragma GCC unroll 10
            for (int column = 0; column < NP + 2; ++column) {
                if (outside<NP>(column, left, right)) continue;
                const Vec<T> value = load(x + column * step, part);
#pragma GCC unroll 3
                for (int tap = 0; tap < 3; ++tap) {
                    const int point = column - tap;
                    if (point >= 0 && point < NP) accumulate<T>(sums[point], value, w[tap]);
                }
            }
        }
        store_points<T, NP>(sums, out, c, part);
    }

    template <class T, int NP>
    LAMELLA_INLINE static void add(const Points<T>& p, const WeightSums<T>& into, const Vec<T> (&dy)[NP], Int c, Int part) {
        const Int step = p.x_step, left = p.left, right = p.right;
        for (Int t = 0; t < p.tap_count; ++t) {
            const T* const x = p.x + p.taps[t].x + c;
            T* const first = into.dw + p.taps[t].w + c;
            Vec<T> sums[3] = {load(first, part), load(first + p.w_step, part), load(first + 2 * p.w_step, part)};
#pragma GCC unroll 10
            for (int column = 0; column < NP + 2; ++column) {
                if (outside<NP>(column, left, right)) continue;
                const Vec<T> value = load(x + column * step, part);
#pragma GCC unroll 3
                for (int tap = 0; tap < 3; ++tap) {
                    const int point = column - tap;
                    if (point >= 0 && point < NP) accumulate<T>(sums[tap], value, dy[point]);
                }
            }
#pragma GCC unroll 3
            for (int tap = 0; tap < 3; ++tap) store(first + tap * p.w_step, sums[tap], part);
        }
    }
};

// By value: what is stored could otherwise be a part of the arguments, for all that the compiler knows.
template <class Way, class T, int NP>
[[gnu::noinline]] void work_on(Points<T> p, Outputs<T> out) {
    Int c = 0;
    for (; c + kLanes<T> <= p.width; c += kLanes<T>) Way::template sum<T, NP>(p, out, c, 0);
    if (c < p.width) Way::template sum<T, NP>(p, out, c, p.width - c);
}

template <class Way, class T, int NP>
LAMELLA_INLINE void add_points(const Points<T>& p, const WeightSums<T>& into, Int c, Int part) {
    Vec<T> dy[NP];
#pragma GCC unroll 8
    for (int i = 0; i < NP; ++i) dy[i] = load(into.dy + i * into.dy_step + c, part);
    Way::template add<T, NP>(p, into, dy, c, part);
    if (into.dbias == nullptr) return;
    Vec<T> sum = load(into.dbias + c, part);
#pragma GCC unroll 8
    for (int i = 0; i < NP; ++i) sum += dy[i];
    store(into.dbias + c, sum, part);
}

template <class Way, class T, int NP>
[[gnu::noinline]] void work_on(Points<T> p, WeightSums<T> into) {
    Int c = 0;
    for (; c + kLanes<T> <= p.width; c += kLanes<T>) add_points<Way, T, NP>(p, into, c, 0);
    if (c < p.width) add_points<Way, T, NP>(p, into, c, p.width - c);
}

template <class Way, class T, int NP, class Result>
LAMELLA_INLINE void work_on_next(Points<T>& p, Result& result, Int& count) {
    work_on<Way, T, NP>(p, result);
    p.x += NP * p.x_step;
    p.left -= NP;
    p.right -= NP;
    result = result.moved(NP);
    count -= NP;
}

// `count` points side by side.
template <class Way, class T, class Result>
void work_along(Points<T> p, Result result, Int count) {
    while (count >= kDepthwisePoints) work_on_next<Way, T, kDepthwisePoints>(p, result, count);
    if (count >= 4) work_on_next<Way, T, 4>(p, result, count);
    if (count >= 2) work_on_next<Way, T, 2>(p, result, count);
    if (count >= 1) work_on_next<Way, T, 1>(p, result, count);
}

}  // namespace
}  // namespace lamella
