// Standardizes the values of images: rescaled, centred and scaled by the statistics of the image, then by those of the data
// set. y [N, P, Q, C]; mean, deviation: absent, [C] or [P, Q, C].
#pragma once
#include "kernels/rows.h"

namespace lamella {
namespace {

struct ImageShape {
    Int rows, columns, channels;

    LAMELLA_INLINE Int line() const { return columns * channels; }
    LAMELLA_INLINE Int size() const { return rows * line(); }
};

LAMELLA_INLINE bool fits_statistics(Int size, const ImageShape& y) {
    return size == 0 || size == y.channels || size == y.size();
}

template <class T>
struct Standard {
    T rescale;
    bool center, scale, by_data, whole;
    Int size;           // of both
    T *mean, *inverse;  // of the data set, and 1 / deviation: for a row of Q * C elements, or for each row of the whole image
    Workspace own;

    LAMELLA_INLINE Standard(const Standardization<T>& given, const ImageShape& y)
        : rescale(static_cast<T>(given.rescale)),
          center(given.center != 0),
          scale(given.scale != 0),
          by_data(given.mean.size != 0 || given.deviation.size != 0),
          whole(given.mean.size == y.size() || given.deviation.size == y.size()),
          size(by_data ? (whole ? y.size() : y.line()) : 0),
          own(part(mean, size), part(inverse, size)) {
        if (!own) return;
        In<T> means = given.mean, deviations = given.deviation;
        for (Int i = 0; i < size; ++i) {
            const Int channel = i % y.channels;
            mean[i] = means.size == 0 ? T(0) : means.data[means.size == y.channels ? channel : i];
            inverse[i] = deviations.size == 0 ? T(1) : T(1) / deviations.data[deviations.size == y.channels ? channel : i];
        }
    }

    LAMELLA_INLINE bool by_sample() const { return center || scale; }
};

template <class T>
LAMELLA_INLINE void rescale_row(const Standard<T>& to, Int n, const T* from, T* y) {
    if (to.rescale == T(1) && from == y) return;
    for_vectors<T>(0, n, [&](Int i, Int part) { store(y + i, load(from + i, part) * to.rescale, part); });
}

template <class T>
LAMELLA_INLINE void standardize_row(const Standard<T>& to, Int p, Int n, T* y) {
    if (!to.by_data) return;
    const Int row = to.whole ? p * n : 0;
    const T *const mean = to.mean + row, *const inverse = to.inverse + row;
    for_vectors<T>(0, n, [&](Int i, Int part) {
        store(y + i, (load(y + i, part) - load(mean + i, part)) * load(inverse + i, part), part);
    });
}

// Standardizes by the image's own mean and deviation; rows are summed in T, their sums in float64.
template <class T>
LAMELLA_INLINE void standardize_by_sample(const Standard<T>& to, const ImageShape& shape, T* y) {
    const Int n = shape.line();
    double sum = 0;
    for (Int p = 0; p < shape.rows; ++p) {
        const T* const row = y + p * n;
        sum += double(sum_over<T>(n, [=](Int i, Int part) { return load(row + i, part); }));
    }
    const T mean = static_cast<T>(sum / double(shape.size()));
    T factor = 1;
    if (to.scale) {
        double squares = 0;
        for (Int p = 0; p < shape.rows; ++p) {
            const T* const row = y + p * n;
            squares += double(sum_over<T>(n, [=](Int i, Int part) {
                const Vec<T> d = load(row + i, part) - mean;
                return d * d;
            }));
        }
        // Keras adds 1e-6 to the deviation.
        factor = static_cast<T>(1 / (__builtin_sqrt(squares / double(shape.size())) + 1e-6));
    }
    const T less = to.center ? mean : T(0);
    for_vectors<T>(0, shape.size(), [&](Int i, Int part) { store(y + i, (load(y + i, part) - less) * factor, part); });
}

// The remaining steps for an image whose rows are rescaled.
template <class T>
LAMELLA_INLINE void finish_by_sample(const Standard<T>& to, const ImageShape& shape, T* y) {
    if (!to.by_sample()) return;
    standardize_by_sample(to, shape, y);
    for (Int p = 0; p < shape.rows; ++p) standardize_row(to, p, shape.line(), y + p * shape.line());
}

// f(n) for images of a batch, each by one thread; f returns a Status.
template <class F>
LAMELLA_INLINE Status for_images(Int images, Int size, const F& f) {
    return in_chunks(images, grain_of({images, size}), [&](Int begin, Int end) -> Status {
        for (Int n = begin; n < end; ++n) {
            if (const Status error = f(n)) return error;
        }
        return nullptr;
    });
}

template <class T>
Status standardize_images(In<T> x, const Standardization<T>& standard, Out<T> y) {
    LAMELLA_REQUIRE(x.rank == 4 && same_shape(x, y));
    const ImageShape shape{y.shape[1], y.shape[2], y.shape[3]};
    LAMELLA_REQUIRE(fits_statistics(standard.mean.size, shape));
    LAMELLA_REQUIRE(fits_statistics(standard.deviation.size, shape));
    if (y.size == 0) return nullptr;
    const Standard<T> to(standard, shape);
    if (!to.own) return kOutOfMemory;
    return for_images(y.shape[0], shape.size(), [&](Int n) -> Status {
        const Int line = shape.line();
        for (Int p = 0; p < shape.rows; ++p) {
            const Int at = n * shape.size() + p * line;
            rescale_row(to, line, x.data + at, y.data + at);
            if (!to.by_sample()) standardize_row(to, p, line, y.data + at);
        }
        finish_by_sample(to, shape, y.data + n * shape.size());
        return nullptr;
    });
}

}  // namespace
}  // namespace lamella
