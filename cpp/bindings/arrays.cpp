#include "bindings/arrays.h"

#include <pybind11/numpy.h>

#include "bindings/exit.h"
#include "bindings/objects.h"
#include "lamella/kernels.h"

namespace lamella {
namespace {

PyTypeObject* array_type;
PyObject *require, *float32, *float64;
const py::detail::npy_api* numpy_api;

using Proxy = py::detail::PyArray_Proxy;

PyObject* new_array(PyObject* descr, Py_ssize_t rank, const Py_ssize_t* shape) {
    return numpy_api->PyArray_NewFromDescr_(array_type, Py_NewRef(descr), static_cast<int>(rank), shape, nullptr, nullptr, 0,
                                            nullptr);
}

// Where an array's elements are, in elements of T: the memory that they span, where the first one is in it, and the strides.
struct Layout {
    Int size = 1, offset = 0, strides[kMaxRank];
    bool whole = true;  // strides are whole elements

    Layout(const Proxy* x, Int itemsize) {
        for (int i = 0; i < x->nd; ++i) {
            strides[i] = x->strides[i] / itemsize;
            whole = whole && x->strides[i] % itemsize == 0;
            const Int length = (x->dimensions[i] - 1) * strides[i];
            size += length < 0 ? -length : length;
            if (length < 0) offset -= length;
        }
    }
};

// A contiguous copy of x by the kernel strided_copy.
template <class T>
PyObject* copied(const Proxy* x, const Layout& layout, const Kernels<T>& kernels) {
    const py::object copy = stolen(new_array(x->descr, x->nd, x->dimensions));
    if (!copy) return nullptr;
    const View<const T> from{reinterpret_cast<const T*>(x->data) - layout.offset, layout.size, 1, {layout.size}};
    const View<const Int> strides{layout.strides, x->nd, 1, {x->nd}};
    View<T> to{reinterpret_cast<T*>(py::detail::array_proxy(copy.ptr())->data), 1, x->nd, {}};
    for (int i = 0; i < kMaxRank; ++i) to.shape[i] = i < x->nd ? x->dimensions[i] : 1, to.size *= to.shape[i];
    const Status status = without_gil([&] { return kernels.strided_copy(from, layout.offset, strides, to); });
    if (status != nullptr) return PyErr_Format(PyExc_ValueError, "contiguous: requires %s", status);
    return copy.inc_ref().ptr();
}

// x itself if it is C-contiguous and aligned, else a copy that is: of float32 and float64 by the kernel, of others by NumPy.
PyObject* contiguous(PyObject*, PyObject* x) {
    using Api = py::detail::npy_api;
    constexpr int kNeeded = Api::NPY_ARRAY_C_CONTIGUOUS_ | Api::NPY_ARRAY_ALIGNED_;
    if (PyObject_TypeCheck(x, array_type)) {
        const Proxy* const array = py::detail::array_proxy(x);
        if ((array->flags & kNeeded) == kNeeded) return Py_NewRef(x);
        const bool fits = (array->flags & Api::NPY_ARRAY_ALIGNED_) != 0 && array->nd <= kMaxRank;
        const bool single = fits && array->descr == float32, twice = fits && array->descr == float64;
        if (single || twice) {
            const Layout layout(array, single ? sizeof(float) : sizeof(double));
            if (layout.whole) {
                return single ? copied(array, layout, current().f32) : copied(array, layout, current().f64);
            }
        }
    }
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
    return new_array(array->descr, rank, shaped ? shape : array->dimensions);
}

void bind_arrays(py::module_& module) {
    const py::module_ numpy = py::module_::import("numpy");
    array_type = reinterpret_cast<PyTypeObject*>(py::object(numpy.attr("ndarray")).release().ptr());
    require = py::object(numpy.attr("require")).release().ptr();
    float32 = py::dtype::of<float>().release().ptr();
    float64 = py::dtype::of<double>().release().ptr();
    numpy_api = &py::detail::npy_api::get();
    static PyMethodDef functions[] = {
        {"contiguous", contiguous, METH_O, "contiguous($module, x, /)\n--\n\n"},
        {"empty_like", fast(empty_like), METH_FASTCALL, "empty_like($module, x, shape=..., /)\n--\n\n"},
        {},
    };
    if (PyModule_AddFunctions(module.ptr(), functions) < 0) throw py::error_already_set();
}

}  // namespace lamella
