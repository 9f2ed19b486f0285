// Depthwise convolution on one to three axes: x [N, D, H, W, C], w [U, R, S, C, M], y [N, O, P, Q, C*M]; for images D, U and O
// are 1, for sequences also H, R and P. Vectors are along the channels. If there are few channels, which fill no vector,
// neighbours along a row are joined to one point with several times the channels, and the weights are repeated.
//
// The order of a sum's taps depends only on the geometry. Gradients of the weights are summed point by point within chunks of
// rows, then chunk by chunk.
#pragma once
#include "kernels/column_sums.inl.h"
#include "kernels/window/depthwise_spread.inl.h"
#include "kernels/window/depthwise_threes.inl.h"
#include "kernels/window/depthwise_tiles.inl.h"

namespace lamella {
namespace {

// The number of points that are joined to one. With strides up to kMostPhases columns are copied side by side to make that
// possible.
constexpr Int kMostPhases = 4;
template <class T>
LAMELLA_INLINE Int points_joined(Int width, Int stride) {
    const bool narrow = width < 64 && width % kLanes<T> != 0;
    return narrow && stride <= kMostPhases ? joined_width<T>(width) / width : 1;
}

// The least rows of a chunk, unless a map has fewer. Rows that two chunks share are copied for both: two rows with a 3x3
// window.
constexpr Int kLeastRows = 8;

// The most elements that are prefetched for each element of y: those that a stride of 2 on both axes reads.
constexpr Int kMostAhead = 4;

// Whether bands are swept along the columns: with more channels tiles are faster, up to twice (EPYC, AVX-512).
template <class T>
bool is_swept(const Bands<T>& bands) {
    return kHasBands && bands.width * Int{sizeof(T)} <= (bands.stride == 2 ? 512 : 256);
}

struct DepthwiseShape {
    Window window;
    Int images, channels, multiplier;
    Int x[kMaxAxes], y[kMaxAxes];

    Int width() const { return channels * multiplier; }
    Int places() const { return window.size[0] * window.size[1] * window.size[2]; }
    WindowAxis axis(int i) const { return {window.size[i], window.stride[i], window.dilation[i], window.before[i]}; }
    // The number of rows in a chunk; points: the points on each axis.
    Int grain(const Int (&points)[kMaxAxes]) const {
        return larger(smaller(kLeastRows, larger(1, points[1])), 2 * kChunkElements / larger(1, points[2] * width()));
    }

    template <class T>
    Int joined() const {
        return points_joined<T>(width(), window.stride[2]);
    }

    // Whether rows have three taps that read neighbours, with a stride that depthwise_threes.inl.h supports.
    template <class T>
    bool in_threes() const {
        return window.size[0] * window.size[1] <= kMostTapRows && window.size[2] == 3 && window.dilation[2] == 1 &&
               window.stride[2] <= 2 && joined<T>() == 1;
    }

    // The shapes of depthwise_bands.inl.h and depthwise_tiles.inl.h: 3x3 windows on images whose channels fill vectors.
    template <class T>
    bool in_bands() const {
        return multiplier == 1 && channels % kLanes<T> == 0 && x[0] == 1 && y[0] == 1 && window.size[0] == 1 &&
               window.before[0] == 0 && window.size[1] == 3 && window.size[2] == 3 && window.dilation[1] == 1 &&
               window.dilation[2] == 1 && window.stride[1] == window.stride[2] && window.stride[1] <= 2;
    }
    template <class T>
    Bands<T> bands_of_y(const T* data, const T* zeros) const {
        return {data, zeros, x[1], x[2], window.before[1], window.before[2], y[1], y[2], channels, window.stride[1]};
    }
    // For stride 1: dx is the convolution of dy with the flipped weights.
    template <class T>
    Bands<T> bands_of_dx(const T* data, const T* zeros) const {
        return {data, zeros, y[1], y[2], 2 - window.before[1], 2 - window.before[2], x[1], x[2], channels, 1};
    }

    // For stride 2, see depthwise_spread.inl.h.
    template <class T>
    Spread<T> spread_of_dx(const T* data, const T* zeros) const {
        return {data, zeros, {x[1], y[1], window.before[1]}, {x[2], y[2], window.before[2]}, channels};
    }
    template <class T>
    bool in_spread() const {
        return in_bands<T>() && window.stride[2] == 2 && spread_of_dx<T>(nullptr, nullptr).is_covered();
    }

