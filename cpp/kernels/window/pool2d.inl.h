// Pooling. x, dx [N, H, W, C]; y, dy, argmax [N, P, Q, C]; window (kh, kw), stride (sh, sw), padding before (pt, pl).
// No two chunks write to one place: backward goes by windows where these do not overlap, and else gathers, each place of
// dx adding up the windows over it.
#pragma once
#include "kernels/rows.h"

namespace lamella {
namespace {

constexpr Int kMaxWindow = 256;  // a place in the window is a byte

// Along one axis: n places, m windows of k, the first one beginning `pad` before the first place.
struct Axis {
    Int n, m, k, stride, pad;

    // Every window covers a place, and nothing overflows.
    LAMELLA_INLINE bool fits() const {
        constexpr Int kLargest = Int{1} << 31;
        return n > 0 && m > 0 && k >= 1 && k < kLargest && stride >= 1 && stride < kLargest && pad >= 0 && pad < k &&
               m - 1 <= (n - 1 + pad) / stride;
    }
};

struct Range {
    Int begin, end;
};

// Places of the window that lie in the image.
LAMELLA_INLINE Range inside(const Axis& a, Int window) {
    const Int first = window * a.stride - a.pad;
    return {first < 0 ? -first : 0, a.n - first < a.k ? a.n - first : a.k};
}

// Windows that cover a place.
LAMELLA_INLINE Range covering(const Axis& a, Int place) {
    const Int from = place + a.pad - a.k;  // the first window begins after it
    const Int last = (place + a.pad) / a.stride;
    return {from < 0 ? 0 : from / a.stride + 1, last < a.m ? last + 1 : a.m};
}

template <class Image, class Pooled>
LAMELLA_INLINE bool pooling_fits(const Image& x, const Pooled& y, const Axis& a, const Axis& b) {
    return x.rank == 4 && y.rank == 4 && x.shape[0] == y.shape[0] && x.shape[3] == y.shape[3] && a.fits() && b.fits();
}

// f(n, p) for the rows of images; `work` elements are touched in each.
template <class F>
LAMELLA_INLINE void for_image_rows(Int images, Int rows, Int work, const F& f) {
    for_rows({images * rows, work}, [&](Int r) { f(r / rows, r % rows); });
}

// The places of a window that lie in the image: how far from the window's first one, and their number i*kw + j.
template <class T>
struct Taps {
    Int count = 0;
    Int offset[kMaxWindow];
    typename VecTypes<T>::Word place[kMaxWindow];

