// The rules of torch.optim, with its order of operations and its roundings: torch computes a rule as a sequence of operations
// on whole tensors, which store their results, and its kernels contract a product with the sum after it. So the bits are those
// of torch's single-tensor float32 and float64 paths if the target has a fused multiply-add and no number is below the normal
// range.
#pragma once
#include "kernels/optimizer/gradients.h"

namespace lamella {
namespace {

// Rules ask for their options in each vector, as booleans: a test of one is one micro-operation, a comparison of floating point
// numbers four. Adam takes about 25 for a vector.

// The first step of all rules: g + l2 * p. With l2 = 0 it is g, also if p is infinite.
template <class T>
struct Decayed {
    T l2;
    bool any;
    explicit Decayed(T l2) : l2(l2), any(l2 != 0) {}
    LAMELLA_INLINE Vec<T> operator()(Vec<T> d, Vec<T> p) const { return any ? d + l2 * p : d; }
};

// torch.lerp(x, d, weight). For weights from 1/2 on torch starts at d.
template <class T>
struct Lerp {
    T weight, rest;
    bool from_x;
    explicit Lerp(T weight) : weight(weight), rest(weight - 1), from_x(weight < T(0.5) && weight > T(-0.5)) {}
    LAMELLA_INLINE Vec<T> operator()(Vec<T> x, Vec<T> d) const { return from_x ? x + weight * (d - x) : d + rest * (d - x); }
};

// x.mul_(keep).addcmul_(d, d, value=take).
template <class T>
struct MeanSquare {
    T keep, take;
    LAMELLA_INLINE Vec<T> operator()(Vec<T> x, Vec<T> d) const {
        return uncontracted<T>(keep * x) + uncontracted<T>(take * d) * d;
    }
};

// x / divisor with the bits of a division, and without the divider, of which a root and another division of the step already
// need all the time. Markstein 1990: if `inverse` is the nearest number to 1 / divisor, the remainder of the product corrects
// it to the nearest number to the quotient. The remainder must not be below the normal range: x is 0 or at least 2^-64 here, as
// the root of a number of the normal range, and the divisor is at most 1.
template <class T>
struct DividedBy {
    T divisor, inverse, least;
    explicit DividedBy(T divisor)
        : divisor(divisor), inverse(1 / divisor), least(divisor * T(sizeof(T) == 4 ? -1e38 : -1e308)) {}
    LAMELLA_INLINE Vec<T> operator()(Vec<T> x) const {
#if defined(__FMA__) || defined(__aarch64__)
        const Vec<T> quotient = uncontracted<T>(x * inverse);
        // The rest of an infinite x is NaN, for which the maximum is its second number. This is far below all other rests,
        // since roots are below the square root of the largest number, and its product with `inverse` is finite.
        const Vec<T> rest = max<T>(x - quotient * divisor, broadcast<T>(least));
        return quotient + rest * inverse;
#else
        return x / divisor;  // a product and a sum would round twice
#endif
    }
};

// x / divisor within 1 ulp.
template <class T>
struct Scaling {
    T inverse;
    explicit Scaling(T divisor) : inverse(1 / divisor) {}
    LAMELLA_INLINE Vec<T> operator()(Vec<T> x) const { return x * inverse; }
};

// A rule changes one vector of each list, x[0] of the parameters and then those of the slots, by the gradient g. for_gradients
// and for_narrow call it; how many lists they have chooses among the forms of a rule.

// x: p, m, v, and with AMSGrad h. Division: how the root is divided. `first` and `second` are the two halves of a vector's
// step: the root and the division take most of the time, and a loop can compute the first half of the next vector between them.
template <class T, class Division = DividedBy<T>>
struct AdamRule {
    Decayed<T> decayed;
    Lerp<T> mean;
    MeanSquare<T> square;
    T step, epsilon, keep;
    Division corrected;

    AdamRule(Real rate, Real root, Real l2, Real kept, const Moments<T>& moments)
        : decayed{T(l2)},
          mean{T(1 - moments.beta1)},
          square{T(moments.beta2), T(1 - moments.beta2)},
          step(T(-rate)),
          epsilon(T(moments.eps)),
          keep(T(kept)),
          corrected(T(root)) {}

