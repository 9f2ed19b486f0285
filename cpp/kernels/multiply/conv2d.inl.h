// Convolution in two dimensions. x [N, H, W, C], w [R, S, C, K], y [N, P, Q, K].
//
// Forward and the gradient of the input are one function, convolve, over a list of taps; a stride s in the latter falls
// apart into s*s phases, each a convolution of stride 1 with some of the taps. The gradient of the weights is a product
// over the output points.
#pragma once
#include "kernels/column_sums.inl.h"
#include "kernels/multiply/convolution.inl.h"
#include "kernels/multiply/dense.inl.h"
#include "kernels/multiply/winograd.inl.h"

namespace lamella {
namespace {

// Steps beyond this are refused, so that no product of sizes overflows.
constexpr Int kMaxStep = 1 << 20;

template <class T>
Int convolve_bytes(Int tap_count, Int in, Int out) {
    return larger(direct_bytes<T>(tap_count, in, out), winograd_bytes<T>(in, out));
}

// Needs convolve_bytes of `arena`.
template <class T>
Status convolve(const Convolution<T>& v, const Arena& arena) {
    if (v.images * v.rows * v.columns * v.out == 0) return nullptr;
    const bool pays = is_3x3(v) && winograd_pays<T>(v.in, v.out, v.images, v.rows, v.columns);
    return pays ? convolve_winograd(v, arena) : convolve_direct(v, arena);
}

#define LAMELLA_REQUIRE_CONV2D(x, w_rank_ok, y)                              \
    LAMELLA_REQUIRE(x.rank == 4 && w_rank_ok && y.rank == 4);                \
    LAMELLA_REQUIRE(x.shape[0] == y.shape[0]);                               \
    LAMELLA_REQUIRE(sh >= 1 && sw >= 1 && sh <= kMaxStep && sw <= kMaxStep); \
    LAMELLA_REQUIRE(dh >= 1 && dw >= 1 && dh <= kMaxStep && dw <= kMaxStep); \
    LAMELLA_REQUIRE(pt >= 0 && pl >= 0 && pt <= kMaxStep && pl <= kMaxStep)

// A 1x1 window that moves by 1 over no padding is a dense layer at each point.
LAMELLA_INLINE bool is_dense(Int r, Int s, Int sh, Int sw, Int pt, Int pl) {
    return r == 1 && s == 1 && sh == 1 && sw == 1 && pt == 0 && pl == 0;
}

template <class A, class B>
LAMELLA_INLINE bool same_points(const View<A>& x, const View<B>& y) {
    return x.shape[1] == y.shape[1] && x.shape[2] == y.shape[2];
}

template <class T>
Status conv2d_forward(In<T> x, In<T> w, In<T> bias, Int sh, Int sw, Int dh, Int dw, Int pt, Int pl, Int relu, Out<T> y) {
    LAMELLA_REQUIRE_CONV2D(x, w.rank == 4, y);
    LAMELLA_REQUIRE(w.size > 0);
    LAMELLA_REQUIRE(x.shape[3] == w.shape[2] && y.shape[3] == w.shape[3]);
    LAMELLA_REQUIRE(bias.size == 0 || bias.size == w.shape[3]);
    const Int r = w.shape[0], s = w.shape[1], in = w.shape[2], out = w.shape[3];
    if (is_dense(r, s, sh, sw, pt, pl) && same_points(x, y)) {
        return affine(x.data, w.data, bias, relu != 0, y.data, x.size / in, in, out);
    }
    void* const scratch = call_scratch(Arena::bytes<Tap<T>>(r * s) + convolve_bytes<T>(r * s, in, out));
    if (scratch == nullptr) return kOutOfMemory;
    Arena arena(scratch);
    Tap<T>* const taps = arena.take<Tap<T>>(r * s);
    for (Int t = 0; t < r * s; ++t) taps[t] = {t / s * dh - pt, t % s * dw - pl, w.data + t * in * out};
    const Int rows = y.shape[1], columns = y.shape[2];
    return convolve<T>(
        {x.data, x.shape[0], x.shape[1], x.shape[2], in, sh, sw, taps, r * s, false, y.data, rows * columns * out,
         columns * out, out, rows, columns, out, bias.size > 0 ? bias.data : nullptr, relu != 0},
        arena);
}

template <class T>
Status conv2d_backward_input(In<T> dy, In<T> w, Int sh, Int sw, Int dh, Int dw, Int pt, Int pl, Out<T> dx) {
    LAMELLA_REQUIRE_CONV2D(dy, w.rank == 4, dx);
    LAMELLA_REQUIRE(w.size > 0);
    LAMELLA_REQUIRE(dx.shape[3] == w.shape[2] && dy.shape[3] == w.shape[3]);
    const Int r = w.shape[0], s = w.shape[1], in = w.shape[2], out = w.shape[3];
    const Int height = dx.shape[1], width = dx.shape[2];
    if (is_dense(r, s, sh, sw, pt, pl) && same_points(dx, dy)) {
        return affine_backward_input(dy.data, w.data, dx.data, dx.size / in, in, out);
    }
    void* const scratch = call_scratch(Arena::bytes<Tap<T>>(r * s) + convolve_bytes<T>(r * s, out, in));
    if (scratch == nullptr) return kOutOfMemory;
    Arena arena(scratch);
    Tap<T>* const taps = arena.take<Tap<T>>(r * s);
    for (Int a = 0; a < smaller(sh, height); ++a) {
        for (Int b = 0; b < smaller(sw, width); ++b) {
            // dx points (a + i*sh, b + j*sw): tap (k, l) brings dy point (i + row, j + column), if that is whole.
            Int count = 0;
            for (Int k = r - 1; k >= 0; --k) {
                for (Int l = s - 1; l >= 0; --l) {
                    const Int row = a + pt - k * dh, column = b + pl - l * dw;
                    if (row % sh != 0 || column % sw != 0) continue;
                    taps[count++] = {row / sh, column / sw, w.data + (k * s + l) * in * out};
                }
            }
            const Int rows = ceil_divide(height - a, sh), columns = ceil_divide(width - b, sw);
            T* const first = dx.data + (a * width + b) * in;
            if (count == 0) {
                for (Int point = 0; point < dx.shape[0] * rows * columns; ++point) {
                    const Int n = point / (rows * columns), i = point / columns % rows, j = point % columns;
                    clear(first + ((n * height + i * sh) * width + j * sw) * in, in);
                }
                continue;
            }
            const Status error =
                convolve<T>({dy.data, dy.shape[0], dy.shape[1], dy.shape[2], out, 1, 1, taps, count, true, first,
                             height * width * in, sh * width * in, sw * in, rows, columns, in, nullptr, false},
                            arena);
            if (error != nullptr) return error;
        }
    }
    return nullptr;
}

// The gradient of the weights as a product, dweights = sum over output points of x^T dy: the k of the product are the output
// points. A unit is some output rows of one image; its patch of x and its panel of dy stay in L1. A window is what lies side by
// side in the patch: `window_size` rows of A and of dweights.
template <class T>
struct WeightProduct {
    const T* x;
    Int height, width, in;
    const T* dy;
    Int rows, columns, out;
    Int sh, sw, pl;
    Box reached;  // by the windows of one output row
    Int block_rows, row_blocks;
    Int window_size, total;  // rows of dweights
    const Int* windows;      // where each starts in the patch
    bool biased;

