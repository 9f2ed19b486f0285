#include "bindings/arrays.h"

#include <pybind11/numpy.h>

#include <algorithm>
#include <utility>

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

constexpr int kContiguous = py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_ | py::detail::npy_api::NPY_ARRAY_ALIGNED_;

bool is_contiguous(const Proxy* x) { return (x->flags & kContiguous) == kContiguous; }

// 'f' or 'd' if a kernel can read x, else 0.
char element_of(const Proxy* x) {
    const bool fits = (x->flags & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0 && x->nd <= kMaxRank;
    return !fits ? 0 : x->descr == float32 ? 'f' : x->descr == float64 ? 'd' : 0;
}

// Whether NumPy copies x, which a kernel can read, faster than the kernel: contiguous pieces of x are short, or if the last
// axis is not contiguous, the plane of it and of the axis along which x is contiguous is small. Axes that are one axis in both
// arrays count as one. The sizes are measured with two threads.
bool is_narrow(const Proxy* x) {
    const char element = element_of(x);
    if (element == 0) return false;
    const Layout layout(x, element == 'f' ? sizeof(float) : sizeof(double));
    Int sizes[kMaxRank], strides[kMaxRank];
    int n = 0;
    for (int i = x->nd - 1; i >= 0; --i) {
        if (x->dimensions[i] == 1) continue;
        if (n > 0 && layout.strides[i] == sizes[n - 1] * strides[n - 1]) sizes[n - 1] *= x->dimensions[i];
        else sizes[n] = x->dimensions[i], strides[n++] = layout.strides[i];
    }
    if (!layout.whole || n == 0) return false;
    constexpr Int kPiece = 4, kAlong = 6, kPlane = 128;
    if (strides[0] == 1) return sizes[0] < kPiece;
    const Int* const found = std::find(strides, strides + n, 1);
    const Int along = found == strides + n ? 0 : sizes[found - strides];
    return along < kAlong || along * sizes[0] < kPlane;
}

template <class T>
View<T> view_of(const Proxy* contiguous) {
    View<T> view{reinterpret_cast<T*>(contiguous->data), 1, contiguous->nd, {}};
    for (int i = 0; i < kMaxRank; ++i) {
        view.shape[i] = i < contiguous->nd ? contiguous->dimensions[i] : 1;
        view.size *= view.shape[i];
    }
    return view;
}

// y, contiguous: a copy of x, or before + x if `before` is given, which is contiguous.
template <class T>
Status run_strided(const Kernels<T>& kernels, const Proxy* x, const Layout& layout, const Proxy* before, const Proxy* y) {
    const View<const T> from{reinterpret_cast<const T*>(x->data) - layout.offset, layout.size, 1, {layout.size}};
    const View<const Int> strides{layout.strides, x->nd, 1, {x->nd}};
    const View<T> to = view_of<T>(y);
    if (before == nullptr) return without_gil([&] { return kernels.strided_copy(from, layout.offset, strides, to); });
    const View<const T> old = view_of<const T>(before);
    return without_gil([&] { return kernels.strided_add(from, layout.offset, strides, old, to); });
}

PyObject* copy_by_numpy(PyObject* x) {
    const Proxy* const array = py::detail::array_proxy(x);
    py::object y = stolen(new_array(array->descr, array->nd, array->dimensions));
    return y && numpy_api->PyArray_CopyInto_(y.ptr(), x) == 0 ? y.release().ptr() : nullptr;
}

// As run_strided; `into` is y, or nullptr for a new array. Without an error it is null if the kernels do not take x.
PyObject* strided(const Proxy* x, const Proxy* before, PyObject* into) {
    const char element = element_of(x);
    if (element == 0) return nullptr;
    const Layout layout(x, element == 'f' ? sizeof(float) : sizeof(double));
    if (!layout.whole) return nullptr;
    const py::object y = into != nullptr ? borrowed(into) : stolen(new_array(x->descr, x->nd, x->dimensions));
    if (!y) return nullptr;
    const Proxy* const to = py::detail::array_proxy(y.ptr());
    const Status status =
        element == 'f' ? run_strided(current().f32, x, layout, before, to) : run_strided(current().f64, x, layout, before, to);
    if (status != nullptr) return PyErr_Format(PyExc_ValueError, "array with strides: requires %s", status);
    return y.inc_ref().ptr();
}

// x itself if it is C-contiguous and aligned, else a copy that is: of float32 and float64 by the kernel, or by NumPy if they
// are narrow; of others by NumPy.
PyObject* contiguous(PyObject*, PyObject* x) {
    if (PyObject_TypeCheck(x, array_type)) {
        const Proxy* const array = py::detail::array_proxy(x);
        if (is_contiguous(array)) return Py_NewRef(x);
        if (is_narrow(array)) return copy_by_numpy(x);
        PyObject* const copy = strided(array, nullptr, nullptr);
        if (copy != nullptr || PyErr_Occurred() != nullptr) return copy;
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

PyObject* sum_by_kernel(PyObject* a, PyObject* b, PyObject* into) {
    if (Py_TYPE(a) != array_type || Py_TYPE(b) != array_type) return nullptr;
    const Proxy *before = py::detail::array_proxy(a), *x = py::detail::array_proxy(b);
    const bool same = before->descr == x->descr && before->nd == x->nd &&
                      std::equal(x->dimensions, x->dimensions + x->nd, before->dimensions);
    if (into == b || (into == nullptr && !is_contiguous(before))) std::swap(before, x);
    const bool empty = std::find(x->dimensions, x->dimensions + x->nd, 0) != x->dimensions + x->nd;
    if (!same || empty) return nullptr;
    if (is_contiguous(before)) return strided(x, before, into);
    const py::object copy = stolen(strided(before, nullptr, nullptr));  // both are slices
    return copy ? strided(x, py::detail::array_proxy(copy.ptr()), copy.ptr()) : nullptr;
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
