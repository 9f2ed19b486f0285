// Elementwise activations. x, y, dy, dx have the same shape; outputs may be the inputs.
#pragma once
#include "kernels/common.h"

namespace lamella {
namespace {

// y[i] = f(x[i]) on vectors. Here and elsewhere the innermost lambda captures by value. With captures by reference the compiler
// assumes that each store may change the pointers and numbers, and loads them again for the next vector.
template <class T, class F>
LAMELLA_INLINE void map(const T* x, T* y, Int n, const F& f) {
    parallel_for(n, kChunkElements, [=](Int begin, Int end) {
        for_vectors<T>(begin, end, [=](Int i, Int part) { store(y + i, f(load(x + i, part)), part); });
    });
}

// y[i] = f(a[i], b[i]) on vectors.
template <class T, class F>
LAMELLA_INLINE void map(const T* a, const T* b, T* y, Int n, const F& f) {
    parallel_for(n, kChunkElements, [=](Int begin, Int end) {
        for_vectors<T>(begin, end, [=](Int i, Int part) { store(y + i, f(load(a + i, part), load(b + i, part)), part); });
    });
}

// With a max_value negative values become 0 for any threshold: Keras 2.2.5 clips to [0, max_value].
template <class T>
T relu_bottom(Real max_value) {
    return max_value < __builtin_inf() ? T(0) : T(-__builtin_inf());
}

template <class T>
Status relu_forward(In<T> x, Real alpha, Real max_value, Real threshold, Out<T> y) {
    LAMELLA_REQUIRE(same_shape(x, y));
    const T slope = T(alpha), top = T(max_value), from = T(threshold), bottom = relu_bottom<T>(max_value);
    map(x.data, y.data, x.size, [=](Vec<T> v) {
        // With slope 0 -inf gives 0, and NaN gives NaN; -inf * 0 would be NaN.
        const Vec<T> below = slope == 0 ? (v == v ? Vec<T>{} : v) : (v - from) * slope;
        const Vec<T> clipped = max<T>(broadcast<T>(bottom), min<T>(broadcast<T>(top), v));
        return v > from ? clipped : below;
    });
    return nullptr;
}

template <class T>
Status relu_backward(In<T> x, In<T> dy, Real alpha, Real max_value, Real threshold, Out<T> dx) {
    LAMELLA_REQUIRE(same_shape(x, dy));
    LAMELLA_REQUIRE(same_shape(x, dx));
    const T slope = T(alpha), top = T(max_value), from = T(threshold), bottom = relu_bottom<T>(max_value);
    map(x.data, dy.data, dx.data, x.size, [=](Vec<T> v, Vec<T> d) {
        const Vec<T> under_top = v >= top ? Vec<T>{} : d;
        const Vec<T> inside = v < bottom ? Vec<T>{} : under_top;
        return v > from ? inside : (slope == 0 ? Vec<T>{} : d * slope);
    });
    return nullptr;
}

// scale * (x, or alpha*(exp(x)-1) below 0).
template <class T>
Status elu_forward(In<T> x, Real alpha, Real scale, Out<T> y) {
    LAMELLA_REQUIRE(same_shape(x, y));
    const T above = T(scale), below = T(scale * alpha);
    map(x.data, y.data, x.size, [=](Vec<T> v) { return v > T(0) ? v * above : expm1<T>(v) * below; });
    return nullptr;
}

// Below 0 the slope scale*alpha*exp(x) is y + scale*alpha.
template <class T>
Status elu_backward(In<T> y, In<T> dy, Real alpha, Real scale, Out<T> dx) {
    LAMELLA_REQUIRE(same_shape(y, dy));
    LAMELLA_REQUIRE(same_shape(y, dx));
    const T above = T(scale), below = T(scale * alpha);
    map(y.data, dy.data, dx.data, y.size, [=](Vec<T> v, Vec<T> d) { return v > T(0) ? d * above : d * (v + below); });
    return nullptr;
}

template <class T>
Status tanh_forward(In<T> x, Out<T> y) {
    LAMELLA_REQUIRE(same_shape(x, y));
    map(x.data, y.data, x.size, [](Vec<T> v) { return tanh<T>(v); });
    return nullptr;
}

template <class T>
Status tanh_backward(In<T> y, In<T> dy, Out<T> dx) {
    LAMELLA_REQUIRE(same_shape(y, dy));
    LAMELLA_REQUIRE(same_shape(y, dx));
    map(y.data, dy.data, dx.data, y.size, [](Vec<T> v, Vec<T> d) { return d * (T(1) - v * v); });
    return nullptr;
}

template <class T>
Status sigmoid_forward(In<T> x, Out<T> y) {
    LAMELLA_REQUIRE(same_shape(x, y));
    map(x.data, y.data, x.size, [](Vec<T> v) { return sigmoid<T>(v); });
    return nullptr;
}

template <class T>
Status sigmoid_backward(In<T> y, In<T> dy, Out<T> dx) {
    LAMELLA_REQUIRE(same_shape(y, dy));
    LAMELLA_REQUIRE(same_shape(y, dx));
    map(y.data, dy.data, dx.data, y.size, [](Vec<T> v, Vec<T> d) { return d * (v * (T(1) - v)); });
    return nullptr;
}

template <class T>
LAMELLA_INLINE Vec<T> hard_sigmoid(Vec<T> v) {
    return min<T>(broadcast<T>(T(1)), max<T>(Vec<T>{}, v * T(0.2) + T(0.5)));
}

template <class T>
Status hard_sigmoid_forward(In<T> x, Out<T> y) {
    LAMELLA_REQUIRE(same_shape(x, y));
    map(x.data, y.data, x.size, [](Vec<T> v) { return hard_sigmoid<T>(v); });
    return nullptr;
}

template <class T>
Status hard_sigmoid_backward(In<T> y, In<T> dy, Out<T> dx) {
    LAMELLA_REQUIRE(same_shape(y, dy));
    LAMELLA_REQUIRE(same_shape(y, dx));
    map(y.data, dy.data, dx.data, y.size,
        [](Vec<T> v, Vec<T> d) { return ((v <= T(0)) | (v >= T(1))) ? Vec<T>{} : d * T(0.2); });
    return nullptr;
}

// max(x, 0) + log(1 + exp(-|x|)) does not overflow.
template <class T>
Status softplus_forward(In<T> x, Out<T> y) {
    LAMELLA_REQUIRE(same_shape(x, y));
    map(x.data, y.data, x.size, [](Vec<T> v) { return max<T>(Vec<T>{}, v) + log1p<T>(exp<T>(-abs<T>(v))); });
    return nullptr;
}

// The slope sigmoid(x) is 1 - exp(-y).
template <class T>
Status softplus_backward(In<T> y, In<T> dy, Out<T> dx) {
    LAMELLA_REQUIRE(same_shape(y, dy));
    LAMELLA_REQUIRE(same_shape(y, dx));
    map(y.data, dy.data, dx.data, y.size, [](Vec<T> v, Vec<T> d) { return -d * expm1<T>(-v); });
    return nullptr;
}

template <class T>
Status softsign_forward(In<T> x, Out<T> y) {
    LAMELLA_REQUIRE(same_shape(x, y));
    map(x.data, y.data, x.size, [](Vec<T> v) { return v / (abs<T>(v) + T(1)); });
    return nullptr;
}

// The slope 1/(1+|x|)^2 is (1-|y|)^2.
template <class T>
Status softsign_backward(In<T> y, In<T> dy, Out<T> dx) {
    LAMELLA_REQUIRE(same_shape(y, dy));
    LAMELLA_REQUIRE(same_shape(y, dx));
    map(y.data, dy.data, dx.data, y.size, [](Vec<T> v, Vec<T> d) {
        const Vec<T> rest = T(1) - abs<T>(v);
        return d * (rest * rest);
    });
    return nullptr;
}

template <class T>
Status exp_forward(In<T> x, Out<T> y) {
    LAMELLA_REQUIRE(same_shape(x, y));
    map(x.data, y.data, x.size, [](Vec<T> v) { return exp<T>(v); });
    return nullptr;
}

template <class T>
Status log_forward(In<T> x, Out<T> y) {
    LAMELLA_REQUIRE(same_shape(x, y));
    map(x.data, y.data, x.size, [](Vec<T> v) { return log<T>(v); });
    return nullptr;
}

}  // namespace
}  // namespace lamella