    // Points of a patch that lie this far apart evict each other from L1, so tiles of A are copied out if enough panels
    // use them.
    bool packs_tiles() const { return sw * in * Int(sizeof(T)) >= 1024 && panels() >= 4; }
    // A dy as wide as a tile is a panel already.
    bool packs_panels() const { return out != tile_columns<T>(out); }
    Int panels() const { return ceil_divide(out, kTileColumns<T>); }
    Int unit_points() const { return block_rows * columns; }
    Int patch_row() const { return (reached.right - reached.left) * in; }
    Int patch_size() const { return ((block_rows - 1) * sh + reached.bottom - reached.top) * patch_row(); }
};

// A group of tiles stays in L1 beside one panel.
constexpr Int kGroupRows = 4 * kTileRows;

// What one slice of the units sums into, and its buffers.
template <class T>
struct WeightSums {
    T *sum, *bias_sum;
    T *buffer, *panels, *tiles, *bias_part;
    Run* runs;
};

template <class T>
Int weight_sums_bytes(const WeightProduct<T>& v, bool thin) {
    const Int panels_size = v.packs_panels() && !thin ? v.panels() * v.unit_points() * kTileColumns<T> : 0;
    const Int tiles_size = v.packs_tiles() ? kGroupRows * v.unit_points() : 0;
    return Arena::bytes<T>(v.patch_size()) + Arena::bytes<T>(panels_size) + Arena::bytes<T>(tiles_size) +
           Arena::bytes<Run>(v.block_rows) + Arena::bytes<T>(v.biased ? v.out : 0);
}

template <class T>
WeightSums<T> take_weight_sums(const WeightProduct<T>& v, bool thin, T* sum, T* bias_sum, Arena& own) {
    WeightSums<T> s{};
    s.sum = sum;
    s.bias_sum = bias_sum;
    s.buffer = own.take<T>(v.patch_size());
    s.panels = own.take<T>(v.packs_panels() && !thin ? v.panels() * v.unit_points() * kTileColumns<T> : 0);
    s.tiles = own.take<T>(v.packs_tiles() ? kGroupRows * v.unit_points() : 0);
    s.runs = own.take<Run>(v.block_rows);
    s.bias_part = own.take<T>(v.biased ? v.out : 0);
    return s;
}

// The product of rows i0 to i1 of dweights with all panels; the points of A lie in the patch, in runs.
template <class T>
LAMELLA_INLINE void multiply_in_patch(const WeightProduct<T>& v, const WeightSums<T>& s, const Patch<T>& patch,
                                      const T* dy_points, Int block, Int i0, Int i1, Epilogue<T> epilogue) {
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
        multiply<T, 0>(strip, v.sw * v.in, s.runs, block, b, v.packs_panels() ? kTileColumns<T> : v.out, columns, epilogue);
    }
}

// The same after a copy of these rows of A into tiles: they lie side by side in one window.
template <class T>
LAMELLA_INLINE void multiply_in_tiles(const WeightProduct<T>& v, const WeightSums<T>& s, const Patch<T>& patch,
                                      const T* dy_points, Int block, Int i0, Int i1, Epilogue<T> epilogue) {
    const Int tile_size = kTileRows * v.unit_points();
    const T* a[kGroupRows];
    T* c[kGroupRows];
    for (Int i = i0; i < i1; ++i) {
        a[i - i0] = s.tiles + (i - i0) / kTileRows * tile_size + (i - i0) % kTileRows;
        c[i - i0] = s.sum + i * v.out;
    }
    const T* const window = patch.data + v.windows[i0 / v.window_size] + i0 % v.window_size;
    for (Int p = 0; p < block; ++p) {
        pack_rows(window + s.runs[p].a, v.sw * v.in, v.columns, i1 - i0, s.tiles + p * v.columns * kTileRows, tile_size);
    }
    const Run all{0, block * v.columns};
    for (Int panel = 0; panel < v.panels(); ++panel) {
        const Int j = panel * kTileColumns<T>, columns = smaller(kTileColumns<T>, v.out - j);
        const T* const b = v.packs_panels() ? s.panels + panel * v.unit_points() * kTileColumns<T> : dy_points;
        const Strip<T> strip{a, c, j, i1 - i0};
        multiply<T, kTileRows>(strip, kTileRows, &all, 1, b, v.packs_panels() ? kTileColumns<T> : v.out, columns, epilogue);
    }
}

// One unit of `block` output rows, by the tile: weights, then the bias, now that these points are in the cache.
template <class T>
LAMELLA_INLINE void add_unit(const WeightProduct<T>& v, const WeightSums<T>& s, const Patch<T>& patch, const T* dy_points,
                             Int block, bool first) {
    const Int points = block * v.columns, out = v.out;
    for (Int p = 0; p < block; ++p) s.runs[p] = {p * v.sh * patch.row_size, v.columns};
    for (Int panel = 0; panel < v.panels() && v.packs_panels(); ++panel) {
        const Int j = panel * kTileColumns<T>;
        pack_panel(dy_points + j, out, points, smaller(kTileColumns<T>, out - j),
                   s.panels + panel * v.unit_points() * kTileColumns<T>);
    }
    const Epilogue<T> epilogue{nullptr, !first, false};
    const bool tiles = v.packs_tiles();
    for (Int i0 = 0, i1; i0 < v.total; i0 = i1) {
        i1 = smaller(i0 + kGroupRows, tiles ? (i0 / v.window_size + 1) * v.window_size : v.total);
        if (tiles) multiply_in_tiles(v, s, patch, dy_points, block, i0, i1, epilogue);
        else multiply_in_patch(v, s, patch, dy_points, block, i0, i1, epilogue);
    }
    if (!v.biased) return;
    sum_some_rows(dy_points, points * out, out, s.bias_part);
    for_vectors<T>(0, out, [&](Int j, Int part) {
        store(s.bias_sum + j, load(s.bias_sum + j, part) + load(s.bias_part + j, part), part);
    });
}

// Units begin to end, into sums of their own.
template <class T>
void add_units(const WeightProduct<T>& v, const WeightSums<T>& s, bool thin, Int begin, Int end) {
    if (v.biased) clear(s.bias_sum, v.out);
    if (thin) clear(s.sum, v.total * v.out);
    for (Int unit = begin; unit < end; ++unit) {
        const Int n = unit / v.row_blocks, p0 = unit % v.row_blocks * v.block_rows;
        const Int block = smaller(v.block_rows, v.rows - p0);
        const Box& r = v.reached;
        const Box box{r.top + p0 * v.sh, r.bottom + (p0 + block - 1) * v.sh, r.left, r.right};
        const Patch<T> patch = patch_of(v.x + n * v.height * v.width * v.in, v.height, v.width, v.in, box, s.buffer);
        const T* const dy_points = v.dy + (n * v.rows + p0) * v.columns * v.out;
        if (thin) {
            add_thin_gradients(patch.data - v.pl - r.left, patch.row_size, dy_points, block, v.columns, v.out, s.sum,
                               v.biased ? s.bias_sum : nullptr);
        } else {
            add_unit(v, s, patch, dy_points, block, unit == begin);
        }
    }
}

// The units are cut into slices by shape alone; each slice sums into its own copy, and the copies add up in order.
template <class T>
Status multiply_points(WeightProduct<T> v, Int images, Int r, Int s, Int dh, Int dw, bool thin, T* dweights, T* dbias) {
    const Int size = r * s * v.in * v.out, bias_size = v.biased ? v.out : 0, units = images * v.row_blocks;
    constexpr Int kMaxSlices = 16, kSliceBytes = 16 << 20;
    const Int by_memory = larger(1, kSliceBytes / (size * Int(sizeof(T))));
    const Int by_work = ceil_divide(2 * units * v.unit_points() * size, kChunkFlops);
    const Int slices = smaller(smaller(kMaxSlices, units), smaller(by_memory, by_work));

    const Int window_count = v.total / v.window_size;
    void* const scratch = call_scratch(Arena::bytes<Int>(window_count) + Arena::bytes<T>((slices - 1) * size) +
                                       Arena::bytes<T>(slices * bias_size));
    if (scratch == nullptr) return kOutOfMemory;
    Arena arena(scratch);
    Int* const windows = arena.take<Int>(window_count);
    T* const copies = arena.take<T>((slices - 1) * size);
    T* const bias_sums = arena.take<T>(slices * bias_size);
    for (Int i = 0; i < window_count; ++i) {
        const Int tap = i * v.window_size / v.in, row = tap / s * dh, column = tap % s * dw - v.pl - v.reached.left;
        windows[i] = row * v.patch_row() + column * v.in;
    }
    v.windows = windows;

    Int failed = 0;
    parallel_for(slices, 1, [&](Int slice, Int) {
        void* const memory = thread_scratch(weight_sums_bytes(v, thin));
        if (memory == nullptr) {
            __atomic_store_n(&failed, 1, __ATOMIC_RELAXED);
            return;
        }
        Arena own(memory);
        T* const sum = slice == 0 ? dweights : copies + (slice - 1) * size;
        const WeightSums<T> sums = take_weight_sums(v, thin, sum, bias_sums + slice * bias_size, own);
        add_units(v, sums, thin, slice * units / slices, (slice + 1) * units / slices);
    });
    if (failed != 0) return kOutOfMemory;
    parallel_for(size, kChunkElements, [&](Int begin, Int end) {
        for_vectors<T>(begin, end, [&](Int i, Int part) {
            Vec<T> sum = load(dweights + i, part);
            for (Int slice = 1; slice < slices; ++slice) sum += load(copies + (slice - 1) * size + i, part);
            store(dweights + i, sum, part);
        });
    });
    if (v.biased) sum_some_rows(bias_sums, slices * v.out, v.out, dbias);
    return nullptr;
}

template <class T>
Status conv2d_backward_weights(In<T> x, In<T> dy, Int sh, Int sw, Int dh, Int dw, Int pt, Int pl, Out<T> dweights,
                               Out<T> dbias) {
    LAMELLA_REQUIRE_CONV2D(x, dweights.rank == 4, dy);
    LAMELLA_REQUIRE(x.shape[3] == dweights.shape[2] && dy.shape[3] == dweights.shape[3]);
    LAMELLA_REQUIRE(dbias.size == 0 || dbias.size == dy.shape[3]);
    const Int images = x.shape[0], height = x.shape[1], width = x.shape[2];
    const Int rows = dy.shape[1], columns = dy.shape[2];
    const Int r = dweights.shape[0], s = dweights.shape[1], in = dweights.shape[2], out = dweights.shape[3];
    const bool biased = dbias.size > 0;
    if (dweights.size == 0) return nullptr;
    if (dy.size == 0 || x.size == 0) {
        clear(dweights.data, dweights.size);
        return biased ? sum_over_rows(dy.data, images * rows * columns, out, dbias.data) : nullptr;
    }
    const bool plain_3x3 = r == 3 && s == 3 && sh == 1 && sw == 1 && dh == 1 && dw == 1;
    if (plain_3x3 && winograd_pays<T>(in, out, images, rows, columns)) {
        if (biased) {
            if (const Status error = sum_over_rows(dy.data, images * rows * columns, out, dbias.data)) return error;
        }
        return winograd_backward_weights<T>({x.data, images, height, width, in, dy.data, rows, columns, out, pt, pl},
                                            dweights.data);
    }
    const Box reached = widen({-pt, (r - 1) * dh + 1 - pt, -pl, (columns - 1) * sw + (s - 1) * dw + 1 - pl}, width);
    constexpr Int kPoints = kBlockDepth<T> / 2;  // of a unit
    const Int block_rows = larger(1, smaller(rows, kPoints / columns)), row_blocks = ceil_divide(rows, block_rows);
    const Int window_size = dw == 1 ? s * in : in;
    return multiply_points<T>({x.data, height, width, in, dy.data, rows, columns, out, sh, sw, pl, reached, block_rows,
                               row_blocks, window_size, r * s * in, nullptr, biased},
                              images, r, s, dh, dw, kThinPays && in == 1 && plain_3x3, dweights.data, dbias.data);
}

#undef LAMELLA_REQUIRE_CONV2D

}  // namespace
}  // namespace lamella
