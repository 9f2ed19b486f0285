// lamella._kernels._compiled: each line of the table (cpp/table) as a function, the choice of target and threads, and
// what lamella.ops is made of.
#include "bindings/atomic.h"
#include "bindings/caster.h"
#include "bindings/exit.h"
#include "bindings/ops.h"
#include "bindings/pool.h"
#include "core/cpu_limit.h"

namespace lamella {
namespace {

template <class... A>
void check_overlaps(const char* name, const std::vector<Parameter>& parameters, const std::tuple<Caster<A>...>& casters) {
    thread_local std::vector<Span> spans;  // kept, so that a call allocates nothing
    spans.clear();
    std::apply(
        [index = 0](const Caster<A>&... caster) mutable {
            ((caster.add_to(spans, index), index += Caster<A>::kParameters), ...);
        },
        casters);
    refuse_overlaps(name, parameters, spans);
}

template <class... A>
void call(const char* name, const std::vector<Parameter>& parameters, Status (*kernel)(A...),
          const typename Caster<A>::From&... from) {
    int next = 0;
    const auto index = [&next](int parameters) { return std::exchange(next, next + parameters); };
    // Braces fix the order of evaluation, so `index` counts the arguments.
    const std::tuple<Caster<A>...> casters{Caster<A>(from, Argument{name, &parameters, index(Caster<A>::kParameters)})...};
    check_overlaps(name, parameters, casters);
    const Status status =
        std::apply([&](const auto&... caster) { return without_gil([&] { return kernel(caster.get()...); }); }, casters);
    if (status == nullptr) return;
    if (status == kOutOfMemory) {
        PyErr_SetString(PyExc_MemoryError, name);
        throw py::error_already_set();
    }
    throw py::value_error(std::string(name) + ": does not hold: " + status);
}

template <class... A, class... B>
void bind(py::module_& module, const char* name, const char* signature, Status (*Kernels<float>::*f32)(A...),
          Status (*Kernels<double>::*f64)(B...)) {
    module.def(
        name,
        [=, parameters = parameters_of(signature)](const typename Caster<A>::From&... from) {
            char element = 0;
            // An argument of one type for both kernels says nothing.
            ((element = element != 0 || std::is_same_v<A, B> ? element : element_of(from)), ...);
            // Neither float32 nor float64: the float32 caster says what came.
            if (element == 'd') call(name, parameters, current().f64.*f64, from...);
            else call(name, parameters, current().f32.*f32, from...);
        },
        signature);
}

}  // namespace
}  // namespace lamella

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
            message += "this CPU lacks x86-64-v2 (SSE4.2, POPCNT), the least that lamella is built for";
        }
        throw py::import_error(message);
    }
    if (thread_backend() == nullptr) {
        std::string message = std::string("lamella: LAMELLA_THREADS=") + std::getenv("LAMELLA_THREADS") + ": expected one of:";
        for (int i = 0; i < thread_backends().count; ++i) message += std::string(" ") + thread_backends().names[i];
        throw py::import_error(message);
    }

#define KERNEL(name, arguments) bind(module, #name, #arguments, &Kernels<float>::name, &Kernels<double>::name);
#include "table/all.def"

    py::list roster;
#define KERNEL(name, arguments) roster.append(#name);
#include "table/all.def"
    module.attr("KERNELS") = py::tuple(roster);
    py::dict bundles;
#define BUNDLE(name, fields) bundles[#name] = #fields;
#include "table/all.def"
    module.attr("BUNDLES") = bundles;

    module.def("targets", [] {
        py::list names;
        for (int i = 0; i < available_targets().count; ++i) names.append(available_targets().names[i]);
        return names;
    });
    module.def("target", [] { return std::string(current().target); });
    module.def(
        "select",
        [](const std::string& target) {
            if (!select(target.c_str())) throw py::value_error("no target '" + target + "' on this machine");
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
            if (!select_thread_backend(name.c_str())) throw py::value_error("no threads of the name '" + name + "'");
        },
        py::arg("name"));
    module.def("cpu_limit", &cpu_limit);
    module.def("read_cpu_quota", &read_cpu_quota);
    module.def("num_threads", &num_threads);
    module.def("set_num_threads", &set_num_threads, py::arg("n"));
    bind_ops(module);
    bind_atomic(module);
    bind_pool(module);
}

// In a sub-interpreter pybind11 waits for a lock that is never free, and NumPy, too, is for one interpreter only.
extern "C" PYBIND11_EXPORT PyObject* PyInit__compiled() {
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "lamella runs in the main interpreter only, and this is a sub-interpreter");
        return nullptr;
    }
    return PyInit__unguarded();
}
