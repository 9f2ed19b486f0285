// Convolution on one to three axes. x [N, D, H, W, C], w [U, R, S, C, K], y [N, O, P, Q, K]; for images D, U and O are 1, for
// sequences also H, R and P.
//
// Forward and the gradient of the input use one function, convolve, with a list of taps. With stride s the gradient of the
// input consists of s phases on each axis; each is a convolution of stride 1 with some of the taps. The gradient of the weights
// is a product over the output points.
#pragma once
#include "kernels/axes.h"
#include "kernels/column_sums.inl.h"
#include "kernels/multiply/convolution.inl.h"
#include "kernels/multiply/dense.inl.h"
#include "kernels/multiply/winograd.inl.h"
#include "kernels/multiply/winograd_gradient.inl.h"

namespace lamella {
namespace {

template <class T>
Status convolve(const Convolution<T>& v) {
    if (v.images * v.slices * v.rows * v.columns * v.out == 0) return nullptr;
    for (int window = 3; window <= 5; window += 2) {
        const TileForm form{has_rows(v, window, window), window};
        if (!form.square && !has_rows(v, 1, window)) continue;
        if (!winograd_pays<T>(form, v.in, v.out, v.images * v.slices, v.rows, v.columns)) continue;
        return convolve_winograd(v, form);
    }
    return convolve_direct(v);
}

// Sizes on three axes: slices, rows, columns.
struct Geometry {
    Window window;
    Int images, in, out;
    Int x[kMaxAxes], y[kMaxAxes];

