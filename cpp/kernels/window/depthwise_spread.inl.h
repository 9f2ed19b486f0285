// The gradient of the input of a depthwise convolution with 3x3 windows and stride 2, in tiles: dx of some pairs of rows and
// pairs of columns, for one vector of channels after the other (see depthwise_tiles.inl.h). On each axis the first position of
// a pair has the window's elements 0 and 2, of two neighbouring points, and the second has element 1. So 2x2 positions of dx
// need 2x2 points of dy and 4, 2, 2 and 1 products.
#pragma once
#include "kernels/window/depthwise_tiles.inl.h"

namespace lamella {
namespace {

// 9 of dy and 3x3 weights. Larger tiles write to more places at a time.
constexpr int kSpreadPairs = 2;

// Pair p of rows or columns of dx: positions 2*p - odd and the next one. It reads the points p + shift - 1 and p + shift of dy.
struct SpreadAxis {
    Int length, points, odd, shift;  // length: of dx; points: of dy

    SpreadAxis(Int length, Int points, Int before) : length(length), points(points), odd(before % 2), shift(before / 2) {}
    Int pairs() const { return (length + odd + 1) / 2; }
    // Whether at most the first and the last point that pairs read are outside of dy.
    bool is_covered() const { return shift <= 1 && pairs() - 1 + shift <= points; }
    bool has_point(Int i) const { return i >= 0 && i < points; }
    // Bands of pairs, whose sizes differ by at most one.
    Int bands() const { return ceil_divide(pairs(), kSpreadPairs); }
    Int first(Int band) const { return pairs() * band / bands(); }
};

template <class T>
struct Spread {
    const T* dy;
    const T* zeros;  // a row of dy
    SpreadAxis rows, columns;
    Int width;

