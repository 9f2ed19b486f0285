// How the functions of lamella.ops.arrays make arrays.
#pragma once
#include <pybind11/pybind11.h>

namespace lamella {

// A new C-contiguous ndarray with x's dtype, and with x's shape or the given one; its values are not initialized.
// As a function of the module its arguments are x and, optionally, the shape.
PyObject* empty_like(PyObject* module, PyObject* const* arguments, Py_ssize_t given);

void bind_arrays(pybind11::module_& module);

}  // namespace lamella
