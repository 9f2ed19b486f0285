// The largest or smallest elements along an axis. x, dx [N, S, C]; y, dy [N, C].
#pragma once
#include "kernels/rows.h"

namespace lamella {
namespace {

// Columns that are compared in all rows before the next ones. Their extrema stay in L1.
constexpr Int kComparedColumns = 1024;

// Wider rows are faster in the order of memory (256 columns by 1.3 to 1.5 times; EPYC of Zen 4, AVX-512).
constexpr Int kHeldColumns = 64;

template <class X, class Y>
LAMELLA_INLINE bool reduction_fits(const X& x, const Y& y) {
    return x.rank == 3 && y.rank == 2 && x.shape[0] == y.shape[0] && x.shape[2] == y.shape[1] && x.shape[1] > 0;
}

// Calls f(n, c, width) for each block of at most kComparedColumns columns.
template <class X, class F>
LAMELLA_INLINE void for_column_blocks(const X& x, const F& f) {
    const Int columns = x.shape[2], width = smaller(columns, kComparedColumns), blocks = ceil_divide(columns, width);
    for_rows({x.shape[0] * blocks, x.shape[1] * width}, [&](Int i) {
        const Int c = i % blocks * width;
        f(i / blocks, c, smaller(width, columns - c));
    });
}

// The larger ones; NaN if one is NaN, and the old ones of equal ones.
template <class T>
LAMELLA_INLINE Vec<T> larger_of(Vec<T> old, Vec<T> value) {
    return value != value ? value : max<T>(value, old);
}

// The largest element of a row, where the signs of flip are changed; NaN if one is NaN.
template <class T>
LAMELLA_INLINE T largest_of_row(const T* x, Int n, Bits<T> flip) {
    const auto at = [=](Int i, Int part) { return as_vec<T>(as_bits<T>(load(x + i, part)) ^ flip); };
    // Four vectors at a time hide the latency. NaN is looked for in the sum: a test of each vector takes longer than its
    // maximum.
    Vec<T> best[4], sum[2] = {};
    for (auto& b : best) b = broadcast<T>(T(-__builtin_inf()));
    Int i = 0;
    for (; i + 4 * kLanes<T> <= n; i += 4 * kLanes<T>) {
        Vec<T> v[4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) v[k] = at(i + k * kLanes<T>, 0), best[k] = max<T>(v[k], best[k]);
        sum[0] += v[0] + v[1];
        sum[1] += v[2] + v[3];
    }
    for (; i + kLanes<T> <= n; i += kLanes<T>) {
        const Vec<T> v = at(i, 0);
        best[0] = max<T>(v, best[0]);
        sum[0] += v;
    }
    if (i < n) {
        const Vec<T> v = at(i, n - i);  // the lanes after the end are 0
        best[1] = max<T>(first_lanes<T>(v, n - i, best[1]), best[1]);
        sum[1] += v;
    }
    if (!has_nan<T>(sum[0] + sum[1])) return reduce_max<T>(max<T>(max<T>(best[0], best[1]), max<T>(best[2], best[3])));
    // An infinite sum minus another one is no NaN of x.
    Vec<T> all = broadcast<T>(T(-__builtin_inf()));
    for_vectors<T>(0, n, [=, &all](Int c, Int part) {
        const Vec<T> v = at(c, part);
        all = larger_of<T>(all, part == 0 ? v : first_lanes<T>(v, part, all));
    });
    return reduce<T>(all, [](Vec<T> a, Vec<T> b) { return larger_of<T>(a, b); });
}

template <class T>
Status extremum_forward(In<T> x, Int smallest, Out<T> y) {
    if (y.size == 0) return nullptr;
    LAMELLA_REQUIRE(reduction_fits(x, y));
    const Int places = x.shape[1], columns = x.shape[2];
    // The smallest element is the negative of the largest negative.
    const Bits<T> flip = Bits<T>{} + (smallest != 0 ? kSignBit<T> : 0);
    const auto flipped = [=](Vec<T> v) { return as_vec<T>(as_bits<T>(v) ^ flip); };
    if (columns == 1) {
        for_rows({x.shape[0], places}, [&](Int n) {
            const T largest = largest_of_row(x.data + n * places, places, flip);
            y.data[n] = smallest != 0 ? -largest : largest;
        });
        return nullptr;
    }
    for_column_blocks(x, [&](Int n, Int first, Int width) {
        const T* from = x.data + n * places * columns + first;
        T* const best = y.data + n * columns + first;
        Int held = 0;
        // Vectors of all rows are compared in registers: where rows are short, each result would wait for a store.
        const auto hold = [=, &held](auto vectors) {
            constexpr int kVectors = decltype(vectors)::value;
            for (; held + kVectors * kLanes<T> <= width; held += kVectors * kLanes<T>) {
                Vec<T> largest[kVectors];
                for (int k = 0; k < kVectors; ++k) largest[k] = flipped(load(from + held + k * kLanes<T>));
                for (Int s = 1; s < places; ++s) {
                    for (int k = 0; k < kVectors; ++k) {
                        const Vec<T> value = flipped(load(from + s * columns + held + k * kLanes<T>));
                        largest[k] = larger_of<T>(largest[k], value);
                    }
                }
                for (int k = 0; k < kVectors; ++k) store(best + held + k * kLanes<T>, flipped(largest[k]));
            }
        };
        if (columns <= kHeldColumns) hold(Number<4>{}), hold(Number<2>{});
        copy(from + held, best + held, width - held);
        for (Int s = 1; s < places; ++s) {
            from += columns;
            for_vectors<T>(held, width, [=](Int c, Int part) {
                const Vec<T> old = flipped(load(best + c, part)), value = flipped(load(from + c, part));
                store(best + c, flipped(larger_of<T>(old, value)), part);
            });
        }
    });
    return nullptr;
}

template <class T>
Status extremum_backward(In<T> x, In<T> y, In<T> dy, Out<T> dx) {
    LAMELLA_REQUIRE(same_shape(x, dx) && same_shape(y, dy));
    if (dx.size == 0) return nullptr;
    LAMELLA_REQUIRE(reduction_fits(x, y));
    const Int places = x.shape[1], columns = x.shape[2];
    if (columns == 1) {
        for_rows({x.shape[0], places}, [&](Int n) {
            const T* const from = x.data + n * places;
            T* const to = dx.data + n * places;
            const Vec<T> best = broadcast<T>(y.data[n]);
            const T equal = sum_long<T>(
                places, [=](Int i, Int part) { return load(from + i, part) == best ? broadcast<T>(T(1)) : Vec<T>{}; });
            const Vec<T> share = broadcast<T>(dy.data[n] / equal);
            for_vectors<T>(0, places,
                           [=](Int i, Int part) { store(to + i, load(from + i, part) == best ? share : Vec<T>{}, part); });
        });
        return nullptr;
    }
    for_column_blocks(x, [&](Int n, Int first, Int width) {
        const T *const from = x.data + n * places * columns + first, *const best = y.data + n * columns + first,
                       *const d = dy.data + n * columns + first;
        T* const to = dx.data + n * places * columns + first;
        T shares[kComparedColumns];  // first the number of equal ones
        clear(shares, width);
        for (Int s = 0; s < places; ++s) {
            for_vectors<T>(0, width, [=, &shares](Int c, Int part) {
                const Vec<T> one = load(from + s * columns + c, part) == load(best + c, part) ? broadcast<T>(T(1)) : Vec<T>{};
                store(shares + c, load(shares + c, part) + one, part);
            });
        }
        for_vectors<T>(0, width,
                       [=, &shares](Int c, Int part) { store(shares + c, load(d + c, part) / load(shares + c, part), part); });
        for (Int s = 0; s < places; ++s) {
            for_vectors<T>(0, width, [=, &shares](Int c, Int part) {
                const Int at = s * columns + c;
                const auto wins = load(from + at, part) == load(best + c, part);
                store(to + at, wins ? load(shares + c, part) : Vec<T>{}, part);
            });
        }
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
