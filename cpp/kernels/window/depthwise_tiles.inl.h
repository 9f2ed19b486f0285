// A depthwise convolution with 3x3 windows for 16 registers of 32 bytes: y of a tile, two rows by two or three columns of
// points, for one vector of channels after the other. The channels are the inner loop, so that cache lines are read and written
// as a whole; a sweep along the columns with one vector of channels uses half of a line at a time, and where points are a power
// of two apart, the line has left L1 before its other half is used.
#pragma once
#include "kernels/window/depthwise_bands.inl.h"

namespace lamella {
namespace {

constexpr bool kHasTiles = LAMELLA_VECTOR_BYTES == 32 && kRegisters == 16;
// 16 registers: 3x3 weights, 2x3 sums, 1 of the source. Gradients: 3x3 sums, 2x3 of dy, 1 of the source.
constexpr int kTileRows = 2, kTileColumns = 3;
// Channels of a pass along the columns: 4 rows x 5 columns of the source and the weights are at most 30 KiB.
template <class T>
constexpr Int kTileChannels = 1024 / Int{sizeof(T)};
// Points a multiple of this apart share one set of L1, so their rows are copied. The copies of two points are an odd number of
// cache lines apart.
constexpr Int kFarBytes = 4096;
template <class T>
constexpr Int kCopiedStep = kTileChannels<T> + 64 / Int{sizeof(T)};

// The most bytes of a point with which prefetching was faster; with 2 KiB it took a tenth more (EPYC, AVX2, 14x14).
constexpr Int kMostFetched = 1024;

template <class T>
struct Tile {
    const T* x[band_source_rows(kTileRows, 2)];  // each row at the first column of the first window
    Int x_step, row, step, channels;             // x_step: distance of columns of x; row, step: distances of points
    bool left, right;                            // whether the first and the last column of x are inside
    const T *x_next, *result_next;               // what is prefetched, or nullptr
};

// A block of the weights or their gradients for a vector of channels: 3x3 and the bias.
template <class T>
constexpr Int kTileBias = 9 * kLanes<T>;
template <class T>
constexpr Int kTileBlock = 10 * kLanes<T>;

template <bool kWrites, int kSource, int kResult, class T>
LAMELLA_INLINE void fetch_tile(const Tile<T>& tile, Int c) {
    constexpr int kLine = 64 / Int{sizeof(T)};
    if (tile.x_next == nullptr) return;
#pragma GCC unroll 16
    for (int i = 0; i < kSource * kLanes<T>; i += kLine) __builtin_prefetch(tile.x_next + kSource * c + i, 0, 2);
#pragma GCC unroll 16
    for (int i = 0; i < kResult * kLanes<T>; i += kLine) {
        __builtin_prefetch(tile.result_next + kResult * c + i, kWrites ? 1 : 0, 2);
    }
}

// The loops below have no lambdas: with them gcc 12 kept the arrays in memory. Arguments are passed by value, as in work_on.
template <class T, int kRows, int kColumns, int kStride>
[[gnu::noinline]] void sum_tile(Tile<T> tile, const T* w, bool relu, T* y) {
    constexpr int kSourceRows = band_source_rows(kRows, kStride), kLast = (kColumns - 1) * kStride + 2;
    for (Int c = 0; c < tile.channels; c += kLanes<T>, w += kTileBlock<T>) {
        Vec<T> weights[3][3], sums[kRows][kColumns];
#pragma GCC unroll 3
        for (int k = 0; k < 3; ++k) {
#pragma GCC unroll 3
            for (int t = 0; t < 3; ++t) weights[k][t] = load(w + (3 * k + t) * kLanes<T>);
        }
        const Vec<T> bias = load(w + kTileBias<T>);
#pragma GCC unroll 3
        for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
            for (int q = 0; q < kColumns; ++q) sums[r][q] = bias;
        }
        fetch_tile<true, kRows * kColumns * kStride * kStride, kRows * kColumns>(tile, c);
#pragma GCC unroll 7
        for (int column = 0; column <= kLast; ++column) {
            if (column == 0 && !tile.left) continue;
            if (column == kLast && !tile.right) continue;
#pragma GCC unroll 5
            for (int i = 0; i < kSourceRows; ++i) {
                const Vec<T> value = load(tile.x[i] + column * tile.x_step + c);
#pragma GCC unroll 3
                for (int q = 0; q < kColumns; ++q) {
#pragma GCC unroll 3
                    for (int r = 0; r < kRows; ++r) {
                        const int k = i - r * kStride, t = column - q * kStride;
                        if (k < 0 || k > 2 || t < 0 || t > 2) continue;
                        accumulate<T>(sums[r][q], value, weights[k][t]);
                    }
                }
            }
        }
#pragma GCC unroll 3
        for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
            for (int q = 0; q < kColumns; ++q) {
                Vec<T> sum = sums[r][q];
                if (relu) sum = sum < T(0) ? Vec<T>{} : sum;  // NaN gives NaN
                store(y + r * tile.row + q * tile.step + c, sum);
            }
        }
    }
}

