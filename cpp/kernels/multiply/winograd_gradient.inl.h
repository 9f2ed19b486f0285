// The gradient of the weights of a convolution by Winograd's algorithm: the products are those of `winograd.inl.h`, transposed.
#pragma once
#include "kernels/multiply/winograd_tiles.inl.h"

namespace lamella {
namespace {

// x -> A x, four or two to six.
template <class T, int kWindow>
LAMELLA_INLINE void transform_output_gradient(const Vec<T>* x, Vec<T>* y) {
    Vec<T> even = x[0], odd = x[1], even2 = x[0], odd2 = T(2) * x[1];
    if constexpr (kWindow == 3) {
        even += x[2];
        odd += x[3];
        even2 += T(4) * x[2];
        odd2 += T(8) * x[3];
    }
    y[0] = x[0];
    y[1] = even + odd;
    y[2] = even - odd;
    y[3] = even2 + odd2;
    y[4] = even2 - odd2;
    y[5] = x[winograd_out(kWindow) - 1];
}

// x -> G^T x, six to three or five.
template <class T, int kWindow>
LAMELLA_INLINE void transform_filter_gradient(const Vec<T>* x, Vec<T>* y) {
    const Vec<T> sum1 = x[1] + x[2], sum2 = x[3] + x[4], difference1 = x[2] - x[1], difference2 = x[3] - x[4];
    y[0] = x[0] * T(0.25) - sum1 * T(1.0 / 6) + sum2 * T(1.0 / 24);
    y[1] = difference1 * T(1.0 / 6) + difference2 * T(1.0 / 12);
    y[2] = (sum2 - sum1) * T(1.0 / 6);
    if constexpr (kWindow == 5) {
        y[3] = difference1 * T(1.0 / 6) + difference2 * T(1.0 / 3);
        y[4] = sum2 * T(2.0 / 3) - sum1 * T(1.0 / 6);
    }
    y[kWindow - 1] += x[5];
}

// Z[e] = A dy A^T of one tile, as its row in panels [e][panel][tile][NR]: `size` values from one e to the next, `panel_size`
// from one panel to the next.
template <class T>
void transform_tile_gradient(const TileForm& form, const Patch<T>& patch, Int out, T* z, Int size, Int panel_size) {
    with_window(form, [&](auto window) {
        for (Int k = 0; k < covered<T>(out); k += kLanes<T>) {
            const Int left = larger(0, smaller(kLanes<T>, out - k));
            T* const to = z + k / kTileColumns<T> * panel_size + k % kTileColumns<T>;
            transform_points<T, winograd_out(window.value), kWinogradIn>(
                form,
                [&](int i, int j) {
                    const T* const from = patch.data + i * patch.row_size + j * out + k;
                    return left == kLanes<T> ? load(from) : load_part(from, left);
                },
                [&](int i, int j, Vec<T> value) { store(to + (kWinogradIn * i + j) * size, value); },
                transform_output_gradient<T, window.value>);
        }
    });
}

// The gradient of the weights of a convolution with windows of depth x 3 x 3 or depth x 5 x 5: dU[e] = sum over tiles
// V[e]^T Z[e], then dw = G^T dU G. A row of dU[e] is a channel of one slice of the window.
template <class T>
struct WeightGradient {
    const T* x;
    Extent extent;
    const T* dy;
    Extent outputs;
    Tiling tiling;
    Int top, left;

    Int in() const { return extent.in; }
    Int points() const { return tiling.form.points(); }
    Int out() const { return outputs.in; }
    Int rows() const { return tiling.depth * in(); }  // of dU[e]
    Int panels() const { return ceil_divide(out(), kTileColumns<T>); }
    Int padded() const { return covered<T>(out()); }
    Int sum_size() const { return point_size<T>(rows() * padded()); }  // size of dU[e]
    Int tile_bytes() const { return tiling.bytes<T>(in(), padded()); }
    Int corner_size() const { return points() * larger(in(), out()); }
};

// V [e][input][c] and Z [e][panel][tile][NR] of up to `most` tiles. The distance of the inputs of V[e] is also an odd number of
// lines, because a tile of the product reads a few channels of each.
template <class T>
struct TransformedTiles {
    Int input_size, v_size, panel_size, z_size;
    Int input_count, run_count;
    T *inputs, *gradients;
    Place* places;  // of the inputs
    Int* first;     // the first input of each tile
    Run* runs;      // of the tiles in V[e]
    Workspace own;

    TransformedTiles(const WeightGradient<T>& g, Int most)
        : input_size(point_size<T>(g.in())),
          v_size(point_size<T>(g.tiling.most_inputs(most) * input_size)),
          panel_size(most * kTileColumns<T>),
          z_size(point_size<T>(g.panels() * panel_size)),
          own(part(inputs, g.points() * v_size), part(gradients, g.points() * z_size), part(places, g.tiling.most_inputs(most)),
              part(first, most), part(runs, most)) {}

