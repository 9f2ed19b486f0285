// The coefficients of the cubic spline through an image's pixels, as in scipy.ndimage.spline_filter: a recursion forward and
// backward along each axis (Unser 1999, Splines: a perfect fit for signal and image processing).
#pragma once
#include "kernels/image/places.inl.h"

namespace lamella {
namespace {

constexpr double kPole = -0.26794919243112270647;  // sqrt(3) - 2
constexpr int kTerms = 28;                         // pole^28 is below float64's eps

// The number of pixels around the image whose coefficients the interpolation may read: one before and two after the outermost
// position of split_places.
LAMELLA_INLINE Int spline_border(Int fill) { return fill == kFillNearest ? kNearestMargin + 2 : 3; }

// An axis of n pixels, and the pixels that continue it at both ends.
// nearest: SciPy repeats the last pixel kNearestMargin times, then it reflects the whole.
// reflect: the axis of reflection is half a pixel after the last one.
// wrap and constant: SciPy uses the coefficients of the reflection at the last pixel.
struct SplineAxis {
    Int n, border;
    bool nearest, reflect;             // a single pixel is repeated for every fill mode
    Int inside[kTerms];                // the pixel that pixel -k repeats; pixel n - 1 + k repeats n - 1 - inside[k]
    double decay[kNearestMargin + 3];  // nearest: how much of a difference remains k pixels outside