// Adds the gradients of the weights to dw.
template <class T, int kRows, int kColumns, int kStride>
[[gnu::noinline]] void add_tile(Tile<T> tile, const T* dy, T* dw) {
    constexpr int kSourceRows = band_source_rows(kRows, kStride), kLast = (kColumns - 1) * kStride + 2;
    for (Int c = 0; c < tile.channels; c += kLanes<T>, dw += kTileBlock<T>) {
        Vec<T> sums[3][3], slopes[kRows][kColumns];
        Vec<T> bias = load(dw + kTileBias<T>);
#pragma GCC unroll 3
        for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
            for (int q = 0; q < kColumns; ++q) {
                slopes[r][q] = load(dy + r * tile.row + q * tile.step + c);
                bias += slopes[r][q];
            }
        }
        store(dw + kTileBias<T>, bias);
#pragma GCC unroll 3
        for (int k = 0; k < 3; ++k) {
#pragma GCC unroll 3
            for (int t = 0; t < 3; ++t) sums[k][t] = load(dw + (3 * k + t) * kLanes<T>);
        }
        fetch_tile<false, kRows * kColumns * kStride * kStride, kRows * kColumns>(tile, c);
#pragma GCC unroll 7
        for (int column = 0; column <= kLast; ++column) {
            if (column == 0 && !tile.left) continue;
            if (column == kLast && !tile.right) continue;
#pragma GCC unroll 5
            for (int i = 0; i < kSourceRows; ++i) {
                const Vec<T> value = load(tile.x[i] + column * tile.x_step + c);
#pragma GCC unroll 3
                for (int q = 0; q < kColumns; ++q) {
#pragma GCC unroll 3
                    for (int r = 0; r < kRows; ++r) {
                        const int k = i - r * kStride, t = column - q * kStride;
                        if (k < 0 || k > 2 || t < 0 || t > 2) continue;
                        accumulate<T>(sums[k][t], value, slopes[r][q]);
                    }
                }
            }
        }
#pragma GCC unroll 3
        for (int k = 0; k < 3; ++k) {
#pragma GCC unroll 3
            for (int t = 0; t < 3; ++t) store(dw + (3 * k + t) * kLanes<T>, sums[k][t]);
        }
    }
}

// The rows of the source for a block of channels: in place, or copied at their first use.
template <class T>
class TileSource {
public:
    static constexpr Int kRing = band_source_rows(kTileRows, 2);

    // `ring`: memory for ring_size() elements.
    TileSource(const Bands<T>& bands, T* ring) : bands_(bands), ring_(ring) {}

    static bool copied(Int width) { return width * Int{sizeof(T)} % kFarBytes == 0; }
    static Int ring_size(const Bands<T>& bands) {
        return copied(bands.width) ? kRing * bands.source_columns * kCopiedStep<T> : 0;
    }

    Int step() const { return ring_ != nullptr ? kCopiedStep<T> : bands_.width; }
    // From now on the rows of `count` channels from c on.
    void select(Int c, Int count) {
        channel_ = c;
        count_ = count;
        for (Int& held : held_) held = -1;
    }
    const T* row(Int image, Int row) {
        if (row < 0 || row >= bands_.source_rows) return bands_.zeros;
        const Int number = image * bands_.source_rows + row;
        const T* const from = bands_.source + number * bands_.source_row() + channel_;
        if (ring_ == nullptr) return from;
        T* const to = ring_ + number % kRing * bands_.source_columns * kCopiedStep<T>;
        if (held_[number % kRing] != number) copy_row(from, to);
        held_[number % kRing] = number;
        return to;
    }

private:
    void copy_row(const T* from, T* to) const {
        for (Int place = 0; place < bands_.source_columns; ++place, from += bands_.width, to += kCopiedStep<T>) {
            for (Int c = 0; c < count_; c += kLanes<T>) store(to + c, load(from + c));
        }
    }

