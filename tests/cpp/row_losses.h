// Losses that add up over the elements of a row, and cosine, against scalar loops.
#pragma once
#include "harness.h"

namespace checks {

template <class T>
void check_row_losses(const lamella::Kernels<T>& k, Count& check) {
    const double eps = 1e-3;
    for (const Int rows : {1, 9, 1300}) {
        for (const Int columns : {1, 2, 3, 7, 8, 10, 16, 17, 33, 67}) {
            Input<T> p({rows, columns}), y({rows, columns});
            const Input<T> d({rows});
            for (T& v : p.values) v = v * v / T(5) + T(0.05);
            for (T& v : y.values) v = v * v / T(5) + T(0.05);
            Output<T> loss({rows}), dx({rows, columns});
            const auto sum = [&](Int r, auto f) {
                double s = 0;
                for (Int c = 0; c < columns; ++c) s += f(p[r * columns + c], y[r * columns + c]);
                return s;
            };
            // f(a, b) adds up to the loss; slope(a, b) is what comes back for each element.
            const auto value = [&](const char* name, double divisor, auto f) {
                check(near(loss, [&](Int r) { return sum(r, f) / divisor; }, 64), text(name, rows, columns));
            };
            const auto gradient = [&](const char* name, double divisor, auto slope) {
                check(near(
                          dx, [&](Int i) { return d[i / columns] * slope(p[i], y[i]) / divisor; }, 300),
                      text(name, rows, columns));
            };
            const double mean = static_cast<double>(columns);
            k.percentage_error_forward(p.view(), y.view(), eps, loss.view());
            value("percentage_error", mean, [](double a, double b) { return 100 * std::fabs(a - b) / b; });
            k.percentage_error_backward(p.view(), y.view(), d.view(), eps, dx.view());
            gradient("percentage_error_backward", mean, [](double a, double b) { return 100 * ((a > b) - (a < b)) / b; });
            k.percentage_error_backward_target(p.view(), y.view(), d.view(), eps, dx.view());
            gradient("percentage_error_backward_target", mean,
                     [](double a, double b) { return -100 * ((a > b) - (a < b)) * a / (b * b); });
            const auto apart = [](double a, double b) { return std::log1p(a) - std::log1p(b); };
            k.logarithmic_error_forward(p.view(), y.view(), eps, loss.view());
            value("logarithmic_error", mean, [&](double a, double b) { return apart(a, b) * apart(a, b); });
            k.logarithmic_error_backward(p.view(), y.view(), d.view(), eps, dx.view());
            gradient("logarithmic_error_backward", mean, [&](double a, double b) { return 2 * apart(a, b) / (1 + a); });
            k.logcosh_forward(p.view(), y.view(), loss.view());
            value("logcosh", mean, [](double a, double b) { return std::log(std::cosh(a - b)); });
            k.logcosh_backward(p.view(), y.view(), d.view(), dx.view());
            gradient("logcosh_backward", mean, [](double a, double b) { return std::tanh(a - b); });
            k.poisson_forward(p.view(), y.view(), eps, loss.view());
            value("poisson", mean, [=](double a, double b) { return a - b * std::log(a + eps); });
            k.poisson_backward(p.view(), y.view(), d.view(), eps, dx.view());
            gradient("poisson_backward", mean, [=](double a, double b) { return 1 - b / (a + eps); });
            k.poisson_backward_target(p.view(), y.view(), d.view(), eps, dx.view());
            gradient("poisson_backward_target", mean, [=](double a, double) { return -std::log(a + eps); });
            k.hinge_forward(p.view(), y.view(), loss.view());
            value("hinge", mean, [](double a, double b) { return std::fmax(1 - a * b, 0); });
            k.hinge_backward(p.view(), y.view(), d.view(), dx.view());
            gradient("hinge_backward", mean, [](double a, double b) { return a * b < 1 ? -b : 0; });
            k.squared_hinge_forward(p.view(), y.view(), loss.view());
            value("squared_hinge", mean, [](double a, double b) { return std::fmax(1 - a * b, 0) * std::fmax(1 - a * b, 0); });
            k.squared_hinge_backward(p.view(), y.view(), d.view(), dx.view());
            gradient("squared_hinge_backward", mean, [](double a, double b) { return -2 * std::fmax(1 - a * b, 0) * b; });
            k.kl_divergence_forward(p.view(), y.view(), eps, loss.view());
            value("kl_divergence", 1, [](double a, double b) { return b * std::log(b / a); });
            k.kl_divergence_backward(p.view(), y.view(), d.view(), eps, dx.view());
            gradient("kl_divergence_backward", 1, [](double a, double b) { return -b / a; });
            k.kl_divergence_backward_target(p.view(), y.view(), d.view(), eps, dx.view());
            gradient("kl_divergence_backward_target", 1, [](double a, double b) { return std::log(b / a) + 1; });

            const auto pp = [&](Int r) { return sum(r, [](double a, double) { return a * a; }); };
            const auto yy = [&](Int r) { return sum(r, [](double, double b) { return b * b; }); };
            const auto py = [&](Int r) { return sum(r, [](double a, double b) { return a * b; }); };
            k.cosine_forward(p.view(), y.view(), loss.view());
            check(near(loss, [&](Int r) { return -py(r) / std::sqrt(pp(r) * yy(r)); }), text("cosine", rows, columns));
            k.cosine_backward(p.view(), y.view(), d.view(), dx.view());
            check(near(
                      dx,
                      [&](Int i) {
                          const Int r = i / columns;
                          return d[r] / std::sqrt(pp(r) * yy(r)) * (p[i] * py(r) / pp(r) - y[i]);
                      },
                      3000),
                  text("cosine_backward", rows, columns));

            const auto wrong = [&](Int r) {
                double best = -1e300;
                for (Int i = r * columns; i < (r + 1) * columns; ++i) best = std::fmax(best, (1 - y[i]) * p[i]);
                return best;
            };
            const auto margin = [&](Int r) { return wrong(r) - py(r) + 1; };
            k.categorical_hinge_forward(p.view(), y.view(), loss.view());
            check(near(loss, [&](Int r) { return std::fmax(margin(r), 0); }, 200), text("categorical_hinge", rows, columns));
            k.categorical_hinge_backward(p.view(), y.view(), d.view(), dx.view());
            const auto wins = [&](Int i) { return (1 - y[i]) * p[i] >= wrong(i / columns); };
            check(near(dx, [&](Int i) { return margin(i / columns) > 0 ? d[i / columns] * (wins(i) * (1 - y[i]) - y[i]) : 0; }),
                  text("categorical_hinge_backward", rows, columns));
            k.categorical_hinge_backward_target(p.view(), y.view(), d.view(), dx.view());
            check(near(dx, [&](Int i) { return margin(i / columns) > 0 ? d[i / columns] * (wins(i) * -p[i] - p[i]) : 0; }),
                  text("categorical_hinge_backward_target", rows, columns));
        }
    }
}

}  // namespace checks
