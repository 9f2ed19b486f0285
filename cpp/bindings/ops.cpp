// lamella.ops.tape and lamella.ops.arrays say what all of this means. A small model's step is little else than what
// surrounds its kernels; hence this is not in Python, and calls go CPython's own way, not pybind11's.
#include "bindings/ops.h"

#include <pybind11/numpy.h>
#include <structmember.h>

#include <algorithm>
#include <cstddef>

namespace lamella {
namespace {

namespace py = pybind11;

py::object stolen(PyObject* object) { return py::reinterpret_steal<py::object>(object); }
py::object borrowed(PyObject* object) { return py::reinterpret_borrow<py::object>(object); }

// What a thread's tape has recorded so far; both are owned, and null while none records. Results count on from `first`.
struct Recording {
    PyObject* nodes;   // list of (backward, origins, need, index of the result)
    PyObject* places;  // dict: index of each source that is a Variable
    Py_ssize_t first;
};
thread_local Recording recording{};

// What lamella.ops.tape.Tensor holds; the class there has the rest.
struct Held {
    PyObject_HEAD
    PyObject* value;
    PyObject* tape;
    PyObject* logits;
    Py_ssize_t index;
};

// A function (*ndarrays, **configuration) -> (y, backward) as an op.
struct Op {
    PyObject_HEAD
    PyObject* forward;
    PyTypeObject* tensor;    // the type Tensor, which is made of Held
    PyTypeObject* variable;  // the type Variable
    PyObject* plain;         // any other input -> ndarray or None
    PyObject* attributes;
    vectorcallfunc call;
};

PyTypeObject* array_type;
PyTypeObject* held_type;
PyObject *require, *value_name;
const py::detail::npy_api* numpy_api;

// The references that a call holds, few of them as a rule.
class References {
public:
    explicit References(Py_ssize_t most) : items_(most <= kFew ? few_ : PyMem_New(PyObject*, most)) {}
    References(const References&) = delete;
    ~References() {
        for (Py_ssize_t i = 0; i < count_; ++i) Py_DECREF(items_[i]);
        if (items_ != few_) PyMem_Free(items_);
    }
    void own(PyObject* object) { items_[count_++] = object; }
    PyObject** items() { return items_; }  // null if there is no memory

private:
    static constexpr Py_ssize_t kFew = 12;
    PyObject* few_[kFew];
    PyObject** items_;
    Py_ssize_t count_ = 0;
};

// The ndarray, or None, that an op computes on, as a new reference; null with an error set.
PyObject* value_of(const Op& op, PyObject* input) {
    PyTypeObject* const type = Py_TYPE(input);
    if (type == array_type || input == Py_None) return Py_NewRef(input);
    if (type == op.tensor && reinterpret_cast<Held*>(input)->value != nullptr) {
        return Py_NewRef(reinterpret_cast<Held*>(input)->value);
    }
    if (type == op.variable) return PyObject_GetAttr(input, value_name);
    return PyObject_CallOneArg(op.plain, input);
}

// The index of what `input` stems from, or -1 if the tape has no use for its gradient; -2 with an error set.
Py_ssize_t origin_of(const Op& op, PyObject* nodes, PyObject* places, PyObject* input) {
    if (Py_TYPE(input) == op.tensor) {
        const Held& tensor = *reinterpret_cast<Held*>(input);
        if (tensor.tape == nodes) return tensor.index;
        PyErr_Format(PyExc_RuntimeError,
                     "%R is of an earlier step, or of another thread's: its gradient is gone. Keep K.stop_gradient(x), or "
                     "K.get_value(x), of what a later step is to use",
                     input);
        return -2;
    }
    if (Py_TYPE(input) != op.variable) return -1;
    PyObject* const place = PyDict_GetItemWithError(places, input);
    if (place == nullptr) return PyErr_Occurred() != nullptr ? -2 : -1;
    return PyLong_AsSsize_t(place);
}

// Tensor(y, index, nodes), past its __init__.
PyObject* make_tensor(const Op& op, PyObject* y, Py_ssize_t index, PyObject* nodes) {
    PyObject* const self = op.tensor->tp_alloc(op.tensor, 0);
    if (self == nullptr) return nullptr;
    Held& tensor = *reinterpret_cast<Held*>(self);
    tensor.value = Py_NewRef(y);
    tensor.tape = Py_NewRef(nodes);
    tensor.index = index;
    return self;
}

PyObject* call_op(PyObject* self, PyObject* const* arguments, std::size_t flags, PyObject* names) {
    const Op& op = *reinterpret_cast<Op*>(self);
    const Py_ssize_t inputs = PyVectorcall_NARGS(flags), named = names != nullptr ? PyTuple_GET_SIZE(names) : 0;
    // The tape may end while the op runs, by another's hand.
    const py::object nodes = borrowed(recording.nodes), places = borrowed(recording.places);
    const Py_ssize_t first = recording.first;

    References values(inputs + named);
    if (values.items() == nullptr) return PyErr_NoMemory();
    py::object origins, need;
    bool needed = false;
    if (nodes) {
        origins = stolen(PyTuple_New(inputs));
        need = stolen(PyTuple_New(inputs));
        if (!origins || !need) return nullptr;
    }
    for (Py_ssize_t i = 0; i < inputs; ++i) {
        PyObject* const value = value_of(op, arguments[i]);
        if (value == nullptr) return nullptr;
        values.own(value);
        if (!nodes) continue;
        const Py_ssize_t origin = origin_of(op, nodes.ptr(), places.ptr(), arguments[i]);
        if (origin == -2) return nullptr;
        PyObject* const number = PyLong_FromSsize_t(origin);
        if (number == nullptr) return nullptr;
        PyTuple_SET_ITEM(origins.ptr(), i, number);
        PyTuple_SET_ITEM(need.ptr(), i, Py_NewRef(origin >= 0 ? Py_True : Py_False));
        needed = needed || origin >= 0;
    }
    for (Py_ssize_t i = inputs; i < inputs + named; ++i) values.own(Py_NewRef(arguments[i]));

    const py::object result = stolen(PyObject_Vectorcall(op.forward, values.items(), static_cast<std::size_t>(inputs), names));
    if (!result) return nullptr;
    if (!PyTuple_CheckExact(result.ptr()) || PyTuple_GET_SIZE(result.ptr()) != 2) {
        return PyErr_Format(PyExc_TypeError, "differentiable: expected a tuple (y, backward) of %R, got %s", op.forward,
                            Py_TYPE(result.ptr())->tp_name);
    }
    PyObject *const y = PyTuple_GET_ITEM(result.ptr(), 0), *const backward = PyTuple_GET_ITEM(result.ptr(), 1);
    if (!needed) return Py_NewRef(y);

    const Py_ssize_t index = first + PyList_GET_SIZE(nodes.ptr());
    const py::object number = stolen(PyLong_FromSsize_t(index));
    if (!number) return nullptr;
    const py::object node = stolen(PyTuple_Pack(4, backward, origins.ptr(), need.ptr(), number.ptr()));
    if (!node || PyList_Append(nodes.ptr(), node.ptr()) < 0) return nullptr;
    return make_tensor(op, y, index, nodes.ptr());
}

int traverse_held(PyObject* self, visitproc visit, void* arg) {
    Held& held = *reinterpret_cast<Held*>(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(held.value);
    Py_VISIT(held.tape);
    Py_VISIT(held.logits);
    return 0;
}

int clear_held(PyObject* self) {
    Held& held = *reinterpret_cast<Held*>(self);
    Py_CLEAR(held.value);
    Py_CLEAR(held.tape);
    Py_CLEAR(held.logits);
    return 0;
}

PyObject* new_op(PyTypeObject* type, PyObject* arguments, PyObject* names) {
    static const char* keywords[] = {"forward", "tensor", "variable", "plain", nullptr};
    PyObject *forward, *tensor, *variable, *plain;
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "OO!O!O", const_cast<char**>(keywords), &forward, &PyType_Type,
                                     &tensor, &PyType_Type, &variable, &plain)) {
        return nullptr;
    }
    if (!PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(tensor), held_type)) {
        return PyErr_Format(PyExc_TypeError, "Op: expected a subclass of Held for tensor, got %R", tensor);
    }
    PyObject* const self = type->tp_alloc(type, 0);
    if (self == nullptr) return nullptr;
    Op& op = *reinterpret_cast<Op*>(self);
    op.forward = Py_NewRef(forward);
    op.tensor = reinterpret_cast<PyTypeObject*>(Py_NewRef(tensor));
    op.variable = reinterpret_cast<PyTypeObject*>(Py_NewRef(variable));
    op.plain = Py_NewRef(plain);
    op.call = call_op;
    return self;
}

