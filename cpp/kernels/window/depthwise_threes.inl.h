// A depthwise convolution with rows of three taps, mostly 3x3: for a vector of channels a whole row of points is computed with
// its weights, or their gradients, in registers. It reads copies of rows, vector by vector, with zeros outside of the edges, so
// that all points are computed in the same way.
#pragma once
#include "kernels/window/depthwise_sums.inl.h"

namespace lamella {
namespace {

// 13 of 16 registers: 3x3 weights, 3 sums, 1 of the source. Backward 14: 3x3 sums, 3 of dy, 1 of the source, the bias.
constexpr int kMostTapRows = 3;
// Number of unrolled points. 224 columns halved down to 7 are multiples of seven.
constexpr int kThreesPoints = 4, kSevenPoints = 7;

// `count` points of a row. The source of the first point for row i of taps begins at x[i]. In the block of a vector the weights
// of row i begin at w + i*w_step, and the bias is at its end. Vectors are x_step apart in x.
template <class T>
struct Threes {
    const T* x[kMostTapRows];
    Int rows, w, w_step, bias, x_step, width, block, count;
    const T *x_next, *result_next;

    Int vectors() const { return ceil_divide(width, kLanes<T>); }
    // The number of lanes of a vector that are used; 0 means all.
    Int part(Int v) const { return width - v * kLanes<T> < kLanes<T> ? width - v * kLanes<T> : 0; }
};

// The source of a vector in each row, and its weights or their gradients.
template <class T, int kRows>
struct TapWeights {
    const T* x[kRows];
    Vec<T> w[kRows][3];

