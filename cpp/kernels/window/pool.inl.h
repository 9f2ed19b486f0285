// Pooling on one to three axes. x, dx [N, D, H, W, C]; y, dy, argmax [N, O, P, Q, C]; for images D and O are 1, for sequences
// also H and P. No two chunks write the same element. If windows do not overlap, backward writes window by window; otherwise
// each position of dx sums the gradients of the windows that cover it.
#pragma once
#include "kernels/axes.h"
#include "kernels/rows.h"

namespace lamella {
namespace {

constexpr Int kMaxWindow = 256;  // the index in a window is stored as a byte
constexpr Int kNoPlace = 255;    // with relu: the window passes no gradient

// One axis: n positions, m windows of k positions; the first window begins `pad` before the first position.
struct Axis {
    Int n, m, k, stride, pad;

    // Every window covers a position, and nothing overflows.
    LAMELLA_INLINE bool fits() const {
        constexpr Int kLargest = Int{1} << 31;
        return n > 0 && m > 0 && k >= 1 && k < kLargest && stride >= 1 && stride < kLargest && pad >= 0 && pad < k &&
               m - 1 <= (n - 1 + pad) / stride;
    }
};

struct Range {
    Int begin, end;
};

// The positions of a window that are in the image.
LAMELLA_INLINE Range inside(const Axis& a, Int window) {
    const Int first = window * a.stride - a.pad;
    return {first < 0 ? -first : 0, a.n - first < a.k ? a.n - first : a.k};
}

// The windows that cover a position.
LAMELLA_INLINE Range covering(const Axis& a, Int place) {
    const Int from = place + a.pad - a.k;  // the first window begins after this position
    const Int last = (place + a.pad) / a.stride;
    return {from < 0 ? 0 : from / a.stride + 1, last < a.m ? last + 1 : a.m};
}

// Slices, rows and columns.
struct Axes {
    Axis slices, rows, columns;

    Int places() const { return slices.k * rows.k * columns.k; }
    bool few_places() const {
        return slices.k <= kMaxWindow && rows.k <= kMaxWindow && columns.k <= kMaxWindow && places() <= kMaxWindow;
    }
    bool disjoint() const { return slices.k <= slices.stride && rows.k <= rows.stride && columns.k <= columns.stride; }
};

template <class A, class B>
LAMELLA_INLINE bool pooling_fits(const A& x, const B& y, const Window& window) {
    return is_window(window) && x.rank == window.axes + 2 && y.rank == x.rank && x.shape[0] == y.shape[0] &&
           x.shape[x.rank - 1] == y.shape[y.rank - 1] && window.dilation[0] == 1 && window.dilation[1] == 1 &&
           window.dilation[2] == 1;
}

template <class A, class B>
LAMELLA_INLINE Axes axes_of(const A& x, const B& y, const Window& window) {
    Int n[kMaxAxes], m[kMaxAxes];
    sizes_on_axes(x, n);
    sizes_on_axes(y, m);
    Axis axis[kMaxAxes];
    for (int i = 0; i < kMaxAxes; ++i) axis[i] = {n[i], m[i], window.size[i], window.stride[i], window.before[i]};
    return {axis[0], axis[1], axis[2]};
}

LAMELLA_INLINE bool axes_fit(const Axes& at) { return at.slices.fits() && at.rows.fits() && at.columns.fits(); }

// Calls f(n, o, p) for the rows of the slices of images; each touches `work` elements.
template <class F>
LAMELLA_INLINE void for_image_rows(Int images, Int slices, Int rows, Int work, const F& f) {
    for_rows({images * slices * rows, work}, [&](Int r) { f(r / rows / slices, r / rows % slices, r % rows); });
}

// The positions of a window that are in the image: their offsets from the window's first position, and their indices in C
// order.
template <class T>
struct Taps {
    Int count = 0;
    Int offset[kMaxWindow];
    typename VecTypes<T>::Word place[kMaxWindow];

