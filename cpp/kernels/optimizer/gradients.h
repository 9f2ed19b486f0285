// How optimizers read gradients, and the loop of all rules.
#pragma once
#include "kernels/optimizer/lists.h"
#include "kernels/rows.h"

namespace lamella {
namespace {

// One array's gradient: clip(scale * (g + sum), -limit, limit).
template <class T>
struct Gradient {
    const T *g, *sum;
    T scale, limit;

    bool is_scaled_only() const { return sum == nullptr && !(limit < T(__builtin_inf())); }

    LAMELLA_INLINE Vec<T> unscaled(Int i, Int part) const {
        const Vec<T> d = load(g + i, part);
        return sum == nullptr ? d : d + load(sum + i, part);
    }
    // NaN gives NaN. Most calls have no limit: clamping them took 5 to 13 % of a step of Adam in cache.
    LAMELLA_INLINE Vec<T> bounded(Vec<T> d) const {
        const Vec<T> scaled = uncontracted<T>(d * scale);
        return limit < T(__builtin_inf()) ? clamp<T>(scaled, -limit, limit) : scaled;
    }
};

template <class T>
LAMELLA_INLINE Gradient<T> gradient_of(InList<T> gs, const Bounds<T>& bounds, Int k, double scale) {
    const T* const sum = bounds.sums.count > 0 ? bounds.sums.items[k].data : nullptr;
    return {gs.items[k].data, sum, T(scale), bounds.clip > 0 ? T(bounds.clip) : T(__builtin_inf())};
}

// x -> keep * x + (1 - keep) * d; 1 - keep is computed in double.
template <class T>
struct MovingAverage {
    T keep, take;
    explicit MovingAverage(Real beta) : keep(T(beta)), take(T(1 - beta)) {}
    LAMELLA_INLINE Vec<T> operator()(Vec<T> x, Vec<T> d) const { return keep * x + take * d; }
};

// scale[k]: s for array k. Squares are summed piece by piece, and then the sums of the pieces in order, in double: they do not
// depend on the number of threads. `sums` has memory for one number for each piece.
template <class T>
void find_scales(InList<T> gs, const Bounds<T>& bounds, const Int* start, double* scale, double* sums, Int pieces) {
    for (Int k = 0; k < gs.count; ++k) scale[k] = bounds.scale;
    if (!(bounds.norm > 0 || bounds.norm_each > 0)) return;
    for (Int i = 0; i < pieces; ++i) sums[i] = 0;
    for_pieces(gs, start, [&](Int k, Int begin, Int end, Int piece) {
        const Gradient<T> g = gradient_of(gs, bounds, k, 1.0);
        sums[piece] = static_cast<double>(sum_long<T>(end - begin, [=](Int i, Int part) {
            const Vec<T> d = g.unscaled(begin + i, part);
            return d * d;
        }));
    });
    double total = 0;
    for (Int k = 0; k < gs.count; ++k) {
        const Int end = start[k] + gs.items[k].size;
        double sum = 0;
        for (Int chunk = start[k] / kChunkElements; chunk * kChunkElements < end; ++chunk) sum += sums[chunk + k];
        scale[k] = sum;
        total += sum;
    }
    const double norm = bounds.scale * __builtin_sqrt(total);
    const double common = bounds.norm > 0 && norm >= bounds.norm ? bounds.scale * (bounds.norm / norm) : bounds.scale;
    for (Int k = 0; k < gs.count; ++k) {
        const double own = common * __builtin_sqrt(scale[k]);
        scale[k] = bounds.norm_each > 0 && own >= bounds.norm_each ? common * (bounds.norm_each / own) : common;
    }
}

// One vector of the gradient and of each list.
template <class T, int kLists>
struct Loaded {
    Vec<T> d, x[kLists];
    LAMELLA_INLINE void load(T* const* at, const T* g, Int i, Int part) {
        d = lamella::load(g + i, part);
        for (int s = 0; s < kLists; ++s) x[s] = lamella::load(at[s] + i, part);
    }
};

// Elements whose gradients wait in L1.
constexpr Int kBoundedBlock = 512;

// rule(d, x) computes one vector of a step. d is the gradient after the bounds. x[0], x[1] ... are vectors of the lists in
// their order; they are stored afterwards.
template <class T, class F, class... Lists>
Status for_gradients(InList<T> gs, const Bounds<T>& bounds, const F& rule, const Lists&... lists) {
    LAMELLA_REQUIRE((same_shapes(gs, lists) && ...));
    LAMELLA_REQUIRE(bounds.sums.count == 0 || same_shapes(gs, bounds.sums));
    constexpr int kLists = sizeof...(Lists);
    const View<T>* const items[kLists] = {lists.items...};

    const Int pieces = (row_length(gs) + kChunkElements - 1) / kChunkElements + gs.count;
    Int* start;
    double *scale, *sums;
    const Workspace own(part(start, gs.count + 1), part(scale, gs.count), part(sums, pieces));
    if (!own) return kOutOfMemory;
    start[0] = 0;
    for (Int k = 0; k < gs.count; ++k) start[k + 1] = start[k] + length_in_row(gs.items[k].size);
    find_scales(gs, bounds, start, scale, sums, pieces);

    for_pieces(gs, start, [&](Int k, Int begin, Int end, Int) {
        const Gradient<T> g = gradient_of(gs, bounds, k, scale[k]);
        // Sums and limits are rare. They are applied first, block by block, so that the loop below has no branches for them: on
        // AVX2 these took 20 of the 75 instructions for a vector of Adam.
        alignas(64) T bounded[kBoundedBlock];
        const bool in_blocks = !g.is_scaled_only();
        const T factor = in_blocks ? T(1) : g.scale;
        const Int block = in_blocks ? kBoundedBlock : end - begin;
        for (Int from = begin; from < end; from += block) {
            const Int n = smaller(block, end - from);
            if (in_blocks) {
                for_vectors<T>(0, n, [&](Int i, Int part) { store(bounded + i, g.bounded(g.unscaled(from + i, part)), part); });
            }
            const T* const d = in_blocks ? bounded : g.g + from;
            T* at[kLists];
            for (int s = 0; s < kLists; ++s) at[s] = items[s][k].data + from;
            // The next vectors are loaded before these are stored. A CPU compares the last 12 bits of addresses first: a load
            // right after the store of another array at the same place of its page waits for that store. With arrays of NumPy,
            // which begin 16 bytes after a page does, and slots of torch, which begin 64 bytes after one, each vector waited.
            const auto step = [=](Loaded<T, kLists> now, Int i, Int part) __attribute__((always_inline)) {
                rule(uncontracted<T>(now.d * factor), now.x);
                for (int s = 0; s < kLists; ++s) store(at[s] + i, now.x[s], part);
            };
            Loaded<T, kLists> next;
            Int i = 0;
            if (i + kLanes<T> <= n) {
                next.load(at, d, i, 0);
                for (; i + 2 * kLanes<T> <= n; i += kLanes<T>) {
                    const Loaded<T, kLists> now = next;
                    next.load(at, d, i + kLanes<T>, 0);
                    step(now, i, 0);
                }
                step(next, i, 0);
                i += kLanes<T>;
            }
            if (i < n) {
                next.load(at, d, i, n - i);
                step(next, i, n - i);
            }
        }
    });
    return nullptr;
}

}  // namespace
}  // namespace lamella
