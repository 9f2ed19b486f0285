// lamella._kernels._compiled: each line of the table (cpp/table) as a function, the selection of target and threads, and
// the C++ parts of lamella.ops and lamella.core.
#include "bindings/arrays.h"
#include "bindings/atomic.h"
#include "bindings/backpropagation.h"
#include "bindings/files.h"
#include "bindings/jpeg.h"
#include "bindings/kernels.h"
#include "bindings/lists.h"
#include "bindings/ops.h"
#include "bindings/pool.h"
#include "bindings/recorder.h"
#include "core/cpu_limit.h"
#include "lamella/kernels.h"

namespace py = pybind11;

// The module behind PyInit__compiled.
PYBIND11_MODULE(_unguarded, module) {
    using namespace lamella;
    module.doc() = "The kernels of cpp/table, for float32 and float64 arrays.";
    if (current_or_null() == nullptr) {
        std::string message = "lamella: ";
        if (const char* wanted = std::getenv("LAMELLA_TARGET")) {
            message += std::string("LAMELLA_TARGET=") + wanted + " is not a target that this machine can run; it can run:";
            for (int i = 0; i < available_targets().count; ++i) message += std::string(" ") + available_targets().names[i];
        } else {
            message += "this CPU does not have x86-64-v2 (SSE4.2, POPCNT), which lamella needs";
        }
        throw py::import_error(message);
    }
    if (thread_backend() == nullptr) {
        std::string message = std::string("lamella: LAMELLA_THREADS=") + std::getenv("LAMELLA_THREADS") + ": expected one of:";
        for (int i = 0; i < thread_backends().count; ++i) message += std::string(" ") + thread_backends().names[i];
        throw py::import_error(message);
    }

    module.def("targets", [] {
        py::list names;
        for (int i = 0; i < available_targets().count; ++i) names.append(available_targets().names[i]);
        return names;
    });
    module.def("target", [] { return std::string(current().target); });
    module.def(
        "select",
        [](const std::string& target) {
            if (!select(target.c_str())) throw py::value_error("this machine has no target '" + target + "'");
        },
        py::arg("target"));
    module.def("thread_backends", [] {
        py::list names;
        for (int i = 0; i < thread_backends().count; ++i) names.append(thread_backends().names[i]);
        return names;
    });
    module.def("thread_backend", [] { return std::string(thread_backend()); });
    module.def(
        "select_thread_backend",
        [](const std::string& name) {
            if (!select_thread_backend(name.c_str())) throw py::value_error("there is no thread backend '" + name + "'");
        },
        py::arg("name"));
    module.def("cpu_limit", &cpu_limit);
    module.def("read_cpu_quota", &read_cpu_quota);
    module.def("num_threads", &num_threads);
    module.def("set_num_threads", &set_num_threads, py::arg("n"));
    bind_kernels(module);
    bind_lists(module);
    bind_ops(module);
    bind_recorder(module);
    bind_backpropagation(module);
    bind_arrays(module);
    bind_atomic(module);
    bind_pool(module);
    bind_files(module);
    bind_jpeg(module);
}

// In a sub-interpreter pybind11 would wait forever for a lock, and NumPy also supports only one interpreter.
extern "C" PYBIND11_EXPORT PyObject* PyInit__compiled() {
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "lamella runs only in the main interpreter, and this is a sub-interpreter");
        return nullptr;
    }
    return PyInit__unguarded();
}
