// lamella.core.pool documents these functions. No frame here that calls CPython has destructors: see cpp/bindings/exit.h.
#include "bindings/pool.h"

#include <pybind11/numpy.h>

#include <cstdint>

#include "bindings/objects.h"
#include "core/pool.h"

namespace lamella {
namespace {

// NumPy's NEP 49: an array frees its memory with the handler that allocated it, even if another handler is set then. The layout
// of PyDataMem_Handler, version 1, and the index of PyDataMem_SetHandler among NumPy's functions are fixed since 1.22.
struct Handler {
    char name[127];
    std::uint8_t version;
    void* context;
    void* (*allocate)(void* context, std::size_t bytes);
    void* (*allocate_zeros)(void* context, std::size_t count, std::size_t bytes);
    void* (*reallocate)(void* context, void* memory, std::size_t bytes);
    void (*release)(void* context, void* memory, std::size_t bytes);
};
constexpr int kSetHandler = 304;

Handler handler{
    "lamella",
    1,
    nullptr,
    [](void*, std::size_t bytes) { return pool::allocate(bytes); },
    [](void*, std::size_t count, std::size_t bytes) -> void* {
        std::size_t all;
        return __builtin_mul_overflow(count, bytes, &all) ? nullptr : pool::allocate_zeros(all);
    },
    [](void*, void* memory, std::size_t bytes) { return pool::reallocate(memory, bytes); },
    [](void*, void* memory, std::size_t) { pool::release(memory); },
};
PyObject* capsule;                            // contains the handler
PyObject* (*set_handler)(PyObject* capsule);  // for this thread and context; returns the previous one

// function(*arguments, **named), with arrays from the pool. No signal is handled between its end and the restored handler.
PyObject* in_pool(PyObject*, PyObject* const* arguments, Py_ssize_t given, PyObject* names) {
    if (given < 1) return PyErr_Format(PyExc_TypeError, "in_pool: expected a function");
    PyObject* const before = pool::limit() != 0 ? set_handler(capsule) : Py_NewRef(Py_None);
    if (before == nullptr) return nullptr;
    PyObject* const result = PyObject_Vectorcall(arguments[0], arguments + 1, static_cast<std::size_t>(given - 1), names);
    if (before != Py_None) {
        Error error;
        PyObject* const ours = set_handler(before);
        if (ours == nullptr) PyErr_WriteUnraisable(arguments[0]);
        Py_XDECREF(ours);
        error.restore();
    }
    Py_DECREF(before);
    return result;
}

}  // namespace

void bind_pool(py::module_& module) {
    const py::object table = py::detail::import_numpy_core_submodule("multiarray").attr("_ARRAY_API");
    void** const functions_of_numpy = static_cast<void**>(PyCapsule_GetPointer(table.ptr(), nullptr));
    if (functions_of_numpy == nullptr) throw py::error_already_set();
    set_handler = reinterpret_cast<PyObject* (*)(PyObject*)>(functions_of_numpy[kSetHandler]);
    capsule = PyCapsule_New(&handler, "mem_handler", nullptr);
    if (capsule == nullptr) throw py::error_already_set();
    static PyMethodDef functions[] = {
        {"in_pool", fast(in_pool), METH_FASTCALL | METH_KEYWORDS, "in_pool($module, function, /, *arguments, **named)\n--\n\n"},
        {}};
    if (PyModule_AddFunctions(module.ptr(), functions) < 0) throw py::error_already_set();
    module.def("pool_limit", &pool::limit);
    module.def("set_pool_limit", &pool::set_limit, py::arg("limit"));
    module.def("empty_pool", &pool::empty);
    module.def("offer_pool", &pool::offer);
    module.def("pool_counts", [] {
        const pool::Counts counts = pool::counts();
        return py::make_tuple(counts.in_use, counts.free, counts.most_in_use, counts.arrays, counts.fresh);
    });
}

}  // namespace lamella
