#include "bindings/arrays.h"

#include <pybind11/numpy.h>

#include "bindings/objects.h"

namespace lamella {
namespace {

PyTypeObject* array_type;
PyObject* require;
const py::detail::npy_api* numpy_api;

// x itself if it is C-contiguous and aligned, else a copy that is.
PyObject* contiguous(PyObject*, PyObject* x) {
    constexpr int kNeeded = py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_ | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
    if (PyObject_TypeCheck(x, array_type) && (py::detail::array_proxy(x)->flags & kNeeded) == kNeeded) return Py_NewRef(x);
    return PyObject_CallFunction(require, "OO(ss)", x, Py_None, "C", "A");
}

}  // namespace

PyObject* empty_like(PyObject*, PyObject* const* arguments, Py_ssize_t given) {
    constexpr Py_ssize_t kMostAxes = 8;
    const bool shaped = given == 2 && PyTuple_Check(arguments[1]) && PyTuple_GET_SIZE(arguments[1]) <= kMostAxes;
    if ((given != 1 && !shaped) || !PyObject_TypeCheck(arguments[0], array_type)) {
        PyErr_SetString(PyExc_TypeError, "empty_like: expected an array, and optionally a tuple of at most 8 lengths");
        return nullptr;
    }
    const py::detail::PyArray_Proxy* const array = py::detail::array_proxy(arguments[0]);
    Py_ssize_t shape[kMostAxes];
    const Py_ssize_t rank = shaped ? PyTuple_GET_SIZE(arguments[1]) : array->nd;
    for (Py_ssize_t i = 0; shaped && i < rank; ++i) {
        shape[i] = PyLong_AsSsize_t(PyTuple_GET_ITEM(arguments[1], i));
        if (shape[i] == -1 && PyErr_Occurred() != nullptr) return nullptr;
    }
    return numpy_api->PyArray_NewFromDescr_(array_type, Py_NewRef(array->descr), static_cast<int>(rank),
                                            shaped ? shape : array->dimensions, nullptr, nullptr, 0, nullptr);
}

void bind_arrays(py::module_& module) {
    const py::module_ numpy = py::module_::import("numpy");
    array_type = reinterpret_cast<PyTypeObject*>(py::object(numpy.attr("ndarray")).release().ptr());
    require = py::object(numpy.attr("require")).release().ptr();
    numpy_api = &py::detail::npy_api::get();
    static PyMethodDef functions[] = {
        {"contiguous", contiguous, METH_O, "contiguous($module, x, /)\n--\n\n"},
        {"empty_like", fast(empty_like), METH_FASTCALL, "empty_like($module, x, shape=..., /)\n--\n\n"},
        {},
    };
    if (PyModule_AddFunctions(module.ptr(), functions) < 0) throw py::error_already_set();
}

}  // namespace lamella
