// Convolution of stride 1 with windows of 3 x 3, or of 3 in a row, by Winograd's F(4x4, 3x3) (Lavin and Gray, arXiv
// 1509.09308): 36 products give 16 outputs; the direct method needs 144. For each block of tiles, all in L2:
//
//   V[e][tile][c] = B^T d B of each 6x6 input tile;   M[e] = V[e] U[e], 36 products;   4x4 outputs = A^T M A + bias
//
// with U[e] = G g G^T, computed once per call; e is one of the 36 points of a transformed tile. The largest error divided by
// the largest output is about 1e-5 in float32. float64, which is used for accuracy, therefore uses the direct method.
//
// A window of depth x 3 x 3 sums over its slices before the outputs are transformed: a row of V[e] is then the tile in `depth`
// neighbouring slices, [slice][c], and the rows of neighbouring outputs overlap, so that each slice is transformed once.
#pragma once
#include "kernels/multiply/convolution.inl.h"

namespace lamella {
namespace {

constexpr int kWinogradIn = 6, kWinogradOut = 4;

// The tiles of windows of 3 x 3 are squares; those of windows of 3 in a row are lines, F(4, 3): 6 products for 4 outputs.
struct TileForm {
    bool square;

    Int points() const { return in_rows() * kWinogradIn; }
    Int taps() const { return square ? 9 : 3; }
    Int in_rows() const { return square ? kWinogradIn : 1; }
    Int out_rows() const { return square ? kWinogradOut : 1; }
    Int sum_point() const { return square ? kWinogradIn + 1 : 1; }  // the row of A for this point is 1, 1, 1, 1
};

// The distance from one point's matrix of `count` values to the next: an odd number of cache lines, so that the same element of
// 36 points is in 36 sets of L1. Sizes are usually powers of two; at distances that are multiples of 4 KiB all 36 would be in
// one set, which has 8 to 12 lines.
template <class T>
LAMELLA_INLINE Int point_size(Int count) {
    constexpr Int kLine = 64 / sizeof(T);
    return (ceil_divide(count, kLine) | 1) * kLine;
}

// The columns of the tiles of a product with `columns` columns: the last one may be narrow.
template <class T>
Int covered(Int columns) {
    const Int whole = (columns - 1) / kTileColumns<T> * kTileColumns<T>;
    return whole + tile_columns<T>(columns - whole);
}

// True for float32 if there are enough channels and tiles: the transforms of a square cost as much as the products of about 16
// channels; lines save half of the products instead of three quarters, so they need more channels: 16 to 32 were 0.83 as fast.
// At least half of the tiles' outputs must exist.
template <class T>
bool winograd_pays(const TileForm& form, Int in, Int out, Int slices, Int rows, Int columns) {
    const Int tiles = slices * ceil_divide(rows, form.out_rows()) * ceil_divide(columns, kWinogradOut);
    return sizeof(T) == 4 && in >= 16 && out >= 16 && (form.square || in + out >= 64) && tiles >= 48 &&
           2 * slices * rows * columns >= tiles * form.out_rows() * kWinogradOut;
}

// x -> B^T x, for six vectors.
template <class T>
LAMELLA_INLINE void transform_input(const Vec<T>* x, Vec<T>* y) {
    const Vec<T> even = x[4] - T(4) * x[2], odd = x[3] - T(4) * x[1];
    const Vec<T> even2 = x[4] - x[2], odd2 = T(2) * (x[3] - x[1]);
    y[0] = T(4) * x[0] - T(5) * x[2] + x[4];
    y[1] = even + odd;
    y[2] = even - odd;
    y[3] = even2 + odd2;
    y[4] = even2 - odd2;
    y[5] = T(4) * x[1] - T(5) * x[3] + x[5];
}

// x -> G x, three to six.
template <class T>
LAMELLA_INLINE void transform_filter(const Vec<T>* x, Vec<T>* y) {
    const Vec<T> outer = x[0] + x[2], wide = x[0] + T(4) * x[2];
    y[0] = x[0] * T(0.25);
    y[1] = (outer + x[1]) * T(-1.0 / 6);
    y[2] = (outer - x[1]) * T(-1.0 / 6);
    y[3] = (wide + T(2) * x[1]) * T(1.0 / 24);
    y[4] = (wide - T(2) * x[1]) * T(1.0 / 24);
    y[5] = x[2];
}

// x -> A^T x, six to four.
template <class T>
LAMELLA_INLINE void transform_output(const Vec<T>* x, Vec<T>* y) {
    const Vec<T> sum1 = x[1] + x[2], sum2 = x[3] + x[4], difference1 = x[1] - x[2], difference2 = x[3] - x[4];
    y[0] = x[0] + sum1 + sum2;
    y[1] = difference1 + T(2) * difference2;
    y[2] = sum1 + T(4) * sum2;
    y[3] = difference1 + T(8) * difference2 + x[5];
}

// The number of lines of a square that are transformed at once. All six have 36 vectors: too many for 16 registers.
constexpr int kUnrolledLines = kRegisters == 32 ? 6 : 1;

// Transforms the kFrom x kFrom vectors read(i, j) to kTo x kTo vectors, first the columns, then the rows; write(i, j, vector)
// stores them.
template <class T, int kFrom, int kTo, class Read, class Write, class F>
LAMELLA_INLINE void transform_square(const Read& read, const Write& write, const F& line) {
    Vec<T> half[kTo][kFrom];
#pragma GCC unroll kUnrolledLines
    for (int j = 0; j < kFrom; ++j) {
        Vec<T> column[kFrom], made[kTo];
#pragma GCC unroll 6
        for (int i = 0; i < kFrom; ++i) column[i] = read(i, j);
        line(column, made);
#pragma GCC unroll 6
        for (int i = 0; i < kTo; ++i) half[i][j] = made[i];
    }
#pragma GCC unroll kUnrolledLines
    for (int i = 0; i < kTo; ++i) {
        Vec<T> made[kTo];
        line(half[i], made);
#pragma GCC unroll 6
        for (int j = 0; j < kTo; ++j) write(i, j, made[j]);
    }
}

// The same for a line of kFrom vectors: i is 0.
template <class T, int kFrom, int kTo, class Read, class Write, class F>
LAMELLA_INLINE void transform_points(const TileForm& form, const Read& read, const Write& write, const F& line) {
    if (form.square) return transform_square<T, kFrom, kTo>(read, write, line);
    Vec<T> points[kFrom], made[kTo];
#pragma GCC unroll 6
    for (int j = 0; j < kFrom; ++j) points[j] = read(0, j);
    line(points, made);
#pragma GCC unroll 6
    for (int j = 0; j < kTo; ++j) write(0, j, made[j]);
}

// U[e] as panels [panel][slice][c][NR], with `size` values from one e to the next.
template <class T>
Status transform_filters(const Convolution<T>& v, const TileForm& form, T* filters, Int size) {
    const Int panel_size = v.in * kTileColumns<T>, count = form.taps(), depth = v.tap_count / count;
    const Int grain = larger(1, kChunkElements / (form.points() * panel_size));
    return in_chunks(v.panels() * depth, grain, [&](Int begin, Int end) -> Status {
        T* taps;
        const Workspace own(part(taps, count * panel_size));
        if (!own) return kOutOfMemory;
        for (Int square = begin; square < end; ++square) {
            const Int j = square / depth * kTileColumns<T>, columns = smaller(kTileColumns<T>, v.out - j);
            for (Int t = 0; t < count; ++t) pack_tap(v, square % depth * count + t, j, columns, taps + t * panel_size);
            for (Int i = 0; i < panel_size; i += kLanes<T>) {
                const T* const from = taps + i;
                T* const to = filters + square * panel_size + i;
                transform_points<T, 3, kWinogradIn>(
                    form, [&](int k, int l) { return load(from + (3 * k + l) * panel_size); },
                    [&](int k, int l, Vec<T> u) { store(to + (kWinogradIn * k + l) * size, u); }, transform_filter<T>);
            }
        }
        return nullptr;
    });
}

// A square of a slice of a volume.
struct Place {
    Int n, slice, row, column;
};

// The tiles of y in the order [image][row][column][slice]. Slice o of y reads `depth` slices of x from o*step + front on.
struct Tiling {
    TileForm form;
    Int slices, rows, columns;
    Int step, depth, front;
    Int tiles;

