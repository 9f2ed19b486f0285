// A depthwise convolution with 3x3 windows that reads the source in place: for one vector of channels a band of up to four rows
// of points is computed in one sweep along the columns. Each vector of the source is loaded once for all windows of the band
// that contain it, and nothing is copied. This needs 23 registers, and vectors that fill a cache line: lines of neighbouring
// points are often a power of two apart, so that they stay in L1 only for the moment of their use.
#pragma once
#include "kernels/window/depthwise_sums.inl.h"

namespace lamella {
namespace {

constexpr bool kHasBands = LAMELLA_VECTOR_BYTES == 64 && kRegisters == 32;
// Two for the tiles of depthwise_tiles.inl.h.
constexpr int kBandRows = kHasBands ? 4 : 2;

// Rows of the source that `rows` rows of points read.
constexpr int band_source_rows(int rows, int stride) { return (rows - 1) * stride + 3; }

// Point p of a row reads the source's columns p * stride - before + 0, 1, 2; those outside of [0, columns) are 0.
template <class T>
struct Band {
    // volatile: otherwise gcc keeps the pointers in vector registers.
    const T* volatile x[band_source_rows(kBandRows, 2)];  // a row outside of the source is a row of zeros
    Int columns, before, points, width, row;              // row: the distance of two rows of points
    Int stride;
    const T *x_next, *result_next;  // what the next band uses first

    // The steps [first_inside, end): all `stride` columns of a step are inside the source, and windows end at it.
    Int first_inside() const { return larger(2 / stride, ceil_divide(before, stride)); }
    Int end() const { return (columns + before) / stride; }
    // The offset of step p's first column.
    Int at(Int p) const { return (p * stride - before) * width; }
    bool inside(Int p, Int column) const {
        const Int at = p * stride - before + column;
        return at >= 0 && at < columns;
    }

    // Prefetches the lines of `kSteps` steps from p on of the next band, for the vector at channel c.
    template <bool kWrites, int kSteps, int kSource, int kResult>
    LAMELLA_INLINE void fetch(Int c, Int p) const {
        const Int step = c * points + p * kLanes<T>;
#pragma GCC unroll 24
        for (int i = 0; i < kSteps * kSource; ++i) __builtin_prefetch(x_next + step * kSource + i * kLanes<T>, 0, 2);
#pragma GCC unroll 12
        for (int i = 0; i < kSteps * kResult; ++i) {
            __builtin_prefetch(result_next + step * kResult + i * kLanes<T>, kWrites ? 1 : 0, 2);
        }
    }
};

// A block of the weights or their gradients for a vector of channels: 3x3 and the bias.
template <class T>
constexpr Int kBandBias = 9 * kLanes<T>;
template <class T>
constexpr Int kBandBlock = 10 * kLanes<T>;

template <class T>
struct BandWeights {
    Vec<T> w[3][3], bias;

    LAMELLA_INLINE void load_from(const T* block) {
#pragma GCC unroll 3
        for (int row = 0; row < 3; ++row) {
#pragma GCC unroll 3
            for (int tap = 0; tap < 3; ++tap) w[row][tap] = load(block + (row * 3 + tap) * kLanes<T>);
        }
        bias = load(block + kBandBias<T>);
    }
    LAMELLA_INLINE void store_to(T* block) const {
#pragma GCC unroll 3
        for (int row = 0; row < 3; ++row) {
#pragma GCC unroll 3
            for (int tap = 0; tap < 3; ++tap) store(block + (row * 3 + tap) * kLanes<T>, w[row][tap]);
        }
        store(block + kBandBias<T>, bias);
    }
};

// The sums, or dy, of one column of a band.
template <class T, int kRows>
struct BandColumn {
    Vec<T> at[kRows];

    LAMELLA_INLINE void fill(Vec<T> value) {
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) at[r] = value;
    }
    LAMELLA_INLINE void load_from(const T* from, Int row, Vec<T>& total) {
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) {
            at[r] = load(from + r * row);
            total += at[r];
        }
    }
    LAMELLA_INLINE void store_to(T* to, Int row, bool relu) const {
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) {
            Vec<T> sum = at[r];
            if (relu) sum = sum < T(0) ? Vec<T>{} : sum;  // NaN gives NaN
            store(to + r * row, sum);
        }
    }
};

// Calls f(Number<i>()) for kFrom <= i < kTo. A loop with `unroll` remained a loop here, and its sums were in memory (gcc 12).
template <int kFrom, int kTo, class F>
LAMELLA_INLINE void for_numbers(const F& f) {
    if constexpr (kFrom < kTo) {
        f(Number<kFrom>());
        for_numbers<kFrom + 1, kTo>(f);
    }
}