    LAMELLA_INLINE SplineAxis(Int n, Int fill)
        : n(n), border(spline_border(fill)), nearest(fill == kFillNearest || n == 1), reflect(fill == kFillReflect) {
        const Int mirror = reflect ? 1 : 0, period = larger(1, 2 * n - 2 + 2 * mirror);
        for (int k = 0; k < kTerms; ++k) {
            const Int at = (period - k % period) % period;
            inside[k] = at < n ? at : period - mirror - at;
        }
        // The coefficients solve c[i - 1] + 4 c[i] + c[i + 1] = 6 x with a constant x, so their difference from x is a sum of
        // pole^k and pole^-k; it has the same value at k = 12 and 13.
        double power[2 * kNearestMargin + 2] = {1};
        for (Int k = 1; k < 2 * kNearestMargin + 2; ++k) power[k] = power[k - 1] * kPole;
        for (Int k = 0; k < kNearestMargin + 3; ++k) decay[k] = power[k] + power[2 * kNearestMargin + 1 - k];
    }
};

// Filters kVectors vectors of a line: `at` is their place in the first of n lines, which are `stride` apart. Lines before and
// after get the coefficients of the border. part: as for load. SciPy begins the recursion of a reflected axis with an error of
// pole^(2n - 1), 2e-4 of 255 for 5 pixels; here it is exact.
template <int kVectors>
LAMELLA_INLINE void filter_strip(double* at, const SplineAxis& axis, Int stride, Int part) {
    using V = Vec<double>;
    const Int n = axis.n;
    V first[kVectors], last[kVectors], carry[kVectors];
    for (int v = 0; v < kVectors; ++v) {
        double* const line = at + v * kLanes<double>;
        first[v] = load(line, part);
        last[v] = load(line + (n - 1) * stride, part);
        if (axis.nearest) {
            carry[v] = first[v] * (6 / (1 - kPole));
        } else {
            // The sum of pole^k times pixel -k, times the gain 6.
            carry[v] = V{};
            double power = 6;
            for (int k = 0; k < kTerms; ++k, power *= kPole) carry[v] += load(line + axis.inside[k] * stride, part) * power;
        }
    }
    for (Int i = 0; i < n; ++i) {
        for (int v = 0; v < kVectors; ++v) {
            double* const line = at + i * stride + v * kLanes<double>;
            if (i > 0) carry[v] = carry[v] * kPole + load(line, part) * 6.0;
            store(line, carry[v], part);
        }
    }
    for (int v = 0; v < kVectors; ++v) {
        double* const line = at + (n - 1) * stride + v * kLanes<double>;
        if (axis.nearest) {
            const V steady = last[v] * (6 / (1 - kPole));
            carry[v] = steady * (kPole / (kPole - 1)) + (carry[v] - steady) * (kPole / (kPole * kPole - 1));
        } else if (axis.reflect) {
            carry[v] = carry[v] * (kPole / (kPole - 1));
        } else {
            carry[v] = (carry[v] + load(line - stride, part) * kPole) * (kPole / (kPole * kPole - 1));
        }
        store(line, carry[v], part);
    }
    for (Int i = n - 2; i >= 0; --i) {
        for (int v = 0; v < kVectors; ++v) {
            double* const line = at + i * stride + v * kLanes<double>;
            carry[v] = carry[v] * kPole - load(line, part) * kPole;
            store(line, carry[v], part);
        }
    }
    for (int v = 0; v < kVectors; ++v) {
        double *const top = at + v * kLanes<double>, *const end = top + (n - 1) * stride;
        const V above = load(top, part) - first[v], below = load(end, part) - last[v];
        for (Int k = 1; k <= axis.border; ++k) {
            const Int from = axis.inside[k] * stride;
            store(top - k * stride, axis.nearest ? first[v] + above * axis.decay[k] : load(top + from, part), part);
            store(end + k * stride, axis.nearest ? last[v] + below * axis.decay[k] : load(end - from, part), part);
        }
    }
}

// Filters n lines of `inner` elements along the lines, and fills the border's lines before and after them.
LAMELLA_INLINE void filter_lines(double* lines, const SplineAxis& axis, Int inner) {
    constexpr Int kStrip = 4 * kLanes<double>;
    Int at = 0;
    for (; at + kStrip <= inner; at += kStrip) filter_strip<4>(lines + at, axis, inner, 0);
    if (at + kStrip / 2 <= inner) filter_strip<2>(lines + at, axis, inner, 0), at += kStrip / 2;
    for_vectors<double>(at, inner, [&](Int i, Int part) { filter_strip<1>(lines + i, axis, inner, part); });
}

// Rows are filtered in bands of 8, as vectors along the columns of the band: the recursion is along the row.
constexpr Int kBand = 8;

// The transpose of x [rows, n], rows at most kBand and `stride` apart: y [n, kBand]. The last row is repeated. Writes up to
// kLanes - 1 lines after y.
LAMELLA_INLINE void rows_to_band(const double* x, Int rows, Int n, Int stride, double* y) {
    for (Int r = 0; r < kBand; r += kLanes<double>) {
        for_vectors<double>(0, n, [&](Int i, Int part) {
            Vec<double> tile[kLanes<double>];
            for (int k = 0; k < kLanes<double>; ++k) tile[k] = load(x + smaller(r + k, rows - 1) * stride + i, part);
            transpose<double>(tile);
            for (int k = 0; k < kLanes<double>; ++k) store(y + (i + k) * kBand + r, tile[k]);
        });
    }
}

// The same back. Reads up to kLanes - 1 lines after x.
LAMELLA_INLINE void band_to_rows(const double* x, Int rows, Int n, Int stride, double* y) {
    for (Int r = 0; r < rows; r += kLanes<double>) {
        const int count = static_cast<int>(smaller(kLanes<double>, rows - r));
        for_vectors<double>(0, n, [&](Int i, Int part) {
            Vec<double> tile[kLanes<double>];
            for (int k = 0; k < kLanes<double>; ++k) tile[k] = load(x + (i + k) * kBand + r);
            transpose<double>(tile);
            for (int k = 0; k < count; ++k) store(y + (r + k) * stride + i, tile[k], part);
        });
    }
}

// Elements of the band for rows of `row` elements, with the lines that the transposition touches after them.
LAMELLA_INLINE Int spline_band(Int row) { return (row + kLanes<double>)*kBand; }

// [h + 2b, w + 2b, c] coefficients of the image x [h, w, c], b = spline_border(fill). band: memory of spline_band elements.
template <class U>
LAMELLA_INLINE void find_coefficients(const U* x, Int h, Int w, Int c, Int fill, double* to, double* band) {
    const SplineAxis across(w, fill), down(h, fill);
    const Int n = w * c, border = across.border * c, row = n + 2 * border;
    double* const first = to + down.border * row;
    for (Int i = 0; i < h; i += kBand) {
        const Int rows = smaller(kBand, h - i);
        double* const lines = first + i * row;
        for (Int r = 0; r < rows; ++r) {
            for (Int j = 0; j < n; ++j) lines[r * row + j] = double(x[(i + r) * n + j]);
        }
        rows_to_band(lines, rows, n, row, band + border * kBand);
        filter_lines(band + border * kBand, across, c * kBand);
        band_to_rows(band, rows, row, row, lines);
    }
    filter_lines(first, down, row);
}

}  // namespace
}  // namespace lamella