    // Whether depthwise_bands.inl.h or depthwise_tiles.inl.h computes `bands`.
    template <class T>
    bool in_bands(const Bands<T>& bands) const {
        return in_bands<T>() && (is_swept(bands) || is_tiled(bands));
    }

    template <class T>
    WeightBlocks<T> blocks() const {
        return {places(), joined<T>() * width(), in_threes<T>() ? kLanes<T> : kDepthwiseStep<T>};
    }
    template <class T>
    WeightShape weights() const {
        return {window.size[1], window.size[2], blocks<T>().step};
    }

    // The rows of x after the last one that row r of points reads.
    template <class T>
    Ahead<T> x_ahead(const T* data, Int r) const {
        const Int slice = r / y[1] % y[0] * window.stride[0] - window.before[0] + (window.size[0] - 1) * window.dilation[0];
        const Int row = r % y[1] * window.stride[1] - window.before[1] + (window.size[1] - 1) * window.dilation[1];
        const Int reached = (r / y[1] / y[0] * x[0] + slice) * x[1] + row + 1;
        return {data + reached * x[2] * channels,
                multiplier > 1 ? 0 : smaller(window.stride[1] * window.stride[2], kMostAhead)};
    }

    // The row of dy after the last one that depends on row r of x.
    Int dy_reached(Int r) const {
        const Int slice = (r / x[1] % x[0] + window.before[0]) / window.stride[0];
        const Int row = (r % x[1] + window.before[1]) / window.stride[1];
        return (r / x[1] / x[0] * y[0] + slice) * y[1] + row + 1;
    }

    template <class T>
    Source<T> source_x(const T* data) const {
        const bool threes = in_threes<T>();
        const Int phases = joined<T>() > 1 ? window.stride[2] : 1;
        Source<T> source{data, x[0], x[1], x[2], channels, multiplier, phases, 0, 0, 0, 0};
        if (threes || multiplier > 1 || phases > 1) {
            source.ring_slices = smaller((window.size[0] - 1) * window.dilation[0] + 1, x[0]);
            source.ring_rows = smaller((window.size[1] - 1) * window.dilation[1] + 1, x[1]);
        }
        if (threes) {
            source.first = -window.before[2];
            source.length = (y[2] - 1) * window.stride[2] + 3;
        }
        return source;
    }

    // For stride 2 columns of x are processed in pairs: an even position of the padded row and the next one.
    Int pairs() const { return (window.before[2] + x[2] - 1) / 2 - window.before[2] / 2 + 1; }