// Calls use(value, row of the window, row of the band) for all windows that contain a vector of the column at `at`.
template <class T, int kRows, int kStride, class Use>
LAMELLA_INLINE void for_column(const Band<T>& band, Int at, const Use& use) {
    for_numbers<0, band_source_rows(kRows, kStride)>([&](auto i) {
        const Vec<T> value = in_register<T>(load(band.x[i.value] + at));
        for_numbers<0, kRows>([&](auto r) {
            constexpr int kRow = i.value - r.value * kStride;
            if constexpr (kRow >= 0 && kRow < 3) use(value, kRow, r.value);
        });
    });
}

// y of a band for the vector of channels at c: step p begins the sums of point p and ends those of the last point that reads
// no later columns. This is a step at an edge: one of its columns is outside of the source, where it adds nothing, or no point
// ends or begins. It is a function of its own, so that the registers of the other steps hold all weights.
template <class T, int kRows, int kStride>
[[gnu::noinline]] void sum_edge(const Band<T>& band, const BandWeights<T>& weights, BandColumn<T, kRows> (&columns)[3], Int c,
                                T* y, bool relu, Int p) {
    constexpr int kBack = 2 / kStride;
    columns[2].fill(weights.bias);
    for (int column = 0; column < kStride; ++column) {
        if (band.inside(p, column)) {
            for (int back = 0; column + back * kStride < 3; ++back) {
                BandColumn<T, kRows>& of = columns[2 - back];
                const int tap = column + back * kStride;
                for_column<T, kRows, kStride>(band, band.at(p) + column * band.width + c,
                                              [&](Vec<T> value, int k, int r) { of.at[r] += value * weights.w[k][tap]; });
            }
        }
        if (column == 0 && p >= kBack) columns[2 - kBack].store_to(y + (p - kBack) * band.width + c, band.row, relu);
    }
    columns[0] = columns[1];
    columns[1] = columns[2];
}

template <class T, int kRows>
LAMELLA_INLINE void sum_step(const Band<T>& band, const BandWeights<T>& weights, Int c, T* y, bool relu, Int p,
                             BandColumn<T, kRows>& oldest, BandColumn<T, kRows>& middle, BandColumn<T, kRows>& newest) {
    newest.fill(weights.bias);
    for_column<T, kRows, 1>(band, band.at(p) + c, [&](Vec<T> value, int k, int r) {
        oldest.at[r] += value * weights.w[k][2];
        middle.at[r] += value * weights.w[k][1];
        newest.at[r] += value * weights.w[k][0];
    });
    oldest.store_to(y + (p - 2) * band.width + c, band.row, relu);
}

template <class T, int kRows>
LAMELLA_INLINE void sum_inside(const Band<T>& band, const BandWeights<T>& all, BandColumn<T, kRows> (&columns)[3], Int c, T* y,
                               bool relu, Int p, Int end) {
    const BandWeights<T> weights = all;
    BandColumn<T, kRows> first = columns[0], second = columns[1], third;
    for (; p + 3 <= end; p += 3) {
        band.template fetch<true, 3, kRows, kRows>(c, p);
        sum_step(band, weights, c, y, relu, p, first, second, third);
        sum_step(band, weights, c, y, relu, p + 1, second, third, first);
        sum_step(band, weights, c, y, relu, p + 2, third, first, second);
    }
    for (; p < end; ++p) {
        sum_step(band, weights, c, y, relu, p, first, second, third);
        first = second;
        second = third;
    }
    columns[0] = first;
    columns[1] = second;
}

template <class T, int kRows>
LAMELLA_INLINE void sum_step_of_two(const Band<T>& band, const BandWeights<T>& weights, Int c, T* y, bool relu, Int p,
                                    BandColumn<T, kRows>& older, BandColumn<T, kRows>& newer) {
    newer.fill(weights.bias);
    for_column<T, kRows, 2>(band, band.at(p) + c, [&](Vec<T> value, int k, int r) {
        older.at[r] += value * weights.w[k][2];
        newer.at[r] += value * weights.w[k][0];
    });
    older.store_to(y + (p - 1) * band.width + c, band.row, relu);
    for_column<T, kRows, 2>(band, band.at(p) + band.width + c,
                            [&](Vec<T> value, int k, int r) { newer.at[r] += value * weights.w[k][1]; });
}

template <class T, int kRows>
LAMELLA_INLINE void sum_inside_of_two(const Band<T>& band, const BandWeights<T>& all, BandColumn<T, kRows> (&columns)[3], Int c,
                                      T* y, bool relu, Int p, Int end) {
    const BandWeights<T> weights = all;
    BandColumn<T, kRows> first = columns[1], second;
    for (; p + 2 <= end; p += 2) {
        band.template fetch<true, 2, 4 * kRows, kRows>(c, p);
        sum_step_of_two(band, weights, c, y, relu, p, first, second);
        sum_step_of_two(band, weights, c, y, relu, p + 1, second, first);
    }
    if (p < end) {
        sum_step_of_two(band, weights, c, y, relu, p, first, second);
        first = second;
    }
    columns[1] = first;
}

