#include "bindings/backpropagation.h"

#include <pybind11/numpy.h>

#include <algorithm>

#include "bindings/arrays.h"
#include "bindings/exit.h"
#include "bindings/objects.h"

namespace lamella {
namespace {

PyTypeObject *array_type, *number_type;
PyObject* asarray;

// A list's item as a new reference, or null with an error set.
PyObject* item_of(PyObject* list, Py_ssize_t index) { return Py_XNewRef(PyList_GetItem(list, index)); }

// Takes the summed gradient of the result at `index`; a null object with an error set.
py::object take_gradient(PyObject* gradients, Py_ssize_t index) {
    py::object dy = stolen(item_of(gradients, index));
    if (!dy || PyList_SetItem(gradients, index, Py_NewRef(Py_None)) < 0) return {};
    return dy;
}

// The same for `count` results: a tuple of gradients or None, or only None if there are no gradients.
py::object take_gradients(PyObject* gradients, Py_ssize_t index, Py_ssize_t count) {
    if (count < 0) return take_gradient(gradients, index);
    py::object all = stolen(PyTuple_New(count));
    bool any = false;
    for (Py_ssize_t i = 0; all && i < count; ++i) {
        py::object dy = take_gradient(gradients, index + i);
        if (!dy) return {};
        any = any || !dy.is_none();
        PyTuple_SET_ITEM(all.ptr(), i, dy.release().ptr());
    }
    return any || !all ? all : py::none();
}

// The gradient that the closure now called may overwrite, see in_place_of; null if other references to it exist.
thread_local PyObject* spare = nullptr;

// True if `array` is a C-contiguous ndarray whose memory can be reached through the caller's `references` to it only.
bool is_ours_alone(PyObject* array, Py_ssize_t references) {
#ifdef Py_GIL_DISABLED
    return false;  // Py_REFCNT is not the number of references
#else
    using Api = py::detail::npy_api;
    constexpr int kPlain = Api::NPY_ARRAY_C_CONTIGUOUS_ | Api::NPY_ARRAY_ALIGNED_ | Api::NPY_ARRAY_WRITEABLE_;
    if (Py_TYPE(array) != array_type || Py_REFCNT(array) != references) return false;
    const py::detail::PyArray_Proxy* proxy = py::detail::array_proxy(array);
    if ((proxy->flags & kPlain) != kPlain) return false;
    if (proxy->base != nullptr) {  // a view, as reshape makes it
        if (Py_TYPE(proxy->base) != array_type || Py_REFCNT(proxy->base) != 1) return false;
        proxy = py::detail::array_proxy(proxy->base);
    }
    return proxy->base == nullptr && (proxy->flags & Api::NPY_ARRAY_OWNDATA_) != 0;
#endif
}

// before + dx, in the memory of one of them if there is no other reference to it. all: the tuple with dx. A closure may keep
// it.
PyObject* sum_of(PyObject* before, PyObject* dx, PyObject* all) {
    const bool in_before = is_ours_alone(before, 2);  // the caller and its list of gradients refer to it
    PyObject* const into = in_before ? before : Py_REFCNT(all) == 1 && is_ours_alone(dx, 1) ? dx : nullptr;
    PyObject* const sum = sum_by_kernel(before, dx, into);
    return sum != nullptr || PyErr_Occurred() != nullptr ? sum : PyNumber_Add(before, dx);
}

// Calls a node's closure with the summed gradients of its results, and adds the gradients that it returns.
bool backpropagate_node(PyObject* node, PyObject* gradients) {
    PyObject *backward, *origins, *need;
    Py_ssize_t index, results;
    if (!PyArg_ParseTuple(node, "OO!O!nn", &backward, &PyTuple_Type, &origins, &PyTuple_Type, &need, &index, &results)) {
        return false;
    }
    const py::object dy = take_gradients(gradients, index, results);
    if (!dy) return false;
    if (dy.is_none()) return true;
    PyObject* const arguments[] = {dy.ptr(), need};
    spare = is_ours_alone(dy.ptr(), 1) ? dy.ptr() : nullptr;
    py::object found = stolen(or_sleep_at_exit([&] { return PyObject_Vectorcall(backward, arguments, 2, nullptr); }));
    spare = nullptr;
    if (!found) return false;
    if (!PyTuple_CheckExact(found.ptr())) found = stolen(or_sleep_at_exit([&] { return PySequence_Tuple(found.ptr()); }));
    if (!found) return false;
    const Py_ssize_t count = std::min(PyTuple_GET_SIZE(origins), PyTuple_GET_SIZE(found.ptr()));
    for (Py_ssize_t i = 0; i < count; ++i) {
        const Py_ssize_t origin = PyLong_AsSsize_t(PyTuple_GET_ITEM(origins, i));
        PyObject* const dx = PyTuple_GET_ITEM(found.ptr(), i);
        if (origin < 0 || dx == Py_None) continue;
        const py::object before = stolen(item_of(gradients, origin));
        if (!before) return false;
        PyObject* sum =
            before.is_none() ? Py_NewRef(dx) : or_sleep_at_exit([&] { return sum_of(before.ptr(), dx, found.ptr()); });
        if (sum != nullptr && PyObject_TypeCheck(sum, number_type)) {  // what NumPy computes of arrays without axes
            const py::object number = stolen(sum);
            sum = PyObject_CallOneArg(asarray, sum);
        }
        if (sum == nullptr || PyList_SetItem(gradients, origin, sum) < 0) return false;
    }
    return true;
}

// From the last node to the first; each is released, with its closure and arrays, before the next one.
PyObject* backpropagate(PyObject*, PyObject* arguments) {
    PyObject *nodes, *gradients;
    if (!PyArg_ParseTuple(arguments, "O!O!", &PyList_Type, &nodes, &PyList_Type, &gradients)) return nullptr;
    while (const Py_ssize_t count = PyList_GET_SIZE(nodes)) {
        const py::object node = borrowed(PyList_GET_ITEM(nodes, count - 1));
        if (PyList_SetSlice(nodes, count - 1, count, nullptr) < 0) return nullptr;
        if (node.is_none()) continue;  // a further result of the node before
        if (!PyTuple_Check(node.ptr()))
            return PyErr_Format(PyExc_TypeError, "backpropagate: expected nodes, got %R", node.ptr());
        if (!backpropagate_node(node.ptr(), gradients)) return nullptr;
    }
    Py_RETURN_NONE;
}

// Memory for a gradient with dy's shape and dtype: dy itself, once, if it is the gradient of the closure now called and only
// backpropagate refers to it; else a new array.
PyObject* in_place_of(PyObject*, PyObject* dy) {
    if (dy != spare) return empty_like(nullptr, &dy, 1);
    spare = nullptr;
    return Py_NewRef(dy);
}

}  // namespace

void bind_backpropagation(py::module_& module) {
    const py::module_ numpy = py::module_::import("numpy");
    array_type = reinterpret_cast<PyTypeObject*>(py::object(numpy.attr("ndarray")).release().ptr());
    number_type = reinterpret_cast<PyTypeObject*>(py::object(numpy.attr("generic")).release().ptr());
    asarray = py::object(numpy.attr("asarray")).release().ptr();
    static PyMethodDef functions[] = {
        {"backpropagate", backpropagate, METH_VARARGS, "backpropagate($module, nodes, gradients, /)\n--\n\n"},
        {"in_place_of", in_place_of, METH_O, "in_place_of($module, dy, /)\n--\n\n"},
        {},
    };
    if (PyModule_AddFunctions(module.ptr(), functions) < 0) throw py::error_already_set();
}

}  // namespace lamella