    template <class T>
    Source<T> source_dy(const T* data) const {
        Source<T> source{data, y[0], y[1], y[2], width(), 1, 1, 0, 0, 0, 0};
        if (in_threes<T>()) {
            source.ring_slices = smaller((window.size[0] - 1) * window.dilation[0] / window.stride[0] + 1, y[0]);
            source.ring_rows = smaller((window.size[1] - 1) * window.dilation[1] / window.stride[1] + 1, y[1]);
            source.first = window.stride[2] == 1 ? window.before[2] - 2 : window.before[2] / 2 - 1;
            source.length = window.stride[2] == 1 ? x[2] + 2 : pairs() + 1;
        }
        return source;
    }
};

template <class A, class B>
LAMELLA_INLINE DepthwiseShape depthwise_shape(const A& x, const B& y, const Window& window) {
    const Int channels = x.shape[x.rank - 1], width = y.shape[y.rank - 1];
    DepthwiseShape shape{window, x.shape[0], channels, channels > 0 ? width / channels : 1, {}, {}};
    sizes_on_axes(x, shape.x);
    sizes_on_axes(y, shape.y);
    return shape;
}

#define LAMELLA_REQUIRE_DEPTHWISE(x, w, y)                                                   \
    LAMELLA_REQUIRE(is_window(window));                                                      \
    LAMELLA_REQUIRE(x.rank == window.axes + 2 && y.rank == x.rank);                          \
    LAMELLA_REQUIRE(is_filter(w, window));                                                   \
    LAMELLA_REQUIRE(x.shape[0] == y.shape[0]);                                               \
    LAMELLA_REQUIRE(x.shape[x.rank - 1] == w.shape[window.axes]);                            \
    LAMELLA_REQUIRE(y.shape[y.rank - 1] == w.shape[window.axes] * w.shape[window.axes + 1]); \
    LAMELLA_REQUIRE(steps_fit(window.stride, 1));                                            \
    LAMELLA_REQUIRE(steps_fit(window.dilation, 1));                                          \
    LAMELLA_REQUIRE(steps_fit(window.before, 0))

// Copies w [places, width] and bias [width] or nullptr to blocks, repeated for joined points. Each `reversed` places in turn
// are in reverse order: 1 for the forward pass; for the backward pass the three columns of a row, or all places of tiles.
template <class T>
void fill_blocks(const T* w, const T* bias, Int width, const WeightBlocks<T>& blocks, Int reversed, T* to) {
    const bool whole = width == blocks.width;
    for (Int c = 0; c < blocks.width; c += blocks.step) {
        const Int count = smaller(blocks.step, blocks.width - c);
        for (Int place = 0; place <= blocks.places; ++place, to += blocks.step) {
            const Int at = place + reversed - 1 - 2 * (place % reversed);
            const T* const from = place < blocks.places ? w + at * width : bias;
            if (from == nullptr) {
                clear(to, blocks.step);
            } else if (whole && count == blocks.step) {
                copy(from + c, to, count);
            } else {
                for (Int i = 0; i < blocks.step; ++i) to[i] = i < count ? from[(c + i) % width] : T(0);
            }
        }
    }
}

// The reverse of fill_blocks: gradients of joined points are added. dbias may be nullptr.
template <class T>
void gather_blocks(const T* from, const WeightBlocks<T>& blocks, Int width, T* dw, T* dbias) {
    for (Int place = 0; place <= blocks.places; ++place, from += blocks.step) {
        T* const to = place < blocks.places ? dw + place * width : dbias;
        if (to == nullptr) return;
        if (width == blocks.width) {
            // A thousand channels one by one took a seventh of the time of a 7x7 map (EPYC, AVX-512).
            const T* at = from;
            for (Int c = 0; c < width; c += blocks.step, at += blocks.block())
                copy(at, to + c, smaller(blocks.step, width - c));
            continue;
        }
        for (Int c = 0; c < width; ++c) {
            T sum = 0;
            for (Int channel = c; channel < blocks.width; channel += width) sum += from[blocks.at(0, channel)];
            to[c] = sum;
        }
    }
}

// Points along a row: the first one reads the source at `column`, each next one `advance` columns later.
template <class T>
struct Span {
    Line column;
    Int advance, count;
    Ahead<T> source_ahead, result_ahead;
};

template <class T>
Threes<T> list_threes(SourceRows<T>& rows, const Source<T>& source, Int image, const Line& slice, const Line& row,
                      const Span<T>& span, const WeightShape& w, const WeightBlocks<T>& blocks) {
    const Int first = slice.tap * w.rows + row.tap, step = slice.count > 1 ? slice.tap_step * w.rows : row.tap_step;
    Threes<T> p{{},
                0,
                first * w.columns * w.step,
                step * w.columns * w.step,
                blocks.places * w.step,
                source.vector_step(),
                source.width(),
                blocks.block(),
                span.count,
                span.source_ahead.at,
                span.result_ahead.at};
    for (Int i = 0; i < slice.count; ++i) {
        for (Int j = 0; j < row.count; ++j) p.x[p.rows++] = rows.begin() + rows.row(image, slice.place(i), row.place(j));
    }
    return p;
}

// Computes all points of a span; slice and row must be inside the source.
template <class T, class Result>
void work_on_span(SourceRows<T>& rows, const Source<T>& source, Int image, const Line& slice, const Line& row,
                  const Span<T>& span, const WeightShape& w, const WeightBlocks<T>& blocks, Tap* taps, const Result& result) {
    const Line& column = span.column;
    if (source.length > 0) {
        const Threes<T> threes = list_threes(rows, source, image, slice, row, span, w, blocks);
        return work_on_threes(threes, span.advance, result);
    }
    const Int width = source.width(), joined = blocks.width / width, block = blocks.block();
    const Int x_step = (source.phases == 1 ? span.advance : 1) * width * joined;
    const auto list = [&](const Line& at) { return list_taps(rows, source, image, slice, row, at, w, taps); };
    Int begin = 0, end = span.count;  // points whose windows are inside
    if (column.count > 0) {
        const Int room = source.columns - 1 - column.most();
        begin = column.least() < 0 ? smaller(ceil_divide(-column.least(), span.advance), span.count) : 0;
        end = larger(begin, room < 0 ? 0 : smaller(room / span.advance + 1, span.count));
    }
    const auto some = [&](Int first, Int joined_width, Int count) -> Points<T> {
        return {rows.begin(),
                x_step,
                taps,
                count,
                joined_width,
                block,
                span.source_ahead.moved(first * width),
                span.result_ahead.moved(first * width)};
    };
    const auto alone = [&](Int point) {
        const Int count = list(column.moved(point * span.advance).inside(source.columns));
        work_on<T, 1>(some(point, width, count), result.moved(point));
    };
    for (Int point = 0; point < begin; ++point) alone(point);
    for (Int point = end; point < span.count; ++point) alone(point);
    if (begin == end) return;
    const Int count = list(column.moved(begin * span.advance)), groups = (end - begin) / joined;
    Points<T> points = some(begin, joined * width, count);
    work_along(points, result.moved(begin).joined(joined), groups);
    const Int rest = (end - begin) % joined;
    if (rest > 0) {
        points = some(end - rest, rest * width, count);
        points.x += groups * x_step;
        work_on<T, 1>(points, result.moved(end - rest));
    }
}

// y of all bands. w: blocks of the weights; grain: rows of a chunk.
template <class T>
Status sum_bands(const Bands<T>& bands, Int images, Int grain, const T* w, bool relu, T* y) {
    if constexpr (kHasBands) {
        if (is_swept(bands)) return sum_in_bands(bands, images, larger(1, grain / kBandRows), w, relu, y);
    }
    if constexpr (kHasTiles<T>) return sum_in_tiles(bands, images, ceil_divide(grain, kBandRows), w, relu, y);
    return nullptr;  // not reached: see DepthwiseShape::in_bands
}

// Adds the gradients of some bands to dw, blocks of the weights.
template <class T>
Status add_bands(const Bands<T>& bands, Int begin, Int end, const T* dy, T* dw) {
    if constexpr (kHasBands) {
        if (is_swept(bands)) return add_in_bands(bands, begin, end, dy, dw);
    }
    if constexpr (kHasTiles<T>) return add_in_tiles(bands, begin, end, dy, dw);
    return nullptr;  // not reached
}

template <class T>
Status depthwise_conv_forward(In<T> x, In<T> w, In<T> bias, Window window, Int relu, Out<T> y) {
    LAMELLA_REQUIRE_DEPTHWISE(x, w, y);
    LAMELLA_REQUIRE(bias.size == 0 || bias.size == y.shape[y.rank - 1]);
    if (y.size == 0) return nullptr;
    const DepthwiseShape shape = depthwise_shape(x, y, window);
    const WeightBlocks<T> blocks = shape.blocks<T>();
    const bool in_bands = shape.in_bands(shape.bands_of_y<T>(nullptr, nullptr));
    T *weights, *zeros;
    const Workspace shared(part(weights, blocks.size()), part(zeros, in_bands ? shape.x[2] * shape.channels : 0));
    if (!shared) return kOutOfMemory;
    const Int width = shape.width(), places = shape.places(), offset = bias.size > 0 ? places * blocks.step : 0;
    fill_blocks(w.data, bias.size > 0 ? bias.data : nullptr, width, blocks, 1, weights);
    if (in_bands) {
        clear(zeros, shape.x[2] * width);
        return sum_bands(shape.bands_of_y(x.data, zeros), shape.images, shape.grain(shape.y), weights, relu != 0, y.data);
    }
    const Source<T> source = shape.source_x(x.data);
    const Int slices = shape.y[0], rows = shape.y[1], columns = shape.y[2];
    return in_chunks(shape.images * slices * rows, shape.grain(shape.y), [&](Int begin, Int end) -> Status {
        Tap* taps;
        T *ring, *repeated;
        Int* holds;
        const Workspace own(part(taps, places), part(ring, source.ring_size()), part(holds, source.ring()),
                            part(repeated, source.repeated_size()));
        if (!own) return kOutOfMemory;
        SourceRows<T> read(source, ring, holds, repeated);
        for (Int r = begin; r < end; ++r) {
            const Line slice = shape.axis(0).of_output(r / rows % slices).inside(source.slices);
            const Line row = shape.axis(1).of_output(r % rows).inside(source.rows);
            T* const to = y.data + r * columns * width;
            const Span<T> span{
                shape.axis(2).of_output(0), window.stride[2], columns, shape.x_ahead(x.data, r), {to + columns * width, 1}};
            const Outputs<T> out{weights, offset, relu != 0, to, width};
            work_on_span(read, source, r / rows / slices, slice, row, span, shape.weights<T>(), blocks, taps, out);
        }
        return nullptr;
    });
}

// Copies a row of sums to dx. The row has its columns by phases, one phase after the other; dx[c] = sum over m of the row's
// c*M + m. This is a separate function at the beginning of a cache line: its loop is so short that a call took a quarter longer
// when code before it moved it (EPYC, AVX-512).
template <class T>
[[gnu::noinline, gnu::aligned(64)]] void gather_phases(const T* from, Int phases, Int phase_size, Int columns, Int channels,
                                                       Int multiplier, T* dx) {
    for (Int i = 0; i < columns; ++i) {
        const T* at = from + i % phases * phase_size + i / phases * channels * multiplier;
        for (Int c = 0; c < channels; ++c, at += multiplier) {
            T sum = at[0];
            for (Int m = 1; m < multiplier; ++m) sum += at[m];
            *dx++ = sum;
        }
    }
}

template <class T>
Status depthwise_conv_backward_input(In<T> dy, In<T> w, Window window, Out<T> dx) {
    LAMELLA_REQUIRE_DEPTHWISE(dx, w, dy);
    if (dx.size == 0) return nullptr;
    const DepthwiseShape shape = depthwise_shape(dx, dy, window);
    const Int width = shape.width(), joined = shape.joined<T>(), places = shape.places();
    const Int phases = window.stride[2];
    const WeightBlocks<T> blocks = shape.blocks<T>();
    const bool in_bands = phases == 1 && shape.in_bands(shape.bands_of_dx<T>(nullptr, nullptr)),
               in_spread = shape.in_spread<T>();
    const Int zero_count = in_bands || in_spread ? shape.y[2] * width : 0;
    T *weights, *zeros;
    const Workspace shared(part(weights, blocks.size()), part(zeros, zero_count));
    if (!shared) return kOutOfMemory;
    const Int reversed = in_bands ? places : shape.in_threes<T>() && phases == 1 ? 3 : 1;
    fill_blocks<T>(w.data, nullptr, width, blocks, reversed, weights);
    clear(zeros, zero_count);
    if (in_spread) {
        const Int grain = ceil_divide(shape.grain(shape.x), 2 * kSpreadPairs);
        return spread_in_tiles(shape.spread_of_dx(dy.data, zeros), shape.images, grain, weights, dx.data);
    }
    if (in_bands) {
        return sum_bands(shape.bands_of_dx(dy.data, zeros), shape.images, shape.grain(shape.x), weights, false, dx.data);
    }
    const Source<T> source = shape.source_dy(dy.data);
    const Int slices = shape.x[0], rows = shape.x[1], columns = shape.x[2];
    const bool direct = shape.multiplier == 1 && (joined == 1 || phases == 1);
    const Int phase_size = ceil_divide(columns, phases) * width;
    const Int buffered = direct ? 0 : smaller(phases, columns) * phase_size;
    return in_chunks(shape.images * slices * rows, shape.grain(shape.x), [&](Int begin, Int end) -> Status {
        Tap* taps;
        T *buffer, *ring, *repeated;
        Int* holds;
        const Workspace own(part(taps, places), part(buffer, buffered), part(ring, source.ring_size()),
                            part(holds, source.ring()), part(repeated, source.repeated_size()));
        if (!own) return kOutOfMemory;
        SourceRows<T> read(source, ring, holds, repeated);
        for (Int r = begin; r < end; ++r) {
            const Line slice = shape.axis(0).of_input(r / rows % slices).inside(source.slices);
            const Line row = shape.axis(1).of_input(r % rows).inside(source.rows);
            T* const to = dx.data + r * columns * shape.channels;
            const Ahead<T> source_ahead{dy.data + shape.dy_reached(r) * shape.y[2] * width, 1};
            if (source.length > 0 && phases == 2 && slice.count > 0 && row.count > 0) {
                const Int begin = window.before[2] % 2;
                const Span<T> span{{}, 1, shape.pairs(), source_ahead, {to + columns * width, direct ? 2 : 0}};
                const Outputs<T> out{weights, 0, false, direct ? to : buffer, width};
                const Threes<T> threes =
                    list_threes(read, source, r / rows / slices, slice, row, span, shape.weights<T>(), blocks);
                spread_threes(threes, out, begin, begin + columns);
                if (!direct) gather_phases(buffer, 1, 0, columns, shape.channels, shape.multiplier, to);
                continue;
            }
            for (Int phase = 0; phase < phases && phase < columns; ++phase) {
                const Span<T> span{shape.axis(2).of_input(phase),
                                   1,
                                   ceil_divide(columns - phase, phases),
                                   {source_ahead.at, phases == 1 ? 1 : 0},
                                   {to + columns * width, direct && phase == 0 ? phases : 0}};
                const Outputs<T> out{weights, 0, false, direct ? to + phase * width : buffer + phase * phase_size,
                                     direct ? phases * width : width};
                work_on_span(read, source, r / rows / slices, slice, row, span, shape.weights<T>(), blocks, taps, out);
            }
            if (!direct) gather_phases(buffer, phases, phase_size, columns, shape.channels, shape.multiplier, to);
        }
        return nullptr;
    });
}

template <class T>
Status depthwise_conv_backward_weights(In<T> x, In<T> dy, Window window, Out<T> dweights, Out<T> dbias) {
    LAMELLA_REQUIRE_DEPTHWISE(x, dweights, dy);
    LAMELLA_REQUIRE(dbias.size == 0 || dbias.size == dy.shape[dy.rank - 1]);
    if (dy.shape[dy.rank - 1] == 0) return nullptr;
    const DepthwiseShape shape = depthwise_shape(x, dy, window);
    const Int width = shape.width(), places = shape.places();
    const Int slices = shape.y[0], rows = shape.y[1], columns = shape.y[2];
    const Int all = dy.size > 0 ? shape.images * slices * rows : 0;
    // The sums of a chunk, which are read and written again, are at most a fourth of the data that it reads.
    const WeightBlocks<T> blocks = shape.blocks<T>();
    const Int sums = blocks.size(), read_of_row = 2 * larger(1, columns * width);
    const Int grain = larger(larger(shape.grain(shape.y), ceil_divide(all, kMaxRowChunks)), ceil_divide(8 * sums, read_of_row));
    const bool in_bands = shape.in_bands(shape.bands_of_y<T>(nullptr, nullptr));
    const Int items = in_bands && all > 0 ? shape.images * band_count(rows) : all;
    const Int item_grain = in_bands ? ceil_divide(grain, kBandRows) : grain;
    const Int chunks = ceil_divide(items, item_grain), zero_count = in_bands ? shape.x[2] * width : 0;
    T *partial, *totals, *zeros;
    const Workspace shared(part(partial, chunks * sums), part(totals, sums), part(zeros, zero_count));
    if (!shared) return kOutOfMemory;
    clear(zeros, zero_count);
    const Bands<T> bands = shape.bands_of_y(x.data, zeros);
    const auto add_some_bands = [&](Int begin, Int end) -> Status {
        T* const dw = partial + begin / item_grain * sums;
        clear(dw, sums);
        return add_bands(bands, begin, end, dy.data, dw);
    };
    const Source<T> source = shape.source_x(x.data);
    const auto add_some_rows = [&](Int begin, Int end) -> Status {
        Tap* taps;
        T *ring, *repeated;
        Int* holds;
        const Workspace own(part(taps, places), part(ring, source.ring_size()), part(holds, source.ring()),
                            part(repeated, source.repeated_size()));
        if (!own) return kOutOfMemory;
        SourceRows<T> read(source, ring, holds, repeated);
        T* const dw = partial + begin / item_grain * sums;
        clear(dw, sums);
        for (Int r = begin; r < end; ++r) {
            const Line slice = shape.axis(0).of_output(r / rows % slices).inside(source.slices);
            const Line row = shape.axis(1).of_output(r % rows).inside(source.rows);
            const T* const from = dy.data + r * columns * width;
            const Span<T> span{
                shape.axis(2).of_output(0), window.stride[2], columns, shape.x_ahead(x.data, r), {from + columns * width, 1}};
            const WeightSums<T> into{from, width, dw, places * blocks.step};
            work_on_span(read, source, r / rows / slices, slice, row, span, shape.weights<T>(), blocks, taps, into);
        }
        return nullptr;
    };
    const Status failed = in_bands ? in_chunks(items, item_grain, add_some_bands) : in_chunks(items, item_grain, add_some_rows);
    if (failed != nullptr) return failed;
    sum_some_rows(partial, chunks * sums, sums, totals);
    gather_blocks<T>(totals, blocks, width, dweights.data, dbias.size > 0 ? dbias.data : nullptr);
    return nullptr;
}

}  // namespace
}  // namespace lamella
