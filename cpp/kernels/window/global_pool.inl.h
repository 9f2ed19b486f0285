// Pooling over all positions. x, dx [N, S, C]; y, dy, argmax [N, C].
#pragma once
#include "kernels/column_sums.inl.h"
#include "kernels/rows.h"

namespace lamella {
namespace {

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
        for (Int c = 0; c < blocks; c += kStep) largest(c, 0, Number<kBlock>{});
        for_vectors<T>(blocks, channels, [=](Int c, Int part) { largest(c, part, Number<1>{}); });
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

}  // namespace
}  // namespace lamella