    static constexpr bool kInHalves = true;
    template <int kCount>
    LAMELLA_INLINE Vec<T> first(Vec<T> g, Vec<T> (&x)[kCount]) const {
        Vec<T>&p = x[0], &m = x[1], &v = x[2], &below = x[kCount - 1];
        const Vec<T> d = decayed(g, p);
        m = mean(m, d);
        v = square(v, d);
        if constexpr (kCount == 4) below = below != below ? below : max<T>(below, v);  // a NaN remains
        return sqrt<T>(below);
    }
    template <int kCount>
    LAMELLA_INLINE void second(Vec<T> root, Vec<T> (&x)[kCount]) const {
        x[0] = uncontracted<T>(keep * x[0]) + step * x[1] / (corrected(root) + epsilon);
    }
    template <int kCount>
    LAMELLA_INLINE void operator()(Vec<T> g, Vec<T> (&x)[kCount]) const {
        second(first(g, x), x);
    }
};

// x: p, and with momentum m.
template <class T>
auto sgd_rule(Real lr, Real momentum, Real take, Int nesterov, Real l2) {
    const Decayed<T> decayed{T(l2)};
    const T step = T(-lr), mu = T(momentum), share = T(take);
    return [=](Vec<T> g, auto& x) {
        const Vec<T> d = decayed(g, x[0]);
        if constexpr (sizeof(x) == sizeof(x[0])) {
            x[0] = x[0] + step * d;
        } else {
            x[1] = uncontracted<T>(mu * x[1]) + share * d;
            x[0] = x[0] + step * (nesterov ? d + mu * x[1] : x[1]);
        }
    };
}

// x: p, m.
template <class T>
auto lion_rule(Real lr, Real kept, Real beta1, Real beta2) {
    const T step = T(-lr), keep = T(kept), near = T(beta1), near_share = T(1 - beta1), far = T(beta2), far_share = T(1 - beta2);
    return [=](Vec<T> d, Vec<T>(&x)[2]) {
        auto& [p, m] = x;
        const Vec<T> c = uncontracted<T>(near * m) + near_share * d;
        const Vec<T> one = broadcast<T>(1);
        const Vec<T> sign = c > 0 ? one : c < 0 ? -one : c;  // 0 and NaN remain
        p = (keep != 1 ? uncontracted<T>(keep * p) : p) + step * sign;
        m = uncontracted<T>(far * m) + far_share * d;
    };
}

template <class T>
Status torch_adam_update(List<T> ps, InList<T> gs, List<T> ms, List<T> vs, List<T> hs, Real rate, Real root, Real l2, Real kept,
                         const Moments<T>& moments, const Bounds<T>& bounds) {
    const AdamRule<T> rule(rate, root, l2, kept, moments);
    if (hs.count == 0) return for_gradients<T>(gs, bounds, rule, ps, ms, vs);
    return for_gradients<T>(gs, bounds, rule, ps, ms, vs, hs);
}

template <class T>
Status torch_sgd_update(List<T> ps, InList<T> gs, List<T> ms, Real lr, Real momentum, Real take, Int nesterov, Real l2,
                        const Bounds<T>& bounds) {
    const auto rule = sgd_rule<T>(lr, momentum, take, nesterov, l2);
    return ms.count == 0 ? for_gradients<T>(gs, bounds, rule, ps) : for_gradients<T>(gs, bounds, rule, ps, ms);
}

template <class T>
Status torch_adagrad_update(List<T> ps, InList<T> gs, List<T> as, Real lr, Real eps, Real l2, const Bounds<T>& bounds) {
    const Decayed<T> decayed{T(l2)};
    const T step = T(-lr), epsilon = T(eps);
    return for_gradients<T>(
        gs, bounds,
        [=](Vec<T> g, Vec<T>(&x)[2]) {
            auto& [p, a] = x;
            const Vec<T> d = decayed(g, p);
            a = a + d * d;
            p = p + step * d / (sqrt<T>(a) + epsilon);
        },
        ps, as);
}

template <class T>
Status lion_update(List<T> ps, InList<T> gs, List<T> ms, Real lr, Real kept, Real beta1, Real beta2, const Bounds<T>& bounds) {
    return for_gradients<T>(gs, bounds, lion_rule<T>(lr, kept, beta1, beta2), ps, ms);
}

// `means` and `ms` may be empty lists, which gives four loops. `push` is the end of a step with a momentum.
template <class T>
Status torch_rmsprop_update(List<T> ps, InList<T> gs, List<T> as, List<T> means, List<T> ms, Real lr, Real alpha, Real eps,
                            Real momentum, Real l2, const Bounds<T>& bounds) {
    const Decayed<T> decayed{T(l2)};
    const MeanSquare<T> square{T(alpha), T(1 - alpha)};
    const Lerp<T> average{T(1 - alpha)};
    const T step = T(-lr), epsilon = T(eps), mu = T(momentum);
    const auto root_of = [=](Vec<T> a) { return sqrt<T>(a) + epsilon; };
    const auto centred = [=](Vec<T> a, Vec<T> mean) { return sqrt<T>(a - mean * mean) + epsilon; };
    const auto push = [=](Vec<T>& p, Vec<T>& m, Vec<T> d, Vec<T> root) {
        m = uncontracted<T>(mu * m) + d / root;
        p = p + step * m;
    };
    if (means.count == 0 && ms.count == 0) {
        return for_gradients<T>(
            gs, bounds,
            [=](Vec<T> g, Vec<T>(&x)[2]) {
                auto& [p, a] = x;
                const Vec<T> d = decayed(g, p);
                a = square(a, d);
                p = p + step * d / root_of(a);
            },
            ps, as);
    }
    if (ms.count == 0) {
        return for_gradients<T>(
            gs, bounds,
            [=](Vec<T> g, Vec<T>(&x)[3]) {
                auto& [p, a, mean] = x;
                const Vec<T> d = decayed(g, p);
                a = square(a, d);
                mean = average(mean, d);
                p = p + step * d / centred(a, mean);
            },
            ps, as, means);
    }
    if (means.count == 0) {
        return for_gradients<T>(
            gs, bounds,
            [=](Vec<T> g, Vec<T>(&x)[3]) {
                auto& [p, a, m] = x;
                const Vec<T> d = decayed(g, p);
                a = square(a, d);
                push(p, m, d, root_of(a));
            },
            ps, as, ms);
    }
    return for_gradients<T>(
        gs, bounds,
        [=](Vec<T> g, Vec<T>(&x)[4]) {
            auto& [p, a, mean, m] = x;
            const Vec<T> d = decayed(g, p);
            a = square(a, d);
            mean = average(mean, d);
            push(p, m, d, centred(a, mean));
        },
        ps, as, means, ms);
}

}  // namespace
}  // namespace lamella
