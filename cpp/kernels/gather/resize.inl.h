// Images whose places are between those of other images. x, dx [N, H, W, C]; y, dy [N, P, Q, C].
#pragma once
#include "kernels/common.h"

namespace lamella {
namespace {

// Channels of which one thread computes the gradient in an image.
constexpr Int kResizedChannels = 64;

// Whether each place is one of `size`, and between it and the next one if it has a weight.
[[gnu::noinline]] bool places_within(Labels places, Reals weights, Int size) {
    for (Int i = 0; i < places.size; ++i) {
        if (places.data[i] < 0 || places.data[i] >= size - (weights.data[i] != 0 ? 1 : 0)) return false;
    }
    return true;
}

// x and y: the shapes of the images and of those with places in between.
[[gnu::noinline]] Status resizing_fits(const Int* x, Int x_rank, Labels rows, Reals row_weights, Labels columns,
                                       Reals column_weights, const Int* y, Int y_rank) {
    LAMELLA_REQUIRE(x_rank == 4 && y_rank == 4 && x[0] == y[0] && x[3] == y[3]);
    LAMELLA_REQUIRE(rows.size == y[1] && row_weights.size == rows.size);
    LAMELLA_REQUIRE(columns.size == y[2] && column_weights.size == columns.size);
    if (x[0] == 0 || x[3] == 0) return nullptr;
    LAMELLA_REQUIRE(places_within(rows, row_weights, x[1]));
    LAMELLA_REQUIRE(places_within(columns, column_weights, x[2]));
    return nullptr;
}

template <class T>
Status resize_forward(In<T> x, Labels rows, Reals row_weights, Labels columns, Reals column_weights, Out<T> y) {
    if (const Status error = resizing_fits(x.shape, x.rank, rows, row_weights, columns, column_weights, y.shape, y.rank))
        return error;
    if (y.size == 0) return nullptr;
    const Int channels = x.shape[3], row = x.shape[2] * channels, heights = y.shape[1], widths = y.shape[2];
    parallel_for(y.shape[0] * heights, larger(1, kChunkElements / (widths * channels)), [&](Int begin, Int end) {
        for (Int i = begin; i < end; ++i) {
            const Int p = i % heights;
            const T* const from = x.data + (i / heights * x.shape[1] + rows.data[p]) * row;
            const T down = T(row_weights.data[p]);
            const Int below = down == T(0) ? 0 : row;
            for (Int q = 0; q < widths; ++q) {
                const T* const at = from + columns.data[q] * channels;
                T* const to = y.data + (i * widths + q) * channels;
                const T right = T(column_weights.data[q]);
                const Int beside = right == T(0) ? 0 : channels;
                if (channels < 4) {  // elements one by one take less time than a part of a vector
                    for (Int c = 0; c < channels; ++c) {
                        const T a = at[c], b = at[below + c];
                        const T v = beside == 0 ? a : a + (at[beside + c] - a) * right;
                        const T w = beside == 0 ? b : b + (at[below + beside + c] - b) * right;
                        to[c] = below == 0 ? v : v + (w - v) * down;
                    }
                    continue;
                }
                for_vectors<T>(0, channels, [=](Int c, Int part) {
                    const auto in_row = [=](const T* a) {
                        const Vec<T> v = load(a + c, part);
                        return beside == 0 ? v : v + (load(a + beside + c, part) - v) * right;
                    };
                    const Vec<T> v = in_row(at);
                    store(to + c, below == 0 ? v : v + (in_row(at + below) - v) * down, part);
                });
            }
        }
    });
    return nullptr;
}

// to[c] += weight * from[c]. Not inlined, because it is called in four places.
template <class T>
[[gnu::noinline]] void add_scaled(T* to, const T* from, Int count, T weight) {
    if (count < kLanes<T>) {  // a load of part of a vector would wait for the store before it
        for (Int c = 0; c < count; ++c) to[c] += from[c] * weight;
        return;
    }
    for_vectors<T>(0, count, [=](Int c, Int part) { store(to + c, load(to + c, part) + load(from + c, part) * weight, part); });
}

template <class T>
Status resize_backward(In<T> dy, Labels rows, Reals row_weights, Labels columns, Reals column_weights, Out<T> dx) {
    if (const Status error = resizing_fits(dx.shape, dx.rank, rows, row_weights, columns, column_weights, dy.shape, dy.rank))
        return error;
    if (dx.size == 0) return nullptr;
    const Int channels = dx.shape[3], width = dx.shape[2], heights = dy.shape[1], widths = dy.shape[2];
    const Int block = smaller(channels, kResizedChannels), blocks = ceil_divide(channels, block);
    const Int work = larger(1, larger(heights * widths, dx.shape[1] * width) * block);
    return in_chunks(dx.shape[0] * blocks, larger(1, kChunkElements / work), [&](Int begin, Int end) -> Status {
        T* sums;  // the gradient of a row of z
        const Workspace own(part(sums, width * block));
        if (!own) return kOutOfMemory;
        for (Int i = begin; i < end; ++i) {
            const Int n = i / blocks, first = i % blocks * block, count = smaller(block, channels - first);
            T* const image = dx.data + n * dx.shape[1] * width * channels + first;
            for (Int s = 0; s < dx.shape[1] * width; ++s) clear(image + s * channels, count);
            for (Int p = 0; p < heights; ++p) {
                clear(sums, width * block);
                for (Int q = 0; q < widths; ++q) {
                    const T* const d = dy.data + ((n * heights + p) * widths + q) * channels + first;
                    const T right = T(column_weights.data[q]);
                    T* const to = sums + columns.data[q] * block;
                    add_scaled(to, d, count, T(1) - right);
                    if (right != T(0)) add_scaled(to + block, d, count, right);
                }
                const T down = T(row_weights.data[p]);
                for (Int j = 0; j < width; ++j) {
                    T* const to = image + (rows.data[p] * width + j) * channels;
                    add_scaled(to, sums + j * block, count, T(1) - down);
                    if (down != T(0)) add_scaled(to + width * channels, sums + j * block, count, down);
                }
            }
        }
        return nullptr;
    });
}

}  // namespace
}  // namespace lamella