    void fill(const Axes& at, Range slices, Range rows, Range columns, Int channels) {
        count = 0;
        for (Int h = slices.begin; h < slices.end; ++h) {
            for (Int i = rows.begin; i < rows.end; ++i) {
                for (Int j = columns.begin; j < columns.end; ++j) {
                    offset[count] = ((h * at.rows.n + i) * at.columns.n + j) * channels;
                    place[count++] = static_cast<typename VecTypes<T>::Word>((h * at.rows.k + i) * at.columns.k + j);
                }
            }
        }
    }
};

// Calls f(offset of the window's first position in x, which may be outside; offset in y; taps) for the windows of row p of
// slice o of image n.
template <class T, class F>
LAMELLA_INLINE void for_windows(const Axes& at, Int channels, Int n, Int o, Int p, const F& f) {
    const Axis &a = at.slices, &b = at.rows, &c = at.columns;
    Taps<T> whole, cut;
    const Range slices = inside(a, o), rows = inside(b, p);
    whole.fill(at, slices, rows, {0, c.k}, channels);
    const Int slice = n * a.n + o * a.stride - a.pad, row = slice * b.n + p * b.stride - b.pad;
    for (Int q = 0; q < c.m; ++q) {
        const Range columns = inside(c, q);
        const bool full = columns.end - columns.begin == c.k;
        if (!full) cut.fill(at, slices, rows, columns, channels);
        f((row * c.n + q * c.stride - c.pad) * channels, (((n * a.m + o) * b.m + p) * c.m + q) * channels, full ? whole : cut);
    }
}

template <class T>
Status max_pool_forward(In<T> x, Window window, Int relu, Out<T> y, Bytes argmax) {
    LAMELLA_REQUIRE(same_shape(y, argmax));
    if (y.size == 0) return nullptr;
    LAMELLA_REQUIRE(pooling_fits(x, y, window));
    const Axes at = axes_of(x, y, window);
    LAMELLA_REQUIRE(axes_fit(at));
    LAMELLA_REQUIRE(at.few_places());
    LAMELLA_REQUIRE(!relu || at.places() <= kNoPlace);
    const Int channels = x.shape[x.rank - 1], work = at.columns.m * channels * (at.places() < 8 ? at.places() : 8);
    for_image_rows(x.shape[0], at.slices.m, at.rows.m, work, [&](Int n, Int o, Int p) {
        for_windows<T>(at, channels, n, o, p, [&](Int from, Int to, const Taps<T>& taps) {
            T* const largest = y.data + to;
            std::uint8_t* const place = argmax.data + to;
            const T* const first = x.data + from;
            const Taps<T>* const tap = &taps;
            for_vectors<T>(0, channels, [=](Int c, Int part) {
                Vec<T> best = load(first + tap->offset[0] + c, part);
                Bits<T> where = Bits<T>{} + tap->place[0];
                for (Int t = 1; t < tap->count; ++t) {
                    const Vec<T> v = load(first + tap->offset[t] + c, part);
                    const Bits<T> wins = (v > best) | ((v != v) & (best == best));  // the first NaN is the maximum
                    best = wins ? v : best;
                    where = wins ? Bits<T>{} + tap->place[t] : where;
                }
                if (relu) {
                    where = best > T(0) ? where : Bits<T>{} + static_cast<typename VecTypes<T>::Word>(kNoPlace);
                    best = best < T(0) ? Vec<T>{} : best;  // NaN gives NaN
                }
                store(largest + c, best, part);
                store_bytes<T>(place + c, where, part);
            });
        });
    });
    return nullptr;
}

// If no two windows overlap, each window writes to its own positions. Chunks are rows of windows. If there are gaps, each chunk
// first clears its slices and rows up to those of the next chunk.
template <class T, class F>
LAMELLA_INLINE void spread_windows(Out<T> dx, const Axes& at, const F& spread) {
    const Int channels = dx.shape[dx.rank - 1], row = at.columns.n * channels;
    const auto gap = [](const Axis& a) { return a.k < a.stride || a.m * a.stride != a.n + a.pad; };
    const auto first = [](const Axis& a, Int window) { return window == 0 ? 0 : window * a.stride - a.pad; };
    const auto last = [](const Axis& a, Int window) { return window + 1 == a.m ? a.n : (window + 1) * a.stride - a.pad; };
    const bool gaps = gap(at.slices) || gap(at.rows) || gap(at.columns);
    const Int work = at.slices.stride * at.rows.stride * row;
    for_image_rows(dx.shape[0], at.slices.m, at.rows.m, work, [&](Int n, Int o, Int p) {
        const Int begin = first(at.rows, p), end = last(at.rows, p);
        for (Int h = first(at.slices, o); gaps && h < last(at.slices, o); ++h) {
            T* const to = dx.data + ((n * at.slices.n + h) * at.rows.n + begin) * row;
            for_vectors<T>(0, (end - begin) * row, [=](Int i, Int part) { store(to + i, Vec<T>{}, part); });
        }
        for_windows<T>(at, channels, n, o, p, spread);
    });
}

// The windows that cover a position of dx: their number on each axis, the offset of the first one in y (`from`), and the index
// of the position in that window (`here`), each with its steps from one window to the next on each axis.
struct Covering {
    Int slices, rows, columns;
    Int first[kMaxAxes];
    Int from, slice_from, row_from, column_from;
    Int here, slice_here, row_here, column_here;
};

// Calls f(first channel of a position of dx, the windows that cover it) for all positions.
template <class T, class F>
LAMELLA_INLINE void for_covered_places(Out<T> dx, const Axes& at, const F& f) {
    const Axis &a = at.slices, &b = at.rows, &c = at.columns;
    const Int channels = dx.shape[dx.rank - 1], row = c.m * channels, slice = b.m * row;
    for_image_rows(dx.shape[0], a.n, b.n, c.n * channels, [&](Int n, Int h, Int i) {
        const Range slices = covering(a, h), rows = covering(b, i);
        const Int first = (n * a.m + slices.begin) * slice + rows.begin * row;
        const Int number = (h + a.pad - slices.begin * a.stride) * b.k + i + b.pad - rows.begin * b.stride;
        T* const to = dx.data + ((n * a.n + h) * b.n + i) * c.n * channels;
        for (Int j = 0; j < c.n; ++j) {
            const Range columns = covering(c, j);
            f(to + j * channels, Covering{slices.end - slices.begin,
                                          rows.end - rows.begin,
                                          columns.end - columns.begin,
                                          {slices.begin, rows.begin, columns.begin},
                                          first + columns.begin * channels,
                                          slice,
                                          row,
                                          channels,
                                          number * c.k + j + c.pad - columns.begin * c.stride,
                                          -a.stride * b.k * c.k,
                                          -b.stride * c.k,
                                          -c.stride});
        }
    });
}

template <class T>
Status max_pool_backward(In<T> dy, InBytes argmax, Window window, Out<T> dx) {
    LAMELLA_REQUIRE(same_shape(dy, argmax));
    if (dx.size == 0) return nullptr;
    LAMELLA_REQUIRE(pooling_fits(dx, dy, window));
    const Axes at = axes_of(dx, dy, window);
    LAMELLA_REQUIRE(axes_fit(at));
    LAMELLA_REQUIRE(at.few_places());
    const Int channels = dx.shape[dx.rank - 1];
    if (at.disjoint()) {
        spread_windows<T>(dx, at, [&](Int into, Int from, const Taps<T>& taps) {
            const T* const d = dy.data + from;
            const std::uint8_t* const place = argmax.data + from;
            T* const to = dx.data + into;
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
    for_covered_places(dx, at, [&](T* to, const Covering& w) {
        // Listed once for all channels: the offset of each window in dy, and its byte in argmax if this position is the
        // maximum.
        Int from[kMaxWindow], count = 0;
        typename VecTypes<T>::Word here[kMaxWindow];
        for (Int o = 0; o < w.slices; ++o) {
            for (Int p = 0; p < w.rows; ++p) {
                for (Int q = 0; q < w.columns; ++q) {
                    from[count] = w.from + o * w.slice_from + p * w.row_from + q * w.column_from;
                    here[count++] =
                        static_cast<typename VecTypes<T>::Word>(w.here + o * w.slice_here + p * w.row_here + q * w.column_here);
                }
            }
        }
        for_vectors<T>(0, channels, [&](Int c, Int part) {
            Vec<T> sum{};
            for (Int t = 0; t < count; ++t) {
                const Bits<T> won = load_bytes<T>(argmax.data + from[t] + c, part) == here[t];
                sum += won ? load(dy.data + from[t] + c, part) : Vec<T>{};
            }
            store(to + c, sum, part);
        });
    });
    return nullptr;
}

template <class T>
LAMELLA_INLINE T one_over(Range slices, Range rows, Range columns) {
    return T(1) / T((slices.end - slices.begin) * (rows.end - rows.begin) * (columns.end - columns.begin));
}

// Whether one of these windows is partly outside.
LAMELLA_INLINE bool is_cut(const Axis& a, Int first, Int count) {
    return first * a.stride < a.pad || (first + count - 1) * a.stride - a.pad + a.k > a.n;
}

template <class T>
Status avg_pool_forward(In<T> x, Window window, Out<T> y) {
    if (y.size == 0) return nullptr;
    LAMELLA_REQUIRE(pooling_fits(x, y, window));
    const Axes at = axes_of(x, y, window);
    LAMELLA_REQUIRE(axes_fit(at));
    const Axis &a = at.slices, &b = at.rows, &c = at.columns;
    const Int channels = x.shape[x.rank - 1], row = c.n * channels, slice = b.n * row;
    const Int work = c.m * channels * (at.places() < 8 ? at.places() : 8);
    if (at.few_places()) {
        for_image_rows(x.shape[0], a.m, b.m, work, [&](Int n, Int o, Int p) {
            for_windows<T>(at, channels, n, o, p, [&](Int from, Int into, const Taps<T>& taps) {
                const T* const first = x.data + from;
                T* const to = y.data + into;
                const Taps<T>* const tap = &taps;
                const T inverse = T(1) / T(taps.count);
                for_vectors<T>(0, channels, [=](Int i, Int part) {
                    Vec<T> sum{};
                    for (Int t = 0; t < tap->count; ++t) sum += load(first + tap->offset[t] + i, part);
                    store(to + i, sum * inverse, part);
                });
            });
        });
        return nullptr;
    }
    for_image_rows(x.shape[0], a.m, b.m, work, [&](Int n, Int o, Int p) {
        const Range slices = inside(a, o), rows = inside(b, p);
        for (Int q = 0; q < c.m; ++q) {
            const Range columns = inside(c, q);
            const T inverse = one_over<T>(slices, rows, columns);
            const Int top = (n * a.n + o * a.stride - a.pad) * b.n + p * b.stride - b.pad;
            const T* const from = x.data + (top * c.n + q * c.stride - c.pad) * channels;
            T* const to = y.data + (((n * a.m + o) * b.m + p) * c.m + q) * channels;
            for_vectors<T>(0, channels, [=](Int channel, Int part) {
                Vec<T> sum{};
                for (Int h = slices.begin; h < slices.end; ++h) {
                    for (Int i = rows.begin; i < rows.end; ++i) {
                        const T* const first = from + h * slice + i * row + channel;
                        for (Int j = columns.begin; j < columns.end; ++j) sum += load(first + j * channels, part);
                    }
                }
                store(to + channel, sum * inverse, part);
            });
        }
    });
    return nullptr;
}

template <class T>
Status avg_pool_backward(In<T> dy, Window window, Out<T> dx) {
    if (dx.size == 0) return nullptr;
    LAMELLA_REQUIRE(pooling_fits(dx, dy, window));
    const Axes at = axes_of(dx, dy, window);
    LAMELLA_REQUIRE(axes_fit(at));
    const Int channels = dx.shape[dx.rank - 1];
    if (at.disjoint() && at.few_places()) {
        spread_windows<T>(dx, at, [&](Int into, Int from, const Taps<T>& taps) {
            const T* const d = dy.data + from;
            T* const to = dx.data + into;
            const T inverse = T(1) / T(taps.count);
            for (Int t = 0; t < taps.count; ++t) {
                T* const place = to + taps.offset[t];
                for_vectors<T>(0, channels, [=](Int c, Int part) { store(place + c, load(d + c, part) * inverse, part); });
            }
        });
        return nullptr;
    }
    const Axis &a = at.slices, &b = at.rows, &c = at.columns;
    const T whole = T(1) / T(at.places());
    for_covered_places(dx, at, [&](T* to, const Covering& w) {
        const bool cut = is_cut(a, w.first[0], w.slices) || is_cut(b, w.first[1], w.rows) || is_cut(c, w.first[2], w.columns);
        for_vectors<T>(0, channels, [&](Int channel, Int part) {
            Vec<T> sum{};
            for (Int o = 0; o < w.slices; ++o) {
                for (Int p = 0; p < w.rows; ++p) {
                    const T* d = dy.data + w.from + o * w.slice_from + p * w.row_from + channel;
                    for (Int q = 0; q < w.columns; ++q, d += w.column_from) {
                        const T inverse =
                            cut ? one_over<T>(inside(a, w.first[0] + o), inside(b, w.first[1] + p), inside(c, w.first[2] + q))
                                : whole;
                        sum += load(d, part) * inverse;
                    }
                }
            }
            store(to + channel, sum, part);
        });
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