// The same for all channels. w: blocks of the weights.
template <class T, int kRows, int kStride>
[[gnu::noinline]] void sum_band(const Band<T>& band, const T* w, T* y, bool relu) {
    const Int last = band.points + 2 / kStride, begin = smaller(last, band.first_inside());
    const Int end = larger(begin, smaller(last, band.end()));
    for (Int c = 0; c < band.width; c += kLanes<T>, w += kBandBlock<T>) {
        BandWeights<T> weights;
        BandColumn<T, kRows> columns[3];
        weights.load_from(w);
        for (Int p = 0; p < begin; ++p) sum_edge<T, kRows, kStride>(band, weights, columns, c, y, relu, p);
        if constexpr (kStride == 1) sum_inside(band, weights, columns, c, y, relu, begin, end);
        else sum_inside_of_two(band, weights, columns, c, y, relu, begin, end);
        for (Int p = end; p < last; ++p) sum_edge<T, kRows, kStride>(band, weights, columns, c, y, relu, p);
    }
}

// Adds the gradients of a band for the vector of channels at c: step p loads dy of point p. This is a step at an edge: of a
// column that is outside, or that not all windows with its taps contain. It is a function of its own, so that the registers of
// the other steps hold all sums.
template <class T, int kRows, int kStride>
[[gnu::noinline]] void add_edge(const Band<T>& band, BandWeights<T>& sums, BandColumn<T, kRows> (&columns)[3], Int c,
                                const T* dy, Int p) {
    if (p < band.points) columns[2].load_from(dy + p * band.width + c, band.row, sums.bias);
    for (int column = 0; column < kStride; ++column) {
        if (!band.inside(p, column)) continue;
        for (int back = 0; column + back * kStride < 3; ++back) {
            if (p < back || p - back >= band.points) continue;
            const BandColumn<T, kRows>& of = columns[2 - back];
            const int tap = column + back * kStride;
            for_column<T, kRows, kStride>(band, band.at(p) + column * band.width + c,
                                          [&](Vec<T> value, int k, int r) { sums.w[k][tap] += value * of.at[r]; });
        }
    }
    columns[0] = columns[1];
    columns[1] = columns[2];
}

template <class T, int kRows>
LAMELLA_INLINE void add_step(const Band<T>& band, BandWeights<T>& sums, Int c, const T* dy, Int p,
                             const BandColumn<T, kRows>& oldest, const BandColumn<T, kRows>& middle,
                             BandColumn<T, kRows>& newest) {
    newest.load_from(dy + p * band.width + c, band.row, sums.bias);
    for_column<T, kRows, 1>(band, band.at(p) + c, [&](Vec<T> value, int k, int r) {
        sums.w[k][2] += value * oldest.at[r];
        sums.w[k][1] += value * middle.at[r];
        sums.w[k][0] += value * newest.at[r];
    });
}

template <class T, int kRows>
LAMELLA_INLINE void add_inside(const Band<T>& band, BandWeights<T>& all, BandColumn<T, kRows> (&columns)[3], Int c, const T* dy,
                               Int p, Int end) {
    BandWeights<T> sums = all;
    BandColumn<T, kRows> first = columns[0], second = columns[1], third;
    for (; p + 3 <= end; p += 3) {
        band.template fetch<false, 3, kRows, kRows>(c, p);
        add_step(band, sums, c, dy, p, first, second, third);
        add_step(band, sums, c, dy, p + 1, second, third, first);
        add_step(band, sums, c, dy, p + 2, third, first, second);
    }
    for (; p < end; ++p) {
        add_step(band, sums, c, dy, p, first, second, third);
        first = second;
        second = third;
    }
    columns[0] = first;
    columns[1] = second;
    all = sums;
}

template <class T, int kRows>
LAMELLA_INLINE void add_step_of_two(const Band<T>& band, BandWeights<T>& sums, Int c, const T* dy, Int p,
                                    const BandColumn<T, kRows>& older, BandColumn<T, kRows>& newer) {
    newer.load_from(dy + p * band.width + c, band.row, sums.bias);
    for_column<T, kRows, 2>(band, band.at(p) + c, [&](Vec<T> value, int k, int r) {
        sums.w[k][2] += value * older.at[r];
        sums.w[k][0] += value * newer.at[r];
    });
    for_column<T, kRows, 2>(band, band.at(p) + band.width + c,
                            [&](Vec<T> value, int k, int r) { sums.w[k][1] += value * newer.at[r]; });
}

