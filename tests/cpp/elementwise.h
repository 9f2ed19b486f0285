// Activations, dropout, sums and optimizers against scalar loops.
#pragma once
#include "core/philox.h"
#include "harness.h"

namespace checks {

template <class T>
void check_activations(const lamella::Kernels<T>& k, Count& check) {
    const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
    for (const Int n : lengths()) {
        const Input<T> x({n}), dy({n});
        Output<T> y({n}), dx({n});
        const auto plain = [&](const char* name, auto forward, auto backward, auto f, auto slope) {
            check(forward(x.view(), y.view()) == nullptr && near(y, [&](Int i) { return f(x[i]); }), text(name, n));
            check(backward(Input<T>(x).view(), dy.view(), dx.view()) == nullptr, text(name, n));
            Input<T> seen(x);
            for (Int i = 0; i < n; ++i) seen.values[static_cast<std::size_t>(i)] = y.data()[i];
            backward(seen.view(), dy.view(), dx.view());
            check(near(dx, [&](Int i) { return dy[i] * slope(x[i]); }), text(name, n, -1));
        };
        plain(
            "tanh", k.tanh_forward, k.tanh_backward, [](double v) { return std::tanh(v); },
            [](double v) { return 1 - std::tanh(v) * std::tanh(v); });
        plain("sigmoid", k.sigmoid_forward, k.sigmoid_backward, sigmoid, [&](double v) { return sigmoid(v) * sigmoid(-v); });
        plain(
            "hard_sigmoid", k.hard_sigmoid_forward, k.hard_sigmoid_backward, [](double v) { return 0.2 * v + 0.5; },
            [](double) { return 0.2; });
        plain("softplus", k.softplus_forward, k.softplus_backward, [](double v) { return std::log1p(std::exp(v)); }, sigmoid);
        plain(
            "softsign", k.softsign_forward, k.softsign_backward, [](double v) { return v / (1 + std::fabs(v)); },
            [](double v) { return 1 / (1 + std::fabs(v)) / (1 + std::fabs(v)); });
        k.elu_forward(x.view(), 0.7, 1.3, y.view());
        check(near(y, [&](Int i) { return 1.3 * (x[i] > 0 ? x[i] : 0.7 * std::expm1(x[i])); }), text("elu", n));
        k.relu_forward(x.view(), 0.1, 1.5, 0.25, y.view());
        const auto relu = [](double v) { return v >= 1.5 ? 1.5 : v >= 0.25 ? v : 0.1 * (v - 0.25); };
        check(near(y, [&](Int i) { return relu(x[i]); }), text("relu", n));
        k.relu_backward(x.view(), dy.view(), 0.1, 1.5, 0.25, dx.view());
        check(near(dx, [&](Int i) { return dy[i] * (x[i] >= 1.5 ? 0 : x[i] > 0.25 ? 1 : 0.1); }), text("relu", n, -1));
        k.exp_forward(x.view(), y.view());
        check(near(y, [&](Int i) { return std::exp(x[i]); }), text("exp", n));
        Input<T> positive(x);
        for (T& v : positive.values) v = v * v + T(0.01);
        k.log_forward(positive.view(), y.view());
        check(near(y, [&](Int i) { return std::log(positive[i]); }), text("log", n));
    }
}

template <class T>
void check_dropout(const lamella::Kernels<T>& k, Count& check) {
    const Int seed = 0x123456789ABCDEF, offset = 0x7000000012345678;
    for (const Int n : lengths()) {
        const Input<T> x({n});
        Output<T> y({n});
        k.dropout(x.view(), 0.25, seed, offset, y.view());
        check(near(y,
                   [&](Int i) {
                       const auto words = lamella::philox(static_cast<std::uint64_t>(seed), static_cast<std::uint64_t>(offset),
                                                          static_cast<std::uint64_t>(i) / 4);
                       return words.word[i % 4] >= 1u << 30 ? x[i] / 0.75 : 0.0;
                   }),
              text("dropout", n));
    }
}

template <class T>
void check_sums(const lamella::Kernels<T>& k, Count& check) {
    for (const Int n : lengths()) {
        const Input<T> x({n});
        double sum = 0, squares = 0, absolute = 0;
        for (Int i = 0; i < n; ++i) {
            sum += x[i];
            squares += x[i] * x[i];
            absolute += std::fabs(x[i]);
        }
        Output<T> y({1});
        const double ulps = 32 + std::sqrt(static_cast<double>(n));
        k.sum_all(x.view(), y.view());
        check(near(y, [&](Int) { return sum; }, ulps * 32), text("sum_all", n));
        k.sum_squares(x.view(), y.view());
        check(near(y, [&](Int) { return squares; }, ulps), text("sum_squares", n));
        k.sum_absolute(x.view(), y.view());
        check(near(y, [&](Int) { return absolute; }, ulps), text("sum_absolute", n));
    }
    for (const Int rows : {1, 5, 700}) {
        for (const Int columns : {1, 2, 3, 7, 16, 17, 63, 64, 65, 130}) {
            const Input<T> x({rows, columns});
            Output<T> by_row({rows}), by_column({columns});
            k.sum_rows(x.view(), by_row.view());
            k.sum_columns(x.view(), by_column.view());
            const auto row = [&](Int r) {
                double s = 0;
                for (Int c = 0; c < columns; ++c) s += x[r * columns + c];
                return s;
            };
            const auto column = [&](Int c) {
                double s = 0;
                for (Int r = 0; r < rows; ++r) s += x[r * columns + c];
                return s;
            };
            check(near(by_row, row, 200) && near(by_column, column, 500), text("sum_rows, sum_columns", rows, columns));
        }
    }
}

// Two gradients of each array, summed and then read with a bound on their common norm and on each array's own.
template <class T>
void check_accumulation(const lamella::Kernels<T>& k, Count& check) {
    std::vector<Input<T>> gradients;
    std::vector<Output<T>> sums, weights;
    std::vector<View<T>> sum, weight;
    std::vector<View<const T>> g, summed;
    for (const Int n : lengths()) {
        gradients.emplace_back(std::vector<Int>{n});
        sums.emplace_back(std::vector<Int>{n});
        weights.emplace_back(std::vector<Int>{n});
        for (Int i = 0; i < n; ++i) weights.back().data()[i] = 0;
    }
    double squares = 0;
    std::vector<double> own;
    for (std::size_t a = 0; a < gradients.size(); ++a) {
        g.push_back(gradients[a].view());
        sum.push_back(sums[a].view());
        summed.push_back(view_of<const T>(sums[a].data(), sums[a].shape));
        weight.push_back(weights[a].view());
        double mine = 0;
        for (Int i = 0; i < g[a].size; ++i) mine += gradients[a][i] * gradients[a][i];
        own.push_back(std::sqrt(mine));  // of the mean of equal gradients
        squares += mine;
    }
    const Int count = static_cast<Int>(g.size());
    const double norm = std::sqrt(squares), bound = 0.5 * norm, each = 0.2 * norm;
    check(k.accumulate_gradients({sum.data(), count}, {g.data(), count}, 1) == nullptr, "accumulate_gradients");
    const ViewList<const T> all_sums{summed.data(), count};
    check(k.sgd_update({weight.data(), count}, {g.data(), count}, {nullptr, 0}, 1, 0, 0, {all_sums, 0.5, bound, each, 0}) ==
              nullptr,
          "sgd_update of a sum");
    bool good = true;
    for (std::size_t a = 0; a < gradients.size(); ++a) {
        const double factor = 0.5 * own[a] > each ? each / own[a] : 0.5;
        good = good && near(weights[a], [&](Int i) { return -factor * gradients[a][i]; }, 100);
    }
    check(good, "the norm of a mean gradient");
}

template <class T>
void check_optimizers(const lamella::Kernels<T>& k, Count& check) {
    // One list of all lengths, so that chunks hold many arrays and arrays many chunks.
    const double lr = 0.1, b1 = 0.9, b2 = 0.99, eps = 1e-3, clip = 0.8;
    const auto run = [&](const char* name, int slots, auto step, auto formula) {
        std::vector<Input<T>> first, gradients;
        std::vector<Output<T>> state[4];
        std::vector<View<T>> views[4];
        std::vector<View<const T>> gs;
        for (const Int n : lengths()) {
            gradients.emplace_back(std::vector<Int>{n});
            for (int s = 0; s <= slots; ++s) {
                Input<T> start({n});
                for (T& v : start.values) v = v * v;  // second moments are positive
                first.push_back(start);
                state[s].emplace_back(start);
            }
        }
        for (auto& g : gradients) gs.push_back(g.view());
        for (int s = 0; s <= slots; ++s) {
            for (auto& a : state[s]) views[s].push_back(a.view());
        }
        ViewList<T> lists[4];
        const Int count = static_cast<Int>(gs.size());
        for (int s = 0; s < 4; ++s) lists[s] = {views[s].data(), s <= slots ? count : 0};
        check(step(lists, ViewList<const T>{gs.data(), count}) == nullptr, name);
        bool good = true;
        for (std::size_t a = 0; a < gradients.size(); ++a) {
            for (Int i = 0; i < static_cast<Int>(state[0][a].size); ++i) {
                double p[4] = {};
                for (int s = 0; s <= slots; ++s)
                    p[s] = first[a * static_cast<std::size_t>(slots + 1) + static_cast<std::size_t>(s)][i];
                formula(p, std::fmax(-clip, std::fmin(clip, 0.5 * gradients[a][i])));
                for (int s = 0; s <= slots; ++s) {
                    const double bound =
                        32 * static_cast<double>(std::numeric_limits<T>::epsilon()) * std::fmax(1, std::fabs(p[s]));
                    good = good && std::fabs(state[s][a][i] - p[s]) <= bound;
                }
            }
            for (int s = 0; s <= slots; ++s) good = good && state[s][a].intact();
        }
        check(good, name);
    };
    const ViewList<const T> none{nullptr, 0};
    const lamella::Bounds<T> bounds{none, 0.5, 0, 0, clip};
    run(
        "sgd", 0, [&](auto* l, auto g) { return k.sgd_update(l[0], g, l[1], lr, 0, 0, bounds); },
        [&](double* p, double g) { p[0] -= lr * g; });
    for (const int nesterov : {0, 1}) {
        run(
            "sgd with momentum", 1, [&](auto* l, auto g) { return k.sgd_update(l[0], g, l[1], lr, b1, nesterov, bounds); },
            [&](double* p, double g) {
                p[1] = b1 * p[1] - lr * g;
                p[0] += nesterov ? b1 * p[1] - lr * g : p[1];
            });
    }
    run(
        "adagrad", 1, [&](auto* l, auto g) { return k.adagrad_update(l[0], g, l[1], lr, eps, bounds); },
        [&](double* p, double g) {
            p[1] += g * g;
            p[0] -= lr * g / (std::sqrt(p[1]) + eps);
        });
    run(
        "rmsprop", 1, [&](auto* l, auto g) { return k.rmsprop_update(l[0], g, l[1], lr, b1, eps, bounds); },
        [&](double* p, double g) {
            p[1] = b1 * p[1] + (1 - b1) * g * g;
            p[0] -= lr * g / (std::sqrt(p[1]) + eps);
        });
    run(
        "adadelta", 2, [&](auto* l, auto g) { return k.adadelta_update(l[0], g, l[1], l[2], lr, b1, eps, bounds); },
        [&](double* p, double g) {
            p[1] = b1 * p[1] + (1 - b1) * g * g;
            const double u = g * std::sqrt(p[2] + eps) / std::sqrt(p[1] + eps);
            p[2] = b1 * p[2] + (1 - b1) * u * u;
            p[0] -= lr * u;
        });
    const auto moments = [&](double* p, double g) {
        p[1] = b1 * p[1] + (1 - b1) * g;
        p[2] = b2 * p[2] + (1 - b2) * g * g;
    };
    run(
        "adam", 2, [&](auto* l, auto g) { return k.adam_update(l[0], g, l[1], l[2], lr, 0.01, {b1, b2, eps}, bounds); },
        [&](double* p, double g) {
            moments(p, g);
            p[0] = 0.99 * p[0] - lr * p[1] / (std::sqrt(p[2]) + eps);
        });
    run(
        "amsgrad", 3,
        [&](auto* l, auto g) { return k.amsgrad_update(l[0], g, l[1], l[2], l[3], lr, 0.01, {b1, b2, eps}, bounds); },
        [&](double* p, double g) {
            moments(p, g);
            p[3] = std::fmax(p[3], p[2]);
            p[0] = 0.99 * p[0] - lr * p[1] / (std::sqrt(p[3]) + eps);
        });
    run(
        "adamax", 2, [&](auto* l, auto g) { return k.adamax_update(l[0], g, l[1], l[2], lr, {b1, b2, eps}, bounds); },
        [&](double* p, double g) {
            p[1] = b1 * p[1] + (1 - b1) * g;
            p[2] = std::fmax(b2 * p[2], std::fabs(g));
            p[0] -= lr * p[1] / (p[2] + eps);
        });
    run(
        "nadam", 2, [&](auto* l, auto g) { return k.nadam_update(l[0], g, l[1], l[2], lr, 0.2, 2, {b1, b2, eps}, bounds); },
        [&](double* p, double g) {
            moments(p, g);
            p[0] -= (lr * g + 0.2 * p[1]) / (std::sqrt(2 * p[2]) + eps);
        });
    check_accumulation(k, check);
}

}  // namespace checks