    Int taps() const { return window.size[0] * window.size[1] * window.size[2]; }
    Int places() const { return x[0] * x[1] * x[2]; }
    Int points() const { return y[0] * y[1] * y[2]; }
    // A window of one element with stride 1 and no padding is a dense layer at each point.
    bool is_dense() const {
        bool dense = true;
        for (int i = 0; i < kMaxAxes; ++i) {
            dense &= window.size[i] == 1 && window.stride[i] == 1 && window.before[i] == 0 && x[i] == y[i];
        }
        return dense;
    }
    // The offset of a tap from the window's origin on an axis.
    Int offset(int axis, Int place) const { return place * window.dilation[axis] - window.before[axis]; }
};

// If windows do not move along the slices, the slices are treated as images, for which there are faster algorithms.
template <class A, class B>
LAMELLA_INLINE Geometry geometry_of(const A& x, const B& y, const Window& window) {
    Geometry g{window, x.shape[0], x.shape[x.rank - 1], y.shape[y.rank - 1], {}, {}};
    sizes_on_axes(x, g.x);
    sizes_on_axes(y, g.y);
    if (window.size[0] == 1 && window.stride[0] == 1 && window.before[0] == 0 && g.x[0] == g.y[0]) {
        g.images *= g.x[0];
        g.x[0] = g.y[0] = 1;
    }
    return g;
}

#define LAMELLA_REQUIRE_CONV(x, w, y)                                 \
    LAMELLA_REQUIRE(is_window(window));                               \
    LAMELLA_REQUIRE(x.rank == window.axes + 2 && y.rank == x.rank);   \
    LAMELLA_REQUIRE(is_filter(w, window));                            \
    LAMELLA_REQUIRE(x.shape[0] == y.shape[0]);                        \
    LAMELLA_REQUIRE(x.shape[x.rank - 1] == w.shape[window.axes]);     \
    LAMELLA_REQUIRE(y.shape[y.rank - 1] == w.shape[window.axes + 1]); \
    LAMELLA_REQUIRE(steps_fit(window.stride, 1));                     \
    LAMELLA_REQUIRE(steps_fit(window.dilation, 1));                   \
    LAMELLA_REQUIRE(steps_fit(window.before, 0))

template <class T>
Status conv_forward(In<T> x, In<T> w, In<T> bias, Window window, Int relu, Out<T> y) {
    LAMELLA_REQUIRE_CONV(x, w, y);
    LAMELLA_REQUIRE(w.size > 0);
    LAMELLA_REQUIRE(bias.size == 0 || bias.size == y.shape[y.rank - 1]);
    const Geometry g = geometry_of(x, y, window);
    if (g.is_dense()) return affine(x.data, w.data, bias, relu != 0, y.data, x.size / g.in, g.in, g.out);
    const Int count = g.taps(), r = window.size[1], s = window.size[2];
    Tap<T>* taps;
    const Workspace own(part(taps, count));
    if (!own) return kOutOfMemory;
    for (Int t = 0; t < count; ++t) {
        taps[t] = {g.offset(0, t / s / r), g.offset(1, t / s % r), g.offset(2, t % s), w.data + t * g.in * g.out};
    }
    const Int row = g.y[2] * g.out, slice = g.y[1] * row;
    return convolve<T>({x.data,
                        g.images,
                        g.x[0],
                        g.x[1],
                        g.x[2],
                        g.in,
                        window.stride[0],
                        window.stride[1],
                        window.stride[2],
                        taps,
                        count,
                        false,
                        y.data,
                        g.y[0] * slice,
                        slice,
                        row,
                        g.out,
                        g.y[0],
                        g.y[1],
                        g.y[2],
                        g.out,
                        bias.size > 0 ? bias.data : nullptr,
                        relu != 0});
}

// The taps for the positions `phase` + i*stride of dx: tap (h, k, l) reads the dy point (i + tap.slice, ...), if this is an
// integer.
template <class T>
Int phase_taps(const Geometry& g, const T* w, const Int (&phase)[kMaxAxes], Tap<T>* taps) {
    const Window& at = g.window;
    Int count = 0;
    for (Int t = g.taps() - 1; t >= 0; --t) {
        const Int place[kMaxAxes] = {t / at.size[2] / at.size[1], t / at.size[2] % at.size[1], t % at.size[2]};
        Int from[kMaxAxes];
        bool whole = true;
        for (int i = 0; i < kMaxAxes; ++i) {
            from[i] = phase[i] - g.offset(i, place[i]);
            whole &= from[i] % at.stride[i] == 0;
        }
        if (!whole) continue;
        taps[count++] = {from[0] / at.stride[0], from[1] / at.stride[1], from[2] / at.stride[2], w + t * g.in * g.out};
    }
    return count;
}

template <class T>
Status conv_backward_input(In<T> dy, In<T> w, Window window, Out<T> dx) {
    LAMELLA_REQUIRE_CONV(dx, w, dy);
    LAMELLA_REQUIRE(w.size > 0);
    const Geometry g = geometry_of(dx, dy, window);
    if (g.is_dense()) return affine_backward_input(dy.data, w.data, dx.data, dx.size / g.in, g.in, g.out);
    Tap<T>* taps;
    const Workspace own(part(taps, g.taps()));
    if (!own) return kOutOfMemory;
    const Int sd = window.stride[0], sh = window.stride[1], sw = window.stride[2];
    const Int row = g.x[2] * g.in, slice = g.x[1] * row, volume = g.x[0] * slice;
    Int phase[kMaxAxes];
    for (phase[0] = 0; phase[0] < smaller(sd, g.x[0]); ++phase[0]) {
        for (phase[1] = 0; phase[1] < smaller(sh, g.x[1]); ++phase[1]) {
            for (phase[2] = 0; phase[2] < smaller(sw, g.x[2]); ++phase[2]) {
                const Int count = phase_taps(g, w.data, phase, taps);
                const Int slices = ceil_divide(g.x[0] - phase[0], sd), rows = ceil_divide(g.x[1] - phase[1], sh);
                const Int columns = ceil_divide(g.x[2] - phase[2], sw);
                T* const first = dx.data + phase[0] * slice + phase[1] * row + phase[2] * g.in;
                if (count == 0) {
                    for (Int point = 0; point < g.images * slices * rows * columns; ++point) {
                        const Int n = point / (slices * rows * columns), o = point / (rows * columns) % slices;
                        const Int i = point / columns % rows, j = point % columns;
                        clear(first + n * volume + o * sd * slice + i * sh * row + j * sw * g.in, g.in);
                    }
                    continue;
                }
                const Status error = convolve<T>({dy.data,   g.images, g.y[0], g.y[1],  g.y[2], g.out,   1,          1,
                                                  1,         taps,     count,  true,    first,  volume,  sd * slice, sh * row,
                                                  sw * g.in, slices,   rows,   columns, g.in,   nullptr, false});
                if (error != nullptr) return error;
            }
        }
    }
    return nullptr;
}

// The gradient of the weights as a product, dweights = sum over output points of x^T dy: the k of the product are the output
// points. A unit is some output rows of one image, or a part of a long one; its patch of x and its panel of dy stay in L1. A
// window is contiguous in the patch: `window_size` rows of A and of dweights.
template <class T>
struct WeightProduct {
    const T* x;
    Extent extent;
    const T* dy;
    Int slices, rows, columns, out;
    Int slice_step, row_step, column_step;
    Int pad_left;
    Box reached;  // the box that the windows of the first unit's first row read
    Int block_rows, row_blocks, block_columns, column_blocks;
    Int slice_size;
    Int window_size, total;  // rows of dweights
    const Int* windows;      // the offset of each window in the patch
    bool biased;
    bool few;  // dy has a few channels; then dweights is summed as [out][total]

