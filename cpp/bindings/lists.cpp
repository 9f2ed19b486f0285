// What a step of lamella.torch asks of each parameter and its state, for all of them in one call. In Python this takes as long
// as the kernel, for many small tensors and for a single one. No frame that runs code in Python has destructors: see
// cpp/bindings/exit.h.
#include "bindings/lists.h"

#include <cmath>

#include "bindings/objects.h"
#include "bindings/view_of.h"

namespace lamella {
namespace {

// gradients(params, held): the list of the .grad that are not None, if those that have one are the objects of `held`; else
// None.
PyObject* gradients(PyObject*, PyObject* const* arguments, Py_ssize_t given) {
    static PyObject* const name = PyUnicode_InternFromString("grad");
    if (given != 2 || !PyList_Check(arguments[0]) || !PyList_Check(arguments[1])) {
        return PyErr_Format(PyExc_TypeError, "gradients: expected 2 lists, got %zd arguments", given);
    }
    PyObject *const params = arguments[0], *const held = arguments[1];
    const Py_ssize_t count = PyList_GET_SIZE(held);
    PyObject* const found = PyList_New(count);
    if (found == nullptr) return nullptr;
    Py_ssize_t known = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(params); ++i) {
        PyObject* const param = Py_NewRef(PyList_GET_ITEM(params, i));
        const bool next = known < count && param == PyList_GET_ITEM(held, known);
        // An attribute written in Python can change `params`.
        PyObject* const gradient = PyObject_GetAttr(param, name);
        Py_DECREF(param);
        if (gradient == Py_None) {
            Py_DECREF(gradient);
        } else if (gradient != nullptr && next) {
            PyList_SET_ITEM(found, known++, gradient);
        } else {
            Py_XDECREF(gradient);
            Py_DECREF(found);
            if (gradient == nullptr) return nullptr;
            Py_RETURN_NONE;
        }
    }
    if (known == count) return found;
    Py_DECREF(found);
    Py_RETURN_NONE;
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

// The numbers of an array of one axis, float or double; nullptr with an error set for another array.
py::detail::PyArray_Proxy* counts_of(const char* who, PyObject* object, bool* is_double) {
    if (py::isinstance<py::array>(object)) {
        auto* const array = py::detail::array_proxy(object);
        const Py_ssize_t item = array->nd == 1 ? array->strides[0] : 0;
        *is_double = item == sizeof(double);
        constexpr int kNeeded = py::detail::npy_api::NPY_ARRAY_ALIGNED_ | py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
        const auto typed = py::reinterpret_borrow<py::array>(object);
        const bool fits = *is_double ? has_type<double>(typed) : has_type<float>(typed);
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

// Whether states[i][names[k]] is tensors[k][i] for all i and k; -1 with an error set.
int hold(PyObject* states, PyObject* names, PyObject* tensors) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(states); ++i) {
        PyObject* const state = PyList_GET_ITEM(states, i);
        for (Py_ssize_t k = 0; k < PyList_GET_SIZE(names); ++k) {
            PyObject* const list = k < PyList_GET_SIZE(tensors) ? PyList_GET_ITEM(tensors, k) : nullptr;
            if (!PyDict_Check(state) || list == nullptr || !PyList_Check(list) || PyList_GET_SIZE(list) <= i) {
                PyErr_SetString(PyExc_TypeError, "common_count: expected dicts, and for each name a tensor of each of them");
                return -1;
            }
            PyObject* const value = PyDict_GetItemWithError(state, PyList_GET_ITEM(names, k));
            if (value == nullptr && PyErr_Occurred()) return -1;
            if (value != PyList_GET_ITEM(list, i)) return 0;
        }
    }
    return 1;
}

// common_count(states, names, tensors, counts): the number that all counts are, 0 without counts. None if they differ, or if
// states[i][names[k]] is not tensors[k][i] for all i and k.
PyObject* common_count(PyObject*, PyObject* const* arguments, Py_ssize_t given) {
    for (Py_ssize_t i = 0; i < 3; ++i) {
        if (given != 4 || !PyList_Check(arguments[i])) {
            return PyErr_Format(PyExc_TypeError, "common_count: expected 3 lists and counts, got %zd arguments", given);
        }
    }
    const int held = hold(arguments[0], arguments[1], arguments[2]);
    if (held < 0) return nullptr;
    if (held == 0) Py_RETURN_NONE;
    if (arguments[3] == Py_None) return PyFloat_FromDouble(0);
    bool is_double;
    const auto* const counts = counts_of("common_count", arguments[3], &is_double);
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

constexpr Py_ssize_t kMost = 8;  // numbers in one call of `finite`

// Adds a finite number to `numbers`; false with an error set.
bool add(PyObject* item, PyObject* owner, PyObject* name, double* numbers, Py_ssize_t* count) {
    const double number = PyFloat_AsDouble(item);
    if (number == -1 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_TypeError) || PyErr_ExceptionMatches(PyExc_ValueError)) {
            PyErr_Format(PyExc_TypeError, "%s: expected a number for %S, got %R", Py_TYPE(owner)->tp_name, name, item);
        }
        return false;
    }
    if (!std::isfinite(number)) {
        const char* const got = number != number ? "nan" : number > 0 ? "inf" : "-inf";
        PyErr_Format(PyExc_ValueError, "%s: expected a finite %S, got %s", Py_TYPE(owner)->tp_name, name, got);
        return false;
    }
    if (*count == kMost) {
        PyErr_Format(PyExc_TypeError, "finite: expected at most %zd numbers", kMost);
        return false;
    }
    numbers[(*count)++] = number;
    return true;
}

// Adds the numbers group[name] of each name, two for "betas"; false with an error set.
bool add_all(PyObject* owner, PyObject* group, PyObject* const* names, Py_ssize_t given, double* numbers, Py_ssize_t* count) {
    for (Py_ssize_t i = 0; i < given; ++i) {
        PyObject* const value = PyDict_GetItemWithError(group, names[i]);
        if (value == nullptr) {
            if (!PyErr_Occurred()) PyErr_SetObject(PyExc_KeyError, names[i]);
            return false;
        }
        if (!PyUnicode_Check(names[i]) || PyUnicode_CompareWithASCIIString(names[i], "betas") != 0) {
            if (!add(value, owner, names[i], numbers, count)) return false;
            continue;
        }
        PyObject* const pair = PySequence_Check(value) ? PySequence_Fast(value, "") : nullptr;
        bool good = pair != nullptr && PySequence_Fast_GET_SIZE(pair) == 2;
        if (!good) {
            PyErr_Format(PyExc_TypeError, "%s: expected two numbers for betas, got %R", Py_TYPE(owner)->tp_name, value);
        }
        for (Py_ssize_t k = 0; good && k < 2; ++k) {
            good = add(PySequence_Fast_GET_ITEM(pair, k), owner, names[i], numbers, count);
        }
        Py_XDECREF(pair);
        if (!good) return false;
    }
    return true;
}

// A tuple of floats, and of `last` at its end, if given, which it then owns.
PyObject* tuple_of(const double* numbers, Py_ssize_t count, PyObject* last = nullptr) {
    PyObject* const found = PyTuple_New(count + (last != nullptr));
    if (found == nullptr) return nullptr;
    for (Py_ssize_t i = 0; i < count; ++i) PyTuple_SET_ITEM(found, i, PyFloat_FromDouble(numbers[i]));
    if (last != nullptr) PyTuple_SET_ITEM(found, count, last);
    return found;
}

// finite(owner, group, *names): group[name] for each name, as floats in one tuple; "betas" gives two. ValueError for a number
// that is not finite, TypeError for what is no number, with the name of the owner's type.
PyObject* finite(PyObject*, PyObject* const* arguments, Py_ssize_t given) {
    if (given < 2 || !PyDict_Check(arguments[1])) {
        return PyErr_Format(PyExc_TypeError, "finite: expected an object, a dict and names, got %zd arguments", given);
    }
    double numbers[kMost];
    Py_ssize_t count = 0;
    if (!add_all(arguments[0], arguments[1], arguments + 2, given - 2, numbers, &count)) return nullptr;
    return tuple_of(numbers, count);
}

// adam_numbers(owner, group, steps, decoupled): the numbers of torch_adam_update for the step after so many, from the group's
// hyperparameters; decoupled: whether weight decay is AdamW's. Errors as those of `finite`; ValueError for betas that are not
// below 1. In Python this takes a sixth of a step of 1,000 parameters.
PyObject* adam_numbers(PyObject*, PyObject* const* arguments, Py_ssize_t given) {
    static PyObject* const names[] = {PyUnicode_InternFromString("lr"), PyUnicode_InternFromString("weight_decay"),
                                      PyUnicode_InternFromString("eps"), PyUnicode_InternFromString("betas")};
    if (given != 4 || !PyDict_Check(arguments[1])) {
        return PyErr_Format(PyExc_TypeError, "adam_numbers: expected an object, a dict, steps and a bool, got %zd arguments",
                            given);
    }
    double numbers[5];
    Py_ssize_t count = 0;
    if (!add_all(arguments[0], arguments[1], names, 4, numbers, &count)) return nullptr;
    const auto [rate, decay, eps, beta1, beta2] = numbers;
    const double t = PyFloat_AsDouble(arguments[2]) + 1;
    if (PyErr_Occurred()) return nullptr;
    const bool decoupled = arguments[3] == Py_True;
    // pow, as Python's ** has it, which torch's numbers come from.
    const double corrected = rate / (1 - std::pow(beta1, t)), root = std::pow(1 - std::pow(beta2, t), 0.5);
    if (!std::isfinite(corrected) || !std::isfinite(root)) {
        return PyErr_Format(PyExc_ValueError, "%s: expected betas of at least 0 and below 1, got %R",
                            Py_TYPE(arguments[0])->tp_name, PyDict_GetItem(arguments[1], names[3]));
    }
    const double first[] = {corrected, root, decoupled ? 0.0 : decay, decoupled ? 1 - rate * decay : 1.0};
    const double last[] = {beta1, beta2, eps};
    PyObject* const inner = tuple_of(last, 3);
    PyObject* const found = inner == nullptr ? nullptr : tuple_of(first, 4, inner);
    if (found == nullptr) Py_XDECREF(inner);
    return found;
}

}  // namespace

void bind_lists(py::module_& module) {
    static PyMethodDef functions[] = {
        {"gradients", fast(gradients), METH_FASTCALL, "gradients($module, params, held, /)\n--\n\n"},
        {"identical", fast(identical), METH_FASTCALL, "identical($module, objects, others, /)\n--\n\n"},
        {"common_count", fast(common_count), METH_FASTCALL, "common_count($module, states, names, tensors, counts, /)\n--\n\n"},
        {"finite", fast(finite), METH_FASTCALL, "finite($module, owner, group, /, *names)\n--\n\n"},
        {"adam_numbers", fast(adam_numbers), METH_FASTCALL, "adam_numbers($module, owner, group, steps, decoupled, /)\n--\n\n"},
        {"count_up", count_up, METH_O, "count_up($module, counts, /)\n--\n\n"},
        {}};
    if (PyModule_AddFunctions(module.ptr(), functions) < 0) throw py::error_already_set();
}

}  // namespace lamella
