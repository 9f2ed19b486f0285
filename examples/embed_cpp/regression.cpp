// A Python module in C++ that fits a linear regression with lamella's kernels, on its own threads.
//
//     import regression
//     weights, loss = regression.fit(x, y, steps=200, rate=0.05)    # x [N, F], y [N, 1], both float32
#include <lamella/lamella.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <stdexcept>
#include <thread>
#include <vector>

namespace py = pybind11;
using Array = py::array_t<float, py::array::c_style>;

namespace {

void check(lamella_status status) {
    if (status != LAMELLA_OK) throw std::runtime_error(lamella_last_error());
}

lamella_f32 view(const Array& array) {
    const std::vector<std::int64_t> shape(array.shape(), array.shape() + array.ndim());
    return lamella_f32_of(array.data(), array.ndim(), shape.data());
}

// A program with a thread pool passes such a function to lamella. Here each call starts new threads. context: their number.
void on_own_threads(void* context, std::int64_t chunks, lamella_run run, void* work) {
    const std::int64_t count = std::min(chunks, static_cast<std::int64_t>(*static_cast<int*>(context)));
    std::vector<std::thread> threads;
    for (std::int64_t i = 0; i < count; ++i) {
        threads.emplace_back(run, work, chunks * i / count, chunks * (i + 1) / count);
    }
    for (std::thread& thread : threads) thread.join();
}

// lamella uses on_own_threads as long as this exists.
struct OwnThreads {
    explicit OwnThreads(int* count) { lamella_set_parallel_for(on_own_threads, count); }
    OwnThreads(const OwnThreads&) = delete;
    ~OwnThreads() { lamella_set_parallel_for(nullptr, nullptr); }
};

// Gradient descent on the mean of (x w - y)^2, by SGD. Returns w [F, 1] and the loss before the last step.
py::tuple fit(const Array& x, const Array& y, int steps, double rate, int threads) {
    if (x.ndim() != 2 || y.ndim() != 2 || y.shape(0) != x.shape(0) || y.shape(1) != 1) {
        throw py::value_error("fit: expected x [N, F] and y [N, 1]");
    }
    const py::ssize_t n = x.shape(0), features = x.shape(1);
    Array w({features, py::ssize_t{1}}), dw({features, py::ssize_t{1}});
    std::fill_n(w.mutable_data(), features, 0.0f);
    std::vector<float> predicted(n), losses(n), share(n, 1.0f / static_cast<float>(n)), dpredicted(n);
    const lamella_f32 xs = view(x), ys = view(y), ws = view(w), dws = view(dw);
    const lamella_f32 p = lamella_f32_2d(predicted.data(), n, 1), dp = lamella_f32_2d(dpredicted.data(), n, 1);
    const lamella_f32 loss = lamella_f32_1d(losses.data(), n), dloss = lamella_f32_1d(share.data(), n);
    const lamella_f32_list ps{&ws, 1}, gs{&dws, 1}, no_momentum{nullptr, 0};
    const lamella_bounds_f32 bounds{nullptr, 1.0, 0.0, 0.0, 0.0};

    const OwnThreads own(&threads);
    for (int step = 0; step < steps; ++step) {
        check(lamella_dense_forward_f32(&xs, &ws, nullptr, 0, &p));
        check(lamella_squared_error_forward_f32(&p, &ys, &loss));
        check(lamella_squared_error_backward_f32(&p, &ys, &dloss, &dp));
        check(lamella_dense_backward_f32(&xs, &ws, nullptr, &dp, nullptr, nullptr, &dws, nullptr));
        check(lamella_sgd_update_f32(&ps, &gs, &no_momentum, rate, 0.0, 0, &bounds));
    }
    double mean = 0;
    for (const float each : losses) mean += each / static_cast<double>(n);
    return py::make_tuple(w, mean);
}

}  // namespace

PYBIND11_MODULE(regression, module) {
    module.doc() = "Linear regression on lamella's kernels.";
    module.def("fit", &fit, py::arg("x"), py::arg("y"), py::arg("steps") = 200, py::arg("rate") = 0.1, py::arg("threads") = 2);
}
