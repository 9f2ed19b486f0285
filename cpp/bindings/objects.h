// The common parts of lamella's types in C++. each_owned(f) of a type calls f on each reference that an object owns, and stops
// when f does not return 0.
#pragma once
#include <pybind11/pybind11.h>

namespace lamella {

namespace py = pybind11;

inline py::object stolen(PyObject* object) { return py::reinterpret_steal<py::object>(object); }
inline py::object borrowed(PyObject* object) { return py::reinterpret_borrow<py::object>(object); }

// Saves the error that is set while other code runs.
class Error {
public:
    Error() { PyErr_Fetch(&type_, &value_, &trace_); }
    void restore() { PyErr_Restore(type_, value_, trace_); }

private:
    PyObject *type_, *value_, *trace_;
};

// The functions that the garbage collector needs.
template <class Object>
int traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    return reinterpret_cast<Object*>(self)->each_owned(
        [=](PyObject* owned) { return owned != nullptr ? visit(owned, arg) : 0; });
}

template <class Object>
int clear(PyObject* self) {
    return reinterpret_cast<Object*>(self)->each_owned([](PyObject*& owned) {
        Py_CLEAR(owned);
        return 0;
    });
}

template <class Object>
void free_object(PyObject* self) {
    PyTypeObject* const type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (type->tp_weaklistoffset > 0) PyObject_ClearWeakRefs(self);
    clear<Object>(self);
    type->tp_free(self);
    Py_DECREF(type);
}

inline py::object make_type(PyType_Spec* spec) {
    PyObject* const type = PyType_FromSpec(spec);
    if (type == nullptr) throw py::error_already_set();
    return stolen(type);
}

// A method that takes its arguments in the form of vectorcall.
inline PyCFunction fast(PyObject* (*function)(PyObject*, PyObject* const*, Py_ssize_t)) {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}
inline PyCFunction fast(PyObject* (*function)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*)) {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

// Signatures, in the form that `inspect` reads, of methods that several types have.
constexpr char kRunSignature[] = "run($self, function, /, *arguments, **named)\n--\n\n";
constexpr char kEnterSignature[] = "__enter__($self)\n--\n\n";
constexpr char kExitSignature[] = "__exit__($self, kind, error, trace, /)\n--\n\n";

}  // namespace lamella
