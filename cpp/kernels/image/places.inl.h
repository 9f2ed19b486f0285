// The positions in an image of the pixels of a row of y, as pixel indices and weights, for a block of pixels at a time.
#pragma once
#include "kernels/common.h"

namespace lamella {
namespace {

// The orders of interpolation and the fill modes, with the numbers of cpp/table/image.def.
enum Order : Int { kNearestPixel = 0, kLinear = 1, kCubic = 3 };
enum Fill : Int { kFillNearest, kFillConstant, kFillReflect, kFillWrap };

constexpr int kBlock = 32;  // pixels: the width of small images; all of a block is computed, also if the row ends in it

// For the fill mode nearest SciPy extends an image by this number of pixels before it computes the coefficients of the spline.
constexpr Int kNearestMargin = 12;

// One axis of the image.
struct ImageAxis {
    Int size;
    const double* matrix;  // place = matrix[0] p + matrix[1] q + matrix[2]
    Int before;            // pixels before the first pixel of the image, which the cubic spline reads
};

template <class T>
struct Places {
    std::int32_t pixel[kBlock];
    T weight[kBlock];  // of the next pixel, from 0 to 1
};

// place[k] is the position of pixel (p, q + k * step). It is rounded after each operation, as in SciPy: the last bit matters if
// two pixels are equally near, and at the border of a constant fill.
LAMELLA_INLINE void find_places(const double* matrix, Int p, Int q, Int step, double* place) {
    const Vec<double> row = uncontracted<double>(broadcast<double>(matrix[0]) * double(p)) + matrix[2];
    const Vec<double> lanes = __builtin_convertvector(lane_index<double>(), Vec<double>) * double(step);
    for (int k = 0; k < kBlock; k += kLanes<double>) {
        const Vec<double> number = lanes + double(q + k * step);
        store(place + k, row + uncontracted<double>(number * matrix[1]));
    }
}

// Maps positions outside of [0, n - 1] to positions inside, or less than one pixel outside, where the first and last pixels are
// repeated.
LAMELLA_INLINE void reflect_places(double n, double* place) {
    const double period = 2 * n;
    for (int k = 0; k < kBlock; ++k) {
        const double v = place[k];
        double low = v < -period ? v + period * __builtin_trunc(-v / period) : v;
        low = low < -n ? low + period : -low - 1;
        double high = v - period * __builtin_trunc(v / period);
        high = high >= n ? period - high - 1 : high;
        place[k] = v < 0 ? low : v > n - 1 ? high : v;
    }
}

// SciPy's "wrap": the last pixel is the first pixel of the next period, so the period is the size minus one.
LAMELLA_INLINE void wrap_places(double n, double* place) {
    const double period = n - 1;
    for (int k = 0; k < kBlock; ++k) {
        const double v = place[k];
        const double low = v + period * (__builtin_trunc(-v / period) + 1), high = v - period * __builtin_trunc(v / period);
        place[k] = v < 0 ? low : v > period ? high : v;
    }
}

// Whether the whole block is in the image. The first and last positions are enough, because rounding keeps positions in order.
LAMELLA_INLINE bool all_inside(Int size, const double* place, int count) {
    const double last = double(size - 1), a = place[0], b = place[count - 1];
    return a >= 0 && a <= last && b >= 0 && b <= last;
}

// Converts positions to pixel indices and weights. For any position, also NaN, the interpolation reads only existing samples.
template <class T>
LAMELLA_INLINE void split_places(const ImageAxis& axis, Int order, Int fill, const double* place, Places<T>& to) {
    const double n = double(axis.size);
    const double beyond = order != kCubic ? 0 : fill == kFillNearest ? double(kNearestMargin) : 1;
    const double bias = order == kNearestPixel ? 0.5 : 0, before = double(axis.before);
    const double low = -beyond, high = n - 1 + beyond;
    const double top =
        order == kLinear ? (n > 2 ? n - 2 : 0) : high + before;  // the last pixel has weight 1 beside the one before it
    for (int k = 0; k < kBlock; ++k) {
        double v = place[k] + bias;
        v = v > low ? v : low;
        v = (v < high ? v : high) + before;
        const auto pixel = static_cast<std::int32_t>(v < top ? v : top);
        to.pixel[k] = pixel;
        to.weight[k] = static_cast<T>(v - pixel);
    }
}

// The pixel indices of a whole block along an axis. outside: set to true where y gets the constant.
template <class T>
LAMELLA_INLINE void find_pixels(const ImageAxis& axis, Int order, Int fill, Int p, Int q, Int step, int count, Places<T>& to,
                                bool* outside, bool& any_outside) {
    double place[kBlock];
    find_places(axis.matrix, p, q, step, place);
    if (!all_inside(axis.size, place, count)) {
        const double n = double(axis.size);
        if (fill == kFillConstant) {
            any_outside = true;
            for (int k = 0; k < kBlock; ++k) outside[k] |= !(place[k] >= 0 && place[k] <= n - 1);
        } else if (axis.size == 1) {
            for (int k = 0; k < kBlock; ++k) place[k] = 0;
        } else if (fill == kFillReflect) {
            reflect_places(n, place);
        } else if (fill == kFillWrap) {
            wrap_places(n, place);
        }
    }
    split_places(axis, order, fill, place, to);
}

}  // namespace
}  // namespace lamella
