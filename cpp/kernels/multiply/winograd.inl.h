// 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3) (Lavin and Gray, arXiv 1509.09308): 36 products give 16 outputs; the
// direct method needs 144. For each block of tiles, all in L2:
//
//   V[e][tile][c] = B^T d B of each 6x6 input tile;   M[e] = V[e] U[e], 36 products;   4x4 outputs = A^T M A + bias
//
// with U[e] = G g G^T, computed once per call; e is one of the 36 points of a transformed tile. The largest error divided by
// the largest output is about 1e-5 in float32. float64, which is used for accuracy, therefore uses the direct method.
#pragma once
#include "kernels/multiply/convolution.inl.h"

namespace lamella {
namespace {

constexpr int kWinogradIn = 6, kWinogradOut = 4, kWinogradPoints = kWinogradIn * kWinogradIn;

// The distance from one point's matrix of `count` values to the next: an odd number of cache lines, so that the same element of
// 36 points is in 36 sets of L1. Sizes are usually powers of two; at distances that are multiples of 4 KiB all 36 would be in
// one set, which has 8 to 12 lines.
template <class T>
LAMELLA_INLINE Int point_size(Int count) {
    constexpr Int kLine = 64 / sizeof(T);
    return (ceil_divide(count, kLine) | 1) * kLine;
}

// The size of U[e] as panels [panel][c][NR].
template <class T>
Int filter_size(Int in, Int out) {
    return point_size<T>(in * ceil_divide(out, kTileColumns<T>) * kTileColumns<T>);
}

// True for float32 if there are enough channels and tiles: a transform costs as much as the products of about 16 channels. At
// least half of the tiles' outputs must exist.
template <class T>
bool winograd_pays(Int in, Int out, Int images, Int rows, Int columns) {
    const Int tiles = images * ceil_divide(rows, kWinogradOut) * ceil_divide(columns, kWinogradOut);
    return sizeof(T) == 4 && in >= 16 && out >= 16 && tiles >= 48 &&
           2 * images * rows * columns >= tiles * kWinogradOut * kWinogradOut;
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

// U[e] as panels [e][panel][c][NR].
template <class T>
Status transform_filters(const Convolution<T>& v, T* filters) {
    const Int panel_size = v.in * kTileColumns<T>, size = filter_size<T>(v.in, v.out);
    const Int grain = larger(1, kChunkElements / (kWinogradPoints * panel_size));
    return in_chunks(v.panels(), grain, [&](Int begin, Int end) -> Status {
        T* taps;
        const Workspace own(part(taps, 9 * panel_size));
        if (!own) return kOutOfMemory;
        for (Int panel = begin; panel < end; ++panel) {
            const Int j = panel * kTileColumns<T>, columns = smaller(kTileColumns<T>, v.out - j);
            for (Int t = 0; t < 9; ++t) pack_tap(v, t, j, columns, taps + t * panel_size);
            for (Int i = 0; i < panel_size; i += kLanes<T>) {
                const T* const from = taps + i;
                T* const to = filters + panel * panel_size + i;
                transform_square<T, 3, kWinogradIn>(
                    [&](int k, int l) { return load(from + (3 * k + l) * panel_size); },
                    [&](int k, int l, Vec<T> u) { store(to + (kWinogradIn * k + l) * size, u); }, transform_filter<T>);
            }
        }
        return nullptr;
    });
}

// A tile's image and first output point.
struct Place {
    Int n, p, q;
};

struct Tiling {
    Int rows, columns;

    Place place(Int tile) const {
        return {tile / (rows * columns), tile / columns % rows * kWinogradOut, tile % columns * kWinogradOut};
    }
};

// size x size points of an image, with zeros outside of it.
template <class T>
Patch<T> square_of(const T* image, Int height, Int width, Int channels, Int top, Int left, Int size, T* buffer) {
    if (top >= 0 && left >= 0 && top + size <= height && left + size <= width) {
        return {image + (top * width + left) * channels, width * channels};
    }
    return patch_of(image, {1, height, width, channels}, {0, 1, top, top + size, left, left + size}, 0, buffer);
}

// V[e] of one tile, with `size` values from one e to the next.
template <class T>
void transform_tile(const Patch<T>& patch, Int in, T* v, Int size) {
    for_vectors<T>(0, in, [&](Int c, Int part) {
        transform_square<T, kWinogradIn, kWinogradIn>(
            [&](int i, int j) { return load(patch.data + i * patch.row_size + j * in + c, part); },
            [&](int i, int j, Vec<T> value) { store(v + (kWinogradIn * i + j) * size + c, value, part); }, transform_input<T>);
    });
}

// The outputs of one tile that exist.
template <class T>
void finish_tile(const Convolution<T>& v, const T* m, Int size, const Place& at) {
    const Int rows = smaller(kWinogradOut, v.rows - at.p), columns = smaller(kWinogradOut, v.columns - at.q);
    T* const y = v.y + at.n * v.y_image + at.p * v.y_row + at.q * v.y_column;
    for_vectors<T>(0, v.out, [&](Int k, Int part) {
        const Vec<T> bias = v.bias != nullptr ? load(v.bias + k, part) : Vec<T>{};
        transform_square<T, kWinogradIn, kWinogradOut>([&](int i, int j) { return load(m + (kWinogradIn * i + j) * size + k); },
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
Status convolve_winograd(const Convolution<T>& v) {
    const Int u_size = filter_size<T>(v.in, v.out);
    T* filters;
    const Workspace shared(part(filters, kWinogradPoints * u_size));
    if (!shared) return kOutOfMemory;
    if (const Status error = transform_filters(v, filters)) return error;

    const Tiling tiling{ceil_divide(v.rows, kWinogradOut), ceil_divide(v.columns, kWinogradOut)};
    const Int tiles = v.images * tiling.rows * tiling.columns, out = v.panels() * kTileColumns<T>;
    // V and M of a block fill most of a 512 KiB L2. Each block reads all of U, so blocks must not be too small.
    constexpr Int kBlockBytes = 384 * 1024, kLeastTiles = 4 * kTileRows;
    const Int most = larger(kLeastTiles, kBlockBytes / (kWinogradPoints * (v.in + out) * Int(sizeof(T))));
    const Int even = ceil_divide(tiles, ceil_divide(tiles, most)), block = ceil_divide(even, kTileRows) * kTileRows;
    const Int v_size = point_size<T>(block * v.in), m_size = point_size<T>(block * out);
    const Int corner_size = kWinogradPoints * v.in;
    return in_chunks(tiles, block, [&](Int begin, Int end) -> Status {
        T *inputs, *products, *corner, **c;
        const T** a;
        const Workspace own(part(inputs, kWinogradPoints * v_size), part(products, kWinogradPoints * m_size),
                            part(corner, corner_size), part(a, block), part(c, block));
        if (!own) return kOutOfMemory;
        for (Int tile = begin; tile < end; ++tile) {
            const Place at = tiling.place(tile);
            const T* const image = v.x + at.n * v.height * v.width * v.in;
            const Patch<T> patch =
                square_of(image, v.height, v.width, v.in, at.p + v.taps[0].row, at.q + v.taps[0].column, kWinogradIn, corner);
            transform_tile(patch, v.in, inputs + (tile - begin) * v.in, v_size);
        }
        const Run run{0, v.in};
        for (Int e = 0; e < kWinogradPoints; ++e) {
            for (Int i = 0; i < end - begin; ++i) {
                a[i] = inputs + e * v_size + i * v.in;
                c[i] = products + e * m_size + i * out;
            }
            for (Int panel = 0; panel < v.panels(); ++panel) {
                const T* const b = filters + e * u_size + panel * v.in * kTileColumns<T>;
                const Int j = panel * kTileColumns<T>, columns = smaller(kTileColumns<T>, v.out - j);
                multiply<T, 1>({a, c, j, end - begin}, 1, &run, 1, b, kTileColumns<T>, columns, {nullptr, false, false});
            }
        }
        for (Int tile = begin; tile < end; ++tile) {
            finish_tile(v, products + (tile - begin) * out, m_size, tiling.place(tile));
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
void transform_tile_gradient(const Patch<T>& patch, Int out, T* z, Int size, Int panel_size) {
    for (Int k = 0; k < ceil_divide(out, kTileColumns<T>) * kTileColumns<T>; k += kLanes<T>) {
        const Int left = larger(0, smaller(kLanes<T>, out - k));
        T* const to = z + k / kTileColumns<T> * panel_size + k % kTileColumns<T>;
        transform_square<T, kWinogradOut, kWinogradIn>(
            [&](int i, int j) {
                const T* const from = patch.data + i * patch.row_size + j * out + k;
                return left == kLanes<T> ? load(from) : load_part(from, left);
            },
            [&](int i, int j, Vec<T> value) { store(to + (kWinogradIn * i + j) * size, value); }, transform_output_gradient<T>);
    }
}

// The gradient of a 3x3 convolution's weights: dU[e] = sum over tiles V[e]^T Z[e], then dw = G^T dU G.
template <class T>
struct WeightGradient {
    const T* x;
    Int images, height, width, in;
    const T* dy;
    Int rows, columns, out;
    Int top, left;

    Tiling tiling() const { return {ceil_divide(rows, kWinogradOut), ceil_divide(columns, kWinogradOut)}; }
    Int tiles() const { return images * tiling().rows * tiling().columns; }
    Int panels() const { return ceil_divide(out, kTileColumns<T>); }
    Int padded() const { return panels() * kTileColumns<T>; }
    Int sum_size() const { return point_size<T>(in * padded()); }  // size of dU[e]
    Int tile_bytes() const { return kWinogradPoints * (in + padded()) * Int(sizeof(T)); }
    Int corner_size() const { return kWinogradPoints * larger(in, out); }
};

// V [e][tile][c] and Z [e][panel][tile][NR] of up to `most` tiles. The distance of the tiles of V[e] is also an odd number of
// lines, because a tile of the product reads a few channels of each.
template <class T>
struct TransformedTiles {
    Int tile_size, v_size, panel_size, z_size;
    T *inputs, *gradients;
    Workspace own;

    TransformedTiles(const WeightGradient<T>& g, Int most)
        : tile_size(point_size<T>(g.in)),
          v_size(point_size<T>(most * tile_size)),
          panel_size(most * kTileColumns<T>),
          z_size(point_size<T>(g.panels() * panel_size)),
          own(part(inputs, kWinogradPoints * v_size), part(gradients, kWinogradPoints * z_size)) {}
};

// Transforms tile `tile` of the images to the i-th of `to`. corner: memory for g.corner_size() values.
template <class T>
void transform_both(const WeightGradient<T>& g, Int tile, const TransformedTiles<T>& to, Int i, T* corner) {
    const Place at = g.tiling().place(tile);
    transform_tile(square_of(g.x + at.n * g.height * g.width * g.in, g.height, g.width, g.in, at.p - g.top, at.q - g.left,
                             kWinogradIn, corner),
                   g.in, to.inputs + i * to.tile_size, to.v_size);
    transform_tile_gradient(
        square_of(g.dy + at.n * g.rows * g.columns * g.out, g.rows, g.columns, g.out, at.p, at.q, kWinogradOut, corner), g.out,
        to.gradients + i * kTileColumns<T>, to.z_size, to.panel_size);
}

// The number of rows of dU[e] computed at once.
constexpr Int kPointRows = 11 * kTileRows;

// At most kPointRows rows of dU[e] from c0 on (+)= V[e]^T Z[e] over the first `count` tiles.
template <class T>
void multiply_point(const WeightGradient<T>& g, const TransformedTiles<T>& from, Int count, Int e, Int c0, bool accumulate,
                    T* sum) {
    const T* a[kPointRows];
    T* c[kPointRows];
    const Int rows = smaller(kPointRows, g.in - c0);
    for (Int i = 0; i < rows; ++i) {
        a[i] = from.inputs + e * from.v_size + c0 + i;
        c[i] = sum + e * g.sum_size() + (c0 + i) * g.padded();
    }
    const Run run{0, count};
    for (Int panel = 0; panel < g.panels(); ++panel) {
        multiply<T, 0>({a, c, panel * kTileColumns<T>, rows}, from.tile_size, &run, 1,
                       from.gradients + e * from.z_size + panel * from.panel_size, kTileColumns<T>, kTileColumns<T>,
                       {nullptr, accumulate, false});
    }
}

// bias (+)= the sums of dy over the first `count` tiles, which are their Z[1][1].
template <class T>
void add_tile_sums(const WeightGradient<T>& g, const TransformedTiles<T>& from, Int count, bool accumulate, T* bias) {
    constexpr Int kSums = kWinogradIn + 1;
    for (Int k = 0; k < g.padded(); k += kLanes<T>) {
        const Int panel = k / kTileColumns<T>;
        const T* const z = from.gradients + kSums * from.z_size + panel * from.panel_size + k % kTileColumns<T>;
        Vec<T> sum{};
        for (Int i = 0; i < count; ++i) sum += load(z + i * kTileColumns<T>);
        store(bias + k, accumulate ? load(bias + k) + sum : sum);
    }
}

// For a small dU: each slice of the tiles has its own dU, to which its blocks are added; the same for the bias.
template <class T>
Status sum_by_slices(const WeightGradient<T>& g, Int block, Int slices, T* sums, T* bias) {
    return in_chunks(slices, 1, [&](Int slice, Int) -> Status {
        const TransformedTiles<T> transformed(g, block);
        T* corner;
        const Workspace own(part(corner, g.corner_size()));
        if (!transformed.own || !own) return kOutOfMemory;
        const Int first = slice * g.tiles() / slices, end = (slice + 1) * g.tiles() / slices;
        for (Int begin = first; begin < end; begin += block) {
            const Int count = smaller(block, end - begin);
            for (Int i = 0; i < count; ++i) transform_both(g, begin + i, transformed, i, corner);
            add_tile_sums(g, transformed, count, begin > first, bias + slice * g.padded());
            for (Int e = 0; e < kWinogradPoints; ++e) {
                for (Int c0 = 0; c0 < g.in; c0 += kPointRows) {
                    multiply_point(g, transformed, count, e, c0, begin > first, sums + slice * kWinogradPoints * g.sum_size());
                }
            }
        }
        return nullptr;
    });
}

// For a large dU there is only one: all threads transform the tiles of a block, then all threads multiply, each its own points.
template <class T>
Status sum_by_points(const WeightGradient<T>& g, Int block, T* sum, T* bias) {
    const TransformedTiles<T> transformed(g, block);
    if (!transformed.own) return kOutOfMemory;
    const Int groups = ceil_divide(g.in, kPointRows);
    const Int grain = larger(1, kChunkElements / (kWinogradPoints * (g.in + g.padded())));
    for (Int begin = 0; begin < g.tiles(); begin += block) {
        const Int count = smaller(block, g.tiles() - begin);
        const Status failed = in_chunks(count, grain, [&](Int i, Int end) -> Status {
            T* corner;
            const Workspace own(part(corner, g.corner_size()));
            if (!own) return kOutOfMemory;
            for (; i < end; ++i) transform_both(g, begin + i, transformed, i, corner);
            return nullptr;
        });
        if (failed != nullptr) return failed;
        add_tile_sums(g, transformed, count, begin > 0, bias);
        const Int flops = 2 * count * smaller(kPointRows, g.in) * g.padded();
        parallel_for(kWinogradPoints * groups, larger(1, kChunkFlops / flops), [&](Int task, Int end) {
            for (; task < end; ++task) {
                multiply_point(g, transformed, count, task / groups, task % groups * kPointRows, begin > 0, sum);
            }
        });
    }
    return nullptr;
}

// dbias may be nullptr. Only the shape determines which of the two is used and how the tiles are cut.
template <class T>
Status winograd_backward_weights(const WeightGradient<T>& g, T* dweights, T* dbias) {
    const Int tiles = g.tiles(), sums_size = kWinogradPoints * g.sum_size(), sum_bytes = sums_size * Int(sizeof(T));
    constexpr Int kMostSlices = 8, kSliceBytes = 8 << 20;
    const bool by_slices = kMostSlices * sum_bytes <= kSliceBytes;
    // By slices, V and Z of a block fit into L2 if possible. By points, V and Z of a block pass through L3 once, and all of dU,
    // too: if they are as large as dU, they do not cost more than dU.
    constexpr Int kSlicedBytes = 384 * 1024, kLeastTiles = 48, kMostTiles = 128, kMostBytes = 32 << 20;
    const Int most = by_slices ? smaller(larger(kLeastTiles, kSlicedBytes / g.tile_bytes()), kMostTiles)
                               : larger(1, smaller(sum_bytes, kMostBytes) / g.tile_bytes());
    const Int block = by_slices ? most : ceil_divide(tiles, ceil_divide(tiles, most));
    Int slices = 1;
    while (by_slices && 2 * slices <= kMostSlices && 2 * slices * block <= tiles) slices *= 2;
    const Int padded = g.padded(), size = g.sum_size();
    T *sums, *bias;
    const Workspace own(part(sums, slices * sums_size), part(bias, slices * padded));
    if (!own) return kOutOfMemory;
    const Status failed = by_slices ? sum_by_slices(g, block, slices, sums, bias) : sum_by_points(g, block, sums, bias);
    if (failed != nullptr) return failed;

    if (dbias != nullptr) {
        for_vectors<T>(0, g.out, [&](Int k, Int part) {
            Vec<T> sum = load(bias + k);
            for (Int slice = 1; slice < slices; ++slice) sum += load(bias + slice * padded + k);
            store(dbias + k, sum, part);
        });
    }
    parallel_for(g.in, larger(1, kChunkElements / (kWinogradPoints * padded)), [&](Int begin, Int end) {
        for (Int c = begin; c < end; ++c) {
            for_vectors<T>(0, g.out, [&](Int k, Int part) {
                transform_square<T, kWinogradIn, 3>(
                    [&](int i, int j) {
                        const T* const from = sums + (kWinogradIn * i + j) * size + c * padded + k;
                        Vec<T> sum = load(from);
                        for (Int slice = 1; slice < slices; ++slice) sum += load(from + slice * kWinogradPoints * size);
                        return sum;
                    },
                    [&](int i, int j, Vec<T> w) { store(dweights + ((3 * i + j) * g.in + c) * g.out + k, w, part); },
                    transform_filter_gradient<T>);
            });
        }
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