    void fill(Range rows, Range columns, Int kw, Int row_stride, Int column_stride) {
        count = 0;
        for (Int i = rows.begin; i < rows.end; ++i) {
            for (Int j = columns.begin; j < columns.end; ++j) {
                offset[count] = i * row_stride + j * column_stride;
                place[count++] = static_cast<typename VecTypes<T>::Word>(i * kw + j);
            }
        }
    }
};

// f(window's first place in the image, which may lie outside; place in y; taps) for the windows of row p of image n.
template <class T, class F>
LAMELLA_INLINE void for_windows(const Axis& a, const Axis& b, Int channels, Int n, Int p, const F& f) {
    Taps<T> whole, cut;
    const Range rows = inside(a, p);
    whole.fill(rows, {0, b.k}, b.k, b.n * channels, channels);
    for (Int q = 0; q < b.m; ++q) {
        const Range columns = inside(b, q);
        const bool full = columns.end - columns.begin == b.k;
        if (!full) cut.fill(rows, columns, b.k, b.n * channels, channels);
        f(((n * a.n + p * a.stride - a.pad) * b.n + q * b.stride - b.pad) * channels, ((n * a.m + p) * b.m + q) * channels,
          full ? whole : cut);
    }
}

template <class T>
Status max_pool2d_forward(In<T> x, Int kh, Int kw, Int sh, Int sw, Int pt, Int pl, Out<T> y, Bytes argmax) {
    LAMELLA_REQUIRE(same_shape(y, argmax));
    if (y.size == 0) return nullptr;
    const Axis a{x.shape[1], y.shape[1], kh, sh, pt}, b{x.shape[2], y.shape[2], kw, sw, pl};
    LAMELLA_REQUIRE(pooling_fits(x, y, a, b));
    LAMELLA_REQUIRE(kh <= kMaxWindow && kw <= kMaxWindow && kh * kw <= kMaxWindow);
    const Int channels = x.shape[3];
    for_image_rows(x.shape[0], a.m, b.m * channels * (kh * kw < 8 ? kh * kw : 8), [&](Int n, Int p) {
        for_windows<T>(a, b, channels, n, p, [&](Int window, Int to, const Taps<T>& taps) {
            T* const largest = y.data + to;
            std::uint8_t* const place = argmax.data + to;
            const T* const first = x.data + window;
            const Taps<T>* const tap = &taps;
            for_vectors<T>(0, channels, [=](Int c, Int part) {
                Vec<T> best = load(first + tap->offset[0] + c, part);
                Bits<T> where = Bits<T>{} + tap->place[0];
                for (Int t = 1; t < tap->count; ++t) {
                    const Vec<T> v = load(first + tap->offset[t] + c, part);
                    const Bits<T> wins = (v > best) | ((v != v) & (best == best));  // the first NaN wins and stays
                    best = wins ? v : best;
                    where = wins ? Bits<T>{} + tap->place[t] : where;
                }
                store(largest + c, best, part);
                store_bytes<T>(place + c, where, part);
            });
        });
    });
    return nullptr;
}

// Where no two windows overlap each window writes to its own places. Chunks are rows of windows, and row p clears first
// what lies between it and the next.
template <class T, class F>
LAMELLA_INLINE void spread_windows(Out<T> dx, const Axis& a, const Axis& b, const F& spread) {
    const Int channels = dx.shape[3], row = b.n * channels;
    const bool gaps = a.k < a.stride || b.k < b.stride || a.m * a.stride != a.n + a.pad || b.m * b.stride != b.n + b.pad;
    for_image_rows(dx.shape[0], a.m, a.stride * row, [&](Int n, Int p) {
        if (gaps) {
            const Int first = p == 0 ? 0 : p * a.stride - a.pad, last = p + 1 == a.m ? a.n : (p + 1) * a.stride - a.pad;
            T* const to = dx.data + (n * a.n + first) * row;
            for_vectors<T>(0, (last - first) * row, [=](Int i, Int part) { store(to + i, Vec<T>{}, part); });
        }
        for_windows<T>(a, b, channels, n, p, spread);
    });
}

template <class T>
Status max_pool2d_backward(In<T> dy, InBytes argmax, Int kh, Int kw, Int sh, Int sw, Int pt, Int pl, Out<T> dx) {
    LAMELLA_REQUIRE(same_shape(dy, argmax));
    if (dx.size == 0) return nullptr;
    const Axis a{dx.shape[1], dy.shape[1], kh, sh, pt}, b{dx.shape[2], dy.shape[2], kw, sw, pl};
    LAMELLA_REQUIRE(pooling_fits(dx, dy, a, b));
    LAMELLA_REQUIRE(kh <= kMaxWindow && kw <= kMaxWindow && kh * kw <= kMaxWindow);
    const Int channels = dx.shape[3];
    if (kh <= sh && kw <= sw) {
        spread_windows<T>(dx, a, b, [&](Int window, Int from, const Taps<T>& taps) {
            const T* const d = dy.data + from;
            const std::uint8_t* const place = argmax.data + from;
            T* const to = dx.data + window;
            const Taps<T>* const tap = &taps;
            for_vectors<T>(0, channels, [=](Int c, Int part) {
                const Vec<T> value = load(d + c, part);
                const Bits<T> where = load_bytes<T>(place + c, part);
                for (Int t = 0; t < tap->count; ++t) {
                    store(to + tap->offset[t] + c, where == tap->place[t] ? value : Vec<T>{}, part);
                }
            });
        });
        return nullptr;
    }
    for_image_rows(dx.shape[0], a.n, b.n * channels, [&](Int n, Int h) {
        const Range rows = covering(a, h);
        for (Int w = 0; w < b.n; ++w) {
            const Range columns = covering(b, w);
            T* const to = dx.data + ((n * a.n + h) * b.n + w) * channels;
            const T* const d = dy.data + n * a.m * b.m * channels;
            const std::uint8_t* const place = argmax.data + n * a.m * b.m * channels;
            for_vectors<T>(0, channels, [=](Int c, Int part) {
                Vec<T> sum{};
                for (Int p = rows.begin; p < rows.end; ++p) {
                    for (Int q = columns.begin; q < columns.end; ++q) {
                        const Int from = (p * b.m + q) * channels + c;
                        const Int here = (h + pt - p * sh) * kw + w + pl - q * sw;
                        const Bits<T> won = load_bytes<T>(place + from, part) == static_cast<typename VecTypes<T>::Word>(here);
                        sum += won ? load(d + from, part) : Vec<T>{};
                    }
                }
                store(to + c, sum, part);
            });
        }
    });
    return nullptr;
}

template <class T>
LAMELLA_INLINE T one_over(Range rows, Range columns) {
    return T(1) / T((rows.end - rows.begin) * (columns.end - columns.begin));
}

template <class T>
Status avg_pool2d_forward(In<T> x, Int kh, Int kw, Int sh, Int sw, Int pt, Int pl, Out<T> y) {
    if (y.size == 0) return nullptr;
    const Axis a{x.shape[1], y.shape[1], kh, sh, pt}, b{x.shape[2], y.shape[2], kw, sw, pl};
    LAMELLA_REQUIRE(pooling_fits(x, y, a, b));
    const Int channels = x.shape[3];
    for_image_rows(x.shape[0], a.m, b.m * channels * (kh * kw < 8 ? kh * kw : 8), [&](Int n, Int p) {
        const Range rows = inside(a, p);
        for (Int q = 0; q < b.m; ++q) {
            const Range columns = inside(b, q);
            const T inverse = one_over<T>(rows, columns);
            const T* const window = x.data + ((n * a.n + p * sh - pt) * b.n + q * sw - pl) * channels;
            T* const to = y.data + ((n * a.m + p) * b.m + q) * channels;
            const Int row = b.n * channels;
            for_vectors<T>(0, channels, [=](Int c, Int part) {
                Vec<T> sum{};
                for (Int i = rows.begin; i < rows.end; ++i) {
                    for (Int j = columns.begin; j < columns.end; ++j) sum += load(window + i * row + j * channels + c, part);
                }
                store(to + c, sum * inverse, part);
            });
        }
    });
    return nullptr;
}

template <class T>
Status avg_pool2d_backward(In<T> dy, Int kh, Int kw, Int sh, Int sw, Int pt, Int pl, Out<T> dx) {
    if (dx.size == 0) return nullptr;
    const Axis a{dx.shape[1], dy.shape[1], kh, sh, pt}, b{dx.shape[2], dy.shape[2], kw, sw, pl};
    LAMELLA_REQUIRE(pooling_fits(dx, dy, a, b));
    const Int channels = dx.shape[3];
    if (kh <= sh && kw <= sw && kh <= kMaxWindow && kw <= kMaxWindow && kh * kw <= kMaxWindow) {
        spread_windows<T>(dx, a, b, [&](Int window, Int from, const Taps<T>& taps) {
            const T* const d = dy.data + from;
            T* const to = dx.data + window;
            const Taps<T>* const tap = &taps;
            const T inverse = T(1) / T(taps.count);
            for_vectors<T>(0, channels, [=](Int c, Int part) {
                const Vec<T> value = load(d + c, part) * inverse;
                for (Int t = 0; t < tap->count; ++t) store(to + tap->offset[t] + c, value, part);
            });
        });
        return nullptr;
    }
    for_image_rows(dx.shape[0], a.n, b.n * channels, [&](Int n, Int h) {
        const Range rows = covering(a, h);
        for (Int w = 0; w < b.n; ++w) {
            const Range columns = covering(b, w);
            T* const to = dx.data + ((n * a.n + h) * b.n + w) * channels;
            const T* const d = dy.data + n * a.m * b.m * channels;
            for_vectors<T>(0, channels, [=](Int c, Int part) {
                Vec<T> sum{};
                for (Int p = rows.begin; p < rows.end; ++p) {
                    for (Int q = columns.begin; q < columns.end; ++q) {
                        sum += load(d + (p * b.m + q) * channels + c, part) * one_over<T>(inside(a, p), inside(b, q));
                    }
                }
                store(to + c, sum, part);
            });
        }
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
