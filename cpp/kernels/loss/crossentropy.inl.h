// Cross-entropies of rows. p (prediction), y (target), dp [R, C]; loss, dloss [R]; labels [R]. Those of logits are in
// softmax_crossentropy.inl.h.
#pragma once
#include "kernels/loss/row_loss.h"

namespace lamella {
namespace {

template <class T>
Status binary_crossentropy_forward(In<T> p, In<T> y, Real eps, Out<T> loss) {
    const T low = T(eps), high = T(1 - eps);
    return mean_loss<T>(p, y, loss, [=](Vec<T> a, Vec<T> b) {
        const Vec<T> q = clamp<T>(a, low, high);
        return -(b * log<T>(q) + (T(1) - b) * log<T>(T(1) - q));
    });
}

// (p - y) / (p (1 - p)) within the clip.
template <class T>
Status binary_crossentropy_backward(In<T> p, In<T> y, In<T> dloss, Real eps, Out<T> dp) {
    const T low = T(eps), high = T(1 - eps);
    return mean_loss_backward<T>(p, y, dloss, dp, [=](Vec<T> a, Vec<T> b) {
        const Vec<T> slope = (a - b) / (a * (T(1) - a));
        return ((a < low) | (a > high)) ? Vec<T>{} : slope;
    });
}

// max(z, 0) - z y + log(1 + exp(-|z|)), which does not overflow.
template <class T>
Status sigmoid_crossentropy_forward(In<T> z, In<T> y, Out<T> p, Out<T> loss) {
    LAMELLA_REQUIRE(same_shape(z, p));
    const Status status =
        mean_loss<T>(z, y, loss, [](Vec<T> a, Vec<T> b) { return max<T>(Vec<T>{}, a) - a * b + log1p<T>(exp<T>(-abs<T>(a))); });
    return status == nullptr ? sigmoid_forward<T>(z, p) : status;
}

template <class T>
Status sigmoid_crossentropy_backward(In<T> p, In<T> y, In<T> dloss, Out<T> dz) {
    return mean_loss_backward<T>(p, y, dloss, dz, [](Vec<T> a, Vec<T> b) { return a - b; });
}

// q = p / sum(p); loss = -sum(y log clip(q)).
template <class T>
Status categorical_crossentropy_forward(In<T> p, In<T> y, Real eps, Out<T> loss) {
    const Rows n = rows_of(p);
    LAMELLA_REQUIRE(same_shape(p, y));
    LAMELLA_REQUIRE(loss.size == n.rows);
    LAMELLA_REQUIRE(n.columns > 0 || n.rows == 0);
    const T low = T(eps), high = T(1 - eps);
    for_rows(n, [&](Int r) {
        const T *from = p.data + r * n.columns, *target = y.data + r * n.columns;
        const T inverse = T(1) / sum_over<T>(n.columns, [=](Int i, Int part) { return load(from + i, part); });
        loss.data[r] = -sum_over<T>(n.columns, [=](Int i, Int part) {
            return load(target + i, part) * log<T>(clamp<T>(load(from + i, part) * inverse, low, high));
        });
    });
    return nullptr;
}

// dq = -y/q within the clip; dp = (dq - sum(dq q)) / sum(p).
template <class T>
Status categorical_crossentropy_backward(In<T> p, In<T> y, In<T> dloss, Real eps, Out<T> dp) {
    const Rows n = rows_of(p);
    LAMELLA_REQUIRE(same_shape(p, y));
    LAMELLA_REQUIRE(same_shape(p, dp));
    LAMELLA_REQUIRE(dloss.size == n.rows);
    const T low = T(eps), high = T(1 - eps);
    for_rows(n, [&](Int r) {
        const T *from = p.data + r * n.columns, *target = y.data + r * n.columns;
        T* out = dp.data + r * n.columns;
        const T inverse = T(1) / sum_over<T>(n.columns, [=](Int i, Int part) { return load(from + i, part); });
        const auto inside = [=](Vec<T> q, Vec<T> value) { return ((q < low) | (q > high)) ? Vec<T>{} : value; };
        // dq q is -y.
        const T dot = -sum_over<T>(
            n.columns, [=](Int i, Int part) { return inside(load(from + i, part) * inverse, load(target + i, part)); });
        const T d = dloss.data[r] * inverse;
        for_vectors<T>(0, n.columns, [=](Int i, Int part) {
            const Vec<T> q = load(from + i, part) * inverse;
            store(out + i, (inside(q, -load(target + i, part) / q) - dot) * d, part);
        });
    });
    return nullptr;
}

// q = clip(p); loss = log(sum(q)) - log(q[label]).
template <class T>
Status sparse_categorical_crossentropy_forward(In<T> p, Labels y, Real eps, Out<T> loss) {
    const Rows n = rows_of(p);
    LAMELLA_REQUIRE(y.size == n.rows);
    LAMELLA_REQUIRE(loss.size == n.rows);
    LAMELLA_REQUIRE(all_within(y, n.columns));
    const T low = T(eps), high = T(1 - eps);
    for_rows(n, [&](Int r) {
        const T* from = p.data + r * n.columns;
        const T sum = sum_over<T>(n.columns, [=](Int i, Int part) { return clamp<T>(load(from + i, part), low, high); });
        const Vec<T> right = clamp<T>(broadcast<T>(from[y.data[r]]), low, high);
        loss.data[r] = (log<T>(broadcast<T>(sum)) - log<T>(right))[0];
    });
    return nullptr;
}

// Within the clip: 1/sum(q), minus 1/q at the label.
template <class T>
Status sparse_categorical_crossentropy_backward(In<T> p, Labels y, In<T> dloss, Real eps, Out<T> dp) {
    const Rows n = rows_of(p);
    LAMELLA_REQUIRE(same_shape(p, dp));
    LAMELLA_REQUIRE(y.size == n.rows);
    LAMELLA_REQUIRE(dloss.size == n.rows);
    LAMELLA_REQUIRE(all_within(y, n.columns));
    const T low = T(eps), high = T(1 - eps);
    for_rows(n, [&](Int r) {
        const T *from = p.data + r * n.columns, d = dloss.data[r], right = from[y.data[r]];
        T* out = dp.data + r * n.columns;
        const T sum = sum_over<T>(n.columns, [=](Int i, Int part) { return clamp<T>(load(from + i, part), low, high); });
        for_vectors<T>(0, n.columns, [=](Int i, Int part) {
            const Vec<T> q = load(from + i, part);
            store(out + i, ((q < low) | (q > high)) ? Vec<T>{} : broadcast<T>(d / sum), part);
        });
        if (right >= low && right <= high) out[y.data[r]] -= d / right;
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
