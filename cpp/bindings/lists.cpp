// What a step of lamella.torch asks of each parameter and its state, for all of them in one call. In Python this takes as long
// as the kernel, for many small tensors and for a single one. No frame here has destructors: see cpp/bindings/exit.h.
#include "bindings/lists.h"

#include <pybind11/numpy.h>

#include "bindings/objects.h"

namespace lamella {
namespace {

// gradients(params): the list of their .grad, or None if one of them has none.
PyObject* gradients(PyObject*, PyObject* params) {
    static PyObject* const name = PyUnicode_InternFromString("grad");
    if (!PyList_Check(params)) return PyErr_Format(PyExc_TypeError, "gradients: expected a list, got %R", params);
    const Py_ssize_t count = PyList_GET_SIZE(params);
    PyObject* const found = PyList_New(count);
    if (found == nullptr) return nullptr;
    for (Py_ssize_t i = 0; i < count; ++i) {
        // An attribute written in Python can shorten the list.
        PyObject* const param = Py_NewRef(i < PyList_GET_SIZE(params) ? PyList_GET_ITEM(params, i) : Py_None);
        PyObject* const gradient = param != Py_None ? PyObject_GetAttr(param, name) : Py_NewRef(Py_None);
        Py_DECREF(param);
        if (gradient == nullptr || gradient == Py_None) {
            Py_DECREF(found);
            return gradient;
        }
        PyList_SET_ITEM(found, i, gradient);
    }
    return found;
}

// identical(objects, others): whether the items of a list, or the values of a dict, are the objects of another list.
PyObject* identical(PyObject*, PyObject* const* arguments, Py_ssize_t given) {
    if (given != 2 || !PyList_Check(arguments[1]) || !(PyList_Check(arguments[0]) || PyDict_Check(arguments[0]))) {
        if (given != 2) return PyErr_Format(PyExc_TypeError, "identical: expected 2 arguments, got %zd", given);
        return PyErr_Format(PyExc_TypeError, "identical: expected a list or dict, and a list, got %R and %R", arguments[0],
                            arguments[1]);
    }
    PyObject *const objects = arguments[0], *const others = arguments[1];
    const Py_ssize_t count = PyList_GET_SIZE(others);
    if (PyList_Check(objects)) {
        if (PyList_GET_SIZE(objects) != count) Py_RETURN_FALSE;
        for (Py_ssize_t i = 0; i < count; ++i) {
            if (PyList_GET_ITEM(objects, i) != PyList_GET_ITEM(others, i)) Py_RETURN_FALSE;
        }
        Py_RETURN_TRUE;
    }
    if (PyDict_GET_SIZE(objects) != count) Py_RETURN_FALSE;
    PyObject *key, *value;
    Py_ssize_t at = 0;
    for (Py_ssize_t i = 0; i < count && PyDict_Next(objects, &at, &key, &value); ++i) {
        if (value != PyList_GET_ITEM(others, i)) Py_RETURN_FALSE;
    }
    Py_RETURN_TRUE;
}

// have(dicts, key, values): whether dicts[i][key] is values[i] for each i.
PyObject* have(PyObject*, PyObject* const* arguments, Py_ssize_t given) {
    if (given != 3 || !PyList_Check(arguments[0]) || !PyUnicode_CheckExact(arguments[1]) || !PyList_Check(arguments[2])) {
        if (given != 3) return PyErr_Format(PyExc_TypeError, "have: expected 3 arguments, got %zd", given);
        return PyErr_Format(PyExc_TypeError, "have: expected a list of dicts, a str and a list, got %R, %R and %R",
                            arguments[0], arguments[1], arguments[2]);
    }
    const Py_ssize_t count = PyList_GET_SIZE(arguments[0]);
    if (PyList_GET_SIZE(arguments[2]) != count) Py_RETURN_FALSE;
    for (Py_ssize_t i = 0; i < count && i < PyList_GET_SIZE(arguments[0]) && i < PyList_GET_SIZE(arguments[2]); ++i) {
        PyObject* const dict = PyList_GET_ITEM(arguments[0], i);
        if (!PyDict_Check(dict)) return PyErr_Format(PyExc_TypeError, "have: expected dicts, got %R", dict);
        PyObject* const value = PyDict_GetItemWithError(dict, arguments[1]);
        if (value == nullptr && PyErr_Occurred()) return nullptr;
        if (value != PyList_GET_ITEM(arguments[2], i)) Py_RETURN_FALSE;
    }
    Py_RETURN_TRUE;
}

// The numbers of an array of one axis, float or double; nullptr with an error set for another array.
py::detail::PyArray_Proxy* counts_of(const char* who, PyObject* object, bool* is_double) {
    if (py::isinstance<py::array>(object)) {
        auto* const array = py::detail::array_proxy(object);
        const Py_ssize_t item = array->nd == 1 ? array->strides[0] : 0;
        *is_double = item == sizeof(double);
        constexpr int kNeeded = py::detail::npy_api::NPY_ARRAY_ALIGNED_ | py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
        const bool fits =
            *is_double ? py::isinstance<py::array_t<double, 0>>(object) : py::isinstance<py::array_t<float, 0>>(object);
        if (fits && (array->flags & kNeeded) == kNeeded && array->dimensions[0] > 0 && (*is_double || item == sizeof(float))) {
            return array;
        }
    }
    PyErr_Format(PyExc_TypeError, "%s: expected counts: a contiguous array of one axis of float32 or float64, got %R", who,
                 object);
    return nullptr;
}

template <class T>
bool all_equal(const py::detail::PyArray_Proxy* counts) {
    const T* const numbers = reinterpret_cast<const T*>(counts->data);
    for (Py_ssize_t i = 1; i < counts->dimensions[0]; ++i) {
        if (numbers[i] != numbers[0]) return false;
    }
    return true;
}

template <class T>
void add_one(py::detail::PyArray_Proxy* counts) {
    T* const numbers = reinterpret_cast<T*>(counts->data);
    for (Py_ssize_t i = 0; i < counts->dimensions[0]; ++i) numbers[i] += 1;
}

// common_count(counts): the number that all elements are, or None.
PyObject* common_count(PyObject*, PyObject* object) {
    bool is_double;
    const auto* const counts = counts_of("common_count", object, &is_double);
    if (counts == nullptr) return nullptr;
    if (!(is_double ? all_equal<double>(counts) : all_equal<float>(counts))) Py_RETURN_NONE;
    return PyFloat_FromDouble(is_double ? *reinterpret_cast<const double*>(counts->data)
                                        : *reinterpret_cast<const float*>(counts->data));
}

// count_up(counts): adds 1 to each element.
PyObject* count_up(PyObject*, PyObject* object) {
    bool is_double;
    auto* const counts = counts_of("count_up", object, &is_double);
    if (counts == nullptr) return nullptr;
    is_double ? add_one<double>(counts) : add_one<float>(counts);
    Py_RETURN_NONE;
}

}  // namespace

void bind_lists(py::module_& module) {
    static PyMethodDef functions[] = {
        {"gradients", gradients, METH_O, "gradients($module, params, /)\n--\n\n"},
        {"identical", fast(identical), METH_FASTCALL, "identical($module, objects, others, /)\n--\n\n"},
        {"have", fast(have), METH_FASTCALL, "have($module, dicts, key, values, /)\n--\n\n"},
        {"common_count", common_count, METH_O, "common_count($module, counts, /)\n--\n\n"},
        {"count_up", count_up, METH_O, "count_up($module, counts, /)\n--\n\n"},
        {}};
    if (PyModule_AddFunctions(module.ptr(), functions) < 0) throw py::error_already_set();
}

}  // namespace lamella
