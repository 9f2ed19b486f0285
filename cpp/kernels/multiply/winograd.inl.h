// Convolution of stride 1 with windows of 3 x 3, or of 3 in a row, by Winograd's F(4x4, 3x3) (Lavin and Gray, arXiv
// 1509.09308): 36 products give 16 outputs; the direct method needs 144. Windows of 5 by F(2x2, 5x5): 36 products give 4
// outputs; the direct method needs 100. For each block of tiles, all in L2:
//
//   V[e][tile][c] = B^T d B of each 6x6 input tile;   M[e] = V[e] U[e], 36 products;   outputs = A^T M A + bias
//
// with U[e] = G g G^T, computed once per call; e is one of the 36 points of a transformed tile. The largest error divided by
// the largest output is about 1e-5 in float32. float64, which is used for accuracy, therefore uses the direct method.
//
// A window of depth x 3 x 3 sums over its slices before the outputs are transformed: a row of V[e] is then the tile in `depth`
// neighbouring slices, [slice][c], and the rows of neighbouring outputs overlap, so that each slice is transformed once.
#pragma once
#include "kernels/multiply/winograd_tiles.inl.h"

namespace lamella {
namespace {

// x -> G x, three or five to six.
template <class T, int kWindow>
LAMELLA_INLINE void transform_filter(const Vec<T>* x, Vec<T>* y) {
    Vec<T> even = x[0] + x[2], odd = x[1], even2 = x[0] + T(4) * x[2], odd2 = T(2) * x[1];
    if constexpr (kWindow == 5) {
        even += x[4];
        odd += x[3];
        even2 += T(16) * x[4];
        odd2 += T(8) * x[3];
    }
    y[0] = x[0] * T(0.25);
    y[1] = (even + odd) * T(-1.0 / 6);
    y[2] = (even - odd) * T(-1.0 / 6);
    y[3] = (even2 + odd2) * T(1.0 / 24);
    y[4] = (even2 - odd2) * T(1.0 / 24);
    y[5] = x[kWindow - 1];
}

// x -> A^T x, six to four or two.
template <class T, int kWindow>
LAMELLA_INLINE void transform_output(const Vec<T>* x, Vec<T>* y) {
    const Vec<T> sum1 = x[1] + x[2], sum2 = x[3] + x[4], difference1 = x[1] - x[2], difference2 = x[3] - x[4];
    y[0] = x[0] + sum1 + sum2;
    y[1] = difference1 + T(2) * difference2;
    if constexpr (kWindow == 5) {
        y[1] += x[5];
    } else {
        y[2] = sum1 + T(4) * sum2;
        y[3] = difference1 + T(8) * difference2 + x[5];
    }
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
            with_window(form, [&](auto window) {
                for (Int i = 0; i < panel_size; i += kLanes<T>) {
                    const T* const from = taps + i;
                    T* const to = filters + square * panel_size + i;
                    transform_points<T, window.value, kWinogradIn>(
                        form, [&](int k, int l) { return load(from + (window.value * k + l) * panel_size); },
                        [&](int k, int l, Vec<T> u) { store(to + (kWinogradIn * k + l) * size, u); },
                        transform_filter<T, window.value>);
                }
            });
        }
        return nullptr;
    });
}

// The outputs of one tile that exist.
template <class T>
void finish_tile(const Convolution<T>& v, const TileForm& form, const T* m, Int size, const Place& at) {
    const Int rows = smaller(form.out_rows(), v.rows - at.row);
    const Int columns = smaller(form.out_columns(), v.columns - at.column);
    T* const y = v.y + at.n * v.y_image + at.slice * v.y_slice + at.row * v.y_row + at.column * v.y_column;
    with_window(form, [&](auto window) {
        for_vectors<T>(0, v.out, [&](Int k, Int part) {
            const Vec<T> bias = v.bias != nullptr ? load(v.bias + k, part) : Vec<T>{};
            transform_points<T, kWinogradIn, winograd_out(window.value)>(
                form, [&](int i, int j) { return load(m + (kWinogradIn * i + j) * size + k); },
                [&](int i, int j, Vec<T> value) {
                    if (i >= rows || j >= columns) return;
                    value += bias;
                    if (v.relu) value = value < T(0) ? Vec<T>{} : value;
                    store(y + i * v.y_row + j * v.y_column + k, value, part);
                },
                transform_output<T, window.value>);
        });
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

}  // namespace
}  // namespace lamella
