// Convolution in two dimensions. x [N, H, W, C], w [R, S, C, K], y [N, P, Q, K].
//
// Forward and the gradient of the input are one function, convolve, over a list of taps; a stride s in the latter falls
// apart into s*s phases, each a convolution of stride 1 with some of the taps. The gradient of the weights is a product
// over the output points.
#pragma once
#include "kernels/column_sums.inl.h"
#include "kernels/convolution.inl.h"
#include "kernels/dense.inl.h"
#include "kernels/winograd.inl.h"

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

// dweights = sum over output points of x^T dy: the k of the product are the output points. The units (some output rows
// of one image) are cut into slices by shape alone; each slice sums into its own copy, and the copies add up in order. A
// window is what lies side by side in the patch: `window_size` rows of A and of dweights.
template <class T>
Status conv2d_backward_weights(In<T> x, In<T> dy, Int sh, Int sw, Int dh, Int dw, Int pt, Int pl, Out<T> dweights,
                               Out<T> dbias) {
    LAMELLA_REQUIRE_CONV2D(x, dweights.rank == 4, dy);
    LAMELLA_REQUIRE(x.shape[3] == dweights.shape[2] && dy.shape[3] == dweights.shape[3]);
    LAMELLA_REQUIRE(dbias.size == 0 || dbias.size == dy.shape[3]);
    const Int images = x.shape[0], height = x.shape[1], width = x.shape[2];
    const Int rows = dy.shape[1], columns = dy.shape[2];
    const Int r = dweights.shape[0], s = dweights.shape[1], in = dweights.shape[2], out = dweights.shape[3];
    if (dweights.size == 0) return nullptr;
    if (dy.size == 0 || x.size == 0) {
        clear(dweights.data, dweights.size);
        return dbias.size > 0 ? sum_over_rows(dy.data, images * rows * columns, out, dbias.data) : nullptr;
    }
    const bool plain_3x3 = r == 3 && s == 3 && sh == 1 && sw == 1 && dh == 1 && dw == 1;
    if (plain_3x3 && winograd_pays<T>(in, out, images, rows, columns)) {
        if (dbias.size > 0) {
            if (const Status error = sum_over_rows(dy.data, images * rows * columns, out, dbias.data)) return error;
        }
        return winograd_backward_weights<T>({x.data, images, height, width, in, dy.data, rows, columns, out, pt, pl},
                                            dweights.data);
    }
    const Box reached = widen({-pt, (r - 1) * dh + 1 - pt, -pl, (columns - 1) * sw + (s - 1) * dw + 1 - pl}, width);
    const Int patch_row = (reached.right - reached.left) * in;
    const bool thin = kThinPays && in == 1 && plain_3x3;
    // The patch rows and the panel of dy that one pass multiplies stay in L1.
    constexpr Int kPoints = kBlockDepth<T> / 2;
    const Int block_rows = larger(1, smaller(rows, kPoints / columns)), row_blocks = ceil_divide(rows, block_rows);
    const Int units = images * row_blocks;
    const Int patch_size = ((block_rows - 1) * sh + reached.bottom - reached.top) * patch_row;

    constexpr Int kMaxSlices = 16, kSliceBytes = 16 << 20;
    const Int by_memory = larger(1, kSliceBytes / (dweights.size * Int(sizeof(T))));
    const Int by_work = ceil_divide(2 * units * block_rows * columns * dweights.size, kChunkFlops);
    const Int slices = smaller(smaller(kMaxSlices, units), smaller(by_memory, by_work));

    const Int window_size = dw == 1 ? s * in : in, window_count = r * s * in / window_size;
    const Int scratch_bytes =
        Arena::bytes<Int>(window_count) + Arena::bytes<T>((slices - 1) * dweights.size) + Arena::bytes<T>(slices * dbias.size);
    void* const scratch = call_scratch(scratch_bytes);
    if (scratch == nullptr) return kOutOfMemory;
    Arena arena(scratch);
    Int* const windows = arena.take<Int>(window_count);
    T* const copies = arena.take<T>((slices - 1) * dweights.size);
    T* const bias_sums = arena.take<T>(slices * dbias.size);
    for (Int i = 0; i < window_count; ++i) {
        const Int tap = i * window_size / in, row = tap / s * dh, column = tap % s * dw - pl - reached.left;
        windows[i] = row * patch_row + column * in;
    }

    // Points of a patch that lie this far apart evict each other from L1, so tiles of A are copied out if enough panels
    // use them. A group of tiles stays in L1 beside one panel.
    constexpr Int kGroupRows = 4 * kTileRows;
    const Int panels = ceil_divide(out, kTileColumns<T>), total = r * s * in;
    const bool pack = sw * in * Int(sizeof(T)) >= 1024 && panels >= 4;
    // A dy as wide as a tile is a panel already.
    const bool in_place = out == tile_columns<T>(out);
    const Int ldb = in_place ? out : kTileColumns<T>;

    Int failed = 0;
    parallel_for(slices, 1, [&](Int slice, Int) {
        const Int panel_size = block_rows * columns * kTileColumns<T>, packed_size = in_place || thin ? 0 : panels * panel_size;
        const Int tile_size = kTileRows * block_rows * columns, tiles_size = pack ? kGroupRows * block_rows * columns : 0;
        void* const memory =
            thread_scratch(Arena::bytes<T>(patch_size) + Arena::bytes<T>(packed_size) + Arena::bytes<T>(tiles_size) +
                           Arena::bytes<Run>(block_rows) + Arena::bytes<T>(dbias.size));
        if (memory == nullptr) {
            __atomic_store_n(&failed, 1, __ATOMIC_RELAXED);
            return;
        }
        Arena own(memory);
        T* const buffer = own.take<T>(patch_size);
        T* const packed = own.take<T>(packed_size);
        T* const tiles = own.take<T>(tiles_size);
        Run* const runs = own.take<Run>(block_rows);
        T* const bias_part = own.take<T>(dbias.size);
        T* const sum = slice == 0 ? dweights.data : copies + (slice - 1) * dweights.size;
        T* const bias_sum = bias_sums + slice * dbias.size;
        clear(bias_sum, dbias.size);
        if (thin) clear(sum, dweights.size);
        const Int first_unit = slice * units / slices, end_unit = (slice + 1) * units / slices;
        for (Int unit = first_unit; unit < end_unit; ++unit) {
            const Int n = unit / row_blocks, p0 = unit % row_blocks * block_rows, p1 = smaller(p0 + block_rows, rows);
            const Box box{reached.top + p0 * sh, reached.bottom + (p1 - 1) * sh, reached.left, reached.right};
            const Patch<T> patch = patch_of(x.data + n * height * width * in, height, width, in, box, buffer);
            if (thin) {
                add_thin_gradients(patch.data - pl - reached.left, patch.row_size, dy.data + (n * rows + p0) * columns * out,
                                   p1 - p0, columns, out, sum, dbias.size > 0 ? bias_sum : nullptr);
                continue;
            }
            for (Int p = p0; p < p1; ++p) runs[p - p0] = {(p - p0) * sh * patch.row_size, columns};
            const Int points = (p1 - p0) * columns;
            const T* const dy_points = dy.data + (n * rows + p0) * columns * out;
            for (Int panel = 0; panel < panels && !in_place; ++panel) {
                const Int j = panel * kTileColumns<T>;
                pack_panel(dy_points + j, out, points, smaller(kTileColumns<T>, out - j), packed + panel * panel_size);
            }
            const Epilogue<T> epilogue{nullptr, unit > first_unit, false};
            // Tiles that are copied out lie side by side in one window.
            for (Int i0 = 0, i1; i0 < total; i0 = i1) {
                i1 = smaller(i0 + kGroupRows, pack ? (i0 / window_size + 1) * window_size : total);
                const T* a[kGroupRows];
                T* c[kGroupRows];
                for (Int i = i0; i < i1; ++i) {
                    a[i - i0] = pack ? tiles + (i - i0) / kTileRows * tile_size + (i - i0) % kTileRows
                                     : patch.data + windows[i / window_size] + i % window_size;
                    c[i - i0] = sum + i * out;
                }
                for (Int p = 0; pack && p < p1 - p0; ++p) {
                    pack_rows(patch.data + windows[i0 / window_size] + i0 % window_size + runs[p].a, sw * in, columns, i1 - i0,
                              tiles + p * columns * kTileRows, tile_size);
                }
                const Run all{0, points};
                for (Int panel = 0; panel < panels; ++panel) {
                    const Int j = panel * kTileColumns<T>, panel_columns = smaller(kTileColumns<T>, out - j);
                    const T* const b = in_place ? dy_points : packed + panel * panel_size;
                    const Strip<T> strip{a, c, j, i1 - i0};
                    if (pack) multiply<T, kTileRows>(strip, kTileRows, &all, 1, b, ldb, panel_columns, epilogue);
                    else multiply<T, 0>(strip, sw * in, runs, p1 - p0, b, ldb, panel_columns, epilogue);
                }
            }
            if (dbias.size > 0) {  // now that these points are in the cache
                sum_some_rows(dy_points, points * out, out, bias_part);
                for_vectors<T>(0, out, [&](Int j, Int part) {
                    store(bias_sum + j, load(bias_sum + j, part) + load(bias_part + j, part), part);
                });
            }
        }
    });
    if (failed != 0) return kOutOfMemory;
    parallel_for(dweights.size, kChunkElements, [&](Int begin, Int end) {
        for_vectors<T>(begin, end, [&](Int i, Int part) {
            Vec<T> sum = load(dweights.data + i, part);
            for (Int slice = 1; slice < slices; ++slice) sum += load(copies + (slice - 1) * dweights.size + i, part);
            store(dweights.data + i, sum, part);
        });
    });
    if (dbias.size > 0) sum_some_rows(bias_sums, slices * out, out, dbias.data);
    return nullptr;
}

#undef LAMELLA_REQUIRE_CONV2D

}  // namespace
}  // namespace lamella
