// Commits and scopes, which lamella.core.atomic documents. CPython handles signals between two bytecodes, never within a call
// of a C function. So an interrupt cannot stop these functions in the middle or skip the code that restores. No frame here has
// destructors: see cpp/bindings/exit.h.
#include "bindings/atomic.h"

#include <structmember.h>

#include <cstddef>
#include <initializer_list>

#include "bindings/objects.h"

namespace lamella {
namespace {

// --- commit -----------------------------------------------------------------------------------------------------

// A call is a tuple (function, tuple of arguments).
PyObject* make_call(PyObject* call) {
    if (!PyTuple_Check(call) || PyTuple_GET_SIZE(call) != 2 || !PyTuple_Check(PyTuple_GET_ITEM(call, 1))) {
        return PyErr_Format(PyExc_TypeError, "commit: expected calls as (function, tuple of arguments), got %R", call);
    }
    return PyObject_CallObject(PyTuple_GET_ITEM(call, 0), PyTuple_GET_ITEM(call, 1));
}

PyObject* commit(PyObject*, PyObject* const* arguments, Py_ssize_t given) {
    if (given < 1 || given > 2 || !PyList_Check(arguments[0]) || (given == 2 && !PyList_Check(arguments[1]))) {
        PyErr_SetString(PyExc_TypeError, "commit: expected a list of calls, and optionally a list of calls that undo them");
        return nullptr;
    }
    PyObject* const calls = arguments[0];
    PyObject* const results = PyList_New(0);
    if (results == nullptr) return nullptr;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(calls); ++i) {
        PyObject* const call = Py_NewRef(PyList_GET_ITEM(calls, i));
        PyObject* const result = make_call(call);
        Py_DECREF(call);
        const bool failed = result == nullptr || PyList_Append(results, result) < 0;
        Py_XDECREF(result);
        if (!failed) continue;
        Py_DECREF(results);
        if (given == 2) {
            Error error;
            for (Py_ssize_t j = 0; j < PyList_GET_SIZE(arguments[1]); ++j) {
                PyObject* const undone = make_call(PyList_GET_ITEM(arguments[1], j));
                if (undone == nullptr) PyErr_WriteUnraisable(PyList_GET_ITEM(arguments[1], j));
                Py_XDECREF(undone);
            }
            error.restore();
        }
        return nullptr;
    }
    return results;
}

// --- Scope ------------------------------------------------------------------------------------------------------

struct Scope {
    PyObject_HEAD
    PyObject* bindings;  // tuple of (object, name, value) and (context variable, value)
    PyObject* before;    // tuple of their previous values; null outside of a with block