    Tiling(const TileForm& form_, Int images, Int y_slices, Int y_rows, Int y_columns, Int step_, Int depth_, Int front_)
        : form(form_),
          slices(y_slices),
          rows(ceil_divide(y_rows, form.out_rows())),
          columns(ceil_divide(y_columns, kWinogradOut)),
          step(step_),
          depth(depth_),
          front(front_),
          tiles(images * slices * rows * columns) {}

    // The outputs of a tile.
    Place place(Int tile) const {
        const Int square = tile / slices;
        return {square / (rows * columns), tile % slices, square / columns % rows * form.out_rows(),
                square % columns * kWinogradOut};
    }
    // Bytes of a tile's points for `in` channels of its inputs, those that it shares counted once, and for `out` channels.
    template <class T>
    Int bytes(Int in, Int out) const {
        const Int inputs = (slices - 1) * smaller(step, depth) + depth;  // of all slices
        return form.points() * (ceil_divide(inputs * in, slices) + out) * Int(sizeof(T));
    }
    // The most inputs of `count` neighbouring tiles.
    Int most_inputs(Int count) const {
        const Int own = smaller(step, depth);
        return count * own + (1 + ceil_divide(count - 1, slices)) * (depth - own);
    }
    // Lists the inputs of the tiles from begin to end, as places of their outputs in slices of x; tile i reads `depth` inputs
    // from first[i - begin] on. Returns the number of inputs.
    Int list_inputs(Int begin, Int end, Place* inputs, Int* first) const {
        Int count = 0;
        for (Int tile = begin; tile < end; ++tile) {
            const Place at = place(tile);
            Int& own = first[tile - begin];
            own = tile > begin && at.slice > 0 ? smaller(first[tile - begin - 1] + step, count) : count;
            for (; count < own + depth; ++count) {
                inputs[count] = {at.n, at.slice * step + front + count - own, at.row, at.column};
            }
        }
        return count;
    }
};

// height x width points of a slice, with zeros outside of it.
template <class T>
Patch<T> points_of(const T* x, const Extent& extent, const Place& at, Int height, Int width, T* buffer) {
    const T* const volume = x + at.n * extent.size();
    const Int bottom = at.row + height, right = at.column + width;
    if (at.slice >= 0 && at.slice < extent.depth && at.row >= 0 && at.column >= 0 && bottom <= extent.height &&
        right <= extent.width) {
        return {volume + ((at.slice * extent.height + at.row) * extent.width + at.column) * extent.in,
                extent.width * extent.in};
    }
    return patch_of(volume, extent, {at.slice, at.slice + 1, at.row, bottom, at.column, right}, 0, buffer);
}

// V[e] of one tile, with `size` values from one e to the next.
template <class T>
void transform_tile(const TileForm& form, const Patch<T>& patch, Int in, T* v, Int size) {
    for_vectors<T>(0, in, [&](Int c, Int part) {
        transform_points<T, kWinogradIn, kWinogradIn>(
            form, [&](int i, int j) { return load(patch.data + i * patch.row_size + j * in + c, part); },
            [&](int i, int j, Vec<T> value) { store(v + (kWinogradIn * i + j) * size + c, value, part); }, transform_input<T>);
    });
}

// The outputs of one tile that exist.
template <class T>
void finish_tile(const Convolution<T>& v, const TileForm& form, const T* m, Int size, const Place& at) {
    const Int rows = smaller(form.out_rows(), v.rows - at.row), columns = smaller(kWinogradOut, v.columns - at.column);
    T* const y = v.y + at.n * v.y_image + at.slice * v.y_slice + at.row * v.y_row + at.column * v.y_column;
    for_vectors<T>(0, v.out, [&](Int k, Int part) {
        const Vec<T> bias = v.bias != nullptr ? load(v.bias + k, part) : Vec<T>{};
        transform_points<T, kWinogradIn, kWinogradOut>(
            form, [&](int i, int j) { return load(m + (kWinogradIn * i + j) * size + k); },
            [&](int i, int j, Vec<T> value) {
                if (i >= rows || j >= columns) return;
                value += bias;
                if (v.relu) value = value < T(0) ? Vec<T>{} : value;
                store(y + i * v.y_row + j * v.y_column + k, value, part);
            },
            transform_output<T>);
    });
}

template <class T>
Status convolve_winograd(const Convolution<T>& v, const TileForm& form) {
    const Int points = form.points(), depth = v.tap_count / form.taps(), out = covered<T>(v.out);
    const Int u_size = point_size<T>(depth * v.in * v.panels() * kTileColumns<T>);
    T* filters;
    const Workspace shared(part(filters, points * u_size));
    if (!shared) return kOutOfMemory;
    if (const Status error = transform_filters(v, form, filters, u_size)) return error;

    const Tiling tiling(form, v.images, v.slices, v.rows, v.columns, v.slice_step, depth, v.taps[0].slice);
    // V and M of a block fill half of a 512 KiB L2. Each block reads all of U, so blocks must not be too small.
    constexpr Int kBlockBytes = 256 * 1024, kLeastTiles = 4 * kTileRows;
    const Int most = larger(kLeastTiles, kBlockBytes / tiling.bytes<T>(v.in, out));
    const Int even = ceil_divide(tiling.tiles, ceil_divide(tiling.tiles, most));
    const Int block = ceil_divide(even, kTileRows) * kTileRows, most_inputs = tiling.most_inputs(block);
    const Int v_size = point_size<T>(most_inputs * v.in), m_size = point_size<T>(block * out);
    const Int corner_size = points * v.in;
    return in_chunks(tiling.tiles, block, [&](Int begin, Int end) -> Status {
        T *inputs, *products, *corner, **c;
        const T** a;
        Place* places;
        Int* first;
        const Workspace own(part(inputs, points * v_size), part(products, points * m_size), part(corner, corner_size),
                            part(places, most_inputs), part(first, block), part(a, block), part(c, block));
        if (!own) return kOutOfMemory;
        const Int count = tiling.list_inputs(begin, end, places, first);
        for (Int i = 0; i < count; ++i) {
            const Place& at = places[i];
            const Place from{at.n, at.slice, at.row + v.taps[0].row, at.column + v.taps[0].column};
            transform_tile(form, points_of(v.x, v.extent(), from, form.in_rows(), kWinogradIn, corner), v.in, inputs + i * v.in,
                           v_size);
        }
        const Run run{0, depth * v.in};
        for (Int e = 0; e < points; ++e) {
            for (Int i = 0; i < end - begin; ++i) {
                a[i] = inputs + e * v_size + first[i] * v.in;
                c[i] = products + e * m_size + i * out;
            }
            for (Int panel = 0; panel < v.panels(); ++panel) {
                const T* const b = filters + e * u_size + panel * depth * v.in * kTileColumns<T>;
                const Int j = panel * kTileColumns<T>, columns = smaller(kTileColumns<T>, out - j);
                multiply<T, 1>({a, c, j, end - begin}, 1, &run, 1, b, kTileColumns<T>, columns, {nullptr, false, false});
            }
        }
        for (Int tile = begin; tile < end; ++tile) {
            finish_tile(v, form, products + (tile - begin) * out, m_size, tiling.place(tile));
        }
        return nullptr;
    });
}

// x -> A x, four to six.
template <class T>
LAMELLA_INLINE void transform_output_gradient(const Vec<T>* x, Vec<T>* y) {
    const Vec<T> even = x[0] + x[2], odd = x[1] + x[3], even2 = x[0] + T(4) * x[2], odd2 = T(2) * x[1] + T(8) * x[3];
    y[0] = x[0];
    y[1] = even + odd;
    y[2] = even - odd;
    y[3] = even2 + odd2;
    y[4] = even2 - odd2;
    y[5] = x[3];
}

// x -> G^T x, six to three.
template <class T>
LAMELLA_INLINE void transform_filter_gradient(const Vec<T>* x, Vec<T>* y) {
    const Vec<T> sum1 = x[1] + x[2], sum2 = x[3] + x[4];
    y[0] = x[0] * T(0.25) - sum1 * T(1.0 / 6) + sum2 * T(1.0 / 24);
    y[1] = (x[2] - x[1]) * T(1.0 / 6) + (x[3] - x[4]) * T(1.0 / 12);
    y[2] = (sum2 - sum1) * T(1.0 / 6) + x[5];
}

// Z[e] = A dy A^T of one tile, as its row in panels [e][panel][tile][NR]: `size` values from one e to the next, `panel_size`
// from one panel to the next.
template <class T>
void transform_tile_gradient(const TileForm& form, const Patch<T>& patch, Int out, T* z, Int size, Int panel_size) {
    for (Int k = 0; k < covered<T>(out); k += kLanes<T>) {
        const Int left = larger(0, smaller(kLanes<T>, out - k));
        T* const to = z + k / kTileColumns<T> * panel_size + k % kTileColumns<T>;
        transform_points<T, kWinogradOut, kWinogradIn>(
            form,
            [&](int i, int j) {
                const T* const from = patch.data + i * patch.row_size + j * out + k;
                return left == kLanes<T> ? load(from) : load_part(from, left);
            },
            [&](int i, int j, Vec<T> value) { store(to + (kWinogradIn * i + j) * size, value); }, transform_output_gradient<T>);
    }
}

// The gradient of the weights of a convolution with windows of depth x 3 x 3: dU[e] = sum over tiles V[e]^T Z[e], then
// dw = G^T dU G. A row of dU[e] is a channel of one slice of the window.
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
    transform_tile_gradient(form, points_of(g.dy, g.outputs, at, form.out_rows(), kWinogradOut, corner), g.out(),
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
            for_vectors<T>(0, out, [&](Int k, Int part) {
                transform_points<T, kWinogradIn, 3>(
                    g.tiling.form,
                    [&](int i, int j) {
                        const T* const from = sums + (kWinogradIn * i + j) * size + row * padded + k;
                        Vec<T> sum = load(from);
                        for (Int other = 1; other < parts; ++other) sum += load(from + other * g.points() * size);
                        return sum;
                    },
                    [&](int i, int j, Vec<T> w) { store(to + (3 * i + j) * in * out + k, w, part); },
                    transform_filter_gradient<T>);
            });
        }
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
