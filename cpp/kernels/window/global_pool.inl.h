// Pooling over all positions. x, dx [N, S, C]; y, dy, argmax [N, C].
#pragma once
#include "kernels/column_sums.inl.h"
#include "kernels/rows.h"

namespace lamella {
namespace {

template <int N>
struct Count {
    static constexpr int value = N;
};

template <class Places, class Pooled>
LAMELLA_INLINE bool global_pooling_fits(const Places& x, const Pooled& y) {
    return x.rank == 3 && y.rank == 2 && x.shape[0] == y.shape[0] && x.shape[2] == y.shape[1] && x.shape[1] > 0;
}

template <class T>
Status global_avg_pool_forward(In<T> x, Out<T> y) {
    if (y.size == 0) return nullptr;
    LAMELLA_REQUIRE(global_pooling_fits(x, y));
    const Int places = x.shape[1], channels = x.shape[2];
    const T inverse = T(1) / T(places);
    for_rows({x.shape[0], places * channels}, [&](Int n) {
        T* out = y.data + n * channels;
        sum_some_rows(x.data + n * places * channels, places * channels, channels, out);
        for_vectors<T>(0, channels, [=](Int c, Int part) { store(out + c, load(out + c, part) * inverse, part); });
    });
    return nullptr;
}

template <class T>
Status global_avg_pool_backward(In<T> dy, Out<T> dx) {
    if (dx.size == 0) return nullptr;
    LAMELLA_REQUIRE(global_pooling_fits(dx, dy));
    const Int places = dx.shape[1], channels = dx.shape[2];
    const T inverse = T(1) / T(places);
    for_rows({dx.shape[0], places * channels}, [&](Int n) {
        const T* d = dy.data + n * channels;
        for (Int s = 0; s < places; ++s) {
            T* out = dx.data + (n * places + s) * channels;
            for_vectors<T>(0, channels, [=](Int c, Int part) { store(out + c, load(d + c, part) * inverse, part); });
        }
    });
    return nullptr;
}

template <class T>
Status global_max_pool_forward(In<T> x, Out<T> y, OutLabels argmax) {
    LAMELLA_REQUIRE(same_shape(y, argmax));
    if (y.size == 0) return nullptr;
    LAMELLA_REQUIRE(global_pooling_fits(x, y));
    const Int places = x.shape[1], channels = x.shape[2];
    LAMELLA_REQUIRE(places < Int{1} << 31);  // a position is an integer with T's width
    using Word = typename VecTypes<T>::Word;
    constexpr int kBlock = 4;  // each vector waits for its previous comparison, so four are compared in turn
    constexpr Int kStep = kBlock * kLanes<T>;
    for_rows({x.shape[0], places * channels}, [&](Int n) {
        const T* const from = x.data + n * places * channels;
        T* const to = y.data + n * channels;
        Int* const place = argmax.data + n * channels;
        // The maxima of `vectors` vectors of channels, from channel c on.
        const auto largest = [=](Int c, Int part, auto vectors) {
            constexpr int kVectors = decltype(vectors)::value;
            Vec<T> best[kVectors];
            Bits<T> where[kVectors] = {};
            for (int v = 0; v < kVectors; ++v) best[v] = load(from + c + v * kLanes<T>, part);
            for (Int s = 1; s < places; ++s) {
                for (int v = 0; v < kVectors; ++v) {
                    const Vec<T> value = load(from + s * channels + c + v * kLanes<T>, part);
                    // The first NaN is the maximum.
                    const Bits<T> wins = (value > best[v]) | ((value != value) & (best[v] == best[v]));
                    best[v] = wins ? value : best[v];
                    where[v] = wins ? Bits<T>{} + static_cast<Word>(s) : where[v];
                }
            }
            for (int v = 0; v < kVectors; ++v) {
                store(to + c + v * kLanes<T>, best[v], part);
                const Int lanes = part == 0 ? kLanes<T> : part;
                for (Int i = 0; i < lanes; ++i) place[c + v * kLanes<T> + i] = where[v][i];
            }
        };
        const Int blocks = channels / kStep * kStep;
        for (Int c = 0; c < blocks; c += kStep) largest(c, 0, Count<kBlock>{});
        for_vectors<T>(blocks, channels, [=](Int c, Int part) { largest(c, part, Count<1>{}); });
    });
    return nullptr;
}

template <class T>
Status global_max_pool_backward(In<T> dy, Labels argmax, Out<T> dx) {
    LAMELLA_REQUIRE(same_shape(dy, argmax));
    if (dx.size == 0) return nullptr;
    LAMELLA_REQUIRE(global_pooling_fits(dx, dy));
    const Int places = dx.shape[1], channels = dx.shape[2];
    LAMELLA_REQUIRE(all_within(argmax, places));
    for_rows({dx.shape[0], places * channels}, [&](Int n) {
        T* out = dx.data + n * places * channels;
        for_vectors<T>(0, places * channels, [=](Int i, Int part) { store(out + i, Vec<T>{}, part); });
        for (Int c = 0; c < channels; ++c) {
            out[argmax.data[n * channels + c] * channels + c] = dy.data[n * channels + c];
        }
    });
    return nullptr;
}

// Place by place, in the order of memory; y stays in L1.
template <class T>
Status reduce_max_forward(In<T> x, Out<T> y) {
    if (y.size == 0) return nullptr;
    LAMELLA_REQUIRE(global_pooling_fits(x, y));
    const Int places = x.shape[1], channels = x.shape[2];
    for_rows({x.shape[0], places * channels}, [&](Int n) {
        const T* from = x.data + n * places * channels;
        T* const best = y.data + n * channels;
        copy(from, best, channels);
        for (Int s = 1; s < places; ++s) {
            from += channels;
            for_vectors<T>(0, channels, [=](Int c, Int part) {
                const Vec<T> old = load(best + c, part), value = load(from + c, part);
                store(best + c, ((old >= value) | (old != old)) ? old : value, part);  // NaN is the maximum
            });
        }
    });
    return nullptr;
}

template <class T>
Status reduce_max_backward(In<T> x, In<T> y, In<T> dy, Out<T> dx) {
    LAMELLA_REQUIRE(same_shape(x, dx) && same_shape(y, dy));
    if (dx.size == 0) return nullptr;
    LAMELLA_REQUIRE(global_pooling_fits(x, y));
    const Int places = x.shape[1], channels = x.shape[2];
    return in_chunks(x.shape[0], grain_of(Rows{x.shape[0], places * channels}), [&](Int begin, Int end) -> Status {
        T* shares;  // first the number of maxima
        const Workspace own(part(shares, channels));
        if (!own) return kOutOfMemory;
        for (Int n = begin; n < end; ++n) {
            const T *const from = x.data + n * places * channels, *const best = y.data + n * channels,
                           *const d = dy.data + n * channels;
            T* const to = dx.data + n * places * channels;
            clear(shares, channels);
            for (Int s = 0; s < places; ++s) {
                for_vectors<T>(0, channels, [=](Int c, Int part) {
                    const Vec<T> one =
                        load(from + s * channels + c, part) == load(best + c, part) ? broadcast<T>(T(1)) : Vec<T>{};
                    store(shares + c, load(shares + c, part) + one, part);
                });
            }
            for_vectors<T>(0, channels,
                           [=](Int c, Int part) { store(shares + c, load(d + c, part) / load(shares + c, part), part); });
            for (Int s = 0; s < places; ++s) {
                for_vectors<T>(0, channels, [=](Int c, Int part) {
                    const Int at = s * channels + c;
                    const auto wins = load(from + at, part) == load(best + c, part);
                    store(to + at, wins ? load(shares + c, part) : Vec<T>{}, part);
                });
            }
        }
        return nullptr;
    });
}

}  // namespace
}  // namespace lamella
