// The coefficients of the cubic spline through an image's pixels, as in scipy.ndimage.spline_filter: a recursion forward and
// backward along each axis (Unser 1999, Splines: a perfect fit for signal and image processing).
#pragma once
#include "kernels/image/places.inl.h"

namespace lamella {
namespace {

// The pixel that pixel i repeats, on an axis of n pixels: the axis of reflection is between two pixels (reflect) or at the last
// one. SciPy computes no coefficients for the fill modes wrap and constant; it uses those of the reflection at the last pixel.
LAMELLA_INLINE Int repeated(Int i, Int n, Int fill) {
    if (fill == kFillNearest || n == 1) return i < 0 ? 0 : i < n ? i : n - 1;
    const Int mirror = fill == kFillReflect ? 1 : 0, period = 2 * n - 2 + 2 * mirror;
    const Int at = (i % period + period) % period;
    return at < n ? at : period - mirror - at;
}

// Filters n lines of `inner` elements, `stride` apart: each element along the lines. The sum that begins the recursion has 28
// terms, because pole^28 is below float64's eps. SciPy begins the recursion of a reflected axis with an error of pole^(2n - 1),
// 2e-4 of 255 for 5 pixels; here it is exact.
LAMELLA_INLINE void filter_lines(double* lines, Int n, Int stride, Int inner, Int fill) {
    if (n == 1) return;
    constexpr double kPole = -0.26794919243112270647;  // sqrt(3) - 2
    constexpr int kTerms = 28;
    double* const last = lines + (n - 1) * stride;
    // The sum of pole^k times pixel -k, times the gain 6.
    for (Int c = 0; c < inner; ++c) {
        double sum = 0, power = 6;
        for (int k = 0; k < kTerms; ++k, power *= kPole) {
            sum += power * lines[repeated(-k, n, fill) * stride + c];
        }
        lines[c] = sum;
    }
    for (Int i = 1; i < n; ++i) {
        double* const line = lines + i * stride;
        for (Int c = 0; c < inner; ++c) line[c] = 6 * line[c] + kPole * line[c - stride];
    }
    for (Int c = 0; c < inner; ++c) {
        last[c] = fill == kFillReflect ? last[c] * (kPole / (kPole - 1))
                                       : (kPole / (kPole * kPole - 1)) * (last[c] + kPole * last[c - stride]);
    }
    for (Int i = n - 2; i >= 0; --i) {
        double* const line = lines + i * stride;
        for (Int c = 0; c < inner; ++c) line[c] = kPole * (line[c + stride] - line[c]);
    }
}

// The number of pixels around the image whose coefficients the interpolation may read: one before and two after the outermost
// position of split_places.
LAMELLA_INLINE Int spline_border(Int fill) { return fill == kFillNearest ? kNearestMargin + 2 : 3; }

// [h + 2b, w + 2b, c] coefficients of the image x [h, w, c], b = spline_border(fill).
template <class U>
LAMELLA_INLINE void find_coefficients(const U* x, Int h, Int w, Int c, Int fill, double* to) {
    const Int border = spline_border(fill), margin = fill == kFillNearest ? kNearestMargin : 0;
    const Int repeats = fill == kFillNearest ? Int{kFillReflect} : fill;  // beyond the margin, as in SciPy
    const Int row = (w + 2 * border) * c, rows = h + 2 * margin, columns = w + 2 * margin, rim = border - margin;
    double* const first = to + rim * row + rim * c;  // the first pixel that is filtered
    for (Int i = 0; i < rows; ++i) {
        const U* const from = x + repeated(i - margin, h, fill) * w * c;
        double* const line = first + i * row;
        for (Int j = 0; j < columns; ++j) {
            const U* const pixel = from + repeated(j - margin, w, fill) * c;
            for (Int k = 0; k < c; ++k) line[j * c + k] = double(pixel[k]);
        }
        filter_lines(line, columns, c, c, repeats);
    }
    filter_lines(first, rows, row, columns * c, repeats);
    // The rim around them: columns of each row, then whole rows.
    for (Int i = 0; i < rows; ++i) {
        double* const line = first + i * row;
        for (Int j = -rim; j < columns + rim; ++j) {
            if (j == 0) j = columns;
            const Int from = repeated(j, columns, fill);
            for (Int k = 0; k < c; ++k) line[j * c + k] = line[from * c + k];
        }
    }
    for (Int i = -rim; i < rows + rim; ++i) {
        if (i == 0) i = rows;
        copy(first + repeated(i, rows, fill) * row - rim * c, first + i * row - rim * c, row);
    }
}

}  // namespace
}  // namespace lamella
