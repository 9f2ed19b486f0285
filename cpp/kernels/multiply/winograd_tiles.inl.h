// The tiles of Winograd's F(4x4, 3x3) and F(2x2, 5x5): which outputs and inputs they have, and what transforms them.
// `winograd.inl.h` explains the method; `winograd_gradient.inl.h` has the gradient of the weights.
#pragma once
#include "kernels/multiply/convolution.inl.h"

namespace lamella {
namespace {

constexpr int kWinogradIn = 6;

// The outputs of a tile's row: windows of 3 and of 5 have the same inputs, points and input transform.
constexpr int winograd_out(int window) { return kWinogradIn + 1 - window; }

// The tiles of windows of 3 x 3 and 5 x 5 are squares; those of windows of 3 or 5 in a row are lines: 6 products for 4 or 2
// outputs.
struct TileForm {
    bool square;
    int window;  // 3 or 5

    Int points() const { return in_rows() * kWinogradIn; }
    Int taps() const { return square ? window * window : window; }
    Int in_rows() const { return square ? kWinogradIn : 1; }
    Int out_rows() const { return square ? out_columns() : 1; }
    Int out_columns() const { return winograd_out(window); }
    Int sum_point() const { return square ? kWinogradIn + 1 : 1; }  // the row of A for this point has only ones
};

// Calls f with the window's size as a Number.
template <class F>
LAMELLA_INLINE void with_window(const TileForm& form, const F& f) {
    if (form.window == 3) f(Number<3>());
    else f(Number<5>());
}

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
// channels. Lines save half of the products instead of three quarters, and windows of 5 save less than windows of 3, so they
// need more channels: with fewer, some of the three passes were 0.7 to 0.95 as fast. At least half of the tiles' outputs must
// exist.
template <class T>
bool winograd_pays(const TileForm& form, Int in, Int out, Int slices, Int rows, Int columns) {
    const Int tiles = slices * ceil_divide(rows, form.out_rows()) * ceil_divide(columns, form.out_columns());
    const Int least = (form.square ? 32 : 64) + (form.window == 5 ? 32 : 0);  // of in and out together
    return sizeof(T) == 4 && in >= 16 && out >= 16 && in + out >= least && tiles >= 48 &&
           2 * slices * rows * columns >= tiles * form.out_rows() * form.out_columns();
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
          columns(ceil_divide(y_columns, form.out_columns())),
          step(step_),
          depth(depth_),
          front(front_),
          tiles(images * slices * rows * columns) {}

    // The outputs of a tile.
    Place place(Int tile) const {
        const Int square = tile / slices;
        return {square / (rows * columns), tile % slices, square / columns % rows * form.out_rows(),
                square % columns * form.out_columns()};
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

}  // namespace
}  // namespace lamella
