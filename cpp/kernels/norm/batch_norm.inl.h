// Batch normalization over the rows of x [R, C]; all other arrays are [C]. gamma and beta may be absent (size 0): then 1 and 0.
#pragma once
#include "kernels/column_sums.inl.h"
#include "kernels/rows.h"

namespace lamella {
namespace {

// Per-column values that a pass reads: backward needs the mean, three factors of dx, and slope and offset of the forward pass.
constexpr Int kParameters = 6;

// Rows joined to whole vectors, and the workspace of a call: sums of columns, per-column values as joined rows, and what each
// chunk sums up.
template <class T>
struct Normalized {
    Int columns, width, rows, elements, grain, chunks;
    double* totals;  // [2, columns]
    T* parameter;    // [kParameters, width]
    T* partial;      // [chunks, 2, width]
    Workspace own;

    explicit Normalized(In<T> x)
        : columns(x.shape[1]),
          width(joined_width<T>(columns)),
          rows(ceil_divide(x.size, width)),
          elements(x.size),
          grain(row_grain(rows, width)),
          chunks(ceil_divide(rows, grain)),
          own(part(totals, 2 * columns), part(parameter, kParameters * width), part(partial, chunks * 2 * width)) {}

    // parameter[k][i] = value(i % columns)
    template <class F>
    void set(int k, const F& value) const {
        T* const to = parameter + k * width;
        for (Int c = 0; c < columns; ++c) to[c] = value(c);
        for (Int i = columns; i < width; ++i) to[i] = to[i - columns];
    }

    // parameter[k][i] = values[i % columns]. It is not inlined, nor is set_line, because most kernels call them.
    [[gnu::noinline]] void set_values(int k, const T* values) const {
        set(k, [&](Int c) { return values[c]; });
    }

    // Parameters k and k + 1: slope and offset of y = (x - mean) * slope + offset. The formula is only here, so that all
    // kernels round in the same way.
    [[gnu::noinline]] void set_line(int k, In<T> gamma, In<T> beta, const T* var, Real eps) const {
        set(k, [&](Int c) { return T((gamma.size > 0 ? gamma.data[c] : 1) / __builtin_sqrt(var[c] + eps)); });
        set(k + 1, [&](Int c) { return beta.size > 0 ? beta.data[c] : T(0); });
    }

    // totals[s][c] = sum over the rows of the values that f adds to sum[s]; f(at, i, part, sum) and ahead(at) as in sum_joined.
    template <class F, class Ahead>
    void sum(const F& f, const Ahead& ahead) const {
        parallel_for(rows, grain, [&](Int begin, Int end) {
            const Int first = begin * width, last = end * width < elements ? end * width : elements;
            sum_joined<T, 2>(
                last - first, width, partial + begin / grain * 2 * width,
                [&](Int at, Int i, Int part, Vec<T>(&sum)[2]) { f(first + at, i, part, sum); },
                [&](Int at) { ahead(first + at); });
        });
        for (Int i = 0; i < 2 * columns; ++i) totals[i] = 0;
        for (Int chunk = 0; chunk < chunks; ++chunk) {
            for (int s = 0; s < 2; ++s) {
                const T* from = partial + (chunk * 2 + s) * width;
                double* to = totals + s * columns;
                for (Int i = 0; i < width; i += columns) {
                    for (Int c = 0; c < columns; ++c) to[c] += from[i + c];
                }
            }
        }
    }

    // Calls f(at, i, part) for all vectors.
    template <class F>
    void each(const F& f) const {
        parallel_for(rows, grain, [&](Int begin, Int end) {
            for (Int at = begin * width; at < end * width; at += width) {
                const Int length = elements - at < width ? elements - at : width;
                for_vectors<T>(0, length, [=](Int i, Int part) { f(at + i, i, part); });
            }
        });
    }
};

// The function that follows the normalization: none, or relu with an upper bound, as in relu_forward and relu_backward.
// after(v) is its value. before(d, ...) is the gradient of v = centred * slope + offset, where d is the gradient of the value;
// kReadsLine says whether it reads slope and offset.
template <class T>
struct Nothing {
    static constexpr bool kReadsLine = false;
    LAMELLA_INLINE Vec<T> after(Vec<T> v) const { return v; }
    LAMELLA_INLINE Vec<T> before(Vec<T> d, Vec<T>, const T*, const T*, Int, Int) const { return d; }
};

template <class T>
struct Relu {
    static constexpr bool kReadsLine = true;
    T top;

