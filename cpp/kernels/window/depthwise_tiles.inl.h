// A depthwise convolution with 3x3 windows in tiles: y of some rows and columns of points, for one vector of channels after the
// other. The channels are the inner loop, so that memory is read and written in long pieces. A sweep along the columns with one
// vector of channels (depthwise_bands.inl.h) uses 64 bytes of each piece: with many channels these are on more pages than the
// CPU translates at once, and where points are a power of two apart, in few sets of L1. With vectors of 32 bytes the line has
// then left L1 before its other half is used.
#pragma once
#include "kernels/window/depthwise_bands.inl.h"

namespace lamella {
namespace {

// For float64 on AVX-512 depthwise_threes.inl.h is used instead: tiles would add 70 KB of code.
template <class T>
constexpr bool kHasTiles = (kHasBands && sizeof(T) == sizeof(float)) || (LAMELLA_VECTOR_BYTES == 32 && kRegisters == 16);
// Registers: 3x3 weights, 2x3 or 4x4 sums, 1 of the source. Gradients: 3x3 sums, 2x3 or 4x4 of dy, 1 of the source.
constexpr int kTileRows = kBandRows, kTileColumns = kHasBands ? 4 : 3;
// Channels of a pass along the columns. With vectors of 32 bytes 4 rows x 5 columns of the source and the weights are at most
// 30 KiB; with those of 64 bytes it made no difference.
template <class T>
constexpr Int kTileChannels = (kHasBands ? 4096 : 1024) / Int{sizeof(T)};
// Points a multiple of this apart share one set of L1, so rows whose lines are read in halves are copied. The copies of two
// points are an odd number of cache lines apart.
constexpr Int kFarBytes = 4096;
template <class T>
constexpr Int kCopiedStep = kTileChannels<T> + 64 / Int{sizeof(T)};

// The most bytes of a point with which prefetching was faster. AVX2: with 2 KiB it took a tenth more (14x14). AVX-512: it takes
// up to 5 % if all is in L3, and without it arrays that are larger take up to 1.7 times as long (both on EPYC).
constexpr Int kMostFetched = kHasBands ? Int{1} << 30 : 1024;

// If x and y have more bytes, the lines of y are probably in memory, and those of a later tile are prefetched: 56x56x96 took
// 0.9 and 56x56x192 0.75 of the time. Where all is in L3 it takes 3 to 8 % longer. Lines of other chunks are left alone:
// another thread may write them, and a prefetch would take them away (EPYC, AVX-512).
constexpr Int kMostCached = 16'000'000;

// How many elements later the tile begins whose lines are prefetched, or 0. It is computed at least `vectors` vectors later,
// which should take 500 cycles. `elements`: of x and y; step: elements of a tile along the columns.
template <class T>
LAMELLA_INLINE Int written_ahead(Int elements, Int step, Int width, Int vectors) {
    return elements * Int{sizeof(T)} > kMostCached ? ceil_divide(vectors * kLanes<T>, width) * step : 0;
}

// Tiles of equal size, side by side.
template <class T>
struct Tiles {
    const T* x[band_source_rows(kTileRows, 2)];  // each row at the first column of the first window
    Int count, x_step, row, step, channels;      // x_step: distance of columns of x; row, step: distances of points
    bool left, right;                            // whether the first and the last column of x are inside
    bool down;                                   // from the last channels to the first, see is_just_behind
    Int y_ahead;                                 // see written_ahead
    const T *x_next, *dy_next;                   // what is prefetched, or nullptr
};

// Whether the result is so little behind x, modulo the distance of points, that the loads of the next vectors have the last 12
// bits of addresses which were just stored: they would wait for these stores, up to half of the time.
template <class T>
LAMELLA_INLINE bool is_just_behind(const T* result, const T* x) {
    constexpr std::size_t kApart = 1024, kLine = 64;
    const std::size_t behind = (reinterpret_cast<std::size_t>(result) - reinterpret_cast<std::size_t>(x)) % kApart;
    return kHasBands && behind >= kLine && behind < 4 * kLine;
}

// T, or const T if not kWritten.
template <bool kWritten, class T>
struct Access {
    using Type = T;
};
template <class T>
struct Access<false, T> {
    using Type = const T;
};

// Prefetches `kVectors` vectors of a tile, after `done` elements of a vector.
template <int kVectors, class T>
LAMELLA_INLINE void fetch_tile(const T* next, Int done) {
    constexpr int kLine = 64 / Int{sizeof(T)};
    if (next == nullptr) return;
#pragma GCC unroll 64
    for (int i = 0; i < kVectors * kLanes<T>; i += kLine) __builtin_prefetch(next + kVectors * done + i, 0, 2);
}

// Prefetches what the tile at y writes in a vector.
template <int kRows, int kColumns, class T>
LAMELLA_INLINE void fetch_written(const T* y, Int row, Int step) {
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
        for (int q = 0; q < kColumns; ++q) __builtin_prefetch(y + r * row + q * step, 1, 2);
    }
}

// Sums the windows, or with kAdds adds the gradients of the weights to `blocks`; points: y or dy. This loop has no lambdas:
// with them gcc 12 kept the arrays in memory. Arguments are passed by value, as in work_on.
template <class T, int kRows, int kColumns, int kStride, bool kAdds>
[[gnu::noinline]] void work_on_tiles(Tiles<T> tiles, typename Access<kAdds, T>::Type* blocks, bool relu,
                                     typename Access<!kAdds, T>::Type* points) {
    constexpr int kSourceRows = band_source_rows(kRows, kStride), kLast = (kColumns - 1) * kStride + 2;
    const bool down = !kAdds && tiles.down;
    const Int vectors = tiles.channels / kLanes<T>, way = down ? -1 : 1, begin = down ? vectors - 1 : 0;
    Int at = 0, done = 0;
    for (Int n = 0; n < tiles.count; ++n, at += kColumns * kStride * tiles.x_step, points += kColumns * tiles.step) {
        const bool left = n > 0 || tiles.left, right = n + 1 < tiles.count || tiles.right;
        Int c = begin * kLanes<T>;
        auto* w = blocks + begin * kBandBlock<T>;
        for (Int v = 0; v < vectors; ++v, c += way * kLanes<T>, w += way * kBandBlock<T>, done += kLanes<T>) {
            Vec<T> weights[3][3], at_points[kRows][kColumns];  // or the gradients of both
            Vec<T> bias = load(w + kBandBias<T>);
#pragma GCC unroll 4
            for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
                for (int q = 0; q < kColumns; ++q) {
                    at_points[r][q] = kAdds ? load(points + r * tiles.row + q * tiles.step + c) : bias;
                    if constexpr (kAdds) bias += at_points[r][q];
                }
            }
            if constexpr (kAdds) store(w + kBandBias<T>, bias);
#pragma GCC unroll 3
            for (int k = 0; k < 3; ++k) {
#pragma GCC unroll 3
                for (int t = 0; t < 3; ++t) weights[k][t] = load(w + (3 * k + t) * kLanes<T>);
            }
            fetch_tile<kRows * kColumns * kStride * kStride>(tiles.x_next, done);
            if constexpr (kAdds) {
                fetch_tile<kRows * kColumns>(tiles.dy_next, done);
            } else if (tiles.y_ahead > 0) {
                fetch_written<kRows, kColumns>(points + tiles.y_ahead + c, tiles.row, tiles.step);
            }
#pragma GCC unroll 9
            for (int column = 0; column <= kLast; ++column) {
                if (column == 0 && !left) continue;
                if (column == kLast && !right) continue;
#pragma GCC unroll 9
                for (int i = 0; i < kSourceRows; ++i) {
                    const Vec<T> value = load(tiles.x[i] + (at + column * tiles.x_step + c));
#pragma GCC unroll 4
                    for (int q = 0; q < kColumns; ++q) {
#pragma GCC unroll 4
                        for (int r = 0; r < kRows; ++r) {
                            const int k = i - r * kStride, t = column - q * kStride;
                            if (k < 0 || k > 2 || t < 0 || t > 2) continue;
                            if constexpr (kAdds) accumulate<T>(weights[k][t], value, at_points[r][q]);
                            else accumulate<T>(at_points[r][q], value, weights[k][t]);
                        }
                    }
                }
            }
            if constexpr (kAdds) {
#pragma GCC unroll 3
                for (int k = 0; k < 3; ++k) {
#pragma GCC unroll 3
                    for (int t = 0; t < 3; ++t) store(w + (3 * k + t) * kLanes<T>, weights[k][t]);
                }
            } else {
#pragma GCC unroll 4
                for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
                    for (int q = 0; q < kColumns; ++q) {
                        Vec<T> sum = at_points[r][q];
                        if (relu) sum = sum < T(0) ? Vec<T>{} : sum;  // NaN gives NaN
                        store(points + r * tiles.row + q * tiles.step + c, sum);
                    }
                }
            }
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

    static bool copied(Int width) { return !kHasBands && width * Int{sizeof(T)} % kFarBytes == 0; }
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

// `count` rows or columns are cut into tiles of kMost and then into tiles of one less.
template <Int kMost>
struct Cut {
    Int smaller_tiles, tiles;

    explicit Cut(Int count)
        : smaller_tiles((kMost - count % kMost) % kMost), tiles((count - smaller_tiles * (kMost - 1)) / kMost) {}
    static bool is_possible(Int count) { return (kMost - count % kMost) % kMost * (kMost - 1) <= count; }
};

// Whether tiles can compute `bands`: at most the first and the last column of the source are outside.
template <class T>
bool is_tiled(const Bands<T>& bands) {
    const Int behind = (bands.columns - 1) * bands.stride + 3 - bands.before_columns - bands.source_columns;
    return kHasTiles<T> && Cut<kTileRows>::is_possible(bands.rows) && Cut<kTileColumns>::is_possible(bands.columns) &&
           bands.before_columns >= 0 && bands.before_columns <= 1 && behind <= 1;
}

// One band of points, whose first has offset `first`, and what it reads.
template <class T>
struct TiledBand {
    const T* x[TileSource<T>::kRing];  // rows, from channel `channel` on
    Int channel, x_step, rows, first;
    const T *x_next, *result;  // what the next band reads first; y or dy
};

// Calls f(rows, columns, stride, as types; tiles; offset of their points; first channel) for the tiles of a band with
// `channels` channels from c on.
template <class T, class F>
LAMELLA_INLINE void for_tiles_of(const Bands<T>& bands, const TiledBand<T>& band, Int c, Int channels, const F& f) {
    const Int width = bands.width, stride = bands.stride, row = bands.columns * width;
    const Cut<kTileColumns> cut(bands.columns);
    const auto for_equal = [&](auto columns, Int q, Int count) {
        if (count == 0) return;
        const Int at = q * stride - bands.before_columns, points = band.first + q * width + c;
        Tiles<T> tiles{{},    count,    band.x_step, row,
                       width, channels, at >= 0,     at + (count * columns.value - 1) * stride + 2 < bands.source_columns,
                       false, 0,        nullptr,     nullptr};
        for (Int i = 0; i < TileSource<T>::kRing; ++i) tiles.x[i] = band.x[i] + at * band.x_step + c - band.channel;
        tiles.down = is_just_behind(band.result + points, tiles.x[0]);
        if (width * Int{sizeof(T)} <= kMostFetched) {
            const Int done = band.rows * (c * bands.columns + q * channels);
            tiles.x_next = band.x_next + stride * stride * done;
            tiles.dy_next = band.result + band.first + band.rows * row + done;
        }
        const auto with_rows = [&](auto rows) {
            if (stride == 1) f(rows, columns, Number<1>(), tiles, points, c);
            else f(rows, columns, Number<2>(), tiles, points, c);
        };
        if (band.rows == kTileRows) with_rows(Number<kTileRows>());
        else with_rows(Number<kTileRows - 1>());
    };
    for_equal(Number<kTileColumns>(), 0, cut.tiles);
    for_equal(Number<kTileColumns - 1>(), cut.tiles * kTileColumns, cut.smaller_tiles);
}

// The same for the bands [begin, end), which read `ring`, see TileSource. `result`: y or dy.
template <class T, class F>
LAMELLA_INLINE void for_tiles(const Bands<T>& bands, Int begin, Int end, const T* result, T* ring, const F& f) {
    const Int width = bands.width, per_image = band_count(bands.rows);
    const bool copied = TileSource<T>::copied(width);
    TileSource<T> source(bands, copied ? ring : nullptr);
    const Int pass = copied ? kTileChannels<T> : width;  // the copies have these channels
    for (Int channel = 0; channel < width; channel += pass) {
        const Int end_of_pass = smaller(width, channel + pass);
        source.select(channel, end_of_pass - channel);
        for (Int b = begin; b < end; ++b) {
            const Int image = b / per_image, row = bands.first(b % per_image), rows = bands.first(b % per_image + 1) - row;
            const Int top = row * bands.stride - bands.before_rows, read = (rows - 1) * bands.stride + 3;
            TiledBand<T> band{{},
                              channel,
                              source.step(),
                              rows,
                              (image * bands.rows + row) * bands.columns * width,
                              bands.source + (image * bands.source_rows + top + read) * bands.source_row(),
                              result};
            for (Int i = 0; i < read; ++i) band.x[i] = source.row(image, top + i);
            for (Int c = channel; c < end_of_pass; c += kTileChannels<T>) {
                for_tiles_of(bands, band, c, smaller(kTileChannels<T>, end_of_pass - c), f);
            }
        }
    }
}

// y = the sums of the windows. w: blocks of the weights.
template <class T>
Status sum_in_tiles(const Bands<T>& bands, Int images, Int grain, const T* w, bool relu, T* y) {
    const Int elements = images * (bands.source_rows * bands.source_row() + bands.rows * bands.columns * bands.width);
    const Int ahead = written_ahead<T>(elements, kTileColumns * bands.width, bands.width, kHasBands ? 4 : 24);
    return in_chunks(images * band_count(bands.rows), grain, [&](Int begin, Int end) -> Status {
        T* ring;
        const Workspace own(part(ring, TileSource<T>::ring_size(bands)));
        if (!own) return kOutOfMemory;
        for_tiles<T>(bands, begin, end, y, ring, [&](auto rows, auto columns, auto stride, Tiles<T>& tile, Int points, Int c) {
            tile.y_ahead = ahead;
            work_on_tiles<T, rows.value, columns.value, stride.value, false>(tile, w + c / kLanes<T> * kBandBlock<T>, relu,
                                                                             y + points);
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
    for_tiles<T>(bands, begin, end, dy, ring,
                 [&](auto rows, auto columns, auto stride, const Tiles<T>& tile, Int points, Int c) {
                     work_on_tiles<T, rows.value, columns.value, stride.value, true>(tile, dw + c / kLanes<T> * kBandBlock<T>,
                                                                                     false, dy + points);
                 });
    return nullptr;
}

}  // namespace
}  // namespace lamella
