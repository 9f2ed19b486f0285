// Writes images into a batch, each moved by its matrix and with changed colours: each image by one thread, row by row, while a
// row is in L1.
#pragma once
#include "kernels/image/interpolate.inl.h"
#include "kernels/image/spline.inl.h"
#include "kernels/image/standardize.inl.h"

namespace lamella {
namespace {

// One image x [h, w, c], and the positions at which y reads it.
template <class U>
struct Source {
    const U* data;
    Int rows, columns, channels;
    const double* matrix;  // [2, 3]
    Int order, fill;
    double constant;
    bool mirrored;  // columns of y in reverse

    LAMELLA_INLINE bool in_place(const ImageShape& y) const {
        return matrix[0] == 1 && matrix[1] == 0 && matrix[2] == 0 && matrix[3] == 0 && matrix[4] == 1 && matrix[5] == 0 &&
               !mirrored && rows == y.rows && columns == y.columns;
    }
    LAMELLA_INLINE Int border() const { return order == kCubic ? spline_border(fill) : 0; }
    LAMELLA_INLINE Int samples() const { return (rows + 2 * border()) * (columns + 2 * border()) * channels; }
    // A quad reads one element after the last one.
    LAMELLA_INLINE Int coefficients() const { return samples() + 1; }
    LAMELLA_INLINE Int band() const { return spline_band((columns + 2 * border()) * channels); }
};

// Row p of y, a block at a time; `read(block, to)` interpolates.
template <class W, class T, class U, class F>
LAMELLA_INLINE void move_row(const Source<U>& source, Int row, Int p, Int columns, T* to, const F& read) {
    const Int border = source.border(), channels = source.channels;
    const ImageAxis rows{source.rows, source.matrix, border}, across{source.columns, source.matrix + 3, border};
    Block<W> block;
    for (Int q = 0; q < columns; q += kBlock) {
        block.count = static_cast<int>(columns - q < kBlock ? columns - q : kBlock);
        block.last = q + kBlock >= columns;
        bool outside[kBlock] = {}, any_outside = false;
        const Int first = source.mirrored ? columns - 1 - q : q, step = source.mirrored ? -1 : 1;
        find_pixels(rows, source.order, source.fill, p, first, step, block.count, block.rows, outside, any_outside);
        find_pixels(across, source.order, source.fill, p, first, step, block.count, block.columns, outside, any_outside);
        for (int k = 0; k < kBlock; ++k) {
            block.offset[k] = block.rows.pixel[k] * static_cast<std::int32_t>(row) +
                              block.columns.pixel[k] * static_cast<std::int32_t>(channels);
        }
        read(block, to + q * channels);
        if (!any_outside) continue;
        for (int k = 0; k < block.count; ++k) {
            if (!outside[k]) continue;
            for (Int c = 0; c < channels; ++c) to[(q + k) * channels + c] = static_cast<T>(source.constant);
        }
    }
}

// Row p of y from the image, or, for the cubic spline, from its coefficients.
template <class T, class U>
LAMELLA_INLINE void image_row(const Source<U>& source, const double* coefficients, Int p, const ImageShape& y, T* to) {
    const Int c = source.channels;
    if (source.in_place(y)) {
        const U* const from = source.data + p * y.line();
        for (Int i = 0; i < y.line(); ++i) to[i] = static_cast<T>(from[i]);
    } else if (source.order == kCubic) {
        const Int row = (source.columns + 2 * source.border()) * c;
        const Samples<double> x{coefficients - row - c, source.samples(), c, row, c};
        move_row<double>(source, row, p, y.columns, to, [&](const Block<double>& block, T* at) {
            if (c == 1) take_cubic<1>(x, block, at);
            else if (c == 3) take_cubic<3>(x, block, at);
            else if (c == 4) take_cubic<4>(x, block, at);
            else take_cubic<0>(x, block, at);
        });
    } else {
        const Int row = source.columns * c;
        const bool flat = source.rows == 1 || source.columns == 1;
        const Samples<U> x{source.data, source.samples(), c, source.rows > 1 ? row : 0, source.columns > 1 ? c : 0};
        move_row<T>(source, row, p, y.columns, to, [&](const Block<T>& block, T* at) {
            if (source.order == kNearestPixel) {
                if (c == 1) take_nearest<1>(x, block, at);
                else if (c == 3) take_nearest<3>(x, block, at);
                else take_nearest<0>(x, block, at);
            } else if (c == 3 && !flat) {
                take_linear_quads<3>(x, block, at);
            } else if (c == 4 && !flat) {
                take_linear_quads<4>(x, block, at);
            } else if (c == 1 && !flat) {
                take_linear_single(x, block, at);
            } else {
                take_linear(x, block, at);
            }
        });
    }
}

// The changes of the colours of one image before it is rescaled.
template <class T>
struct Colours {
    bool shifted, brightened;
    T shift, low, high;  // v + shift within low and high
    T factor, white;
};

template <class T>
LAMELLA_INLINE void colour_row(const Colours<T>& colours, Int n, T* y) {
    if (!colours.shifted && !colours.brightened) return;
    for_vectors<T>(0, n, [&](Int i, Int part) {
        Vec<T> v = load(y + i, part);
        if (colours.shifted) v = clamp<T>(v + colours.shift, colours.low, colours.high);
        // A v above `white` does not increase.
        if (colours.brightened) v = min<T>(v * colours.factor, max<T>(v, broadcast<T>(colours.white)));
        store(y + i, v, part);
    });
}

// Extends colours.low and colours.high by the smallest and the largest of n values.
template <class T>
LAMELLA_INLINE void widen(Colours<T>& colours, Int n, const T* y) {
    const T high = max_over(y, n), low = -max_over<T>(n, [=](Int i, Int part) { return -load(y + i, part); });
    colours.high = high > colours.high ? high : colours.high;
    colours.low = low < colours.low ? low : colours.low;
}

template <class U>
LAMELLA_INLINE bool images_fit(const ViewList<const U>& x, Int channels) {
    // Elements have 32-bit offsets, also those of the coefficients with their border.
    constexpr Int kMost = Int{1} << 31, kBorders = 2 * (kNearestMargin + 2);
    for (Int n = 0; n < x.count; ++n) {
        const View<const U>& image = x.items[n];
        if (image.rank != 3 || image.shape[2] != channels || image.size < 1) return false;
        if (image.shape[0] >= kMost || image.shape[1] >= kMost) return false;
        if ((image.shape[0] + kBorders) * (image.shape[1] + kBorders) >= kMost / channels) return false;
    }
    return true;
}

LAMELLA_INLINE bool all_finite(Reals x) {
    for (Int i = 0; i < x.size; ++i) {
        if (!(x.data[i] - x.data[i] == 0)) return false;
    }
    return true;
}

template <class T, class U>
LAMELLA_INLINE Status augment(const ViewList<const U>& x, Reals matrices, Int order, Int fill, Real cval, Reals shifts,
                              InBytes flips, Reals brightness, Real white, const Standardization<T>& given, Out<T> y) {
    LAMELLA_REQUIRE(y.rank == 4 && y.shape[0] == x.count);
    const ImageShape shape{y.shape[1], y.shape[2], y.shape[3]};
    LAMELLA_REQUIRE(matrices.rank == 3 && matrices.shape[0] == x.count && matrices.shape[1] == 2 && matrices.shape[2] == 3);
    LAMELLA_REQUIRE(all_finite(matrices));
    LAMELLA_REQUIRE(order == kNearestPixel || order == kLinear || order == kCubic);
    LAMELLA_REQUIRE(fill >= kFillNearest && fill <= kFillWrap);
    LAMELLA_REQUIRE(shifts.size == 0 || shifts.size == x.count);
    LAMELLA_REQUIRE(flips.size == 0 || flips.size == 2 * x.count);
    LAMELLA_REQUIRE(brightness.size == 0 || brightness.size == x.count);
    LAMELLA_REQUIRE(fits_statistics(given.mean.size, shape));
    LAMELLA_REQUIRE(fits_statistics(given.deviation.size, shape));
    if (y.size == 0) return nullptr;
    LAMELLA_REQUIRE(images_fit(x, shape.channels));
    const Standard<T> standard(given, shape);
    if (!standard.own) return kOutOfMemory;
    return for_images(x.count, shape.size(), [&](Int n) -> Status {
        const View<const U>& image = x.items[n];
        const bool upside_down = flips.size != 0 && flips.data[2 * n] != 0;
        const bool mirrored = flips.size != 0 && flips.data[2 * n + 1] != 0;
        const Source<U> source{image.data, image.shape[0], image.shape[1], shape.channels, matrices.data + 6 * n,
                               order,      fill,           cval,           mirrored};
        const bool spline = order == kCubic && !source.in_place(shape);
        double *coefficients, *band;
        const Workspace own(part(coefficients, spline ? source.coefficients() : 0), part(band, spline ? source.band() : 0));
        if (!own) return kOutOfMemory;
        if (spline) find_coefficients(source.data, source.rows, source.columns, source.channels, fill, coefficients, band);
        const T infinity = T(__builtin_inf());
        Colours<T> colours{shifts.size != 0 && shifts.data[n] != 0,
                           brightness.size != 0 && brightness.data[n] != 1,
                           shifts.size != 0 ? static_cast<T>(shifts.data[n]) : T(0),
                           infinity,
                           -infinity,
                           brightness.size != 0 ? static_cast<T>(brightness.data[n]) : T(1),
                           static_cast<T>(white)};
        const Int line = shape.line();
        T* const to = y.data + n * shape.size();
        const auto finish_row = [&](Int p) {
            T* const row = to + p * line;
            colour_row(colours, line, row);
            rescale_row(standard, line, row, row);
            if (!standard.by_sample()) standardize_row(standard, p, line, row);
        };
        for (Int p = 0; p < shape.rows; ++p) {
            image_row(source, coefficients, upside_down ? shape.rows - 1 - p : p, shape, to + p * line);
            // A shift of the colours is clipped to the values of the whole image, so it comes after the last row.
            if (colours.shifted) widen(colours, line, to + p * line);
            else finish_row(p);
        }
        if (colours.shifted) {
            for (Int p = 0; p < shape.rows; ++p) finish_row(p);
        }
        finish_by_sample(standard, shape, to);
        return nullptr;
    });
}

template <class T>
Status augment_images(InList<T> x, Reals matrices, Int order, Int fill, Real cval, Reals shifts, InBytes flips,
                      Reals brightness, Real white, const Standardization<T>& standard, Out<T> y) {
    return augment<T, T>(x, matrices, order, fill, cval, shifts, flips, brightness, white, standard, y);
}

template <class T>
Status augment_bytes(InBytesList x, Reals matrices, Int order, Int fill, Real cval, Reals shifts, InBytes flips,
                     Reals brightness, Real white, const Standardization<T>& standard, Out<T> y) {
    return augment<T, std::uint8_t>(x, matrices, order, fill, cval, shifts, flips, brightness, white, standard, y);
}

}  // namespace
}  // namespace lamella
