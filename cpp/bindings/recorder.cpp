#include "bindings/recorder.h"

#include <structmember.h>

#include <cstddef>

#include "bindings/objects.h"

namespace lamella {
namespace {

thread_local Recorder* recording_here = nullptr;  // owned

// Begins a new block: Tensors of the previous block are refused.
bool renew(Recorder& self) {
    PyObject *const nodes = PyList_New(0), *const block = PyObject_CallNoArgs(reinterpret_cast<PyObject*>(&PyBaseObject_Type));
    if (nodes == nullptr || block == nullptr) {
        Py_XDECREF(nodes);
        Py_XDECREF(block);
        return false;
    }
    Py_XSETREF(self.nodes, nodes);
    Py_XSETREF(self.block, block);
    return true;
}

bool begin_recording(Recorder& self) {
    PyObject* const before = reinterpret_cast<PyObject*>(recording_here);
    if (before != nullptr && Py_REFCNT(before) == 1) {  // its block cannot end: Ctrl-C came before the block's first line
        recording_here = nullptr;
        Py_DECREF(before);
    }
    if (recording_here != nullptr) {
        PyErr_SetString(PyExc_RuntimeError, "Tape: a tape is already recording in this thread");
        return false;
    }
    if (!renew(self)) return false;
    self.first = self.given;
    Py_CLEAR(self.calls);
    recording_here = reinterpret_cast<Recorder*>(Py_NewRef(reinterpret_cast<PyObject*>(&self)));
    return true;
}

int init_recorder(PyObject* self, PyObject* arguments, PyObject* names) {
    static const char* keywords[] = {"places", "first", nullptr};
    Recorder& recorder = *reinterpret_cast<Recorder*>(self);
    PyObject* places;
    Py_ssize_t first;
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "O!n", const_cast<char**>(keywords), &PyDict_Type, &places, &first)) {
        return -1;
    }
    Py_XSETREF(recorder.places, Py_NewRef(places));
    recorder.first = recorder.given = first;
    return renew(recorder) ? 0 : -1;
}

// After an error no gradients are computed, so the closures and their arrays are released.
bool end_block(PyObject* self, bool succeeded) {
    Error error;
    PyObject* const recorder = reinterpret_cast<PyObject*>(recording_here);
    recording_here = nullptr;
    Py_XDECREF(recorder);
    if (!succeeded && !renew(*reinterpret_cast<Recorder*>(self))) return false;
    error.restore();
    return true;
}

// No signal is handled between the function and the end of the recording.
PyObject* run_recorded(PyObject* self, PyObject* const* arguments, Py_ssize_t given, PyObject* names) {
    if (given < 1) return PyErr_Format(PyExc_TypeError, "Recorder.run: expected a function");
    if (!begin_recording(*reinterpret_cast<Recorder*>(self))) return nullptr;
    PyObject* const result = PyObject_Vectorcall(arguments[0], arguments + 1, static_cast<std::size_t>(given - 1), names);
    return end_block(self, result != nullptr) ? result : nullptr;
}

PyObject* enter_recorder(PyObject* self, PyObject*) {
    return begin_recording(*reinterpret_cast<Recorder*>(self)) ? Py_NewRef(self) : nullptr;
}

PyObject* leave_recorder(PyObject* self, PyObject* const* arguments, Py_ssize_t given) {
    if (!end_block(self, given == 0 || arguments[0] == Py_None)) return nullptr;
    Py_RETURN_NONE;
}

PyObject* renew_recorder(PyObject* self, PyObject*) {
    if (!renew(*reinterpret_cast<Recorder*>(self))) return nullptr;
    Py_RETURN_NONE;
}

PyObject* is_recording(PyObject* self, void*) { return PyBool_FromLong(self == reinterpret_cast<PyObject*>(recording_here)); }

PyObject* recorded(PyObject*, PyObject*) {
    return Py_NewRef(recording_here != nullptr ? reinterpret_cast<PyObject*>(recording_here) : Py_None);
}

py::object make_recorder_type() {
    static PyMemberDef members[] = {
        {"nodes", T_OBJECT_EX, offsetof(Recorder, nodes), READONLY, nullptr},
        {"places", T_OBJECT_EX, offsetof(Recorder, places), READONLY, nullptr},
        {"block", T_OBJECT_EX, offsetof(Recorder, block), READONLY, nullptr},
        {"calls", T_OBJECT, offsetof(Recorder, calls), 0, nullptr},
        {"first", T_PYSSIZET, offsetof(Recorder, first), 0, nullptr},
        {},
    };
    static PyGetSetDef properties[] = {{"recording", is_recording, nullptr, nullptr, nullptr}, {}};
    static PyMethodDef methods[] = {
        {"run", fast(run_recorded), METH_FASTCALL | METH_KEYWORDS, kRunSignature},
        {"renew", renew_recorder, METH_NOARGS, "renew($self)\n--\n\n"},
        {"__enter__", enter_recorder, METH_NOARGS, kEnterSignature},
        {"__exit__", fast(leave_recorder), METH_FASTCALL, kExitSignature},
        {},
    };
    static PyType_Slot slots[] = {
        {Py_tp_new, reinterpret_cast<void*>(PyType_GenericNew)},
        {Py_tp_doc, const_cast<char*>("Recorder(places, first)\n--\n\n")},
        {Py_tp_init, reinterpret_cast<void*>(init_recorder)},
        {Py_tp_traverse, reinterpret_cast<void*>(traverse<Recorder>)},
        {Py_tp_clear, reinterpret_cast<void*>(clear<Recorder>)},
        {Py_tp_dealloc, reinterpret_cast<void*>(free_object<Recorder>)},
        {Py_tp_methods, methods},
        {Py_tp_members, members},
        {Py_tp_getset, properties},
        {},
    };
    static PyType_Spec spec{"lamella._kernels.Recorder", sizeof(Recorder), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
    return make_type(&spec);
}

}  // namespace

Recorder* recording() { return recording_here; }

void bind_recorder(py::module_& module) {
    module.attr("Recorder") = make_recorder_type();
    static PyMethodDef functions[] = {{"recorded", recorded, METH_NOARGS, "recorded($module)\n--\n\n"}, {}};
    if (PyModule_AddFunctions(module.ptr(), functions) < 0) throw py::error_already_set();
}

}  // namespace lamella
