// 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3) (Lavin and Gray, arXiv 1509.09308): 36 products give 16 outputs
// where the direct way takes 144. Per block of tiles, all in L2:
//
//   V[e][tile][c] = B^T d B of each 6x6 input tile;   M[e] = V[e] U[e], 36 products;   4x4 outputs = A^T M A + bias
//
// with U[e] = G g G^T made once per call; e counts the 36 points of a transformed tile. Largest error over largest output is some 1e-5 in float32 and is why doubles,
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

// For float32, and enough channels and tiles that the transforms are small beside the products: each costs as much as
// some 16 channels of them. At least half of the tiles' outputs must exist.
template <class T>
bool winograd_pays(Int in, Int out, Int images, Int rows, Int columns) {
    const Int tiles = images * ceil_divide(rows, kWinogradOut) * ceil_divide(columns, kWinogradOut);
    return sizeof(T) == 4 && in >= 16 && out >= 16 && tiles >= 48 &&
           2 * images * rows * columns >= tiles * kWinogradOut * kWinogradOut;
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

// size x size points of an image, zeros where it has none.
template <class T>
Patch<T> square_of(const T* image, Int height, Int width, Int channels, Int top, Int left, Int size, T* buffer) {
    if (top >= 0 && left >= 0 && top + size <= height && left + size <= width) {
        return {image + (top * width + left) * channels, width * channels};
    }
    return patch_of(image, height, width, channels, {top, top + size, left, left + size}, buffer);
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

// The outputs of one tile, as far as they exist.
template <class T>
void finish_tile(const Convolution<T>& v, const T* m, Int size, const Place& at) {
    const Int rows = smaller(kWinogradOut, v.rows - at.p), columns = smaller(kWinogradOut, v.columns - at.q);
    T* const y = v.y + at.n * v.y_image + at.p * v.y_row + at.q * v.y_column;
    for_vectors<T>(0, v.out, [&](Int k, Int part) {
        Vec<T> from[kWinogradIn][kWinogradIn], made[kWinogradOut][kWinogradOut];
#pragma GCC unroll 36
        for (int e = 0; e < kWinogradPoints; ++e) from[e / kWinogradIn][e % kWinogradIn] = load(m + e * size + k);
        transform_square<T, kWinogradIn, kWinogradOut>(from, made, transform_output<T>);
        const Vec<T> bias = v.bias != nullptr ? load(v.bias + k, part) : Vec<T>{};
        for (Int i = 0; i < rows; ++i) {
            for (Int j = 0; j < columns; ++j) {
                Vec<T> value = made[i][j] + bias;
                if (v.relu) value = value < T(0) ? Vec<T>{} : value;
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

    const Tiling tiling{ceil_divide(v.rows, kWinogradOut), ceil_divide(v.columns, kWinogradOut)};
    const Int tiles = v.images * tiling.rows * tiling.columns, out = v.panels() * kTileColumns<T>;
    // V and M of a block fill most of a 512 KiB L2; but each block reads all of U, so it must not be small either.
    constexpr Int kBlockBytes = 384 * 1024, kLeastTiles = 4 * kTileRows;
    const Int most = larger(kLeastTiles, kBlockBytes / (kWinogradPoints * (v.in + out) * Int(sizeof(T))));
    const Int even = ceil_divide(tiles, ceil_divide(tiles, most)), block = ceil_divide(even, kTileRows) * kTileRows;
    const Int v_size = block * v.in, m_size = block * out, corner_size = kWinogradPoints * v.in;
    parallel_for(tiles, block, [&](Int begin, Int end) {
        void* const scratch = thread_scratch(Arena::bytes<T>(kWinogradPoints * v_size) +
                                             Arena::bytes<T>(kWinogradPoints * m_size) + Arena::bytes<T>(corner_size) +
                                             2 * Arena::bytes<T*>(block));
        if (scratch == nullptr) {
            __atomic_store_n(&failed, 1, __ATOMIC_RELAXED);
            return;
        }
        Arena own(scratch);
        T* const inputs = own.take<T>(kWinogradPoints * v_size);
        T* const products = own.take<T>(kWinogradPoints * m_size);
        T* const corner = own.take<T>(corner_size);
        const T** const a = own.take<const T*>(block);
        T** const c = own.take<T*>(block);
        for (Int tile = begin; tile < end; ++tile) {
            const Place at = tiling.place(tile);
            const T* const image = v.x + at.n * v.height * v.width * v.in;
            const Patch<T> patch = square_of(image, v.height, v.width, v.in, at.p + v.taps[0].row,
                                             at.q + v.taps[0].column, kWinogradIn, corner);
            transform_tile(patch, v.in, inputs + (tile - begin) * v.in, v_size);
        }
        const Run run{0, v.in};
        for (Int e = 0; e < kWinogradPoints; ++e) {
            for (Int i = 0; i < end - begin; ++i) {
                a[i] = inputs + e * v_size + i * v.in;
                c[i] = products + e * m_size + i * out;
            }
            for (Int panel = 0; panel < v.panels(); ++panel) {
                const T* const b = filters + (e * v.panels() + panel) * v.in * kTileColumns<T>;
                const Int j = panel * kTileColumns<T>, columns = smaller(kTileColumns<T>, v.out - j);
                multiply<T, 1>({a, c, j, end - begin}, 1, &run, 1, b, kTileColumns<T>, columns, {nullptr, false, false});
            }
        }
        for (Int tile = begin; tile < end; ++tile) {
            finish_tile(v, products + (tile - begin) * out, m_size, tiling.place(tile));
        }
    });
    return failed != 0 ? kOutOfMemory : nullptr;
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

// Z[e] = A dy A^T of one tile, as its row in panels [e][panel][tile][NR]: `size` values between one e and the next,
// `panel_size` between panels.
template <class T>
void transform_tile_gradient(const Patch<T>& patch, Int out, T* z, Int size, Int panel_size) {
    for (Int k = 0; k < ceil_divide(out, kTileColumns<T>) * kTileColumns<T>; k += kLanes<T>) {
        Vec<T> d[kWinogradOut][kWinogradOut], made[kWinogradIn][kWinogradIn];
        const Int left = larger(0, smaller(kLanes<T>, out - k));
#pragma GCC unroll 4
        for (int i = 0; i < kWinogradOut; ++i) {
#pragma GCC unroll 4
            for (int j = 0; j < kWinogradOut; ++j) {
                const T* const from = patch.data + i * patch.row_size + j * out + k;
                d[i][j] = left == kLanes<T> ? load(from) : load_part(from, left);
            }
        }
        transform_square<T, kWinogradOut, kWinogradIn>(d, made, transform_output_gradient<T>);
        T* const to = z + k / kTileColumns<T> * panel_size + k % kTileColumns<T>;
#pragma GCC unroll 36
        for (int e = 0; e < kWinogradPoints; ++e) store(to + e * size, made[e / kWinogradIn][e % kWinogradIn]);
    }
}

// The gradient of a 3x3 convolution's weights: dU[e] = sum over tiles V[e]^T Z[e], then dw = G^T dU G. The tiles are cut
// into slices by shape alone; each slice sums into its own dU, and the slices add up in order.
template <class T>
Status winograd_backward_weights(const T* x, Int images, Int height, Int width, Int in, const T* dy, Int rows, Int columns,
                                 Int out, Int top, Int left, T* dweights) {
    const Tiling tiling{ceil_divide(rows, kWinogradOut), ceil_divide(columns, kWinogradOut)};
    const Int tiles = images * tiling.rows * tiling.columns;
    const Int panels = ceil_divide(out, kTileColumns<T>), padded = panels * kTileColumns<T>;
    // V and Z of a block fit into L2 if dU is small; where dU is large, a block is too, as it reads and writes all of dU.
    constexpr Int kBlockBytes = 384 * 1024, kLeastTiles = 48, kMostTiles = 128;
    const Int fitting = kBlockBytes / (kWinogradPoints * (in + padded) * Int(sizeof(T)));
    const Int block = smaller(larger(kLeastTiles, fitting), kMostTiles);
    const Int sum_size = kWinogradPoints * in * padded;

    constexpr Int kSliceBytes = 48 << 20, kMostSlices = 8;
    Int slices = 1;
    while (2 * slices <= kMostSlices && 2 * slices * sum_size * Int(sizeof(T)) <= kSliceBytes &&
           2 * slices * block <= tiles) {
        slices *= 2;
    }
    T* const sums = static_cast<T*>(call_scratch(slices * sum_size * Int(sizeof(T))));
    if (sums == nullptr) return kOutOfMemory;

    Int failed = 0;
    parallel_for(slices, 1, [&](Int slice, Int) {
        const Int v_size = block * in, panel_size = block * kTileColumns<T>, z_size = panels * panel_size;
        const Int corner_size = kWinogradPoints * larger(in, out);
        void* const scratch = thread_scratch(Arena::bytes<T>(kWinogradPoints * v_size) +
                                             Arena::bytes<T>(kWinogradPoints * z_size) + Arena::bytes<T>(corner_size) +
                                             2 * Arena::bytes<T*>(in));
        if (scratch == nullptr) {
            __atomic_store_n(&failed, 1, __ATOMIC_RELAXED);
            return;
        }
        Arena own(scratch);
        T* const inputs = own.take<T>(kWinogradPoints * v_size);
        T* const gradients = own.take<T>(kWinogradPoints * z_size);
        T* const corner = own.take<T>(corner_size);
        const T** const a = own.take<const T*>(in);
        T** const c = own.take<T*>(in);
        T* const sum = sums + slice * sum_size;
        const Int first = slice * tiles / slices, end = (slice + 1) * tiles / slices;
        for (Int begin = first; begin < end; begin += block) {
            const Int count = smaller(block, end - begin);
            for (Int i = 0; i < count; ++i) {
                const Place at = tiling.place(begin + i);
                transform_tile(square_of(x + at.n * height * width * in, height, width, in, at.p - top, at.q - left,
                                         kWinogradIn, corner),
                               in, inputs + i * in, v_size);
                transform_tile_gradient(square_of(dy + at.n * rows * columns * out, rows, columns, out, at.p, at.q,
                                                  kWinogradOut, corner),
                                        out, gradients + i * kTileColumns<T>, z_size, panel_size);
            }
            const Run run{0, count};
            const Epilogue<T> epilogue{nullptr, begin > first, false};
            for (Int e = 0; e < kWinogradPoints; ++e) {
                for (Int ci = 0; ci < in; ++ci) {
                    a[ci] = inputs + e * v_size + ci;
                    c[ci] = sum + (e * in + ci) * padded;
                }
                for (Int panel = 0; panel < panels; ++panel) {
                    multiply<T, 0>({a, c, panel * kTileColumns<T>, in}, in, &run, 1,
                                   gradients + e * z_size + panel * panel_size, kTileColumns<T>, kTileColumns<T>, epilogue);
                }
            }
        }
    });
    if (failed != 0) return kOutOfMemory;

    parallel_for(in, larger(1, kChunkElements / (kWinogradPoints * padded)), [&](Int begin, Int end) {
        for (Int c = begin; c < end; ++c) {
            for_vectors<T>(0, out, [&](Int k, Int part) {
                Vec<T> u[kWinogradIn][kWinogradIn], g[3][3];
                for (int e = 0; e < kWinogradPoints; ++e) {
                    const T* const from = sums + (e * in + c) * padded + k;
                    Vec<T> sum = load(from);
                    for (Int slice = 1; slice < slices; ++slice) sum += load(from + slice * sum_size);
                    u[e / kWinogradIn][e % kWinogradIn] = sum;
                }
                transform_square<T, kWinogradIn, 3>(u, g, transform_filter_gradient<T>);
                for (int t = 0; t < 9; ++t) store(dweights + (t * in + c) * out + k, g[t / 3][t % 3], part);
            });
        }
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