int traverse_op(PyObject* self, visitproc visit, void* arg) {
    Op& op = *reinterpret_cast<Op*>(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(op.forward);
    Py_VISIT(op.tensor);
    Py_VISIT(op.variable);
    Py_VISIT(op.plain);
    Py_VISIT(op.attributes);
    return 0;
}

int clear_op(PyObject* self) {
    Op& op = *reinterpret_cast<Op*>(self);
    Py_CLEAR(op.forward);
    Py_CLEAR(op.tensor);
    Py_CLEAR(op.variable);
    Py_CLEAR(op.plain);
    Py_CLEAR(op.attributes);
    return 0;
}

template <inquiry clear>
void free_object(PyObject* self) {
    PyTypeObject* const type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

PyObject* show_op(PyObject* self) {
    return PyUnicode_FromFormat("<op of %R>", reinterpret_cast<Op*>(self)->forward);
}

// An op pickles, and is copied, by its name, as functions are.
PyObject* reduce_op(PyObject* self, PyObject*) { return PyObject_GetAttrString(self, "__qualname__"); }

py::object make_type(PyType_Spec* spec) {
    PyObject* const type = PyType_FromSpec(spec);
    if (type == nullptr) throw py::error_already_set();
    return stolen(type);
}

py::object make_held_type() {
    static PyMemberDef members[] = {
        {"value", T_OBJECT_EX, offsetof(Held, value), 0, nullptr},
        {"tape", T_OBJECT_EX, offsetof(Held, tape), 0, nullptr},
        {"logits", T_OBJECT, offsetof(Held, logits), 0, nullptr},  // None to begin with
        {"index", T_PYSSIZET, offsetof(Held, index), 0, nullptr},
        {},
    };
    static PyType_Slot slots[] = {
        {Py_tp_traverse, reinterpret_cast<void*>(traverse_held)},
        {Py_tp_clear, reinterpret_cast<void*>(clear_held)},
        {Py_tp_dealloc, reinterpret_cast<void*>(free_object<clear_held>)},
        {Py_tp_members, members},
        {},
    };
    static PyType_Spec spec{"lamella._kernels.Held", sizeof(Held), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
    return make_type(&spec);
}

py::object make_op_type() {
    static PyMethodDef methods[] = {{"__reduce__", reduce_op, METH_NOARGS, nullptr}, {}};
    static PyMemberDef members[] = {
        {"__vectorcalloffset__", T_PYSSIZET, offsetof(Op, call), READONLY, nullptr},
        {"__dictoffset__", T_PYSSIZET, offsetof(Op, attributes), READONLY, nullptr},
        {},
    };
    static PyGetSetDef dictionary[] = {{"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr}, {}};
    static PyType_Slot slots[] = {
        {Py_tp_new, reinterpret_cast<void*>(new_op)},
        {Py_tp_repr, reinterpret_cast<void*>(show_op)},
        {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
        {Py_tp_traverse, reinterpret_cast<void*>(traverse_op)},
        {Py_tp_clear, reinterpret_cast<void*>(clear_op)},
        {Py_tp_dealloc, reinterpret_cast<void*>(free_object<clear_op>)},
        {Py_tp_methods, methods},
        {Py_tp_members, members},
        {Py_tp_getset, dictionary},
        {},
    };
    static PyType_Spec spec{"lamella._kernels.Op", sizeof(Op), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL, slots};
    return make_type(&spec);
}

void record(const py::list& nodes, const py::dict& places, Py_ssize_t first) {
    const py::object old_nodes = stolen(recording.nodes), old_places = stolen(recording.places);
    recording = {nodes.inc_ref().ptr(), places.inc_ref().ptr(), first};
}

void stop_recording() {
    const py::object old_nodes = stolen(recording.nodes), old_places = stolen(recording.places);
    recording = {};
}

// From the last node to the first: what has come together for its result is handed to its closure, which is freed then.
void backpropagate(const py::list& nodes, const py::list& gradients) {
    while (PyList_GET_SIZE(nodes.ptr()) > 0) {
        const Py_ssize_t last = PyList_GET_SIZE(nodes.ptr()) - 1;
        const py::object node = borrowed(PyList_GET_ITEM(nodes.ptr(), last));
        if (PyList_SetSlice(nodes.ptr(), last, last + 1, nullptr) < 0) throw py::error_already_set();
        py::object backward = borrowed(PyTuple_GET_ITEM(node.ptr(), 0));
        PyObject* const origins = PyTuple_GET_ITEM(node.ptr(), 1);
        const Py_ssize_t index = PyLong_AsSsize_t(PyTuple_GET_ITEM(node.ptr(), 3));
        py::object dy = gradients[static_cast<std::size_t>(index)];
        if (dy.is_none()) continue;
        gradients[static_cast<std::size_t>(index)] = py::none();
        PyObject* const arguments[] = {dy.ptr(), PyTuple_GET_ITEM(node.ptr(), 2)};
        const py::object result = stolen(PyObject_Vectorcall(backward.ptr(), arguments, 2, nullptr));
        if (!result) throw py::error_already_set();
        const py::object found = stolen(PySequence_Fast(result.ptr(), "backward: expected a sequence of gradients"));
        if (!found) throw py::error_already_set();
        const Py_ssize_t count = std::min(PyTuple_GET_SIZE(origins), PySequence_Fast_GET_SIZE(found.ptr()));
        for (Py_ssize_t i = 0; i < count; ++i) {
            const Py_ssize_t origin = PyLong_AsSsize_t(PyTuple_GET_ITEM(origins, i));
            PyObject* const dx = PySequence_Fast_GET_ITEM(found.ptr(), i);
            if (origin < 0 || dx == Py_None) continue;
            PyObject* const before = PyList_GET_ITEM(gradients.ptr(), origin);
            PyObject* const sum = before == Py_None ? Py_NewRef(dx) : PyNumber_Add(before, dx);
            if (sum == nullptr || PyList_SetItem(gradients.ptr(), origin, sum) < 0) throw py::error_already_set();
        }
    }
}

// x itself if it is C-contiguous and aligned, else a copy that is.
PyObject* contiguous(PyObject*, PyObject* x) {
    constexpr int kNeeded = py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_ | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
    if (PyObject_TypeCheck(x, array_type) && (py::detail::array_proxy(x)->flags & kNeeded) == kNeeded) return Py_NewRef(x);
    return PyObject_CallFunction(require, "OO(ss)", x, Py_None, "C", "A");
}

// A new C-contiguous ndarray of x's shape and dtype, its values left as they come.
PyObject* empty_like(PyObject*, PyObject* x) {
    if (!PyObject_TypeCheck(x, array_type)) {
        return PyErr_Format(PyExc_TypeError, "empty_like: expected an array, got %s", Py_TYPE(x)->tp_name);
    }
    const py::detail::PyArray_Proxy* const array = py::detail::array_proxy(x);
    return numpy_api->PyArray_NewFromDescr_(array_type, Py_NewRef(array->descr), array->nd, array->dimensions, nullptr,
                                            nullptr, 0, nullptr);
}

}  // namespace

void bind_ops(py::module_& module) {
    const py::module_ numpy = py::module_::import("numpy");
    array_type = reinterpret_cast<PyTypeObject*>(py::object(numpy.attr("ndarray")).release().ptr());
    numpy_api = &py::detail::npy_api::get();
    require = py::object(numpy.attr("require")).release().ptr();
    value_name = PyUnicode_InternFromString("value");
    held_type = reinterpret_cast<PyTypeObject*>(make_held_type().release().ptr());
    module.attr("Held") = py::handle(reinterpret_cast<PyObject*>(held_type));
    module.attr("Op") = make_op_type();
    module.def("record", &record);
    module.def("stop_recording", &stop_recording);
    module.def("is_recording", [] { return recording.nodes != nullptr; });
    module.def("backpropagate", &backpropagate);
    static PyMethodDef functions[] = {
        {"contiguous", contiguous, METH_O, nullptr}, {"empty_like", empty_like, METH_O, nullptr}, {}};
    if (PyModule_AddFunctions(module.ptr(), functions) < 0) throw py::error_already_set();
}

}  // namespace lamella
