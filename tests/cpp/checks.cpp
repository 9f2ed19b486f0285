// The kernels without Python: every target of this machine, both element types, one thread and two, against scalar loops; and
// the threads and the pool of memory themselves.
// Prints what failed and "N passed, N failed"; the exit status is 0 if nothing did.
#include "elementwise.h"
#include "images.h"
#include "pool.h"
#include "row_losses.h"
#include "rows.h"
#include "threads.h"
#include "windows.h"

namespace checks {

template <class T>
void check_all(const lamella::Kernels<T>& k, Count& check) {
    check_activations(k, check);
    check_dropout(k, check);
    check_sums(k, check);
    check_optimizers(k, check);
    check_losses(k, check);
    check_row_losses(k, check);
    check_batch_norm(k, check);
    check_pooling(k, check);
    check_dense(k, check);
    check_conv(k, check);
    check_images(k, check);
}

// Large enough for many chunks: the bits must not depend on who works on them.
template <class T>
void check_threads(const lamella::Kernels<T>& k, Count& check) {
    const Int rows = 3001, columns = 37;
    const Input<T> x({rows, columns}), dy({rows, columns}), gamma({columns});
    std::vector<T> bits[2];
    for (const int threads : {1, 2}) {
        lamella::set_num_threads(threads);
        Output<T> y(x.shape), sums({columns}), total({1}), mean({columns}), var({columns}), dx(x.shape), dgamma({columns}),
            dbeta({columns});
        std::vector<T>& all = bits[threads - 1];
        const auto keep = [&](const Output<T>& a) { all.insert(all.end(), a.memory.begin(), a.memory.end()); };
        k.sum_columns(x.view(), sums.view());
        k.sum_all(x.view(), total.view());
        k.batch_norm_forward(x.view(), gamma.view(), gamma.view(), 0.1, y.view(), mean.view(), var.view());
        k.batch_norm_backward(x.view(), dy.view(), gamma.view(), view_of<const T>(mean.data(), {columns}),
                              view_of<const T>(var.data(), {columns}), 0.1, dx.view(), dgamma.view(), dbeta.view());
        for (const auto* a : {&y, &sums, &total, &mean, &var, &dx, &dgamma, &dbeta}) keep(*a);
        k.dropout(x.view(), 0.5, 1, 2, y.view());
        keep(y);
        k.softmax_forward(x.view(), y.view());
        keep(y);
    }
    lamella::set_num_threads(1);
    check(std::memcmp(bits[0].data(), bits[1].data(), bits[0].size() * sizeof(T)) == 0, "one and two threads");
}

}  // namespace checks

int main() {
    checks::Count check;
    const lamella::Targets targets = lamella::available_targets();
    for (int i = 0; i < targets.count; ++i) {
        lamella::select(targets.names[i]);
        const lamella::Table& table = lamella::current();
        for (const int threads : {1, 2}) {
            lamella::set_num_threads(threads);
            check.target = std::string(table.target) + " float32";
            checks::check_all(table.f32, check);
            check.target = std::string(table.target) + " float64";
            checks::check_all(table.f64, check);
        }
        checks::check_threads(table.f32, check);
        checks::check_threads(table.f64, check);
        std::printf("%s: checked\n", table.target);
    }
    check.target = "threads";
    checks::check_backends(check);
    check.target = "pool";
    checks::check_pool(check);
    std::printf("%d passed, %d failed\n", check.passed, check.failed);
    return check.failed == 0 ? 0 : 1;
}