    template <class F>
    int each_owned(const F& f) {
        for (PyObject** owned : {&bindings, &before}) {
            if (const int stop = f(*owned)) return stop;
        }
        return 0;
    }
};

// The present value of a binding's attribute or context variable; null with an error set.
PyObject* get_bound(PyObject* binding) {
    PyObject* const object = PyTuple_GET_ITEM(binding, 0);
    if (PyTuple_GET_SIZE(binding) == 3) return PyObject_GetAttr(object, PyTuple_GET_ITEM(binding, 1));
    PyObject* value = nullptr;
    if (PyContextVar_Get(object, nullptr, &value) == 0 && value == nullptr) PyErr_SetObject(PyExc_LookupError, object);
    return value;
}

int set_bound(PyObject* binding, PyObject* value) {
    PyObject* const object = PyTuple_GET_ITEM(binding, 0);
    if (PyTuple_GET_SIZE(binding) == 3) return PyObject_SetAttr(object, PyTuple_GET_ITEM(binding, 1), value);
    PyObject* const token = PyContextVar_Set(object, value);
    Py_XDECREF(token);
    return token == nullptr ? -1 : 0;
}

// Restores the first `count` bindings, the last one first.
void unbind(PyObject* bindings, PyObject* before, Py_ssize_t count) {
    Error error;
    while (count-- > 0) {
        PyObject* const binding = PyTuple_GET_ITEM(bindings, count);
        if (set_bound(binding, PyTuple_GET_ITEM(before, count)) < 0) PyErr_WriteUnraisable(binding);
    }
    error.restore();
}

// Sets all bindings; returns their previous values. After an error it restores them and returns null with the error set.
PyObject* bind_attributes(PyObject* bindings) {
    const Py_ssize_t count = PyTuple_GET_SIZE(bindings);
    PyObject* const before = PyTuple_New(count);
    for (Py_ssize_t i = 0; before != nullptr && i < count; ++i) {
        PyObject* const binding = PyTuple_GET_ITEM(bindings, i);
        PyObject* const old = get_bound(binding);
        if (old == nullptr || set_bound(binding, PyTuple_GET_ITEM(binding, PyTuple_GET_SIZE(binding) - 1)) < 0) {
            Py_XDECREF(old);
            unbind(bindings, before, i);
            Py_DECREF(before);
            return nullptr;
        }
        PyTuple_SET_ITEM(before, i, old);
    }
    return before;
}

PyObject* new_scope(PyTypeObject* type, PyObject* bindings, PyObject* names) {
    if (names != nullptr && PyDict_GET_SIZE(names) > 0) {
        return PyErr_Format(PyExc_TypeError, "Scope: expected no keyword arguments, got %R", names);
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(bindings); ++i) {
        PyObject* const binding = PyTuple_GET_ITEM(bindings, i);
        const Py_ssize_t size = PyTuple_Check(binding) ? PyTuple_GET_SIZE(binding) : 0;
        if (size != 3 && !(size == 2 && PyContextVar_CheckExact(PyTuple_GET_ITEM(binding, 0)))) {
            return PyErr_Format(PyExc_TypeError,
                                "Scope: expected tuples (object, name, value) or (context variable, value), got %R", binding);
        }
    }
    PyObject* const self = type->tp_alloc(type, 0);
    if (self != nullptr) reinterpret_cast<Scope*>(self)->bindings = Py_NewRef(bindings);
    return self;
}

PyObject* run_in_scope(PyObject* self, PyObject* const* arguments, Py_ssize_t given, PyObject* names) {
    if (given < 1) return PyErr_Format(PyExc_TypeError, "Scope.run: expected a function");
    PyObject* const bindings = reinterpret_cast<Scope*>(self)->bindings;
    PyObject* const before = bind_attributes(bindings);
    if (before == nullptr) return nullptr;
    PyObject* const result = PyObject_Vectorcall(arguments[0], arguments + 1, static_cast<std::size_t>(given - 1), names);
    unbind(bindings, before, PyTuple_GET_SIZE(bindings));
    Py_DECREF(before);
    return result;
}

PyObject* enter_scope(PyObject* self, PyObject*) {
    Scope& scope = *reinterpret_cast<Scope*>(self);
    if (scope.before != nullptr) return PyErr_Format(PyExc_RuntimeError, "Scope: its with block is already running");
    scope.before = bind_attributes(scope.bindings);
    return scope.before == nullptr ? nullptr : Py_NewRef(self);
}

void leave(Scope& scope) {
    PyObject* const before = scope.before;
    scope.before = nullptr;
    if (before != nullptr) unbind(scope.bindings, before, PyTuple_GET_SIZE(scope.bindings));
    Py_XDECREF(before);
}

PyObject* leave_scope(PyObject* self, PyObject* const*, Py_ssize_t) {
    leave(*reinterpret_cast<Scope*>(self));
    Py_RETURN_NONE;
}

// CPython 3.14 handles signals between __enter__ and the block, and then calls no __exit__.
void free_scope(PyObject* self) {
    leave(*reinterpret_cast<Scope*>(self));
    free_object<Scope>(self);
}

py::object make_scope_type() {
    static PyMethodDef methods[] = {
        {"run", fast(run_in_scope), METH_FASTCALL | METH_KEYWORDS, kRunSignature},
        {"__enter__", enter_scope, METH_NOARGS, kEnterSignature},
        {"__exit__", fast(leave_scope), METH_FASTCALL, kExitSignature},
        {},
    };
    static PyType_Slot slots[] = {
        {Py_tp_doc, const_cast<char*>("Scope(*bindings)\n--\n\n")},
        {Py_tp_new, reinterpret_cast<void*>(new_scope)},
        {Py_tp_traverse, reinterpret_cast<void*>(traverse<Scope>)},
        {Py_tp_clear, reinterpret_cast<void*>(clear<Scope>)},
        {Py_tp_dealloc, reinterpret_cast<void*>(free_scope)},
        {Py_tp_methods, methods},
        {},
    };
    static PyType_Spec spec{"lamella._kernels.Scope", sizeof(Scope), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
    return make_type(&spec);
}

}  // namespace

void bind_atomic(py::module_& module) {
    module.attr("Scope") = make_scope_type();
    static PyMethodDef functions[] = {{"commit", fast(commit), METH_FASTCALL, "commit($module, calls, undo=[], /)\n--\n\n"},
                                      {}};
    if (PyModule_AddFunctions(module.ptr(), functions) < 0) throw py::error_already_set();
}

}  // namespace lamella
