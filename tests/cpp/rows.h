// softmax, losses and batch normalization against scalar loops.
#pragma once
#include "harness.h"

namespace checks {

template <class T>
void check_losses(const lamella::Kernels<T>& k, Count& check) {
    for (const Int rows : {1, 9, 1300}) {
        for (const Int columns : {1, 2, 3, 7, 8, 10, 16, 17, 33, 67}) {
            const auto what = [&](const char* name) { return text(name, rows, columns); };
            const Input<T> z({rows, columns}), other({rows, columns}), d({rows});
            Input<T> probability(z), target(other);
            for (T& v : probability.values) v = v * v / T(5) + T(0.05);
            for (T& v : target.values) v = v * v / T(4);
            std::vector<Int> labels(static_cast<std::size_t>(rows));
            for (Int r = 0; r < rows; ++r) labels[static_cast<std::size_t>(r)] = (r * 7 + 3) % columns;
            const auto y = view_of<const Int>(labels.data(), {rows});
            const auto label = [&](Int r) { return labels[static_cast<std::size_t>(r)]; };
            Output<T> p({rows, columns}), dz({rows, columns}), loss({rows});
            const auto sum = [&](Int r, auto f) {
                double s = 0;
                for (Int c = 0; c < columns; ++c) s += f(r * columns + c);
                return s;
            };
            const auto softmax = [&](Int i) {
                return std::exp(z[i]) / sum(i / columns, [&](Int j) { return std::exp(z[j]); });
            };
            k.softmax_forward(z.view(), p.view());
            check(near(p, softmax), what("softmax"));
            k.softmax_backward(z.view(), other.view(), dz.view());
            check(near(
                      dz, [&](Int i) { return z[i] * (other[i] - sum(i / columns, [&](Int j) { return z[j] * other[j]; })); },
                      200),
                  what("softmax_backward"));

            k.softmax_crossentropy_forward(z.view(), target.view(), p.view(), loss.view());
            check(near(p, softmax) &&
                      near(
                          loss, [&](Int r) { return -sum(r, [&](Int i) { return target[i] * std::log(softmax(i)); }); }, 200),
                  what("softmax_crossentropy"));
            k.softmax_crossentropy_backward(probability.view(), target.view(), d.view(), dz.view());
            check(near(
                      dz,
                      [&](Int i) {
                          return d[i / columns] *
                                 (probability[i] * sum(i / columns, [&](Int j) { return target[j]; }) - target[i]);
                      },
                      200),
                  what("softmax_crossentropy_backward"));
            k.sparse_softmax_crossentropy_forward(z.view(), y, p.view(), loss.view());
            check(near(p, softmax) && near(loss, [&](Int r) { return -std::log(softmax(r * columns + label(r))); }),
                  what("sparse_softmax_crossentropy"));
            k.sparse_softmax_crossentropy_backward(probability.view(), y, d.view(), dz.view());
            check(near(dz, [&](Int i) { return d[i / columns] * (probability[i] - (i % columns == label(i / columns))); }),
                  what("sparse_softmax_crossentropy_backward"));
            k.sigmoid_crossentropy_forward(z.view(), target.view(), p.view(), loss.view());
            check(near(
                      loss,
                      [&](Int r) {
                          return sum(r, [&](Int i) { return std::log1p(std::exp(z[i])) - z[i] * target[i]; }) / columns;
                      },
                      64),
                  what("sigmoid_crossentropy"));
            check(near(p, [&](Int i) { return 1 / (1 + std::exp(-z[i])); }), what("sigmoid_crossentropy"));
            k.sigmoid_crossentropy_backward(probability.view(), target.view(), d.view(), dz.view());
            check(near(dz, [&](Int i) { return d[i / columns] * (probability[i] - target[i]) / columns; }),
                  what("sigmoid_crossentropy_backward"));

            k.squared_error_forward(z.view(), other.view(), loss.view());
            check(
                near(
                    loss, [&](Int r) { return sum(r, [&](Int i) { return (z[i] - other[i]) * (z[i] - other[i]); }) / columns; },
                    64),
                what("squared_error"));
            k.squared_error_backward(z.view(), other.view(), d.view(), dz.view());
            check(near(dz, [&](Int i) { return d[i / columns] * 2 * (z[i] - other[i]) / columns; }),
                  what("squared_error_backward"));
            k.absolute_error_forward(z.view(), other.view(), loss.view());
            check(near(
                      loss, [&](Int r) { return sum(r, [&](Int i) { return std::fabs(z[i] - other[i]); }) / columns; }, 64),
                  what("absolute_error"));
            k.absolute_error_backward(z.view(), other.view(), d.view(), dz.view());
            check(near(dz, [&](Int i) { return d[i / columns] * ((z[i] > other[i]) - (z[i] < other[i])) / columns; }),
                  what("absolute_error_backward"));
            k.binary_crossentropy_forward(probability.view(), target.view(), 1e-3, loss.view());
            check(near(
                      loss,
                      [&](Int r) {
                          return sum(r,
                                     [&](Int i) {
                                         const double q = probability[i];
                                         return -(target[i] * std::log(q) + (1 - target[i]) * std::log(1 - q));
                                     }) /
                                 columns;
                      },
                      64),
                  what("binary_crossentropy"));
            k.binary_crossentropy_backward(probability.view(), target.view(), d.view(), 1e-3, dz.view());
            check(near(
                      dz,
                      [&](Int i) {
                          const double q = probability[i];
                          return d[i / columns] * (q - target[i]) / (q * (1 - q)) / columns;
                      },
                      64),
                  what("binary_crossentropy_backward"));
            // A clip at 0 and 1 leaves these as they are.
            const auto total = [&](Int r) { return sum(r, [&](Int i) { return probability[i]; }); };
            k.categorical_crossentropy_forward(probability.view(), target.view(), 0, loss.view());
            check(near(
                      loss,
                      [&](Int r) { return -sum(r, [&](Int i) { return target[i] * std::log(probability[i] / total(r)); }); },
                      200),
                  what("categorical_crossentropy"));
            k.categorical_crossentropy_backward(probability.view(), target.view(), d.view(), 0, dz.view());
            if (columns > 1) {
                check(near(
                          dz,
                          [&](Int i) {
                              const Int r = i / columns;
                              return d[r] * (sum(r, [&](Int j) { return target[j]; }) / total(r) - target[i] / probability[i]);
                          },
                          300),
                      what("categorical_crossentropy_backward"));
            }
            k.sparse_categorical_crossentropy_forward(probability.view(), y, 0, loss.view());
            check(near(
                      loss, [&](Int r) { return std::log(total(r)) - std::log(probability[r * columns + label(r)]); }, 64),
                  what("sparse_categorical_crossentropy"));
            k.sparse_categorical_crossentropy_backward(probability.view(), y, d.view(), 0, dz.view());
            check(near(
                      dz,
                      [&](Int i) {
                          const Int r = i / columns;
                          return d[r] * (1 / total(r) - (i % columns == label(r)) / probability[i]);
                      },
                      300),
                  what("sparse_categorical_crossentropy_backward"));
            labels.back() = columns;
            check(k.sparse_softmax_crossentropy_forward(z.view(), y, p.view(), loss.view()) != nullptr &&
                      k.sparse_categorical_crossentropy_backward(z.view(), y, d.view(), 0, dz.view()) != nullptr,
                  what("a label out of range"));
        }
    }
}

template <class T>
void check_batch_norm(const lamella::Kernels<T>& k, Count& check) {
    const double eps = 0.1;
    for (const Int rows : {2, 7, 1300}) {
        for (const Int columns : {1, 2, 3, 5, 8, 16, 17, 63, 64, 65, 130}) {
            const Input<T> x({rows, columns}), dy({rows, columns}), gamma({columns}), beta({columns});
            Output<T> y({rows, columns}), dx({rows, columns}), mean({columns}), var({columns}), dgamma({columns}),
                dbeta({columns});
            k.batch_norm_forward(x.view(), gamma.view(), beta.view(), eps, y.view(), mean.view(), var.view());
            const auto over_rows = [&](Int c, auto f) {
                double s = 0;
                for (Int r = 0; r < rows; ++r) s += f(r * columns + c);
                return s;
            };
            std::vector<double> m, s, db, dg;
            for (Int c = 0; c < columns; ++c) {
                m.push_back(over_rows(c, [&](Int i) { return x[i]; }) / rows);
                const double v = over_rows(c, [&](Int i) { return (x[i] - m.back()) * (x[i] - m.back()); }) / rows;
                s.push_back(1 / std::sqrt(v + eps));
                db.push_back(over_rows(c, [&](Int i) { return dy[i]; }));
                dg.push_back(over_rows(c, [&](Int i) { return dy[i] * (x[i] - m.back()) * s.back(); }));
            }
            const auto at = [&](const std::vector<double>& a, Int i) { return a[static_cast<std::size_t>(i % columns)]; };
            const auto centred = [&](Int i) { return (x[i] - at(m, i)) * at(s, i); };
            check(near(mean, [&](Int c) { return at(m, c); }) &&
                      near(
                          var, [&](Int c) { return 1 / (at(s, c) * at(s, c)) - eps; }, 64) &&
                      near(
                          y, [&](Int i) { return centred(i) * gamma[i % columns] + beta[i % columns]; }, 200),
                  text("batch_norm_forward", rows, columns));
            k.batch_norm_backward(x.view(), dy.view(), gamma.view(), view_of<const T>(mean.data(), {columns}),
                                  view_of<const T>(var.data(), {columns}), eps, dx.view(), dgamma.view(), dbeta.view());
            check(near(
                      dx,
                      [&](Int i) {
                          return gamma[i % columns] * at(s, i) * (dy[i] - at(db, i) / rows - centred(i) * at(dg, i) / rows);
                      },
                      300) &&
                      near(
                          dgamma, [&](Int c) { return at(dg, c); }, 1000) &&
                      near(
                          dbeta, [&](Int c) { return at(db, c); }, 1000),
                  text("batch_norm_backward", rows, columns));
            Input<T> v(gamma);
            for (T& value : v.values) value = value * value;
            k.batch_norm_inference(x.view(), gamma.view(), beta.view(), beta.view(), v.view(), eps, y.view());
            check(near(
                      y,
                      [&](Int i) {
                          const Int c = i % columns;
                          return (x[i] - beta[c]) / std::sqrt(v[c] + eps) * gamma[c] + beta[c];
                      },
                      64),
                  text("batch_norm_inference", rows, columns));
        }
    }
}

}  // namespace checks
