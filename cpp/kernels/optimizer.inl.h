// Optimizer steps. Each call updates all arrays of its lists: ps, gs and the slots agree in number and shapes. In place.
#pragma once
#include "kernels/lists.h"

namespace lamella {
namespace {

// clip(g * scale, -limit, limit); NaN stays.
template <class T>
struct Clip {
    T scale, limit;
    Clip(Real scale_, Real clip) : scale(T(scale_)), limit(clip > 0 ? T(clip) : T(__builtin_inf())) {}
    LAMELLA_INLINE Vec<T> operator()(Vec<T> g) const {
        return clamp<T>(g * scale, -limit, limit);
    }
};

template <class T>
Status sgd_update(List<T> ps, InList<T> gs, List<T> ms, Real lr, Real momentum, Int nesterov, Real scale, Real clip) {
    LAMELLA_REQUIRE(same_shapes(ps, gs));
    LAMELLA_REQUIRE(ms.count == 0 || same_shapes(ps, ms));
    LAMELLA_REQUIRE(ms.count > 0 || ps.count == 0 || momentum == 0);
    const Clip<T> clipped(scale, clip);
    const T rate = T(lr), mu = T(momentum);
    if (ms.count == 0) {
        return for_pieces(ps, [&](Int k, Int begin, Int end) {
            T* p = ps.items[k].data;
            const T* g = gs.items[k].data;
            for_vectors<T>(begin, end, [=](Int i, Int part) {
                store(p + i, load(p + i, part) - rate * clipped(load(g + i, part)), part);
            });
        });
    }
    return for_pieces(ps, [&](Int k, Int begin, Int end) {
        T *p = ps.items[k].data, *m = ms.items[k].data;
        const T* g = gs.items[k].data;
        for_vectors<T>(begin, end, [=](Int i, Int part) {
            const Vec<T> step = rate * clipped(load(g + i, part));
            const Vec<T> v = mu * load(m + i, part) - step;
            store(m + i, v, part);
            store(p + i, load(p + i, part) + (nesterov ? mu * v - step : v), part);
        });
    });
}

template <class T>
Status adagrad_update(List<T> ps, InList<T> gs, List<T> as, Real lr, Real eps, Real scale, Real clip) {
    LAMELLA_REQUIRE(same_shapes(ps, gs));
    LAMELLA_REQUIRE(same_shapes(ps, as));
    const Clip<T> clipped(scale, clip);
    const T rate = T(lr), epsilon = T(eps);
    return for_pieces(ps, [&](Int k, Int begin, Int end) {
        T *p = ps.items[k].data, *a = as.items[k].data;
        const T* g = gs.items[k].data;
        for_vectors<T>(begin, end, [=](Int i, Int part) {
            const Vec<T> d = clipped(load(g + i, part));
            const Vec<T> sum = load(a + i, part) + d * d;
            store(a + i, sum, part);
            store(p + i, load(p + i, part) - rate * d / (sqrt<T>(sum) + epsilon), part);
        });
    });
}

template <class T>
Status adam_update(List<T> ps, InList<T> gs, List<T> ms, List<T> vs, Real lr, Real beta1, Real beta2, Real eps,
                   Real scale, Real clip) {
    LAMELLA_REQUIRE(same_shapes(ps, gs));
    LAMELLA_REQUIRE(same_shapes(ps, ms));
    LAMELLA_REQUIRE(same_shapes(ps, vs));
    const Clip<T> clipped(scale, clip);
    const T rate = T(lr), b1 = T(beta1), b2 = T(beta2), c1 = T(1 - beta1), c2 = T(1 - beta2), epsilon = T(eps);
    return for_pieces(ps, [&](Int k, Int begin, Int end) {
        T *p = ps.items[k].data, *ma = ms.items[k].data, *va = vs.items[k].data;
        const T* g = gs.items[k].data;
        for_vectors<T>(begin, end, [=](Int i, Int part) {
            const Vec<T> d = clipped(load(g + i, part));
            const Vec<T> m = b1 * load(ma + i, part) + c1 * d;
            const Vec<T> v = b2 * load(va + i, part) + c2 * (d * d);
            store(ma + i, m, part);
            store(va + i, v, part);
            store(p + i, load(p + i, part) - rate * m / (sqrt<T>(v) + epsilon), part);
        });
    });
}

template <class T>
Status amsgrad_update(List<T> ps, InList<T> gs, List<T> ms, List<T> vs, List<T> hs, Real lr, Real beta1, Real beta2,
                      Real eps, Real scale, Real clip) {
    LAMELLA_REQUIRE(same_shapes(ps, gs));
    LAMELLA_REQUIRE(same_shapes(ps, ms));
    LAMELLA_REQUIRE(same_shapes(ps, vs));
    LAMELLA_REQUIRE(same_shapes(ps, hs));
    const Clip<T> clipped(scale, clip);
    const T rate = T(lr), b1 = T(beta1), b2 = T(beta2), c1 = T(1 - beta1), c2 = T(1 - beta2), epsilon = T(eps);
    return for_pieces(ps, [&](Int k, Int begin, Int end) {
        T *p = ps.items[k].data, *ma = ms.items[k].data, *va = vs.items[k].data, *ha = hs.items[k].data;
        const T* g = gs.items[k].data;
        for_vectors<T>(begin, end, [=](Int i, Int part) {
            const Vec<T> d = clipped(load(g + i, part));
            const Vec<T> m = b1 * load(ma + i, part) + c1 * d;
            const Vec<T> v = b2 * load(va + i, part) + c2 * (d * d);
            const Vec<T> h = max<T>(load(ha + i, part), v);
            store(ma + i, m, part);
            store(va + i, v, part);
            store(ha + i, h, part);
            store(p + i, load(p + i, part) - rate * m / (sqrt<T>(h) + epsilon), part);
        });
    });
}

}  // namespace
}  // namespace lamella
