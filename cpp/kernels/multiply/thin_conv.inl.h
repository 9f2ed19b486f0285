// 3x3 windows of stride 1 over one channel. The general tile loads its two vectors of weights again for every six points; here
// the weights of the nine taps stay in registers over a block of rows, and neighbouring points share the values that they read.
// In the backward pass the gradients of the weights stay in registers, and dy is read once for them and for the bias's
// gradient.
#pragma once
#include "kernels/multiply/gemm.inl.h"

namespace lamella {
namespace {

// Forward, 16 registers: 9x1 weights + 4x1 sums + 1 broadcast = 14. 32 registers: 9x2 + 6x2 + 1 = 31.
constexpr int kThinVectors = kRegisters == 32 ? 2 : 1;
constexpr int kThinPoints = kRegisters == 32 ? 6 : 4;
// Without fused multiply-add the products need registers, too, and the general tile is faster.
#if defined(__FMA__) || defined(__aarch64__)
constexpr bool kThinPays = true;
#else
constexpr bool kThinPays = false;
#endif

// x: rows of one channel, row_size apart; two more rows and columns than points. The values of point (p, q) begin at
// y + p*y_row + q*y_column.
template <class T>
struct ThinBlock {
    const T* x;
    Int row_size;
    T* y;
    Int y_row, y_column;
    Int rows, columns;
};

template <class T, int NP, int NV>
LAMELLA_INLINE void thin_tile(const T* x, Int row_size, const Vec<T> (&w)[9][NV], const T* bias, bool relu, T* y, Int y_column,
                              Int part) {
    Vec<T> sums[NP][NV] = {};
#pragma GCC unroll 3
    for (int row = 0; row < 3; ++row) {
#pragma GCC unroll 8
        for (int column = 0; column < NP + 2; ++column) {
            const Vec<T> value = broadcast<T>(x[row * row_size + column]);
#pragma GCC unroll 3
            for (int tap = 0; tap < 3; ++tap) {
                const int point = column - tap;
                if (point < 0 || point >= NP) continue;
#pragma GCC unroll 2
                for (int v = 0; v < NV; ++v) accumulate<T>(sums[point][v], value, w[row * 3 + tap][v]);
            }
        }
    }
#pragma GCC unroll 6
    for (int point = 0; point < NP; ++point) {
#pragma GCC unroll 2
        for (int v = 0; v < NV; ++v) {
            Vec<T> sum = sums[point][v] + load(bias + v * kLanes<T>);
            if (relu) sum = sum < T(0) ? Vec<T>{} : sum;  // NaN gives NaN
            store(y + point * y_column + v * kLanes<T>, sum, v == NV - 1 ? part : 0);
        }
    }
}

// NV vectors of columns of the panel w [9][NR]; the last has `part` columns, or all if that is 0.
template <class T, int NV>
[[gnu::noinline]] void thin_columns(const ThinBlock<T>& block, const T* panel, const T* bias, bool relu, Int part) {
    Vec<T> w[9][NV];
#pragma GCC unroll 9
    for (int tap = 0; tap < 9; ++tap) {
#pragma GCC unroll 2
        for (int v = 0; v < NV; ++v) w[tap][v] = load(panel + tap * kTileColumns<T> + v * kLanes<T>);
    }
    for (Int p = 0; p < block.rows; ++p) {
        const T* x = block.x + p * block.row_size;
        T* y = block.y + p * block.y_row;
        Int left = block.columns;
        for (; left >= kThinPoints; left -= kThinPoints, x += kThinPoints, y += kThinPoints * block.y_column) {
            thin_tile<T, kThinPoints, NV>(x, block.row_size, w, bias, relu, y, block.y_column, part);
        }
        for (; left >= 2; left -= 2, x += 2, y += 2 * block.y_column) {
            thin_tile<T, 2, NV>(x, block.row_size, w, bias, relu, y, block.y_column, part);
        }
        if (left > 0) thin_tile<T, 1, NV>(x, block.row_size, w, bias, relu, y, block.y_column, part);
    }
}

// packed: the panels of the weights [panel][9][NR].  bias: `out` values, or nullptr.
template <class T>
void convolve_thin(ThinBlock<T> block, const T* packed, Int out, const T* bias, bool relu) {
    constexpr Int kMost = kThinVectors * kLanes<T>;
    for (Int j = 0; j < out; j += kMost, block.y += kMost) {
        const T* const panel = packed + j / kTileColumns<T> * 9 * kTileColumns<T> + j % kTileColumns<T>;
        const Int now = out - j < kMost ? out - j : kMost;
        T padded[kMost] = {};
        for (Int i = 0; bias != nullptr && i < now; ++i) padded[i] = bias[j + i];
        if (now <= kLanes<T>) thin_columns<T, 1>(block, panel, padded, relu, now % kLanes<T>);
        else thin_columns<T, kThinVectors>(block, panel, padded, relu, now % kLanes<T>);
    }
}

// Gradients of NV vectors of the weights' columns over a block of points; dy [points][out] has the points one after the other.
// They are added to dweights [9][out] and to dbias [out], which may be nullptr.
template <class T, int NV>
[[gnu::noinline]] void thin_gradients(const T* x, Int row_size, const T* dy, Int rows, Int columns, Int out, Int part,
                                      T* dweights, T* dbias) {
    Vec<T> sums[9][NV] = {}, bias[NV] = {};
    for (Int p = 0; p < rows; ++p, x += row_size) {
        for (Int q = 0; q < columns; ++q, dy += out) {
            Vec<T> d[NV];
#pragma GCC unroll 2
            for (int v = 0; v < NV; ++v) {
                d[v] = load(dy + v * kLanes<T>, v == NV - 1 ? part : 0);
                bias[v] += d[v];
            }
#pragma GCC unroll 9
            for (int tap = 0; tap < 9; ++tap) {
                const Vec<T> value = broadcast<T>(x[tap / 3 * row_size + q + tap % 3]);
#pragma GCC unroll 2
                for (int v = 0; v < NV; ++v) accumulate<T>(sums[tap][v], value, d[v]);
            }
        }
    }
#pragma GCC unroll 2
    for (int v = 0; v < NV; ++v) {
        const Int now = v == NV - 1 ? part : 0;
        for (int tap = 0; tap < 9; ++tap) {
            T* const to = dweights + tap * out + v * kLanes<T>;
            store(to, load(to, now) + sums[tap][v], now);
        }
        if (dbias != nullptr) {
            T* const to = dbias + v * kLanes<T>;
            store(to, load(to, now) + bias[v], now);
        }
    }
}

// x and row_size have the meaning of ThinBlock.
template <class T>
void add_thin_gradients(const T* x, Int row_size, const T* dy, Int rows, Int columns, Int out, T* dweights, T* dbias) {
    constexpr Int kMost = kThinVectors * kLanes<T>;
    for (Int j = 0; j < out; j += kMost) {
        const Int now = out - j < kMost ? out - j : kMost, part = now % kLanes<T>;
        T* const bias = dbias != nullptr ? dbias + j : nullptr;
        if (now <= kLanes<T>) thin_gradients<T, 1>(x, row_size, dy + j, rows, columns, out, part, dweights + j, bias);
        else thin_gradients<T, kThinVectors>(x, row_size, dy + j, rows, columns, out, part, dweights + j, bias);
    }
}

}  // namespace
}  // namespace lamella