    LAMELLA_INLINE void load_from(const Threes<T>& p, Int v, const T* block) {
#pragma GCC unroll 3
        for (int row = 0; row < kRows; ++row) {
            x[row] = p.x[row] + v * p.x_step;
#pragma GCC unroll 3
            for (int tap = 0; tap < 3; ++tap) w[row][tap] = load(block + p.w + row * p.w_step + tap * kLanes<T>);
        }
    }
    LAMELLA_INLINE void store_to(const Threes<T>& p, T* block) const {
#pragma GCC unroll 3
        for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 3
            for (int tap = 0; tap < 3; ++tap) store(block + p.w + row * p.w_step + tap * kLanes<T>, w[row][tap]);
        }
    }
};

// Prefetches a part of the next rows: the memory that kPoints points of a vector need. For each point kSource vectors are read,
// and kResult vectors are written or read.
template <bool kWrites, int kSource, int kResult, int kPoints, class T>
LAMELLA_INLINE void fetch(const Threes<T>& p, Int point) {
    constexpr Int kLine = 64 / Int{sizeof(T)}, kVectors = kPoints * kLanes<T>;
#pragma GCC unroll 4
    for (Int i = 0; i < kSource * kVectors; i += kLine) __builtin_prefetch(p.x_next + point * kSource * kLanes<T> + i, 0, 2);
#pragma GCC unroll 4
    for (Int i = 0; i < kResult * kVectors; i += kLine) {
        __builtin_prefetch(p.result_next + point * kResult * kLanes<T> + i, kWrites ? 1 : 0, 2);
    }
}

// Calls use(value, row, tap, point) for each of kPoints points from `first` on whose window has this column at this tap.
// Columns are counted from the first column of the first point's window.
template <class T, int kRows, int kStride, int kPoints, class Use>
LAMELLA_INLINE void for_uses(const TapWeights<T, kRows>& taps, Int first, int column, const Use& use) {
#pragma GCC unroll 3
    for (int row = 0; row < kRows; ++row) {
        const Vec<T> value = load(taps.x[row] + (first * kStride + column) * kLanes<T>);
#pragma GCC unroll 3
        for (int tap = 0; tap < 3; ++tap) {
            const int point = (column - tap) / kStride;
            if (column < tap || column - tap != point * kStride || point >= kPoints) continue;
            use(value, row, tap, point);
        }
    }
}

// y of kPoints points from `first` on. Three sums are computed at a time: those of the windows that contain a column.
template <class T, int kRows, int kStride, int kPoints>
LAMELLA_INLINE void sum_points(const TapWeights<T, kRows>& taps, const Outputs<T>& out, const T* bias, Int first, T* y,
                               Int part) {
    Vec<T> sums[kPoints];
#pragma GCC unroll 16
    for (int column = 0; column < (kPoints - 1) * kStride + 3; ++column) {
        if (column % kStride == 0 && column / kStride < kPoints) sums[column / kStride] = load(bias);
        for_uses<T, kRows, kStride, kPoints>(taps, first, column, [&](Vec<T> value, int row, int tap, int point) {
            accumulate<T>(sums[point], value, taps.w[row][tap]);
        });
        const int point = (column - 2) / kStride;
        if (column < 2 || column - 2 != point * kStride) continue;
        if (out.relu) sums[point] = sums[point] < T(0) ? Vec<T>{} : sums[point];  // NaN gives NaN
        if (__builtin_expect(part == 0, 1)) store(y + (first + point) * out.y_step, sums[point]);
        else store_part(y + (first + point) * out.y_step, sums[point], part);
    }
}

template <class T, int kRows, int kStride, int kPoints>
LAMELLA_INLINE void sum_vector(const Threes<T>& p, const Outputs<T>& out, Int v) {
    const T* const block = out.w + v * p.block;
    TapWeights<T, kRows> taps;
    taps.load_from(p, v, block);
    T* const y = out.y + v * kLanes<T>;
    const Int part = p.part(v);
    // The last tile computes some points of the previous tile again.
    for (Int i = 0; i < p.count; i += kPoints) {
        fetch<true, kStride, 1, kPoints>(p, v * p.count + i);
        sum_points<T, kRows, kStride, kPoints>(taps, out, block + p.bias, smaller(i, p.count - kPoints), y, part);
    }
}

// Here and below arguments are passed by value, as in work_on.
template <class T, int kRows, int kStride, int kPoints>
[[gnu::noinline]] void sum_rows(Threes<T> p, Outputs<T> out) {
    for (Int v = 0; v < p.vectors(); ++v) sum_vector<T, kRows, kStride, kPoints>(p, out, v);
}

template <class T, int kRows, int kStride>
void sum_some(const Threes<T>& p, const Outputs<T>& out) {
    if (p.count % kSevenPoints == 0) sum_rows<T, kRows, kStride, kSevenPoints>(p, out);
    else if (p.count >= kThreesPoints) sum_rows<T, kRows, kStride, kThreesPoints>(p, out);
    else sum_rows<T, kRows, kStride, 1>(p, out);
}

// Adds the gradients of kPoints points from `first` on to dw; dy of three points is used at a time.
template <class T, int kRows, int kStride, int kPoints>
LAMELLA_INLINE void add_points(TapWeights<T, kRows>& taps, Vec<T>& bias, Int first, const T* from, Int dy_step, Int part) {
    Vec<T> dy[kPoints];
#pragma GCC unroll 16
    for (int column = 0; column < (kPoints - 1) * kStride + 3; ++column) {
        if (column % kStride == 0 && column / kStride < kPoints) {
            const T* const at = from + (first + column / kStride) * dy_step;
            dy[column / kStride] = __builtin_expect(part == 0, 1) ? load(at) : load_part(at, part);
            bias += dy[column / kStride];
        }
        for_uses<T, kRows, kStride, kPoints>(taps, first, column, [&](Vec<T> value, int row, int tap, int point) {
            accumulate<T>(taps.w[row][tap], value, dy[point]);
        });
    }
}

template <class T, int kRows, int kStride, int kPoints>
LAMELLA_INLINE void add_vector(const Threes<T>& p, const WeightSums<T>& into, Int v) {
    T* const block = into.dw + v * p.block;
    TapWeights<T, kRows> taps;
    taps.load_from(p, v, block);
    Vec<T> bias = load(block + p.bias);
    const T* const dy = into.dy + v * kLanes<T>;
    const Int part = p.part(v);
    Int i = 0;
    for (; i + kPoints <= p.count; i += kPoints) {
        fetch<false, kStride, 1, kPoints>(p, v * p.count + i);
        add_points<T, kRows, kStride, kPoints>(taps, bias, i, dy, into.dy_step, part);
    }
    if (kPoints != kSevenPoints) {
        for (; i < p.count; ++i) add_points<T, kRows, kStride, 1>(taps, bias, i, dy, into.dy_step, part);
    }
    taps.store_to(p, block);
    store(block + p.bias, bias);
}

template <class T, int kRows, int kStride>
[[gnu::noinline]] void add_rows(Threes<T> p, WeightSums<T> into) {
    if (p.count % kSevenPoints == 0) {
        for (Int v = 0; v < p.vectors(); ++v) add_vector<T, kRows, kStride, kSevenPoints>(p, into, v);
    } else {
        for (Int v = 0; v < p.vectors(); ++v) add_vector<T, kRows, kStride, kThreesPoints>(p, into, v);
    }
}

// dx for stride 2: in each of kPairs pairs of columns the first column uses the outer taps and the second the middle tap.
template <class T, int kRows, int kPairs>
LAMELLA_INLINE void spread_points(const TapWeights<T, kRows>& taps, Int first, T* dx, Int dx_step, Int part, Int begin,
                                  Int end) {
    Vec<T> outer[kPairs] = {}, middle[kPairs] = {};
#pragma GCC unroll 3
    for (int column = 0; column <= kPairs; ++column) {
#pragma GCC unroll 3
        for (int row = 0; row < kRows; ++row) {
            const Vec<T> value = load(taps.x[row] + (first + column) * kLanes<T>);
            if (column > 0) {
                accumulate<T>(outer[column - 1], value, taps.w[row][0]);
                accumulate<T>(middle[column - 1], value, taps.w[row][1]);
            }
            if (column < kPairs) accumulate<T>(outer[column], value, taps.w[row][2]);
        }
    }
#pragma GCC unroll 2
    for (int i = 0; i < kPairs; ++i) {
        const Int at = 2 * (first + i);
        if (at >= begin) store(dx + at * dx_step, outer[i], part);
        if (at + 1 < end) store(dx + (at + 1) * dx_step, middle[i], part);
    }
}

// The columns of dx are [begin, end) of the columns of p.count pairs.
template <class T, int kRows>
[[gnu::noinline]] void spread_rows(Threes<T> p, Outputs<T> out, Int begin, Int end) {
    TapWeights<T, kRows> taps;
    for (Int v = 0; v < p.vectors(); ++v) {
        taps.load_from(p, v, out.w + v * p.block);
        T* const dx = out.y + v * kLanes<T> - begin * out.y_step;
        const Int part = p.part(v);
        Int i = 0;
        for (; i + 2 <= p.count; i += 2) {
            fetch<true, 1, 2, 2>(p, v * p.count + i);
            spread_points<T, kRows, 2>(taps, i, dx, out.y_step, part, begin, end);
        }
        if (i < p.count) spread_points<T, kRows, 1>(taps, i, dx, out.y_step, part, begin, end);
    }
}

template <class F>
LAMELLA_INLINE void with_rows(Int rows, const F& f) {
    if (rows == 3) f(Number<3>());
    else if (rows == 2) f(Number<2>());
    else f(Number<1>());
}

// Points whose windows have no row inside the source: y is the bias.
template <class T>
void sum_no_rows(const Threes<T>& p, const Outputs<T>& out) {
    for (Int v = 0; v < p.vectors(); ++v) {
        Vec<T> sum = load(out.w + v * p.block + p.bias);
        if (out.relu) sum = sum < T(0) ? Vec<T>{} : sum;
        for (Int i = 0; i < p.count; ++i) store(out.y + v * kLanes<T> + i * out.y_step, sum, p.part(v));
    }
}

// Of such points only the bias has a gradient.
template <class T>
void add_no_rows(const Threes<T>& p, const WeightSums<T>& into) {
    for (Int v = 0; v < p.vectors(); ++v) {
        T* const at = into.dw + v * p.block + p.bias;
        const Int part = p.part(v);
        Vec<T> bias = load(at);
        for (Int i = 0; i < p.count; ++i) {
            const T* const dy = into.dy + v * kLanes<T> + i * into.dy_step;
            bias += part == 0 ? load(dy) : load_part(dy, part);
        }
        store(at, bias);
    }
}

template <class T>
void work_on_threes(const Threes<T>& p, Int stride, const Outputs<T>& out) {
    if (p.rows == 0) return sum_no_rows(p, out);
    with_rows(p.rows, [&](auto rows) {
        if (stride == 1) sum_some<T, rows.value, 1>(p, out);
        else sum_some<T, rows.value, 2>(p, out);
    });
}

template <class T>
void work_on_threes(const Threes<T>& p, Int stride, const WeightSums<T>& into) {
    if (p.rows == 0) return add_no_rows(p, into);
    with_rows(p.rows, [&](auto rows) {
        if (stride == 1) add_rows<T, rows.value, 1>(p, into);
        else add_rows<T, rows.value, 2>(p, into);
    });
}

template <class T>
void spread_threes(const Threes<T>& p, const Outputs<T>& out, Int begin, Int end) {
    with_rows(p.rows, [&](auto rows) { spread_rows<T, rows.value>(p, out, begin, end); });
}

}  // namespace
}  // namespace lamella
