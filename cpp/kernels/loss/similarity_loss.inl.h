// Distances of two rows as distributions or as directions. p (prediction), y (target), dp [R, C]; loss, dloss [R].
// Formulas: Keras 2.2.5.
#pragma once
#include "kernels/loss/row_loss.h"

namespace lamella {
namespace {

// sum y log(y / p), both clipped to [eps, 1].
template <class T>
Status kl_divergence_forward(In<T> p, In<T> y, Real eps, Out<T> loss) {
    const T low = T(eps), high = T(1);
    return row_loss<T>(p, y, loss, false, [=](Vec<T> a, Vec<T> b) {
        const Vec<T> t = clamp<T>(b, low, high);
        return t * log<T>(t / clamp<T>(a, low, high));
    });
}

template <class T>
Status kl_divergence_backward(In<T> p, In<T> y, In<T> dloss, Real eps, Out<T> dp) {
    const T low = T(eps), high = T(1);
    return row_loss_backward<T>(p, y, dloss, dp, false, [=](Vec<T> a, Vec<T> b) {
        return ((a < low) | (a > high)) ? Vec<T>{} : -clamp<T>(b, low, high) / a;
    });
}

template <class T>
Status kl_divergence_backward_target(In<T> p, In<T> y, In<T> dloss, Real eps, Out<T> dy) {
    const T low = T(eps), high = T(1);
    return row_loss_backward<T>(p, y, dloss, dy, false, [=](Vec<T> a, Vec<T> b) {
        const Vec<T> slope = log<T>(b / clamp<T>(a, low, high)) + T(1);
        return ((b < low) | (b > high)) ? Vec<T>{} : slope;
    });
}

struct Cosine {
    double dot, squares;  // sum(p y), sum(p p)
    double a, b;          // 1 / norm of p, 1 / norm of y
};

// Keras's l2_normalize divides by the root of at least 1e-12.
constexpr double kSmallestSquares = 1e-12;

template <class T>
LAMELLA_INLINE Cosine cosine_of(const T* p, const T* y, Int n) {
    const auto dot = [=](const T* a, const T* b) {
        return double(sum_over<T>(n, [=](Int i, Int part) { return load(a + i, part) * load(b + i, part); }));
    };
    const auto inverse_norm = [](double squares) {
        return 1 / __builtin_sqrt(squares < kSmallestSquares ? kSmallestSquares : squares);
    };
    const double squares = dot(p, p);
    return {dot(p, y), squares, inverse_norm(squares), inverse_norm(dot(y, y))};
}

// -sum(p y) / (|p| |y|). Exchanging p and y gives the gradient of y.
template <class T>
Status cosine_forward(In<T> p, In<T> y, Out<T> loss) {
    const Rows n = rows_of(p);
    LAMELLA_REQUIRE(same_shape(p, y));
    LAMELLA_REQUIRE(loss.size == n.rows);
    for_rows(n, [&](Int r) {
        const Cosine c = cosine_of(p.data + r * n.columns, y.data + r * n.columns, n.columns);
        loss.data[r] = T(-c.dot * c.a * c.b);
    });
    return nullptr;
}

// (cos p / |p| - y / |y|) / |p|; without the first term where |p| is clipped.
template <class T>
Status cosine_backward(In<T> p, In<T> y, In<T> dloss, Out<T> dp) {
    const Rows n = rows_of(p);
    LAMELLA_REQUIRE(same_shape(p, y));
    LAMELLA_REQUIRE(same_shape(p, dp));
    LAMELLA_REQUIRE(dloss.size == n.rows);
    for_rows(n, [&](Int r) {
        const T *from = p.data + r * n.columns, *target = y.data + r * n.columns;
        T* out = dp.data + r * n.columns;
        const Cosine c = cosine_of(from, target, n.columns);
        const double d = dloss.data[r] * c.a * c.b;
        const T of_p = c.squares < kSmallestSquares ? T(0) : T(d * c.dot * c.a * c.a), of_y = T(d);
        for_vectors<T>(0, n.columns, [=](Int i, Int part) {
            store(out + i, load(from + i, part) * of_p - load(target + i, part) * of_y, part);
        });
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