    // Points of a patch with this distance or a larger one evict each other from L1, so tiles of A are copied if enough panels
    // use them.
    bool packs_tiles() const { return point_step() * Int(sizeof(T)) >= 1024 && panels() >= 4; }
    // A dy as wide as a tile is a panel already.
    bool packs_panels() const { return out != tile_columns<T>(out); }
    Int point_step() const { return column_step * extent.in; }
    Int panels() const { return ceil_divide(out, kTileColumns<T>); }
    Int unit_points() const { return block_rows * block_columns; }
    Int patch_row() const { return (reached.right - reached.left) * extent.in; }
    Int patch_rows() const { return (block_rows - 1) * row_step + reached.bottom - reached.top; }
    Int patch_size() const { return (reached.back - reached.front) * patch_rows() * patch_row(); }
};

// A group of tiles stays in L1 beside one panel.
constexpr Int kGroupRows = 4 * kTileRows;

// The sums of one part of the units, and its buffers.
template <class T>
struct WeightSums {
    T *sum, *bias_sum;
    T *buffer, *panels, *tiles, *bias_part;
    Run* runs;  // the points of a unit in its patch
    Workspace own;

    WeightSums(const WeightProduct<T>& v, bool thin, T* sum_, T* bias_sum_)
        : sum(sum_),
          bias_sum(bias_sum_),
          own(part(buffer, v.patch_size()),
              part(panels, v.packs_panels() && !thin && !v.few ? v.panels() * v.unit_points() * kTileColumns<T> : 0),
              part(tiles, v.packs_tiles() ? kGroupRows * v.unit_points() : 0), part(runs, v.block_rows),
              part(bias_part, v.biased ? v.out : 0)) {}
};

// Rows i0 to i1 of dweights: the product with all panels. The points of A are in the patch, in runs.
template <class T>
LAMELLA_INLINE void multiply_in_patch(const WeightProduct<T>& v, const WeightSums<T>& s, const Patch<T>& patch,
                                      const T* dy_points, Int run_count, Int i0, Int i1, Epilogue<T> epilogue) {
    const T* a[kGroupRows];
    T* c[kGroupRows];
    for (Int i = i0; i < i1; ++i) {
        a[i - i0] = patch.data + v.windows[i / v.window_size] + i % v.window_size;
        c[i - i0] = s.sum + i * v.out;
    }
    for (Int panel = 0; panel < v.panels(); ++panel) {
        const Int j = panel * kTileColumns<T>, columns = smaller(kTileColumns<T>, v.out - j);
        const T* const b = v.packs_panels() ? s.panels + panel * v.unit_points() * kTileColumns<T> : dy_points;
        const Strip<T> strip{a, c, j, i1 - i0};
        multiply<T, 0>(strip, v.point_step(), s.runs, run_count, b, v.packs_panels() ? kTileColumns<T> : v.out, columns,
                       epilogue);
    }
}

// The same after a copy of these rows of A into tiles; the rows are contiguous in one window.
template <class T>
LAMELLA_INLINE void multiply_in_tiles(const WeightProduct<T>& v, const WeightSums<T>& s, const Patch<T>& patch,
                                      const T* dy_points, Int run_count, Int i0, Int i1, Epilogue<T> epilogue) {
    const Int tile_size = kTileRows * v.unit_points();
    const T* a[kGroupRows];
    T* c[kGroupRows];
    for (Int i = i0; i < i1; ++i) {
        a[i - i0] = s.tiles + (i - i0) / kTileRows * tile_size + (i - i0) % kTileRows;
        c[i - i0] = s.sum + i * v.out;
    }
    const T* const window = patch.data + v.windows[i0 / v.window_size] + i0 % v.window_size;
    Int points = 0;
    for (Int run = 0; run < run_count; points += s.runs[run++].k) {
        pack_rows(window + s.runs[run].a, v.point_step(), s.runs[run].k, i1 - i0, s.tiles + points * kTileRows, tile_size);
    }
    const Run all{0, points};
    for (Int panel = 0; panel < v.panels(); ++panel) {
        const Int j = panel * kTileColumns<T>, columns = smaller(kTileColumns<T>, v.out - j);
        const T* const b = v.packs_panels() ? s.panels + panel * v.unit_points() * kTileColumns<T> : dy_points;
        const Strip<T> strip{a, c, j, i1 - i0};
        multiply<T, kTileRows>(strip, kTileRows, &all, 1, b, v.packs_panels() ? kTileColumns<T> : v.out, columns, epilogue);
    }
}

template <class T>
LAMELLA_INLINE void add_bias(const WeightProduct<T>& v, const WeightSums<T>& s, const T* dy_points, Int points) {
    if (!v.biased) return;
    sum_some_rows(dy_points, points * v.out, v.out, s.bias_part);
    for_vectors<T>(0, v.out, [&](Int j, Int part) {
        store(s.bias_sum + j, load(s.bias_sum + j, part) + load(s.bias_part + j, part), part);
    });
}

// Adds one unit of `columns` points in `block` output rows, tile by tile: first the weights, then the bias, because these
// points are then in the cache.
template <class T>
LAMELLA_INLINE void add_unit(const WeightProduct<T>& v, const WeightSums<T>& s, const Patch<T>& patch, const T* dy_points,
                             Int block, Int columns, bool first) {
    const Int points = block * columns, out = v.out, row = v.row_step * patch.row_size;
    if (v.few) {
        for (Int i = 0; i < v.total; i += v.window_size) {
            const T* const window = patch.data + v.windows[i / v.window_size];
            add_few_gradients<T>(out, {window, dy_points, block, columns, row, v.point_step()}, v.window_size, s.sum + i,
                                 v.total);
        }
        add_bias(v, s, dy_points, points);
        return;
    }
    const bool one_run = block == 1 || row == columns * v.point_step();
    const Int run_count = one_run ? 1 : block;
    for (Int run = 0; run < run_count; ++run) s.runs[run] = {run * row, one_run ? points : columns};
    for (Int panel = 0; panel < v.panels() && v.packs_panels(); ++panel) {
        const Int j = panel * kTileColumns<T>;
        pack_panel(dy_points + j, out, points, smaller(kTileColumns<T>, out - j),
                   s.panels + panel * v.unit_points() * kTileColumns<T>);
    }
    const Epilogue<T> epilogue{nullptr, !first, false};
    const bool tiles = v.packs_tiles();
    for (Int i0 = 0, i1; i0 < v.total; i0 = i1) {
        i1 = smaller(i0 + kGroupRows, tiles ? (i0 / v.window_size + 1) * v.window_size : v.total);
        if (tiles) multiply_in_tiles(v, s, patch, dy_points, run_count, i0, i1, epilogue);
        else multiply_in_patch(v, s, patch, dy_points, run_count, i0, i1, epilogue);
    }
    add_bias(v, s, dy_points, points);
}

// Adds the units from begin to end to their own sums.
template <class T>
void add_units(const WeightProduct<T>& v, const WeightSums<T>& s, bool thin, Int begin, Int end) {
    if (v.biased) clear(s.bias_sum, v.out);
    if (thin || v.few) clear(s.sum, v.total * v.out);
    for (Int unit = begin; unit < end; ++unit) {
        const Int q0 = unit % v.column_blocks * v.block_columns, columns = smaller(v.block_columns, v.columns - q0);
        const Int row_block = unit / v.column_blocks, p0 = row_block % v.row_blocks * v.block_rows;
        const Int slice = row_block / v.row_blocks;  // among those of all volumes
        const Int n = slice / v.slices, o = slice % v.slices, block = smaller(v.block_rows, v.rows - p0);
        const Box& r = v.reached;
        const Box box{r.front + o * v.slice_step,  r.back + o * v.slice_step,
                      r.top + p0 * v.row_step,     r.bottom + (p0 + block - 1) * v.row_step,
                      r.left + q0 * v.column_step, r.right + q0 * v.column_step};
        const Patch<T> patch = patch_of(v.x + n * v.extent.size(), v.extent, box, v.slice_size, s.buffer);
        const T* const dy_points = v.dy + ((slice * v.rows + p0) * v.columns + q0) * v.out;
        if (thin) {
            add_thin_gradients(patch.data - v.pad_left - r.left, patch.row_size, dy_points, block, columns, v.out, s.sum,
                               v.biased ? s.bias_sum : nullptr);
        } else {
            add_unit(v, s, patch, dy_points, block, columns, unit == begin);
        }
    }
}

// Only the shape determines how the units are cut into parts. Each part has its own sums, which are added in order.
template <class T>
Status multiply_points(WeightProduct<T> v, const Geometry& g, bool thin, T* dweights, T* dbias) {
    const Int size = v.total * v.out, bias_size = v.biased ? v.out : 0,
              units = g.images * v.slices * v.row_blocks * v.column_blocks;
    constexpr Int kMaxParts = 16, kPartBytes = 16 << 20;
    const Int by_memory = larger(1, kPartBytes / (size * Int(sizeof(T))));
    const Int by_work = ceil_divide(2 * units * v.unit_points() * size, kChunkFlops);
    const Int parts = smaller(smaller(kMaxParts, units), smaller(by_memory, by_work));

    const Int window_count = v.total / v.window_size;
    Int* windows;
    T *copies, *bias_sums, *columns;
    const Workspace shared(part(windows, window_count), part(copies, (parts - 1) * size), part(bias_sums, parts * bias_size),
                           part(columns, v.few ? size : 0));
    if (!shared) return kOutOfMemory;
    T* const total = v.few ? columns : dweights;
    const Int r = g.window.size[1], s = g.window.size[2];
    for (Int i = 0; i < window_count; ++i) {
        const Int tap = i * v.window_size / g.in;
        windows[i] = (g.offset(0, tap / s / r) - v.reached.front) * v.slice_size +
                     (g.offset(1, tap / s % r) - v.reached.top) * v.patch_row() +
                     (g.offset(2, tap % s) - v.reached.left) * g.in;
    }
    v.windows = windows;

    const Status failed = in_chunks(parts, 1, [&](Int part, Int) -> Status {
        T* const sum = part == 0 ? total : copies + (part - 1) * size;
        const WeightSums<T> sums(v, thin, sum, bias_sums + part * bias_size);
        if (!sums.own) return kOutOfMemory;
        add_units(v, sums, thin, part * units / parts, (part + 1) * units / parts);
        return nullptr;
    });
    if (failed != nullptr) return failed;
    parallel_for(size, kChunkElements, [&](Int begin, Int end) {
        for_vectors<T>(begin, end, [&](Int i, Int tail) {
            Vec<T> sum = load(total + i, tail);
            for (Int part = 1; part < parts; ++part) sum += load(copies + (part - 1) * size + i, tail);
            store(total + i, sum, tail);
        });
    });
    for (Int i = 0; v.few && i < v.total; ++i) {
        for (Int j = 0; j < v.out; ++j) dweights[i * v.out + j] = columns[j * v.total + i];
    }
    if (v.biased) sum_some_rows(bias_sums, parts * v.out, v.out, dbias);
    return nullptr;
}

template <class T>
Status conv_backward_weights(In<T> x, In<T> dy, Window window, Out<T> dweights, Out<T> dbias) {
    LAMELLA_REQUIRE_CONV(x, dweights, dy);
    LAMELLA_REQUIRE(dbias.size == 0 || dbias.size == dy.shape[dy.rank - 1]);
    const bool biased = dbias.size > 0;
    if (dweights.size == 0) return nullptr;
    Geometry g = geometry_of(x, dy, window);
    // Then the points of all images are one column, so that units of small maps are as large as those of others.
    const bool dense = g.is_dense();
    if (dense) {
        g.x[1] = g.y[1] = g.images * g.points();
        g.images = g.x[0] = g.y[0] = g.x[2] = g.y[2] = 1;
    }
    const Int in = g.in, out = g.out, rows = g.y[1], columns = g.y[2];
    if (dy.size == 0 || x.size == 0) {
        clear(dweights.data, dweights.size);
        return biased ? sum_over_rows(dy.data, g.images * g.points(), out, dbias.data) : nullptr;
    }
    const Extent extent{g.x[0], g.x[1], g.x[2], in};
    const TileForm form{window.size[1] == window.size[2], int(window.size[2])};
    bool whole = (form.square || window.size[1] == 1) && window.dilation[0] == 1;  // windows without gaps or strides in rows
    for (int i = 1; i < kMaxAxes; ++i) whole &= window.stride[i] == 1 && window.dilation[i] == 1;
    const bool tiled = whole && (form.window == 3 || form.window == 5);
    if (tiled && winograd_pays<T>(form, in, out, g.images * g.y[0], rows, columns)) {
        const Tiling tiling(form, g.images, g.y[0], rows, columns, window.stride[0], window.size[0], -window.before[0]);
        return winograd_backward_weights<T>(
            {x.data, extent, dy.data, {g.y[0], rows, columns, out}, tiling, window.before[1], window.before[2]}, dweights.data,
            biased ? dbias.data : nullptr);
    }
    const bool image_of_3x3 = whole && g.taps() == 9 && form.square && g.x[0] == 1 && g.y[0] == 1 && window.before[0] == 0;
    const Int block_columns = dense ? columns : columns_at_once(columns, window.size[0], window.size[1]);
    const Int right = (block_columns - 1) * window.stride[2] + g.offset(2, window.size[2] - 1) + 1;
    const Box row{g.offset(0, 0), g.offset(0, window.size[0] - 1) + 1,
                  g.offset(1, 0), g.offset(1, window.size[1] - 1) + 1,
                  g.offset(2, 0), right};
    const Box reached = block_columns < columns ? row : widen(row, extent.width);
    const Int points = dense ? kBlockDepth<T> : kBlockDepth<T> / 2;  // of a unit
    const Int block_rows = larger(1, smaller(rows, points / columns)), row_blocks = ceil_divide(rows, block_rows);
    const Int window_size = window.dilation[2] == 1 ? window.size[2] * in : in;
    WeightProduct<T> product{x.data,
                             extent,
                             dy.data,
                             g.y[0],
                             rows,
                             columns,
                             out,
                             window.stride[0],
                             window.stride[1],
                             window.stride[2],
                             window.before[2],
                             reached,
                             block_rows,
                             row_blocks,
                             block_columns,
                             ceil_divide(columns, block_columns),
                             0,
                             window_size,
                             g.taps() * in,
                             nullptr,
                             biased,
                             few_columns_pay<T>(out, g.taps() * in, window_size)};
    product.slice_size =
        patch_slice(extent, reached, (g.y[0] - 1) * window.stride[0], (rows - 1) * window.stride[1], product.patch_rows());
    return multiply_points(product, g, kThinPays && in == 1 && image_of_3x3, dweights.data, dbias.data);
}

#undef LAMELLA_REQUIRE_CONV

}  // namespace
}  // namespace lamella
