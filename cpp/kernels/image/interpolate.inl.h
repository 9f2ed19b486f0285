// A block of pixels of y, interpolated from the samples around their positions in x.
#pragma once
#include "kernels/image/places.inl.h"
#include "simd/quad.h"

namespace lamella {
namespace {

// Samples [rows, columns, channels] from which pixels are interpolated: the image, or the coefficients of its spline.
template <class U>
struct Samples {
    const U* data;
    Int size, channels;
    Int row, column;  // elements to the next row, to the next column; 0 if there is no next one
};

template <class T>
struct Block {
    int count;
    bool last;                    // of its row
    std::int32_t offset[kBlock];  // element of the first sample that is read
    Places<T> rows, columns;
};

// The nearest sample.
template <int kChannels, class T, class U>
LAMELLA_INLINE void take_nearest(const Samples<U>& x, const Block<T>& block, T* to) {
    const Int channels = kChannels > 0 ? kChannels : x.channels;
    for (int k = 0; k < block.count; ++k) {
        const U* const from = x.data + block.offset[k];
        for (Int c = 0; c < channels; ++c) to[k * channels + c] = static_cast<T>(from[c]);
    }
}

template <class V>
LAMELLA_INLINE V between(V a, V b, V weight) {
    return a + weight * (b - a);
}

// Element c of pixel k from four samples, first along the row.
template <class T, class U>
LAMELLA_INLINE T linear_element(const Samples<U>& x, const Block<T>& block, int k, Int c) {
    const U* const from = x.data + block.offset[k] + c;
    const T weight = block.columns.weight[k];
    return between(between(T(from[0]), T(from[x.column]), weight), between(T(from[x.row]), T(from[x.row + x.column]), weight),
                   block.rows.weight[k]);
}

template <class T, class U>
LAMELLA_INLINE void take_linear(const Samples<U>& x, const Block<T>& block, T* to) {
    for (int k = 0; k < block.count; ++k) {
        for (Int c = 0; c < x.channels; ++c) to[k * x.channels + c] = linear_element(x, block, k, c);
    }
}

// One channel of bytes, two columns or more: pairs of neighbours are gathered, then converted and interpolated in vectors,
// because conversions of single bytes take most of the time otherwise.
template <class T>
LAMELLA_INLINE void take_linear_bytes(const Samples<std::uint8_t>& x, const Block<T>& block, T* to) {
    std::uint16_t above[kBlock], below[kBlock];
    for (int k = 0; k < kBlock; ++k) {
        const std::uint8_t* const from = x.data + block.offset[k];
        std::memcpy(above + k, from, 2);
        std::memcpy(below + k, from + x.row, 2);
    }
    T y[kBlock];
    for (int k = 0; k < kBlock; ++k) {
        const T weight = block.columns.weight[k];
        y[k] = between(between(T(above[k] & 255), T(above[k] >> 8), weight),
                       between(T(below[k] & 255), T(below[k] >> 8), weight), block.rows.weight[k]);
    }
    copy(y, to, block.count);
}

template <class T, class U>
LAMELLA_INLINE void take_linear_single(const Samples<U>& x, const Block<T>& block, T* to) {
    if constexpr (sizeof(U) == 1) take_linear_bytes(x, block, to);
    else take_linear(x, block, to);
}

// Three or four channels at once. With three, a quad is one element longer than a pixel: the next pixel of the row overwrites
// this element, and the last samples of the image are read one by one.
template <int kChannels, class T, class U>
LAMELLA_INLINE void take_linear_quads(const Samples<U>& x, const Block<T>& block, T* to) {
    const Int last = x.size - x.row - kChannels - 4;
    const int quads = kChannels == 3 && block.last ? block.count - 1 : block.count;
    for (int k = 0; k < block.count; ++k) {
        if (k < quads && block.offset[k] <= last) {
            const U* const from = x.data + block.offset[k];
            const Quad<T> across = broadcast_quad(block.columns.weight[k]), down = broadcast_quad(block.rows.weight[k]);
            const Quad<T> above = between(load_quad<T>(from), load_quad<T>(from + kChannels), across);
            const Quad<T> below = between(load_quad<T>(from + x.row), load_quad<T>(from + x.row + kChannels), across);
            store_quad(to + k * kChannels, between(above, below, down));
        } else {
            for (Int c = 0; c < kChannels; ++c) to[k * kChannels + c] = linear_element(x, block, k, c);
        }
    }
}

// The weights of the cubic B-spline for the four coefficients around a position: a polynomial of t for each.
LAMELLA_INLINE void cubic_weights(double t, double* w) {
    constexpr double k[4][4] = {
        {1. / 6, 4. / 6, 1. / 6, 0}, {-0.5, 0, 0.5, 0}, {0.5, -1, 0.5, 0}, {-1. / 6, 0.5, -0.5, 1. / 6}};
    for (int i = 0; i < 4; i += kPiece<double>) {
        const Piece<double> high = load_piece(k[3] + i) * t + load_piece(k[2] + i);
        store_piece(w + i, (high * t + load_piece(k[1] + i)) * t + load_piece(k[0] + i));
    }
}

// From 4 x 4 coefficients: three or four channels at once; four columns of a single channel; otherwise one by one. A quad of
// three channels reads one element after the last pixel, which the array of coefficients has.
template <int kChannels, class T>
LAMELLA_INLINE void take_cubic(const Samples<double>& x, const Block<double>& block, T* to) {
    for (int k = 0; k < block.count; ++k) {
        double across[4], down[4], sum[4];
        cubic_weights(block.columns.weight[k], across);
        cubic_weights(block.rows.weight[k], down);
        const double* const from = x.data + block.offset[k];
        if constexpr (kChannels == 1) {
            for (int h = 0; h < 4; h += kPiece<double>) {
                Piece<double> column{};
                for (int i = 0; i < 4; ++i) column += load_piece(from + i * x.row + h) * down[i];
                store_piece(sum + h, column * load_piece(across + h));
            }
            to[k] = static_cast<T>((sum[0] + sum[1]) + (sum[2] + sum[3]));
        } else if constexpr (kChannels > 0) {
            for (int h = 0; h < 4; h += kPiece<double>) {
                Piece<double> pixel{};
                for (int i = 0; i < 4; ++i) {
                    Piece<double> line{};
                    for (int j = 0; j < 4; ++j) line += load_piece(from + i * x.row + j * kChannels + h) * across[j];
                    pixel += line * down[i];
                }
                store_piece(sum + h, pixel);
            }
            for (int c = 0; c < kChannels; ++c) to[k * kChannels + c] = static_cast<T>(sum[c]);
        } else {
            for (Int c = 0; c < x.channels; ++c) {
                double pixel = 0;
                for (int i = 0; i < 4; ++i) {
                    double line = 0;
                    for (int j = 0; j < 4; ++j) line += from[i * x.row + j * x.channels + c] * across[j];
                    pixel += line * down[i];
                }
                to[k * x.channels + c] = static_cast<T>(pixel);
            }
        }
    }
}

}  // namespace
}  // namespace lamella
