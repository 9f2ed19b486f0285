// Pooling, convolution and dense layers against scalar loops.
#pragma once
#include "harness.h"

namespace checks {

struct Window {
    Int images, height, width, channels, rows, columns, kh, kw, sh, sw, pt, pl;

    lamella::Window on_axes(Int dh = 1, Int dw = 1) const { return {2, {1, kh, kw}, {1, sh, sw}, {1, dh, dw}, {0, pt, pl}}; }
};

// f(place in the image, place in the window) for the places of window (p, q) that lie in the image; channels apart.
template <class F>
void for_places(const Window& w, Int n, Int p, Int q, const F& f) {
    for (Int i = 0; i < w.kh; ++i) {
        for (Int j = 0; j < w.kw; ++j) {
            const Int h = p * w.sh - w.pt + i, x = q * w.sw - w.pl + j;
            if (h >= 0 && h < w.height && x >= 0 && x < w.width) f((n * w.height + h) * w.width + x, i * w.kw + j);
        }
    }
}

template <class T>
void check_pooling(const lamella::Kernels<T>& k, Count& check) {
    const Window cases[] = {{2, 8, 9, 5, 4, 4, 2, 2, 2, 2, 0, 0}, {1, 7, 7, 17, 4, 4, 3, 3, 2, 2, 1, 1},
                            {2, 6, 5, 3, 4, 4, 3, 2, 1, 1, 0, 0}, {1, 9, 10, 1, 3, 4, 2, 1, 3, 3, 0, 0},
                            {1, 5, 4, 8, 3, 2, 2, 2, 2, 2, 1, 0}, {1, 3, 3, 66, 1, 1, 3, 3, 1, 1, 0, 0}};
    for (const Window& w : cases) {
        const Input<T> x({w.images, w.height, w.width, w.channels}), dy({w.images, w.rows, w.columns, w.channels});
        Output<T> y(dy.shape), means(dy.shape), dx(x.shape), dmeans(x.shape);
        Output<std::uint8_t> argmax(dy.shape);
        std::vector<double> largest(dy.values.size()), mean(dy.values.size()), back(x.values.size()),
            mean_back(x.values.size());
        for (Int n = 0, o = 0; n < w.images; ++n) {
            for (Int p = 0; p < w.rows; ++p) {
                for (Int q = 0; q < w.columns; ++q) {
                    for (Int c = 0; c < w.channels; ++c, ++o) {
                        Int best = -1, count = 0;
                        double sum = 0;
                        for_places(w, n, p, q, [&](Int at, Int) {
                            const Int i = at * w.channels + c;
                            if (best < 0 || x[i] > x[best]) best = i;
                            sum += x[i];
                            ++count;
                        });
                        const auto at = static_cast<std::size_t>(o);
                        largest[at] = x[best];
                        mean[at] = sum / static_cast<double>(count);
                        back[static_cast<std::size_t>(best)] += dy[o];
                        for_places(w, n, p, q, [&](Int place, Int) {
                            mean_back[static_cast<std::size_t>(place * w.channels + c)] += dy[o] / static_cast<double>(count);
                        });
                    }
                }
            }
        }
        const auto of = [](const std::vector<double>& a) { return [&a](Int i) { return a[static_cast<std::size_t>(i)]; }; };
        k.max_pool_forward(x.view(), w.on_axes(), y.view(), argmax.view());
        k.max_pool_backward(dy.view(), view_of<const std::uint8_t>(argmax.data(), dy.shape), w.on_axes(), dx.view());
        k.avg_pool_forward(x.view(), w.on_axes(), means.view());
        k.avg_pool_backward(dy.view(), w.on_axes(), dmeans.view());
        check(near(y, of(largest), 0) && argmax.intact() && near(dx, of(back)), text("max_pool", w.channels, w.kh, w.sh));
        check(near(means, of(mean)) && near(dmeans, of(mean_back)), text("avg_pool", w.channels, w.kh, w.sh));
        lamella::Window still = w.on_axes(), outside = w.on_axes();
        still.stride[1] = 0;
        outside.before[1] = w.kh;
        check(k.max_pool_forward(x.view(), still, y.view(), argmax.view()) != nullptr &&
                  k.avg_pool_forward(x.view(), outside, y.view()) != nullptr,
              "impossible windows");
    }
    for (const Int channels : {1, 3, 8, 17, 64, 70}) {
        const Int images = 3, places = 23;
        const Input<T> x({images, places, channels}), dy({images, channels});
        Output<T> y({images, channels}), dx(x.shape);
        Output<Int> argmax({images, channels});
        const auto fold = [&](Int o, auto f) {
            double s = 0;
            for (Int p = 0; p < places; ++p) s = f(s, p, x[(o / channels * places + p) * channels + o % channels]);
            return s;
        };
        k.global_avg_pool_forward(x.view(), y.view());
        check(near(
                  y, [&](Int o) { return fold(o, [](double s, Int, double v) { return s + v; }) / places; }, 64),
              text("global_avg_pool", channels));
        k.global_avg_pool_backward(dy.view(), dx.view());
        check(near(dx, [&](Int i) { return dy[i / channels / places * channels + i % channels] / places; }),
              text("global_avg_pool", channels));
        k.global_max_pool_forward(x.view(), y.view(), argmax.view());
        check(near(
                  y, [&](Int o) { return fold(o, [](double s, Int p, double v) { return p == 0 || v > s ? v : s; }); }, 0) &&
                  argmax.intact(),
              text("global_max_pool", channels));
        k.global_max_pool_backward(dy.view(), view_of<const Int>(argmax.data(), y.shape), dx.view());
        check(near(
                  dx,
                  [&](Int i) {
                      const Int o = i / channels / places * channels + i % channels;
                      return i / channels % places == static_cast<Int>(argmax[o]) ? dy[o] : 0.0;
                  },
                  0),
              text("global_max_pool", channels));
        argmax.data()[0] = places;
        check(k.global_max_pool_backward(dy.view(), view_of<const Int>(argmax.data(), y.shape), dx.view()) != nullptr,
              "a place out of range");
    }
}

template <class T>
void check_dense(const lamella::Kernels<T>& k, Count& check) {
    for (const Int m : {1, 6, 7, 33}) {
        for (const Int depth : {1, 17, 70}) {
            for (const Int n : {1, 3, 16, 31, 65}) {
                const Input<T> x({m, depth}), w({depth, n}), bias({n}), dy({m, n});
                Output<T> y({m, n}), dz({m, n}), dx({m, depth}), dw({depth, n}), dbias({n});
                const auto sum = [](Int count, auto f) {
                    double s = 0;
                    for (Int i = 0; i < count; ++i) s += f(i);
                    return s;
                };
                k.dense_forward(x.view(), w.view(), bias.view(), 1, y.view());
                k.dense_backward(x.view(), w.view(), y.read(), dy.view(), dz.view(), dx.view(), dw.view(), dbias.view());
                check(
                    near(
                        y,
                        [&](Int i) {
                            return std::fmax(
                                0, bias[i % n] + sum(depth, [&](Int l) { return x[i / n * depth + l] * w[l * n + i % n]; }));
                        },
                        300) &&
                        near(
                            dx,
                            [&](Int i) { return sum(n, [&](Int l) { return dz[i / depth * n + l] * w[i % depth * n + l]; }); },
                            300) &&
                        near(
                            dw, [&](Int i) { return sum(m, [&](Int l) { return x[l * depth + i / n] * dz[l * n + i % n]; }); },
                            300) &&
                        near(
                            dbias, [&](Int c) { return sum(m, [&](Int l) { return dz[l * n + c]; }); }, 300) &&
                        near(
                            dz, [&](Int i) { return y[i] > 0 ? dy[i] : 0; }, 0),
                    text("dense", m, depth, n));
            }
        }
    }
}

template <class T>
void check_conv(const lamella::Kernels<T>& k, Count& check) {
    struct Case {
        Window w;
        Int filters, dh, dw;
    };
    // The fifth and sixth are large enough for Winograd's method; the last has the nine taps of one channel.
    const Case cases[] = {
        {{2, 5, 6, 3, 5, 6, 3, 3, 1, 1, 1, 1}, 4, 1, 1},       {{1, 7, 9, 5, 7, 9, 1, 1, 1, 1, 0, 0}, 17, 1, 1},
        {{2, 9, 8, 4, 9, 8, 3, 2, 1, 1, 2, 1}, 33, 2, 3},      {{2, 13, 11, 3, 5, 4, 5, 3, 2, 3, 0, 0}, 16, 1, 1},
        {{4, 16, 16, 16, 16, 16, 3, 3, 1, 1, 1, 1}, 16, 1, 1}, {{3, 15, 17, 19, 15, 17, 3, 3, 1, 1, 1, 1}, 21, 1, 1},
        {{2, 12, 13, 1, 10, 11, 3, 3, 1, 1, 0, 0}, 32, 1, 1}};
    for (const Case& at : cases) {
        const Window& w = at.w;
        const Int out = at.filters, in = w.channels;
        const Input<T> x({w.images, w.height, w.width, in}), filters({w.kh, w.kw, in, out}), bias({out}),
            dy({w.images, w.rows, w.columns, out});
        Output<T> y(dy.shape), dx(x.shape), dw(filters.shape), dbias({out});
        std::vector<double> sums(dy.values.size()), back(x.values.size()), weights(filters.values.size()),
            biases(bias.values.size());
        const auto index = [](Int i) { return static_cast<std::size_t>(i); };
        for (Int o = 0; o < static_cast<Int>(sums.size()); ++o) {
            const Int f = o % out, q = o / out % w.columns, p = o / out / w.columns % w.rows, n = o / out / w.columns / w.rows;
            sums[index(o)] = bias[f];
            biases[index(f)] += dy[o];
            for (Int i = 0; i < w.kh; ++i) {
                for (Int j = 0; j < w.kw; ++j) {
                    const Int h = p * w.sh - w.pt + i * at.dh, v = q * w.sw - w.pl + j * at.dw;
                    if (h < 0 || h >= w.height || v < 0 || v >= w.width) continue;
                    for (Int c = 0; c < in; ++c) {
                        const Int from = ((n * w.height + h) * w.width + v) * in + c, tap = ((i * w.kw + j) * in + c) * out + f;
                        sums[index(o)] += x[from] * filters[tap];
                        back[index(from)] += dy[o] * filters[tap];
                        weights[index(tap)] += dy[o] * x[from];
                    }
                }
            }
        }
        k.conv_forward(x.view(), filters.view(), bias.view(), w.on_axes(at.dh, at.dw), 0, y.view());
        k.conv_backward_input(dy.view(), filters.view(), w.on_axes(at.dh, at.dw), dx.view());
        k.conv_backward_weights(x.view(), dy.view(), w.on_axes(at.dh, at.dw), dw.view(), dbias.view());
        // Winograd's transforms cost some digits: up to 1e-5 of the largest value in float32.
        const auto of = [](const std::vector<double>& a) { return [&a](Int i) { return a[static_cast<std::size_t>(i)]; }; };
        check(near(y, of(sums), 3000), text("conv_forward", in, out));
        check(near(dx, of(back), 3000), text("conv_backward_input", in, out));
        check(near(dw, of(weights), 10000) && near(dbias, of(biases), 1000), text("conv_backward_weights", in, out));
    }
}

}  // namespace checks
