// Hinges. p (prediction), y (target), dp [R, C]; loss, dloss [R]. Formulas: Keras 2.2.5.
#pragma once
#include "kernels/loss/row_loss.h"

namespace lamella {
namespace {

// The mean of max(1 - y p, 0) over a row. Exchanging p and y gives the gradient of y.
template <class T>
Status hinge_forward(In<T> p, In<T> y, Out<T> loss) {
    return mean_loss<T>(p, y, loss, [](Vec<T> a, Vec<T> b) { return max<T>(Vec<T>{}, T(1) - a * b); });
}

template <class T>
Status hinge_backward(In<T> p, In<T> y, In<T> dloss, Out<T> dp) {
    return mean_loss_backward<T>(p, y, dloss, dp, [](Vec<T> a, Vec<T> b) { return T(1) - a * b <= T(0) ? Vec<T>{} : -b; });
}

template <class T>
Status squared_hinge_forward(In<T> p, In<T> y, Out<T> loss) {
    return mean_loss<T>(p, y, loss, [](Vec<T> a, Vec<T> b) {
        const Vec<T> margin = max<T>(Vec<T>{}, T(1) - a * b);
        return margin * margin;
    });
}

template <class T>
Status squared_hinge_backward(In<T> p, In<T> y, In<T> dloss, Out<T> dp) {
    return mean_loss_backward<T>(p, y, dloss, dp,
                                 [](Vec<T> a, Vec<T> b) { return max<T>(Vec<T>{}, T(1) - a * b) * b * T(-2); });
}

// *wrong = max over c of (1 - y) p; returns wrong - sum(y p) + 1.
template <class T>
LAMELLA_INLINE T hinge_margin(const T* p, const T* y, Int n, T* wrong) {
    *wrong = max_over<T>(n, [=](Int i, Int part) { return (T(1) - load(y + i, part)) * load(p + i, part); });
    return *wrong - sum_over<T>(n, [=](Int i, Int part) { return load(y + i, part) * load(p + i, part); }) + T(1);
}

template <class T>
Status categorical_hinge_forward(In<T> p, In<T> y, Out<T> loss) {
    const Rows n = rows_of(p);
    LAMELLA_REQUIRE(same_shape(p, y));
    LAMELLA_REQUIRE(loss.size == n.rows);
    LAMELLA_REQUIRE(n.columns > 0 || n.rows == 0);
    for_rows(n, [&](Int r) {
        T wrong;
        const T margin = hinge_margin(p.data + r * n.columns, y.data + r * n.columns, n.columns, &wrong);
        loss.data[r] = margin <= T(0) ? T(0) : margin;
    });
    return nullptr;
}

// If the margin is above 0, the gradient of p is (1 - y) / ties where (1 - y) p is the largest, minus y everywhere; the
// gradient of y is the same with -p and p. Equal maxima share the gradient, as in TensorFlow.
template <class T, class F>
Status categorical_hinge_gradient(In<T> p, In<T> y, In<T> dloss, Out<T> dx, const F& slope) {
    const Rows n = rows_of(p);
    LAMELLA_REQUIRE(same_shape(p, y));
    LAMELLA_REQUIRE(same_shape(p, dx));
    LAMELLA_REQUIRE(dloss.size == n.rows);
    for_rows(n, [&](Int r) {
        const T *from = p.data + r * n.columns, *target = y.data + r * n.columns;
        T* out = dx.data + r * n.columns;
        T wrong;
        const T margin = hinge_margin(from, target, n.columns, &wrong);
        const T d = margin <= T(0) ? T(0) : dloss.data[r];
        const auto is_largest = [=](Int i, Int part) {
            return (T(1) - load(target + i, part)) * load(from + i, part) == wrong;
        };
        const T ties =
            sum_over<T>(n.columns, [=](Int i, Int part) { return only_where<T>(is_largest(i, part), broadcast<T>(T(1))); });
        for_vectors<T>(0, n.columns, [=](Int i, Int part) {
            const Vec<T> share = only_where<T>(is_largest(i, part), broadcast<T>(T(1) / ties));
            store(out + i, slope(load(from + i, part), load(target + i, part), share) * d, part);
        });
    });
    return nullptr;
}

template <class T>
Status categorical_hinge_backward(In<T> p, In<T> y, In<T> dloss, Out<T> dp) {
    return categorical_hinge_gradient<T>(p, y, dloss, dp,
                                         [](Vec<T>, Vec<T> b, Vec<T> share) { return (T(1) - b) * share - b; });
}

template <class T>
Status categorical_hinge_backward_target(In<T> p, In<T> y, In<T> dloss, Out<T> dy) {
    return categorical_hinge_gradient<T>(p, y, dloss, dy, [](Vec<T> a, Vec<T>, Vec<T> share) { return -a * share - a; });
}

}  // namespace
}  // namespace lamella
