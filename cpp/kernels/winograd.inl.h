// 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3) (Lavin and Gray, arXiv 1509.09308): 36 products give 16 outputs
// where the direct way takes 144. Per block of tiles, all in L2:
//
//   V[e][tile][c] = B^T d B of each 6x6 input tile;   M[e] = V[e] U[e], 36 products;   4x4 outputs = A^T M A + bias
//
// with U[e] = G g G^T made once per call. Largest error over largest output is some 1e-5 in float32 and is why doubles,
// which exist to be exact, go the direct way.
#pragma once
#include "kernels/convolution.inl.h"

namespace lamella {
namespace {

constexpr int kWinogradIn = 6, kWinogradOut = 4, kWinogradPoints = kWinogradIn * kWinogradIn;

template <class T>
Int winograd_bytes(Int in, Int out) {
    return Arena::bytes<T>(kWinogradPoints * in * ceil_divide(out, kTileColumns<T>) * kTileColumns<T>);
}

// Three taps by three side by side, float32, and enough channels and tiles that the transforms are small beside the
// products: each costs as much as some 16 channels of them.
template <class T>
bool winograd_pays(const Convolution<T>& v) {
    if (sizeof(T) != 4 || v.tap_count != 9 || v.row_step != 1 || v.column_step != 1) return false;
    for (Int t = 0; t < 9; ++t) {
        if (v.taps[t].row != v.taps[0].row + t / 3 || v.taps[t].column != v.taps[0].column + t % 3) return false;
    }
    const Int tiles = v.images * ceil_divide(v.rows, kWinogradOut) * ceil_divide(v.columns, kWinogradOut);
    // Share of the tiles' outputs that exist, in percent.
    const Int used = 100 * v.images * v.rows * v.columns / (tiles * kWinogradOut * kWinogradOut);
    return v.in >= 16 && v.out >= 16 && tiles >= 48 && used >= 50;
}

// x -> B^T x, over six vectors.
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

// y[i][j] of the columns, then of the rows: `rows` x `from` of x become `to` x `to`.
template <class T, int kFrom, int kTo, class F>
LAMELLA_INLINE void transform_square(Vec<T> (&x)[kFrom][kFrom], Vec<T> (&y)[kTo][kTo], const F& line) {
    Vec<T> half[kFrom][kTo];
#pragma GCC unroll 6
    for (int j = 0; j < kFrom; ++j) {
        Vec<T> column[kFrom], made[kTo];
#pragma GCC unroll 6
        for (int i = 0; i < kFrom; ++i) column[i] = x[i][j];
        line(column, made);
#pragma GCC unroll 6
        for (int i = 0; i < kTo; ++i) half[j][i] = made[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < kTo; ++i) {
        Vec<T> row[kFrom];
#pragma GCC unroll 6
        for (int j = 0; j < kFrom; ++j) row[j] = half[j][i];
        line(row, y[i]);
    }
}

// U[e] as panels [e][panel][c][NR].
template <class T>
void transform_filters(const Convolution<T>& v, T* filters, Int* failed) {
    const Int panel_size = v.in * kTileColumns<T>;
    parallel_for(v.panels(), larger(1, kChunkElements / (kWinogradPoints * panel_size)), [&](Int begin, Int end) {
        T* const taps = static_cast<T*>(thread_scratch(Arena::bytes<T>(9 * panel_size)));
        if (taps == nullptr) {
            __atomic_store_n(failed, 1, __ATOMIC_RELAXED);
            return;
        }
        for (Int panel = begin; panel < end; ++panel) {
            const Int j = panel * kTileColumns<T>, columns = smaller(kTileColumns<T>, v.out - j);
            for (Int t = 0; t < 9; ++t) pack_tap(v, t, j, columns, taps + t * panel_size);
            for (Int i = 0; i < panel_size; i += kLanes<T>) {
                Vec<T> g[3][3], u[kWinogradIn][kWinogradIn];
                for (int t = 0; t < 9; ++t) g[t / 3][t % 3] = load(taps + t * panel_size + i);
                transform_square<T, 3, kWinogradIn>(g, u, transform_filter<T>);
                for (int e = 0; e < kWinogradPoints; ++e) {
                    store(filters + (e * v.panels() + panel) * panel_size + i, u[e / kWinogradIn][e % kWinogradIn]);
                }
            }
        }
    });
}

// V[e] of one tile: `size` values between one e and the next.
template <class T>
void transform_tile(const Patch<T>& patch, Int in, T* v, Int size) {
    for_vectors<T>(0, in, [&](Int c, Int part) {
        Vec<T> d[kWinogradIn][kWinogradIn], made[kWinogradIn][kWinogradIn];
#pragma GCC unroll 6
        for (int i = 0; i < kWinogradIn; ++i) {
#pragma GCC unroll 6
            for (int j = 0; j < kWinogradIn; ++j) d[i][j] = load(patch.data + i * patch.row_size + j * in + c, part);
        }
        transform_square<T, kWinogradIn, kWinogradIn>(d, made, transform_input<T>);
#pragma GCC unroll 36
        for (int e = 0; e < kWinogradPoints; ++e) {
            store(v + e * size + c, made[e / kWinogradIn][e % kWinogradIn], part);
        }
    });
}

// The outputs (p, q) on of one tile, as far as they exist.
template <class T>
void finish_tile(const Convolution<T>& v, const T* m, Int size, Int n, Int p, Int q) {
    const Int rows = smaller(kWinogradOut, v.rows - p), columns = smaller(kWinogradOut, v.columns - q);
    T* const y = v.y + n * v.y_image + p * v.y_row + q * v.y_column;
    for_vectors<T>(0, v.out, [&](Int k, Int part) {
        Vec<T> from[kWinogradIn][kWinogradIn], made[kWinogradOut][kWinogradOut];
#pragma GCC unroll 36
        for (int e = 0; e < kWinogradPoints; ++e) from[e / kWinogradIn][e % kWinogradIn] = load(m + e * size + k);
        transform_square<T, kWinogradIn, kWinogradOut>(from, made, transform_output<T>);
        const Vec<T> bias = v.bias != nullptr ? load(v.bias + k, part) : Vec<T>{};
        for (Int i = 0; i < rows; ++i) {
            for (Int j = 0; j < columns; ++j) {
                Vec<T> value = made[i][j] + bias;
                if (v.relu) value = max<T>(value, Vec<T>{});
                store(y + i * v.y_row + j * v.y_column + k, value, part);
            }
        }
    });
}

// Needs winograd_bytes of `arena`.
template <class T>
Status convolve_winograd(const Convolution<T>& v, Arena arena) {
    Int failed = 0;
    T* const filters = arena.take<T>(kWinogradPoints * v.in * v.panels() * kTileColumns<T>);
    transform_filters(v, filters, &failed);
    if (failed != 0) return kOutOfMemory;

    const Int tile_rows = ceil_divide(v.rows, kWinogradOut), tile_columns = ceil_divide(v.columns, kWinogradOut);
    const Int tiles = v.images * tile_rows * tile_columns, out = v.panels() * kTileColumns<T>;
    // V and M of a block fill most of a 512 KiB L2; but each block reads all of U, so it must not be small either.
    constexpr Int kBlockBytes = 384 * 1024, kLeastTiles = 4 * kTileRows;
    const Int most = larger(kLeastTiles, kBlockBytes / (kWinogradPoints * (v.in + out) * Int(sizeof(T))));
    const Int even = ceil_divide(tiles, ceil_divide(tiles, most)), block = ceil_divide(even, kTileRows) * kTileRows;
    const Int v_size = block * v.in, m_size = block * out, corner_size = kWinogradPoints * v.in;
    parallel_for(tiles, block, [&](Int begin, Int end) {
        void* const scratch = thread_scratch(Arena::bytes<T>(kWinogradPoints * v_size) +
                                             Arena::bytes<T>(kWinogradPoints * m_size) + Arena::bytes<T>(corner_size));
        if (scratch == nullptr) {
            __atomic_store_n(&failed, 1, __ATOMIC_RELAXED);
            return;
        }
        Arena own(scratch);
        T* const inputs = own.take<T>(kWinogradPoints * v_size);
        T* const products = own.take<T>(kWinogradPoints * m_size);
        T* const corner = own.take<T>(corner_size);
        for (Int tile = begin; tile < end; ++tile) {
            const Int n = tile / (tile_rows * tile_columns);
            const Int top = tile / tile_columns % tile_rows * kWinogradOut + v.taps[0].row;
            const Int left = tile % tile_columns * kWinogradOut + v.taps[0].column;
            const T* const image = v.x + n * v.height * v.width * v.in;
            const bool inside = top >= 0 && left >= 0 && top + kWinogradIn <= v.height && left + kWinogradIn <= v.width;
            const Patch<T> patch = inside ? Patch<T>{image + (top * v.width + left) * v.in, v.width * v.in}
                                          : patch_of(image, v.height, v.width, v.in,
                                                     {top, top + kWinogradIn, left, left + kWinogradIn}, corner);
            transform_tile(patch, v.in, inputs + (tile - begin) * v.in, v_size);
        }
        const Run run{0, v.in};
        for (Int e = 0; e < kWinogradPoints; ++e) {
            for (Int panel = 0; panel < v.panels(); ++panel) {
                const T* const b = filters + (e * v.panels() + panel) * v.in * kTileColumns<T>;
                const Int j = panel * kTileColumns<T>, columns = smaller(kTileColumns<T>, v.out - j);
                for (Int i = 0; i < end - begin; i += kTileRows) {
                    const T* a[kTileRows];
                    T* c[kTileRows];
                    const Tile<T> tile{a, c, j, smaller(kTileRows, end - begin - i)};
                    for (Int r = 0; r < tile.count; ++r) {
                        a[r] = inputs + e * v_size + (i + r) * v.in;
                        c[r] = products + e * m_size + (i + r) * out;
                    }
                    multiply<T, 1>(tile, 1, &run, 1, b, kTileColumns<T>, columns, {nullptr, false, false});
                }
            }
        }
        for (Int tile = begin; tile < end; ++tile) {
            finish_tile(v, products + (tile - begin) * out, m_size, tile / (tile_rows * tile_columns),
                        tile / tile_columns % tile_rows * kWinogradOut, tile % tile_columns * kWinogradOut);
        }
    });
    return failed != 0 ? kOutOfMemory : nullptr;
}

}  // namespace
}  // namespace lamella
