// Images moved into a batch, recoloured and standardized, against scalar loops.
#pragma once
#include <algorithm>
#include <type_traits>

#include "harness.h"

namespace checks {

// The numbers that the table gives to orders of interpolation and to fill modes.
enum Order : Int { kNearestPixel = 0, kLinear = 1, kCubic = 3 };
enum Fill : Int { kNearest, kConstant, kReflect, kWrap };

// What the kernels that augment take beside images, matrices and y; empty: left out.
struct Augmentation {
    Int order = kLinear, fill = kNearest;
    std::vector<double> shifts, brightness;
    std::vector<std::uint8_t> flips;
    double white = 0, rescale = 1;
    Int center = 0, scale = 0;
};

template <class T, class U>
lamella::Status augment(const lamella::Kernels<T>& k, const std::vector<View<const U>>& x, const std::vector<double>& matrices,
                        const Augmentation& how, const std::vector<T>& mean, const std::vector<T>& deviation, Output<T>& y) {
    const auto flat = [](const auto& a) { return view_of(a.data(), {static_cast<Int>(a.size())}); };
    const auto call = [&](const auto& kernel) {
        const Int images = static_cast<Int>(x.size());
        return kernel(ViewList<const U>{x.data(), images}, view_of(matrices.data(), {images, 2, 3}), how.order, how.fill, 0.5,
                      flat(how.shifts), flat(how.flips), flat(how.brightness), how.white,
                      lamella::Standardization<T>{how.rescale, how.center, how.scale, flat(mean), flat(deviation)}, y.view());
    };
    if constexpr (std::is_same_v<U, T>) return call(k.augment_images);
    else return call(k.augment_bytes);
}

// A place of an axis of n pixels that may lie outside, where its fill mode reads it: at most half a pixel outside.
inline double place_inside(double v, Int n, Int fill) {
    const double size = static_cast<double>(n), last = size - 1;
    if (v >= 0 && v <= last) return v;
    if (n == 1) return 0;
    if (fill == kWrap) return v < 0 ? last - std::fmod(-v, last) : std::fmod(v, last);
    if (fill == kReflect) {
        const double at = std::fmod((v < 0 ? -v - 1 : v) + 0.5, 2 * size);
        return (at < size ? at : 2 * size - at) - 0.5;
    }
    return std::fmin(std::fmax(v, 0), last);
}

template <class T, class U>
void check_moved(const lamella::Kernels<T>& k, Count& check, const char* name) {
    // Turned and sheared; moved by more than an image; enlarged and upside down; moved by whole pixels.
    const std::vector<double> matrices{0.8,  -0.55, 2.3, 0.61, 0.9,  -3.7, 1, 0, -11.25, 0, 1, 17.2,
                                       0.31, 0.02,  1.5, 0.01, -0.3, 4.4,  1, 0, 1,      0, 1, -2};
    const Int images = 4, rows = 4, columns = 11, sizes[][2] = {{6, 9}, {2, 2}, {1, 7}, {7, 1}, {1, 1}, {3, 140}};
    for (const auto& [h, w] : sizes) {
        for (Int channels = 1; channels <= 5; ++channels) {
            std::vector<U> pixels(static_cast<std::size_t>(h * w * channels));
            for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<U>(i * 7 % 11);
            const std::vector<View<const U>> x(static_cast<std::size_t>(images),
                                               view_of<const U>(pixels.data(), {h, w, channels}));
            for (const Int fill : {kNearest, kConstant, kReflect, kWrap}) {
                for (const Int order : {kNearestPixel, kLinear, kCubic}) {
                    Output<T> y({images, rows, columns, channels});
                    const auto wanted = [&, h = h, w = w](Int i) {
                        const Int c = i % channels, q = i / channels % columns, p = i / channels / columns % rows;
                        const double* const m = matrices.data() + 6 * (i / channels / columns / rows);
                        const double v = m[0] * static_cast<double>(p) + m[1] * static_cast<double>(q) + m[2];
                        const double u = m[3] * static_cast<double>(p) + m[4] * static_cast<double>(q) + m[5];
                        const bool inside =
                            v >= 0 && u >= 0 && v <= static_cast<double>(h - 1) && u <= static_cast<double>(w - 1);
                        if (fill == kConstant && !inside) return 0.5;
                        // The spline goes through the pixels; elsewhere it only has to be a number.
                        if (order == kCubic && !(inside && v == std::floor(v) && u == std::floor(u))) return y[i];
                        const auto pixel = [&](double row, double column) {
                            const Int at = std::clamp(static_cast<Int>(row), Int{0}, h - 1),
                                      beside = std::clamp(static_cast<Int>(column), Int{0}, w - 1);
                            return static_cast<double>(pixels[static_cast<std::size_t>((at * w + beside) * channels + c)]);
                        };
                        const double row = place_inside(v, h, fill), column = place_inside(u, w, fill);
                        if (order != kLinear) return pixel(std::floor(row + 0.5), std::floor(column + 0.5));
                        const double top = std::floor(row), left = std::floor(column), down = row - top, across = column - left;
                        return (1 - down) * ((1 - across) * pixel(top, left) + across * pixel(top, left + 1)) +
                               down * ((1 - across) * pixel(top + 1, left) + across * pixel(top + 1, left + 1));
                    };
                    Augmentation how;
                    how.order = order;
                    how.fill = fill;
                    const auto status = augment<T, U>(k, x, matrices, how, {}, {}, y);
                    // Places of up to 20 pixels are rounded, and neighbours differ by up to 10.
                    check(status == nullptr && near(y, wanted, 400), text(name, h, w, channels, fill, order));
                }
            }
        }
    }
}

template <class T>
void check_images(const lamella::Kernels<T>& k, Count& check) {
    check_moved<T, T>(k, check, "augment_images");
    check_moved<T, std::uint8_t>(k, check, "augment_bytes");
    const std::vector<double> identity{1, 0, 0, 0, 1, 0};
    for (Int channels = 1; channels <= 5; ++channels) {
        for (const bool whole : {false, true}) {
            const Int rows = 6, columns = 9, size = rows * columns * channels, statistics = whole ? size : channels;
            const Input<T> x({1, rows, columns, channels});
            std::vector<T> mean(static_cast<std::size_t>(statistics)), deviation(mean.size());
            for (std::size_t i = 0; i < mean.size(); ++i) {
                mean[i] = static_cast<T>(i % 7) / T(8);
                deviation[i] = static_cast<T>(i % 5 + 1);
            }
            Augmentation how;
            how.shifts = {0.75};
            how.flips = {1, 1};
            how.brightness = {1.5};
            how.white = 1.25;
            how.rescale = 0.25;
            how.center = how.scale = 1;
            const auto [low, high] = std::minmax_element(x.values.begin(), x.values.end());
            std::vector<double> wanted(static_cast<std::size_t>(size));
            double sum = 0, squares = 0;
            for (Int i = 0; i < size; ++i) {
                const Int pixel = rows * columns - 1 - i / channels;
                const double v = std::clamp(x[pixel * channels + i % channels] + 0.75, static_cast<double>(*low),
                                            static_cast<double>(*high));
                wanted[static_cast<std::size_t>(i)] = 0.25 * std::fmin(1.5 * v, std::fmax(v, 1.25));
                sum += wanted[static_cast<std::size_t>(i)];
            }
            for (double& v : wanted) {
                v -= sum / static_cast<double>(size);
                squares += v * v;
            }
            const auto standard = [&](Int i) {
                const auto at = static_cast<std::size_t>(whole ? i : i % channels);
                const double v = wanted[static_cast<std::size_t>(i)] / (std::sqrt(squares / static_cast<double>(size)) + 1e-6);
                return (v - static_cast<double>(mean[at])) / static_cast<double>(deviation[at]);
            };
            Output<T> y(x.shape), recoloured(x.shape);
            const std::vector<View<const T>> image(1, view_of<const T>(x.values.data(), {rows, columns, channels}));
            augment<T, T>(k, image, identity, how, mean, deviation, y);
            check(near(y, standard, 64), text("augment_images, all steps", channels, whole));
            how.center = how.scale = 0;
            how.rescale = 1;
            augment<T, T>(k, image, identity, how, {}, {}, recoloured);
            k.standardize_images(
                recoloured.read(),
                {0.25, 1, 1, view_of<const T>(mean.data(), {statistics}), view_of<const T>(deviation.data(), {statistics})},
                recoloured.view());
            check(near(recoloured, standard, 64), text("standardize_images", channels, whole));
        }
    }
}

}  // namespace checks