    LAMELLA_INLINE Vec<T> after(Vec<T> v) const {
        return v > T(0) ? min<T>(broadcast<T>(top), v) : v == v ? Vec<T>{} : v;  // NaN gives NaN
    }
    LAMELLA_INLINE Vec<T> before(Vec<T> d, Vec<T> centred, const T* slope, const T* offset, Int i, Int part) const {
        const Vec<T> v = centred * load(slope + i, part) + load(offset + i, part);
        const Vec<T> under_top = v >= top ? Vec<T>{} : d;
        return v > T(0) ? under_top : Vec<T>{};
    }
};

// y = follower.after((x - mean) * slope + offset), with joined rows of mean, slope and offset in parameters 0, 1, 2.
template <class T, class Follower>
void normalize(const Normalized<T>& n, const T* x, const Follower& follower, T* y) {
    const T *mean = n.parameter, *slope = mean + n.width, *offset = slope + n.width;
    n.each([=](Int at, Int i, Int part) {
        const Vec<T> centred = load(x + at, part) - load(mean + i, part);
        store(y + at, follower.after(centred * load(slope + i, part) + load(offset + i, part)), part);
    });
}

// x - shift and its square are summed, where shift is the mean of a few rows distributed over x: without it rounding would make
// the variance of values far from 0 inaccurate.
template <class T, class Follower>
Status normalize_batch(In<T> x, In<T> gamma, In<T> beta, Real eps, const Follower& follower, Out<T> y, Out<T> mean,
                       Out<T> var) {
    LAMELLA_REQUIRE(x.rank == 2);
    LAMELLA_REQUIRE(same_shape(x, y));
    LAMELLA_REQUIRE(mean.size == x.shape[1] && var.size == x.shape[1]);
    LAMELLA_REQUIRE(gamma.size == 0 || gamma.size == x.shape[1]);
    LAMELLA_REQUIRE(beta.size == 0 || beta.size == x.shape[1]);
    const Int rows = x.shape[0], columns = x.shape[1];
    if (x.size == 0) {
        for (Int c = 0; c < columns; ++c) mean.data[c] = var.data[c] = 0;
        return nullptr;
    }
    const Normalized<T> n(x);
    if (!n.own) return kOutOfMemory;
    const Int samples = rows < 16 ? rows : 16;
    n.set(0, [&](Int c) {
        T sum = 0;
        for (Int s = 0; s < samples; ++s) sum += x.data[s * rows / samples * columns + c];
        return sum / T(samples);
    });
    const auto add = [&](Int at, Int i, Int part, Vec<T>(&sum)[2]) {
        const Vec<T> d = load(x.data + at, part) - load(n.parameter + i, part);
        sum[0] += d;
        sum[1] += d * d;
    };
    n.sum(add, [&](Int at) { __builtin_prefetch(x.data + at, 0, 2); });
    for (Int c = 0; c < columns; ++c) {
        const double shifted = n.totals[c] / rows, spread = n.totals[columns + c] / rows - shifted * shifted;
        mean.data[c] = T(n.parameter[c] + shifted);
        var.data[c] = spread > 0 ? T(spread) : spread == spread ? T(0) : T(spread);
    }
    n.set_values(0, mean.data);
    n.set_line(1, gamma, beta, var.data, eps);
    normalize(n, x.data, follower, y.data);
    return nullptr;
}

template <class T>
Status batch_norm_forward(In<T> x, In<T> gamma, In<T> beta, Real eps, Out<T> y, Out<T> mean, Out<T> var) {
    return normalize_batch(x, gamma, beta, eps, Nothing<T>(), y, mean, var);
}

template <class T>
Status batch_norm_relu_forward(In<T> x, In<T> gamma, In<T> beta, Real eps, Real max_value, Out<T> y, Out<T> mean, Out<T> var) {
    return normalize_batch(x, gamma, beta, eps, Relu<T>{T(max_value)}, y, mean, var);
}

template <class T, class Follower>
Status normalize_by(In<T> x, In<T> gamma, In<T> beta, In<T> mean, In<T> var, Real eps, const Follower& follower, Out<T> y) {
    LAMELLA_REQUIRE(x.rank == 2);
    LAMELLA_REQUIRE(same_shape(x, y));
    LAMELLA_REQUIRE(mean.size == x.shape[1] && var.size == x.shape[1]);
    LAMELLA_REQUIRE(gamma.size == 0 || gamma.size == x.shape[1]);
    LAMELLA_REQUIRE(beta.size == 0 || beta.size == x.shape[1]);
    if (x.size == 0) return nullptr;
    const Normalized<T> n(x);
    if (!n.own) return kOutOfMemory;
    n.set_values(0, mean.data);
    n.set_line(1, gamma, beta, var.data, eps);
    normalize(n, x.data, follower, y.data);
    return nullptr;
}

template <class T>
Status batch_norm_inference(In<T> x, In<T> gamma, In<T> beta, In<T> mean, In<T> var, Real eps, Out<T> y) {
    return normalize_by(x, gamma, beta, mean, var, eps, Nothing<T>(), y);
}

template <class T>
Status batch_norm_relu_inference(In<T> x, In<T> gamma, In<T> beta, In<T> mean, In<T> var, Real eps, Real max_value, Out<T> y) {
    return normalize_by(x, gamma, beta, mean, var, eps, Relu<T>{T(max_value)}, y);
}

// With s = 1/sqrt(var + eps) and x^ = (x - mean) s: dgamma = sum(dy x^), dbeta = sum(dy),
// dx = gamma s (dy - dbeta/R - x^ dgamma/R), where dy is the gradient that follower.before returns.
template <class T, class Follower>
Status differentiate_batch(In<T> x, In<T> dy, In<T> gamma, In<T> beta, In<T> mean, In<T> var, Real eps,
                           const Follower& follower, Out<T> dx, Out<T> dgamma, Out<T> dbeta) {
    LAMELLA_REQUIRE(x.rank == 2);
    LAMELLA_REQUIRE(same_shape(x, dy));
    LAMELLA_REQUIRE(same_shape(x, dx));
    LAMELLA_REQUIRE(mean.size == x.shape[1] && var.size == x.shape[1]);
    LAMELLA_REQUIRE(dgamma.size == x.shape[1] && dbeta.size == x.shape[1]);
    LAMELLA_REQUIRE(gamma.size == 0 || gamma.size == x.shape[1]);
    LAMELLA_REQUIRE(beta.size == 0 || beta.size == x.shape[1]);
    const Int rows = x.shape[0], columns = x.shape[1];
    if (x.size == 0) {
        for (Int c = 0; c < columns; ++c) dgamma.data[c] = dbeta.data[c] = 0;
        return nullptr;
    }
    const Normalized<T> n(x);
    if (!n.own) return kOutOfMemory;
    n.set_values(0, mean.data);
    if constexpr (Follower::kReadsLine) n.set_line(4, gamma, beta, var.data, eps);
    const T *forward_slope = n.parameter + 4 * n.width, *forward_offset = forward_slope + n.width;
    const auto add = [&](Int at, Int i, Int part, Vec<T>(&sum)[2]) {
        const Vec<T> centred = load(x.data + at, part) - load(n.parameter + i, part);
        const Vec<T> d = follower.before(load(dy.data + at, part), centred, forward_slope, forward_offset, i, part);
        sum[0] += d;
        accumulate<T>(sum[1], d, centred);  // gcc 16 contracted `+=` for some followers only
    };
    n.sum(add, [&](Int at) {
        __builtin_prefetch(x.data + at, 0, 2);
        __builtin_prefetch(dy.data + at, 0, 2);
    });
    const auto inverse = [&](Int c) { return 1 / __builtin_sqrt(var.data[c] + eps); };
    const auto scale = [&](Int c) { return (gamma.size > 0 ? gamma.data[c] : 1) * inverse(c); };
    // dx = dy * slope + (x - mean) * tilt + offset
    n.set(1, [&](Int c) { return T(scale(c)); });
    n.set(2, [&](Int c) { return T(-scale(c) * inverse(c) * inverse(c) * n.totals[columns + c] / rows); });
    n.set(3, [&](Int c) { return T(-scale(c) * n.totals[c] / rows); });
    for (Int c = 0; c < columns; ++c) {
        dbeta.data[c] = T(n.totals[c]);
        dgamma.data[c] = T(n.totals[columns + c] * inverse(c));
    }
    const T *centre = n.parameter, *slope = centre + n.width, *tilt = slope + n.width, *offset = tilt + n.width;
    const T *from = x.data, *given = dy.data;
    T* to = dx.data;
    n.each([=](Int at, Int i, Int part) {
        const Vec<T> centred = load(from + at, part) - load(centre + i, part);
        const Vec<T> constant = centred * load(tilt + i, part) + load(offset + i, part);
        const Vec<T> d = follower.before(load(given + at, part), centred, forward_slope, forward_offset, i, part);
        store(to + at, d * load(slope + i, part) + constant, part);
    });
    return nullptr;
}

template <class T>
Status batch_norm_backward(In<T> x, In<T> dy, In<T> gamma, In<T> mean, In<T> var, Real eps, Out<T> dx, Out<T> dgamma,
                           Out<T> dbeta) {
    const View<const T> beta{};
    return differentiate_batch(x, dy, gamma, beta, mean, var, eps, Nothing<T>(), dx, dgamma, dbeta);
}

template <class T>
Status batch_norm_relu_backward(In<T> x, In<T> dy, In<T> gamma, In<T> beta, In<T> mean, In<T> var, Real eps, Real max_value,
                                Out<T> dx, Out<T> dgamma, Out<T> dbeta) {
    return differentiate_batch(x, dy, gamma, beta, mean, var, eps, Relu<T>{T(max_value)}, dx, dgamma, dbeta);
}

}  // namespace
}  // namespace lamella