template <class T, int kRows>
LAMELLA_INLINE void add_inside_of_two(const Band<T>& band, BandWeights<T>& all, BandColumn<T, kRows> (&columns)[3], Int c,
                                      const T* dy, Int p, Int end) {
    BandWeights<T> sums = all;
    BandColumn<T, kRows> first = columns[1], second;
    for (; p + 2 <= end; p += 2) {
        band.template fetch<false, 2, 4 * kRows, kRows>(c, p);
        add_step_of_two(band, sums, c, dy, p, first, second);
        add_step_of_two(band, sums, c, dy, p + 1, second, first);
    }
    if (p < end) {
        add_step_of_two(band, sums, c, dy, p, first, second);
        first = second;
    }
    columns[1] = first;
    all = sums;
}

// The same for all channels: dw holds blocks of the sums.
template <class T, int kRows, int kStride>
[[gnu::noinline]] void add_band(const Band<T>& band, const T* dy, T* dw) {
    const Int last = band.points + 2 / kStride, begin = smaller(last, band.first_inside());
    const Int end = larger(begin, smaller(band.points, band.end()));
    for (Int c = 0; c < band.width; c += kLanes<T>, dw += kBandBlock<T>) {
        BandWeights<T> sums;
        BandColumn<T, kRows> columns[3];
        sums.load_from(dw);
        for (Int p = 0; p < begin; ++p) add_edge<T, kRows, kStride>(band, sums, columns, c, dy, p);
        if constexpr (kStride == 1) add_inside(band, sums, columns, c, dy, begin, end);
        else add_inside_of_two(band, sums, columns, c, dy, begin, end);
        for (Int p = end; p < last; ++p) add_edge<T, kRows, kStride>(band, sums, columns, c, dy, p);
        sums.store_to(dw);
    }
}

// A map of points is cut into as few bands as possible, whose numbers of rows differ by at most one.
LAMELLA_INLINE Int band_count(Int rows) { return ceil_divide(rows, kBandRows); }

// Images of `rows` x `columns` points. The windows of the first row and column begin `before` rows and columns before the
// source.
template <class T>
struct Bands {
    const T* source;
    const T* zeros;  // a row of the source
    Int source_rows, source_columns, before_rows, before_columns;
    Int rows, columns, width, stride;

    Int source_row() const { return source_columns * width; }
    Int first(Int band) const { return rows * band / band_count(rows); }

    // Calls f(number of rows, as a type; band; offset of the points) for the bands [begin, end) of all images.
    template <class F>
    LAMELLA_INLINE void for_each(Int begin, Int end, const T* result, const F& f) const {
        for (Int b = begin; b < end; ++b) {
            const Int in_image = band_count(rows), image = b / in_image;
            const Int row = first(b % in_image), count = first(b % in_image + 1) - row;
            const Int at = (image * rows + row) * columns * width;
            const Band<T> band = this->band(image, row, count, result + at);
            if (count == 4) f(Number<4>(), band, at);
            else if (count == 3) f(Number<3>(), band, at);
            else if (count == 2) f(Number<2>(), band, at);
            else f(Number<1>(), band, at);
        }
    }

private:
    Band<T> band(Int image, Int row, Int count, const T* result) const {
        const Int top = row * stride - before_rows, read = (count - 1) * stride + 3;
        const T* const from = source + image * source_rows * source_row();
        Band<T> band{{},
                     source_columns,
                     before_columns,
                     columns,
                     width,
                     columns * width,
                     stride,
                     from + (top + read) * source_row(),
                     result + count * columns * width};
        for (Int i = 0; i < read; ++i) {
            band.x[i] = top + i >= 0 && top + i < source_rows ? from + (top + i) * source_row() : zeros;
        }
        return band;
    }
};

// y = the sums of the windows. w: blocks of the weights.
template <class T>
Status sum_in_bands(const Bands<T>& bands, Int images, Int grain, const T* w, bool relu, T* y) {
    return in_chunks(images * band_count(bands.rows), grain, [&](Int begin, Int end) -> Status {
        bands.for_each(begin, end, y, [&](auto rows, const Band<T>& band, Int at) {
            if (band.stride == 1) sum_band<T, rows.value, 1>(band, w, y + at, relu);
            else sum_band<T, rows.value, 2>(band, w, y + at, relu);
        });
        return nullptr;
    });
}

// Adds the gradients of the bands [begin, end) to dw, blocks of the weights.
template <class T>
Status add_in_bands(const Bands<T>& bands, Int begin, Int end, const T* dy, T* dw) {
    bands.for_each(begin, end, dy, [&](auto rows, const Band<T>& band, Int at) {
        if (band.stride == 1) add_band<T, rows.value, 1>(band, dy + at, dw);
        else add_band<T, rows.value, 2>(band, dy + at, dw);
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
