// Regression losses, the mean over a row. p (prediction), y (target), dp [R, C]; loss, dloss [R]. Formulas: Keras 2.2.5.
#pragma once
#include "kernels/loss/row_loss.h"

namespace lamella {
namespace {

template <class T>
Status squared_error_forward(In<T> p, In<T> y, Out<T> loss) {
    return mean_loss<T>(p, y, loss, [](Vec<T> a, Vec<T> b) { return (a - b) * (a - b); });
}

template <class T>
Status squared_error_backward(In<T> p, In<T> y, In<T> dloss, Out<T> dp) {
    return mean_loss_backward<T>(p, y, dloss, dp, [](Vec<T> a, Vec<T> b) { return (a - b) * T(2); });
}

template <class T>
Status absolute_error_forward(In<T> p, In<T> y, Out<T> loss) {
    return mean_loss<T>(p, y, loss, [](Vec<T> a, Vec<T> b) { return abs<T>(a - b); });
}

// 0 where p == y.
template <class T>
Status absolute_error_backward(In<T> p, In<T> y, In<T> dloss, Out<T> dp) {
    return mean_loss_backward<T>(p, y, dloss, dp, [](Vec<T> a, Vec<T> b) { return sign<T>(a - b); });
}

// 100 |p - y| / max(|y|, eps).
template <class T>
Status percentage_error_forward(In<T> p, In<T> y, Real eps, Out<T> loss) {
    const T low = T(eps);
    return mean_loss<T>(p, y, loss,
                        [=](Vec<T> a, Vec<T> b) { return abs<T>(a - b) / max<T>(broadcast<T>(low), abs<T>(b)) * T(100); });
}

template <class T>
Status percentage_error_backward(In<T> p, In<T> y, In<T> dloss, Real eps, Out<T> dp) {
    const T low = T(eps);
    return mean_loss_backward<T>(
        p, y, dloss, dp, [=](Vec<T> a, Vec<T> b) { return sign<T>(a - b) / max<T>(broadcast<T>(low), abs<T>(b)) * T(100); });
}

// The denominator depends on y where it is not clipped.
template <class T>
Status percentage_error_backward_target(In<T> p, In<T> y, In<T> dloss, Real eps, Out<T> dy) {
    const T low = T(eps);
    return mean_loss_backward<T>(p, y, dloss, dy, [=](Vec<T> a, Vec<T> b) {
        const Vec<T> scale = max<T>(broadcast<T>(low), abs<T>(b));
        const Vec<T> of_scale = only_where<T>(abs<T>(b) >= low, sign<T>(b) * abs<T>(a - b) / scale);
        return -(sign<T>(a - b) + of_scale) / scale * T(100);
    });
}

// (log(max(p, eps) + 1) - log(max(y, eps) + 1))^2. Exchanging p and y gives the gradient of y.
template <class T>
Status logarithmic_error_forward(In<T> p, In<T> y, Real eps, Out<T> loss) {
    const T low = T(eps);
    return mean_loss<T>(p, y, loss, [=](Vec<T> a, Vec<T> b) {
        const Vec<T> floor = broadcast<T>(low);
        const Vec<T> d = log<T>(max<T>(floor, a) + T(1)) - log<T>(max<T>(floor, b) + T(1));
        return d * d;
    });
}

template <class T>
Status logarithmic_error_backward(In<T> p, In<T> y, In<T> dloss, Real eps, Out<T> dp) {
    const T low = T(eps);
    return mean_loss_backward<T>(p, y, dloss, dp, [=](Vec<T> a, Vec<T> b) {
        const Vec<T> floor = broadcast<T>(low);
        const Vec<T> d = log<T>(max<T>(floor, a) + T(1)) - log<T>(max<T>(floor, b) + T(1));
        return a < low ? Vec<T>{} : d * T(2) / (a + T(1));
    });
}

// log cosh x = log(1 + m^2 / (2 (m + 1))) with m = exp(|x|) - 1 has no cancellation near 0. From 20 on it equals |x| - log 2 in
// all bits of a double; m^2 would overflow a float at 44.
template <class T>
Status logcosh_forward(In<T> p, In<T> y, Out<T> loss) {
    return mean_loss<T>(p, y, loss, [](Vec<T> a, Vec<T> b) {
        const Vec<T> x = abs<T>(a - b);
        const Vec<T> m = expm1<T>(min<T>(x, broadcast<T>(T(20))));
        const Vec<T> near = log1p<T>(m * m / (m + T(1)) * T(0.5));
        return x < T(20) ? near : x - T(0.6931471805599453);
    });
}

template <class T>
Status logcosh_backward(In<T> p, In<T> y, In<T> dloss, Out<T> dp) {
    return mean_loss_backward<T>(p, y, dloss, dp, [](Vec<T> a, Vec<T> b) { return tanh<T>(a - b); });
}

// p - y log(p + eps).
template <class T>
Status poisson_forward(In<T> p, In<T> y, Real eps, Out<T> loss) {
    const T shift = T(eps);
    return mean_loss<T>(p, y, loss, [=](Vec<T> a, Vec<T> b) { return a - b * log<T>(a + shift); });
}

template <class T>
Status poisson_backward(In<T> p, In<T> y, In<T> dloss, Real eps, Out<T> dp) {
    const T shift = T(eps);
    return mean_loss_backward<T>(p, y, dloss, dp, [=](Vec<T> a, Vec<T> b) { return T(1) - b / (a + shift); });
}

template <class T>
Status poisson_backward_target(In<T> p, In<T> y, In<T> dloss, Real eps, Out<T> dy) {
    const T shift = T(eps);
    return mean_loss_backward<T>(p, y, dloss, dy, [=](Vec<T> a, Vec<T>) { return -log<T>(a + shift); });
}

}  // namespace
}  // namespace lamella
