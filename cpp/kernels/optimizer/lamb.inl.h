// LAMB: Adam's steps, each scaled to the norm of its array. In place; each call updates all arrays of its lists.
#pragma once
#include "kernels/optimizer/gradients.h"

namespace lamella {
namespace {

// The step of an array before it is scaled: u = correction1*m / (sqrt(correction2*v) + eps) + decay*p. It is computed twice,
// for its norm and for p, which is cheaper than to store it.
template <class T>
struct LambStep {
    const T *p, *m, *v;
    T correction1, correction2, epsilon, decay;

    LAMELLA_INLINE Vec<T> operator()(Int i, Int part) const {
        const Vec<T> root = sqrt<T>(correction2 * load(v + i, part));
        return correction1 * load(m + i, part) / (root + epsilon) + decay * load(p + i, part);
    }
};

// |p| / |u| of an array. 1 if one of them is 0, NaN or infinite: an array of zeros must be able to leave 0, and a NaN stays in
// its element.
LAMELLA_INLINE double trust_ratio(double squares_of_p, double squares_of_u) {
    const double ratio = __builtin_sqrt(squares_of_p) / __builtin_sqrt(squares_of_u);
    return ratio > 0 && ratio < __builtin_inf() ? ratio : 1.0;
}

template <class T>
Status lamb_update(List<T> ps, InList<T> gs, List<T> ms, List<T> vs, Real lr, Real correction1, Real correction2, Real decay,
                   const Moments<T>& moments, const Bounds<T>& bounds) {
    LAMELLA_REQUIRE(same_shapes(gs, ps));
    const Int pieces = (row_length(gs) + kChunkElements - 1) / kChunkElements + gs.count;
    Int* start;
    double *of_p, *of_u;
    const Workspace own(part(start, gs.count + 1), part(of_p, pieces), part(of_u, pieces));
    if (!own) return kOutOfMemory;

    const MovingAverage<T> first(moments.beta1), second(moments.beta2);
    const Status failed = for_gradients<T>(
        gs, bounds,
        [=](Vec<T> d, Vec<T>(&x)[2]) {
            auto& [m, v] = x;
            m = first(m, d);
            v = second(v, d * d);
        },
        ms, vs);
    if (failed) return failed;

    start[0] = 0;
    for (Int k = 0; k < gs.count; ++k) start[k + 1] = start[k] + length_in_row(gs.items[k].size);
    const auto step_of = [&](Int k) {
        return LambStep<T>{ps.items[k].data, ms.items[k].data, vs.items[k].data, T(correction1),
                           T(correction2),   T(moments.eps),   T(decay)};
    };
    for (Int i = 0; i < pieces; ++i) of_p[i] = of_u[i] = 0;
    for_pieces(gs, start, [&](Int k, Int begin, Int end, Int piece) {
        const LambStep<T> step = step_of(k);
        of_p[piece] = static_cast<double>(sum_long<T>(end - begin, [=](Int i, Int part) {
            const Vec<T> p = load(step.p + begin + i, part);
            return p * p;
        }));
        of_u[piece] = static_cast<double>(sum_long<T>(end - begin, [=](Int i, Int part) {
            const Vec<T> u = step(begin + i, part);
            return u * u;
        }));
    });
    // The sums of all pieces of an array stand in its first one afterwards. They are added in order, for any number of threads.
    for (Int k = 0; k < gs.count; ++k) {
        const Int at = start[k] / kChunkElements;
        for (Int chunk = at + 1; chunk * kChunkElements < start[k] + gs.items[k].size; ++chunk) {
            of_p[at + k] += of_p[chunk + k];
            of_u[at + k] += of_u[chunk + k];
        }
    }
    for_pieces(gs, start, [&](Int k, Int begin, Int end, Int) {
        const LambStep<T> step = step_of(k);
        const Int at = start[k] / kChunkElements + k;
        const T rate = T(lr * trust_ratio(of_p[at], of_u[at]));
        T* const p = ps.items[k].data;
        for_vectors<T>(begin, end, [=](Int i, Int part) { store(p + i, load(p + i, part) - rate * step(i, part), part); });
    });
    return nullptr;
}

// a = keep*a + (1-keep)*x.
template <class T>
Status average_update(List<T> as, InList<T> xs, Real keep) {
    const MovingAverage<T> average(keep);
    const ViewList<const T> none{nullptr, 0};
    return for_gradients<T>(xs, {none, 1, 0, 0, 0}, [=](Vec<T> x, Vec<T>(&a)[1]) { a[0] = average(a[0], x); }, as);
}

}  // namespace
}  // namespace lamella
