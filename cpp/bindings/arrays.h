// How the functions of lamella.ops.arrays make arrays.
#pragma once
#include <pybind11/pybind11.h>

namespace lamella {

// A new C-contiguous ndarray with x's dtype, and with x's shape or the given one; its values are not initialized.
// As a function of the module its arguments are x and, optionally, the shape.
PyObject* empty_like(PyObject* module, PyObject* const* arguments, Py_ssize_t given);

// a + b, two ndarrays of one shape and type, float32 or float64, by the kernel strided_add. One of them must be C-contiguous.
// into: an array for the result, which is a or b and C-contiguous, or nullptr for a new one. A null object without an error:
// the kernel does not compute this sum.
PyObject* sum_by_kernel(PyObject* a, PyObject* b, PyObject* into);

void bind_arrays(pybind11::module_& module);

}  // namespace lamella