    // The lists for the tiles from begin to end. Tiles with inputs at equal distances share a run.
    void plan(const Tiling& tiling, Int begin, Int end) {
        input_count = tiling.list_inputs(begin, end, places, first);
        run_count = 0;
        for (Int i = 0; i < end - begin; ++i) {
            if (i > 0 && first[i] - first[i - 1] == step(tiling)) ++runs[run_count - 1].k;
            else runs[run_count++] = {first[i] * input_size, 1};
        }
    }
    Int step(const Tiling& tiling) const { return smaller(tiling.step, tiling.depth); }
};

// Transforms input i of `to`. corner: memory for g.corner_size() values.
template <class T>
void transform_one_input(const WeightGradient<T>& g, const TransformedTiles<T>& to, Int i, T* corner) {
    const TileForm& form = g.tiling.form;
    const Place& at = to.places[i];
    const Place from{at.n, at.slice, at.row - g.top, at.column - g.left};
    transform_tile(form, points_of(g.x, g.extent, from, form.in_rows(), kWinogradIn, corner), g.in(),
                   to.inputs + i * to.input_size, to.v_size);
}

// Transforms the gradient of tile `tile` of y to the i-th of `to`.
template <class T>
void transform_one_gradient(const WeightGradient<T>& g, Int tile, const TransformedTiles<T>& to, Int i, T* corner) {
    const TileForm& form = g.tiling.form;
    const Place at = g.tiling.place(tile);
    transform_tile_gradient(form, points_of(g.dy, g.outputs, at, form.out_rows(), form.out_columns(), corner), g.out(),
                            to.gradients + i * kTileColumns<T>, to.z_size, to.panel_size);
}

// The number of rows of dU[e] computed at once.
constexpr Int kPointRows = 11 * kTileRows;

// At most kPointRows rows of dU[e] from row0 on (+)= V[e]^T Z[e] over the tiles of `from`.
template <class T>
void multiply_point(const WeightGradient<T>& g, const TransformedTiles<T>& from, Int e, Int row0, bool accumulate, T* sum) {
    const T* a[kPointRows];
    T* c[kPointRows];
    const Int rows = smaller(kPointRows, g.rows() - row0);
    for (Int i = 0; i < rows; ++i) {
        const Int row = row0 + i;
        a[i] = from.inputs + e * from.v_size + row / g.in() * from.input_size + row % g.in();
        c[i] = sum + e * g.sum_size() + row * g.padded();
    }
    for (Int panel = 0; panel < g.panels(); ++panel) {
        const Int k = panel * kTileColumns<T>, columns = smaller(kTileColumns<T>, g.padded() - k);
        multiply<T, 0>({a, c, k, rows}, from.step(g.tiling) * from.input_size, from.runs, from.run_count,
                       from.gradients + e * from.z_size + panel * from.panel_size, kTileColumns<T>, columns,
                       {nullptr, accumulate, false});
    }
}

// bias (+)= the sums of dy over the first `count` tiles, which are one point of their Z.
template <class T>
void add_tile_sums(const WeightGradient<T>& g, const TransformedTiles<T>& from, Int count, bool accumulate, T* bias) {
    for (Int k = 0; k < g.padded(); k += kLanes<T>) {
        const Int panel = k / kTileColumns<T>;
        const T* const z =
            from.gradients + g.tiling.form.sum_point() * from.z_size + panel * from.panel_size + k % kTileColumns<T>;
        Vec<T> sum{};
        for (Int i = 0; i < count; ++i) sum += load(z + i * kTileColumns<T>);
        store(bias + k, accumulate ? load(bias + k) + sum : sum);
    }
}

// For a small dU: each part of the tiles has its own dU, to which its blocks are added; the same for the bias.
template <class T>
Status sum_by_parts(const WeightGradient<T>& g, Int block, Int parts, T* sums, T* bias) {
    return in_chunks(parts, 1, [&](Int part_, Int) -> Status {
        TransformedTiles<T> transformed(g, block);
        T* corner;
        const Workspace own(part(corner, g.corner_size()));
        if (!transformed.own || !own) return kOutOfMemory;
        const Int first = part_ * g.tiling.tiles / parts, end = (part_ + 1) * g.tiling.tiles / parts;
        for (Int begin = first; begin < end; begin += block) {
            const Int count = smaller(block, end - begin);
            transformed.plan(g.tiling, begin, begin + count);
            for (Int i = 0; i < transformed.input_count; ++i) transform_one_input(g, transformed, i, corner);
            for (Int i = 0; i < count; ++i) transform_one_gradient(g, begin + i, transformed, i, corner);
            add_tile_sums(g, transformed, count, begin > first, bias + part_ * g.padded());
            for (Int e = 0; e < g.points(); ++e) {
                for (Int row = 0; row < g.rows(); row += kPointRows) {
                    multiply_point(g, transformed, e, row, begin > first, sums + part_ * g.points() * g.sum_size());
                }
            }
        }
        return nullptr;
    });
}

// For a large dU there is only one: all threads transform the tiles of a block, then all threads multiply, each its own points.
template <class T>
Status sum_by_points(const WeightGradient<T>& g, Int block, T* sum, T* bias) {
    TransformedTiles<T> transformed(g, block);
    if (!transformed.own) return kOutOfMemory;
    const Int groups = ceil_divide(g.rows(), kPointRows);
    const Int grain = larger(1, kChunkElements / (g.points() * (g.in() + g.padded())));
    for (Int begin = 0; begin < g.tiling.tiles; begin += block) {
        const Int count = smaller(block, g.tiling.tiles - begin);
        transformed.plan(g.tiling, begin, begin + count);
        const Int inputs = transformed.input_count;
        const Status failed = in_chunks(inputs + count, 2 * grain, [&](Int i, Int end) -> Status {
            T* corner;
            const Workspace own(part(corner, g.corner_size()));
            if (!own) return kOutOfMemory;
            for (; i < end && i < inputs; ++i) transform_one_input(g, transformed, i, corner);
            for (; i < end; ++i) transform_one_gradient(g, begin + i - inputs, transformed, i - inputs, corner);
            return nullptr;
        });
        if (failed != nullptr) return failed;
        add_tile_sums(g, transformed, count, begin > 0, bias);
        const Int flops = 2 * count * smaller(kPointRows, g.rows()) * g.padded();
        parallel_for(g.points() * groups, larger(1, kChunkFlops / flops), [&](Int task, Int end) {
            for (; task < end; ++task) {
                multiply_point(g, transformed, task / groups, task % groups * kPointRows, begin > 0, sum);
            }
        });
    }
    return nullptr;
}

// dbias may be nullptr. Only the shape determines which of the two is used and how the tiles are cut.
template <class T>
Status winograd_backward_weights(const WeightGradient<T>& g, T* dweights, T* dbias) {
    const Int tiles = g.tiling.tiles, sums_size = g.points() * g.sum_size(), sum_bytes = sums_size * Int(sizeof(T));
    constexpr Int kMostParts = 8, kPartBytes = 8 << 20;
    const bool by_parts = kMostParts * sum_bytes <= kPartBytes;
    // By parts, V and Z of a block fit into L2 if possible. By points, V and Z of a block pass through L3 once, and all of dU,
    // too: if they are as large as dU, they do not cost more than dU.
    constexpr Int kPartBlockBytes = 384 * 1024, kLeastTiles = 48, kMostTiles = 128, kMostBytes = 32 << 20;
    const Int most = by_parts ? smaller(larger(kLeastTiles, kPartBlockBytes / g.tile_bytes()), kMostTiles)
                              : larger(1, smaller(sum_bytes, kMostBytes) / g.tile_bytes());
    const Int block = by_parts ? most : ceil_divide(tiles, ceil_divide(tiles, most));
    Int parts = 1;
    while (by_parts && 2 * parts <= kMostParts && 2 * parts * block <= tiles) parts *= 2;
    const Int in = g.in(), out = g.out(), padded = g.padded(), size = g.sum_size();
    T *sums, *bias;
    const Workspace own(part(sums, parts * sums_size), part(bias, parts * padded));
    if (!own) return kOutOfMemory;
    const Status failed = by_parts ? sum_by_parts(g, block, parts, sums, bias) : sum_by_points(g, block, sums, bias);
    if (failed != nullptr) return failed;

    if (dbias != nullptr) {
        for_vectors<T>(0, out, [&](Int k, Int part) {
            Vec<T> sum = load(bias + k);
            for (Int other = 1; other < parts; ++other) sum += load(bias + other * padded + k);
            store(dbias + k, sum, part);
        });
    }
    parallel_for(g.rows(), larger(1, kChunkElements / (g.points() * padded)), [&](Int begin, Int end) {
        for (Int row = begin; row < end; ++row) {
            T* const to = dweights + (row / in * g.tiling.form.taps() * in + row % in) * out;
            with_window(g.tiling.form, [&](auto window) {
                for_vectors<T>(0, out, [&](Int k, Int part) {
                    transform_points<T, kWinogradIn, window.value>(
                        g.tiling.form,
                        [&](int i, int j) {
                            const T* const from = sums + (kWinogradIn * i + j) * size + row * padded + k;
                            Vec<T> sum = load(from);
                            for (Int other = 1; other < parts; ++other) sum += load(from + other * g.points() * size);
                            return sum;
                        },
                        [&](int i, int j, Vec<T> w) { store(to + (window.value * i + j) * in * out + k, w, part); },
                        transform_filter_gradient<T, window.value>);
                });
            });
        }
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
