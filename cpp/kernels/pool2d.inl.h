// Pooling. x, dx [N, H, W, C]; y, dy, argmax [N, P, Q, C]; window (kh, kw), stride (sh, sw), padding before (pt, pl).
// Backward gathers: each place of dx adds up the windows over it, so nothing is cleared first and no two chunks write to
// one place.
#pragma once
#include "kernels/rows.h"

namespace lamella {
namespace {

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

template <class T>
Status max_pool2d_forward(In<T> x, Int kh, Int kw, Int sh, Int sw, Int pt, Int pl, Out<T> y, Bytes argmax) {
    LAMELLA_REQUIRE(same_shape(y, argmax));
    if (y.size == 0) return nullptr;
    const Axis a{x.shape[1], y.shape[1], kh, sh, pt}, b{x.shape[2], y.shape[2], kw, sw, pl};
    LAMELLA_REQUIRE(pooling_fits(x, y, a, b));
    LAMELLA_REQUIRE(kh <= 256 && kw <= 256 && kh * kw <= 256);
    const Int channels = x.shape[3];
    for_image_rows(x.shape[0], a.m, b.m * channels * (kh * kw < 8 ? kh * kw : 8), [&](Int n, Int p) {
        const Range rows = inside(a, p);
        for (Int q = 0; q < b.m; ++q) {
            const Range columns = inside(b, q);
            // The window's first place, which may lie outside of the image.
            const Int window = ((n * a.n + p * sh - pt) * b.n + q * sw - pl) * channels;
            const Int to = ((n * a.m + p) * b.m + q) * channels;
            for_vectors<T>(0, channels, [&](Int c, Int part) {
                Vec<T> best = load(x.data + window + (rows.begin * b.n + columns.begin) * channels + c, part);
                Bits<T> where = Bits<T>{} + static_cast<typename VecTypes<T>::Word>(rows.begin * kw + columns.begin);
                for (Int i = rows.begin; i < rows.end; ++i) {
                    for (Int j = columns.begin; j < columns.end; ++j) {
                        const Vec<T> v = load(x.data + window + (i * b.n + j) * channels + c, part);
                        const Bits<T> wins = (v > best) | ((v != v) & (best == best));  // the first NaN wins and stays
                        best = wins ? v : best;
                        where = wins ? Bits<T>{} + static_cast<typename VecTypes<T>::Word>(i * kw + j) : where;
                    }
                }
                store(y.data + to + c, best, part);
                store_bytes<T>(argmax.data + to + c, where, part);
            });
        }
    });
    return nullptr;
}

template <class T>
Status max_pool2d_backward(In<T> dy, InBytes argmax, Int kh, Int kw, Int sh, Int sw, Int pt, Int pl, Out<T> dx) {
    LAMELLA_REQUIRE(same_shape(dy, argmax));
    if (dx.size == 0) return nullptr;
    const Axis a{dx.shape[1], dy.shape[1], kh, sh, pt}, b{dx.shape[2], dy.shape[2], kw, sw, pl};
    LAMELLA_REQUIRE(pooling_fits(dx, dy, a, b));
    LAMELLA_REQUIRE(kh <= 256 && kw <= 256 && kh * kw <= 256);
    const Int channels = dx.shape[3];
    for_image_rows(dx.shape[0], a.n, b.n * channels, [&](Int n, Int h) {
        const Range rows = covering(a, h);
        for (Int w = 0; w < b.n; ++w) {
            const Range columns = covering(b, w);
            const Int to = ((n * a.n + h) * b.n + w) * channels;
            for_vectors<T>(0, channels, [&](Int c, Int part) {
                Vec<T> sum{};
                for (Int p = rows.begin; p < rows.end; ++p) {
                    for (Int q = columns.begin; q < columns.end; ++q) {
                        const Int from = ((n * a.m + p) * b.m + q) * channels + c;
                        const Int here = (h + pt - p * sh) * kw + w + pl - q * sw;
                        const Bits<T> won = load_bytes<T>(argmax.data + from, part) ==
                                            static_cast<typename VecTypes<T>::Word>(here);
                        sum += won ? load(dy.data + from, part) : Vec<T>{};
                    }
                }
                store(dx.data + to + c, sum, part);
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
            const Int window = ((n * a.n + p * sh - pt) * b.n + q * sw - pl) * channels;
            const Int to = ((n * a.m + p) * b.m + q) * channels;
            for_vectors<T>(0, channels, [&](Int c, Int part) {
                Vec<T> sum{};
                for (Int i = rows.begin; i < rows.end; ++i) {
                    for (Int j = columns.begin; j < columns.end; ++j) {
                        sum += load(x.data + window + (i * b.n + j) * channels + c, part);
                    }
                }
                store(y.data + to + c, sum * inverse, part);
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
    for_image_rows(dx.shape[0], a.n, b.n * channels, [&](Int n, Int h) {
        const Range rows = covering(a, h);
        for (Int w = 0; w < b.n; ++w) {
            const Range columns = covering(b, w);
            const Int to = ((n * a.n + h) * b.n + w) * channels;
            for_vectors<T>(0, channels, [&](Int c, Int part) {
                Vec<T> sum{};
                for (Int p = rows.begin; p < rows.end; ++p) {
                    for (Int q = columns.begin; q < columns.end; ++q) {
                        const Int from = ((n * a.m + p) * b.m + q) * channels + c;
                        sum += load(dy.data + from, part) * one_over<T>(inside(a, p), inside(b, q));
                    }
                }
                store(dx.data + to + c, sum, part);
            });
        }
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