    bool is_covered() const { return kHasTiles<T> && rows.is_covered() && columns.is_covered(); }
};

// Tiles of equal size, side by side. A row or column of dx outside of the array is not written.
template <class T>
struct SpreadTiles {
    const T* dy[kSpreadPairs + 1];  // each row at the first point
    Int count, width, row;          // row: of dx
    bool first_point, last_point;   // whether these columns of dy are inside
    bool top, bottom, left, right;  // whether the first and the last row and column of dx are inside
    Int dx_ahead;                   // see written_ahead
    const T* dy_next;               // what is prefetched
};

// No lambdas, see work_on_tiles.
template <class T, int kRows, int kColumns>
[[gnu::noinline]] void spread_tiles(SpreadTiles<T> tiles, const T* blocks, T* dx) {
    Int at = 0, done = 0;
    for (Int n = 0; n < tiles.count; ++n, at += kColumns * tiles.width, dx += 2 * kColumns * tiles.width) {
        const bool first_point = n > 0 || tiles.first_point, last_point = n + 1 < tiles.count || tiles.last_point;
        const bool left = n > 0 || tiles.left, right = n + 1 < tiles.count || tiles.right;
        const T* w = blocks;
        for (Int c = 0; c < tiles.width; c += kLanes<T>, w += kBandBlock<T>, done += kLanes<T>) {
            fetch_tile<kRows * kColumns>(tiles.dy_next, done);
            if (tiles.dx_ahead > 0) fetch_written<2 * kRows, 2 * kColumns>(dx + tiles.dx_ahead + c, tiles.row, tiles.width);
            Vec<T> weights[3][3], dy[kRows + 1][kColumns + 1];
#pragma GCC unroll 3
            for (int k = 0; k < 3; ++k) {
#pragma GCC unroll 3
                for (int t = 0; t < 3; ++t) weights[k][t] = load(w + (3 * k + t) * kLanes<T>);
            }
#pragma GCC unroll 3
            for (int i = 0; i <= kRows; ++i) {
#pragma GCC unroll 3
                for (int j = 0; j <= kColumns; ++j) {
                    const bool inside = (j > 0 || first_point) && (j < kColumns || last_point);
                    dy[i][j] = inside ? load(tiles.dy[i] + (at + j * tiles.width + c)) : Vec<T>{};
                }
            }
#pragma GCC unroll 4
            for (int r = 0; r < 2 * kRows; ++r) {
                if (r == 0 && !tiles.top) continue;
                if (r == 2 * kRows - 1 && !tiles.bottom) continue;
#pragma GCC unroll 4
                for (int q = 0; q < 2 * kColumns; ++q) {
                    if (q == 0 && !left) continue;
                    if (q == 2 * kColumns - 1 && !right) continue;
                    const int i = r / 2 + 1, j = q / 2 + 1;
                    Vec<T> sum = dy[i][j] * weights[r % 2][q % 2];
                    if (q % 2 == 0) accumulate<T>(sum, dy[i][j - 1], weights[r % 2][2]);
                    if (r % 2 == 0) accumulate<T>(sum, dy[i - 1][j], weights[2][q % 2]);
                    if (r % 2 == 0 && q % 2 == 0) accumulate<T>(sum, dy[i - 1][j - 1], weights[2][2]);
                    store(dx + r * tiles.row + q * tiles.width + c, sum);
                }
            }
        }
    }
}

// dx of a band of an image, `pairs` pairs of rows. blocks: of the weights.
template <class T>
void spread_band(const Spread<T>& spread, Int image, Int band, Int ahead, const T* blocks, T* dx) {
    const SpreadAxis &rows = spread.rows, &columns = spread.columns;
    const Int width = spread.width, row = columns.length * width, dy_row = columns.points * width;
    const Int begin = rows.first(band), pairs = rows.first(band + 1) - begin;
    const Int top = 2 * begin - rows.odd, point = begin + rows.shift - 1, next = point + pairs + 1;
    const T* const dy = spread.dy + image * rows.points * dy_row;
    T* const to = dx + (image * rows.length + top) * row;
    const auto for_equal = [&](auto in_columns, Int p, Int count) {
        if (count == 0) return;
        const Int first = p + columns.shift - 1, end = first + count * in_columns.value;
        const Int left = 2 * p - columns.odd, right = left + 2 * count * in_columns.value - 1;
        SpreadTiles<T> tiles{{},
                             count,
                             width,
                             row,
                             columns.has_point(first),
                             columns.has_point(end),
                             top >= 0,
                             top + 2 * pairs <= rows.length,
                             left >= 0,
                             right < columns.length,
                             ahead,
                             dy + next * dy_row + pairs * p * width};
        for (Int i = 0; i <= pairs; ++i) {
            tiles.dy[i] = (rows.has_point(point + i) ? dy + (point + i) * dy_row : spread.zeros) + first * width;
        }
        if (pairs == 2) spread_tiles<T, 2, in_columns.value>(tiles, blocks, to + left * width);
        else spread_tiles<T, 1, in_columns.value>(tiles, blocks, to + left * width);
    };
    const Cut<kSpreadPairs> cut(columns.pairs());
    for_equal(Number<kSpreadPairs>(), 0, cut.tiles);
    for_equal(Number<kSpreadPairs - 1>(), cut.tiles * kSpreadPairs, cut.smaller_tiles);
}

// `grain`: bands of a chunk.
template <class T>
Status spread_in_tiles(const Spread<T>& spread, Int images, Int grain, const T* blocks, T* dx) {
    if constexpr (kHasTiles<T>) {
        const Int bands = spread.rows.bands();
        const Int positions = spread.rows.length * spread.columns.length + spread.rows.points * spread.columns.points;
        const Int ahead =
            written_ahead<T>(images * positions * spread.width, 2 * kSpreadPairs * spread.width, spread.width, 16);
        return in_chunks(images * bands, grain, [&](Int begin, Int end) -> Status {
            for (Int b = begin; b < end; ++b) spread_band(spread, b / bands, b % bands, ahead, blocks, dx);
            return nullptr;
        });
    }
    return nullptr;  // not reached: see Spread::is_covered
}

}  // namespace
}  // namespace lamella