    const Bands<T>& bands_;
    T* const ring_;
    Int channel_ = 0, count_ = 0, held_[kRing];
};

// Calls f(rows, columns, stride, as types; tile; offset of its points; first channel) for all tiles of the bands [begin, end),
// which read `ring`, see TileSource. `result`: y or dy.
template <class T, class F>
LAMELLA_INLINE void for_tiles(const Bands<T>& bands, Int begin, Int end, const T* result, T* ring, const F& f) {
    const Int width = bands.width, stride = bands.stride, per_image = band_count(bands.rows);
    const bool fetched = width * Int{sizeof(T)} <= kMostFetched;
    TileSource<T> source(bands, TileSource<T>::copied(width) ? ring : nullptr);
    for (Int c = 0; c < width; c += kTileChannels<T>) {
        const Int channels = smaller(kTileChannels<T>, width - c);
        source.select(c, channels);
        for (Int b = begin; b < end; ++b) {
            const Int image = b / per_image, row = bands.first(b % per_image), count = bands.first(b % per_image + 1) - row;
            const Int top = row * stride - bands.before_rows,
                      read = band_source_rows(static_cast<int>(count), static_cast<int>(stride));
            const T* x[TileSource<T>::kRing] = {};
            for (Int i = 0; i < read; ++i) x[i] = source.row(image, top + i);
            const Int y_row = bands.columns * width, first = (image * bands.rows + row) * y_row;
            const T* const x_next = bands.source + (image * bands.source_rows + top + read) * bands.source_row();
            for (Int q = 0; q < bands.columns;) {
                const Int left = bands.columns - q, columns = left == 2 || left == 4 ? 2 : kTileColumns;  // never one column
                const Int at = q * stride - bands.before_columns;
                Tile<T> tile{{},
                             source.step(),
                             y_row,
                             width,
                             channels,
                             at >= 0,
                             at + (columns - 1) * stride + 2 < bands.source_columns,
                             nullptr,
                             nullptr};
                for (Int i = 0; i < read; ++i) tile.x[i] = x[i] + at * tile.x_step;
                if (fetched) {
                    const Int done = count * (c * bands.columns + q * channels);
                    tile.x_next = x_next + stride * stride * done;
                    tile.result_next = result + first + count * y_row + done;
                }
                const Int points = first + q * width + c;
                const auto with_stride = [&](auto rows, auto wide) {
                    if (stride == 1) f(rows, wide, Number<1>(), tile, points, c);
                    else f(rows, wide, Number<2>(), tile, points, c);
                };
                const auto with_columns = [&](auto rows) {
                    if (columns == kTileColumns) with_stride(rows, Number<kTileColumns>());
                    else with_stride(rows, Number<2>());
                };
                if (count == kTileRows) with_columns(Number<kTileRows>());
                else with_columns(Number<1>());
                q += columns;
            }
        }
    }
}

// y = the sums of the windows. w: blocks of the weights.
template <class T>
Status sum_in_tiles(const Bands<T>& bands, Int images, Int grain, const T* w, bool relu, T* y) {
    return in_chunks(images * band_count(bands.rows), grain, [&](Int begin, Int end) -> Status {
        T* ring;
        const Workspace own(part(ring, TileSource<T>::ring_size(bands)));
        if (!own) return kOutOfMemory;
        for_tiles<T>(
            bands, begin, end, y, ring, [&](auto rows, auto columns, auto stride, const Tile<T>& tile, Int points, Int c) {
                sum_tile<T, rows.value, columns.value, stride.value>(tile, w + c / kLanes<T> * kTileBlock<T>, relu, y + points);
            });
        return nullptr;
    });
}

// Adds the gradients of the bands [begin, end) to dw, blocks of the weights.
template <class T>
Status add_in_tiles(const Bands<T>& bands, Int begin, Int end, const T* dy, T* dw) {
    T* ring;
    const Workspace own(part(ring, TileSource<T>::ring_size(bands)));
    if (!own) return kOutOfMemory;
    for_tiles<T>(
        bands, begin, end, dy, ring, [&](auto rows, auto columns, auto stride, const Tile<T>& tile, Int points, Int c) {
            add_tile<T, rows.value, columns.value, stride.value>(tile, dy + points, dw + c / kLanes<T> * kTileBlock<T>);
        });
    return nullptr;
}

}  // namespace
}  // namespace lamella
