// lamella.ops.tape documents these types. In a step of a small model most of the time is spent around its kernels. So this, the
// recorder, the backward pass and the creation of arrays are not Python, and their functions are CPython's, which are faster
// than pybind11's.
#include "bindings/ops.h"

#include <structmember.h>

#include <cstddef>
#include <initializer_list>

#include "bindings/exit.h"
#include "bindings/objects.h"
#include "bindings/recorder.h"

namespace lamella {
namespace {

// The base of lamella.ops.tape.Tensor: its attributes. The methods are in Python.
struct TensorBase {
    PyObject_HEAD
    PyObject* value;
    PyObject* block;
    PyObject* logits;
    Py_ssize_t index;

    template <class F>
    int each_owned(const F& f) {
        for (PyObject** owned : {&value, &block, &logits}) {
            if (const int stop = f(*owned)) return stop;
        }
        return 0;
    }
};

// An op made from a function (*ndarrays, **configuration) -> (y, backward); y is an array or a tuple of arrays.
struct Op {
    PyObject_HEAD
    PyObject* forward;
    PyObject* tensor;    // the type Tensor, a subclass of TensorBase
    PyObject* variable;  // the type Variable
    PyObject* symbolic;  // the type GraphTensor
    PyObject* attributes;
    PyObject* references;  // weak references
    vectorcallfunc call;

    bool is_tensor(PyObject* object) const { return Py_TYPE(object) == reinterpret_cast<PyTypeObject*>(tensor); }
    bool is_variable(PyObject* object) const { return Py_TYPE(object) == reinterpret_cast<PyTypeObject*>(variable); }
    bool is_symbolic(PyObject* object) const { return PyObject_TypeCheck(object, reinterpret_cast<PyTypeObject*>(symbolic)); }

    template <class F>
    int each_owned(const F& f) {
        for (PyObject** owned : {&forward, &tensor, &variable, &symbolic, &attributes}) {
            if (const int stop = f(*owned)) return stop;
        }
        return 0;
    }
};

PyTypeObject* array_type;
PyTypeObject* tensor_base_type;
PyObject *asarray, *value_name, *compute_name;

// The references that a call owns, usually few.
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

// The ndarray, or None, with which an op computes, as a new reference. Null with an error set, or without for a symbolic
// tensor.
PyObject* value_of(const Op& op, PyObject* input) {
    if (Py_TYPE(input) == array_type || input == Py_None) return Py_NewRef(input);
    if (op.is_tensor(input) && reinterpret_cast<TensorBase*>(input)->value != nullptr) {
        return Py_NewRef(reinterpret_cast<TensorBase*>(input)->value);
    }
    if (op.is_variable(input)) return PyObject_GetAttr(input, value_name);
    if (op.is_symbolic(input)) return nullptr;
    return or_sleep_at_exit([=] { return PyObject_CallOneArg(asarray, input); });
}

// The index of the result or source that `input` is, or -1 if the tape does not need its gradient; -2 with an error set.
Py_ssize_t origin_of(const Op& op, PyObject* block, PyObject* places, PyObject* input) {
    if (op.is_tensor(input)) {
        const TensorBase& tensor = *reinterpret_cast<TensorBase*>(input);
        if (tensor.block == block) return tensor.index < 0 ? -1 : tensor.index;
        PyErr_Format(
            PyExc_RuntimeError,
            "%R is of an earlier step, or of a step of another thread, and its gradient is no longer available. For use "
            "in a later step keep K.stop_gradient(x) or K.get_value(x)",
            input);
        return -2;
    }
    if (!op.is_variable(input)) return -1;
    PyObject* const place = PyDict_GetItemWithError(places, input);
    if (place == nullptr) return PyErr_Occurred() != nullptr ? -2 : -1;
    return PyLong_AsSsize_t(place);
}

// Tensor(y, index, block), without calling __init__.
PyObject* make_tensor(const Op& op, PyObject* y, Py_ssize_t index, PyObject* block) {
    auto* const type = reinterpret_cast<PyTypeObject*>(op.tensor);
    PyObject* const self = type->tp_alloc(type, 0);
    if (self == nullptr) return nullptr;
    TensorBase& tensor = *reinterpret_cast<TensorBase*>(self);
    tensor.value = Py_NewRef(y);
    tensor.block = Py_NewRef(block);
    tensor.index = index;
    return self;
}

// The Tensors of an op's results, one or a tuple of several. On the tape n - 1 times None follow a node with n results, so that
// an index on the tape is the index of a result. A node with -1 results has one result that is not a tuple.
PyObject* record(const Op& op, PyObject* nodes, Py_ssize_t first, PyObject* block, PyObject* y, PyObject* backward,
                 PyObject* origins, PyObject* need) {
    const bool several = PyTuple_CheckExact(y);
    const Py_ssize_t count = several ? PyTuple_GET_SIZE(y) : 1, index = first + PyList_GET_SIZE(nodes);
    const py::object place = stolen(PyLong_FromSsize_t(index)), results = stolen(PyLong_FromSsize_t(several ? count : -1));
    if (!place || !results) return nullptr;
    const py::object node = stolen(PyTuple_Pack(5, backward, origins, need, place.ptr(), results.ptr()));
    if (!node || PyList_Append(nodes, node.ptr()) < 0) return nullptr;
    if (!several) return make_tensor(op, y, index, block);
    py::object tensors = stolen(PyTuple_New(count));
    if (!tensors) return nullptr;
    for (Py_ssize_t i = 0; i < count; ++i) {
        if (i > 0 && PyList_Append(nodes, Py_None) < 0) return nullptr;
        PyObject* const tensor = make_tensor(op, PyTuple_GET_ITEM(y, i), index + i, block);
        if (tensor == nullptr) return nullptr;
        PyTuple_SET_ITEM(tensors.ptr(), i, tensor);
    }
    return tensors.release().ptr();
}

// Records the call of an op whose result is on the tape.
bool record_call(PyObject* calls, PyObject* op, PyObject* const* arguments, Py_ssize_t inputs, PyObject* names,
                 PyObject* result) {
    const py::object given = stolen(PyTuple_New(inputs)), named = stolen(PyDict_New());
    if (!given || !named) return false;
    for (Py_ssize_t i = 0; i < inputs; ++i) PyTuple_SET_ITEM(given.ptr(), i, Py_NewRef(arguments[i]));
    for (Py_ssize_t i = 0; names != nullptr && i < PyTuple_GET_SIZE(names); ++i) {
        if (PyDict_SetItem(named.ptr(), PyTuple_GET_ITEM(names, i), arguments[inputs + i]) < 0) return false;
    }
    const py::object call = stolen(PyTuple_Pack(4, op, given.ptr(), named.ptr(), result));
    return call && PyList_Append(calls, call.ptr()) == 0;
}

PyObject* call_op(PyObject* self, PyObject* const* arguments, std::size_t flags, PyObject* names);

// Calls the op with the values of symbolic tensors, which the tape that records computes: a script may replace the kernel of a
// layer by a function of Variables.
PyObject* call_on_symbolic(PyObject* self, PyObject* const* arguments, std::size_t flags, PyObject* names) {
    const Op& op = *reinterpret_cast<Op*>(self);
    const Py_ssize_t inputs = PyVectorcall_NARGS(flags), named = names != nullptr ? PyTuple_GET_SIZE(names) : 0;
    const py::object given = stolen(PyTuple_New(inputs + named));
    if (!given) return nullptr;
    for (Py_ssize_t i = 0; i < inputs + named; ++i) {
        PyObject* const argument = arguments[i];
        const bool computed = i < inputs && op.is_symbolic(argument);
        PyObject* const value = computed ? PyObject_CallMethodNoArgs(argument, compute_name) : Py_NewRef(argument);
        if (value == nullptr) return nullptr;
        PyTuple_SET_ITEM(given.ptr(), i, value);
    }
    return call_op(self, PySequence_Fast_ITEMS(given.ptr()), static_cast<std::size_t>(inputs), names);
}

PyObject* call_op(PyObject* self, PyObject* const* arguments, std::size_t flags, PyObject* names) {
    const Op& op = *reinterpret_cast<Op*>(self);
    const Py_ssize_t inputs = PyVectorcall_NARGS(flags), named = names != nullptr ? PyTuple_GET_SIZE(names) : 0;
    // The tape may begin a new block while the op runs.
    py::object nodes, places, block, calls;
    Py_ssize_t first = 0;
    if (const Recorder* const recorder = recording()) {
        nodes = borrowed(recorder->nodes);
        places = borrowed(recorder->places);
        block = borrowed(recorder->block);
        if (recorder->calls != nullptr && PyList_Check(recorder->calls)) calls = borrowed(recorder->calls);
        first = recorder->first;
    }

    References values(inputs + named);
    if (values.items() == nullptr) return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < inputs; ++i) {
        PyObject* const value = value_of(op, arguments[i]);
        if (value == nullptr) {
            return PyErr_Occurred() != nullptr ? nullptr : call_on_symbolic(self, arguments, flags, names);
        }
        values.own(value);
    }
    for (Py_ssize_t i = inputs; i < inputs + named; ++i) values.own(Py_NewRef(arguments[i]));

    py::object origins, need;
    bool needed = false;
    if (nodes) {  // no code of users runs before these tuples are complete
        origins = stolen(PyTuple_New(inputs));
        need = stolen(PyTuple_New(inputs));
        if (!origins || !need) return nullptr;
        for (Py_ssize_t i = 0; i < inputs; ++i) {
            const Py_ssize_t origin = origin_of(op, block.ptr(), places.ptr(), arguments[i]);
            if (origin == -2) return nullptr;
            PyObject* const number = PyLong_FromSsize_t(origin);
            if (number == nullptr) return nullptr;
            PyTuple_SET_ITEM(origins.ptr(), i, number);
            PyTuple_SET_ITEM(need.ptr(), i, Py_NewRef(origin >= 0 ? Py_True : Py_False));
            needed = needed || origin >= 0;
        }
    }

    const py::object result = stolen(or_sleep_at_exit(
        [&] { return PyObject_Vectorcall(op.forward, values.items(), static_cast<std::size_t>(inputs), names); }));
    if (!result) return nullptr;
    if (!PyTuple_CheckExact(result.ptr()) || PyTuple_GET_SIZE(result.ptr()) != 2) {
        return PyErr_Format(PyExc_TypeError, "differentiable: expected a tuple (y, backward) of %R, got %s", op.forward,
                            Py_TYPE(result.ptr())->tp_name);
    }
    PyObject *const y = PyTuple_GET_ITEM(result.ptr(), 0), *const backward = PyTuple_GET_ITEM(result.ptr(), 1);
    if (!needed) return Py_NewRef(y);
    py::object made = stolen(record(op, nodes.ptr(), first, block.ptr(), y, backward, origins.ptr(), need.ptr()));
    if (made && calls && !record_call(calls.ptr(), self, arguments, inputs, names, made.ptr())) return nullptr;
    return made.release().ptr();
}

PyObject* new_op(PyTypeObject* type, PyObject* arguments, PyObject* names) {
    static const char* keywords[] = {"forward", "tensor", "variable", "symbolic", nullptr};
    PyObject *forward, *tensor, *variable, *symbolic;
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "OO!O!O!", const_cast<char**>(keywords), &forward, &PyType_Type, &tensor,
                                     &PyType_Type, &variable, &PyType_Type, &symbolic)) {
        return nullptr;
    }
    if (!PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(tensor), tensor_base_type)) {
        return PyErr_Format(PyExc_TypeError, "Op: expected a subclass of TensorBase for tensor, got %R", tensor);
    }
    PyObject* const self = type->tp_alloc(type, 0);
    if (self == nullptr) return nullptr;
    Op& op = *reinterpret_cast<Op*>(self);
    op.forward = Py_NewRef(forward);
    op.tensor = Py_NewRef(tensor);
    op.variable = Py_NewRef(variable);
    op.symbolic = Py_NewRef(symbolic);
    op.call = call_op;
    return self;
}

// In a class an op is a method, like a function.
PyObject* bind_op(PyObject* self, PyObject* object, PyObject*) {
    return object == nullptr || object == Py_None ? Py_NewRef(self) : PyMethod_New(self, object);
}

PyObject* show_op(PyObject* self) { return PyUnicode_FromFormat("<op of %R>", reinterpret_cast<Op*>(self)->forward); }

// An op is pickled and copied by its name, like a function.
PyObject* reduce_op(PyObject* self, PyObject*) { return PyObject_GetAttrString(self, "__qualname__"); }

py::object make_tensor_base_type() {
    static PyMemberDef members[] = {
        {"value", T_OBJECT_EX, offsetof(TensorBase, value), 0, nullptr},
        {"block", T_OBJECT_EX, offsetof(TensorBase, block), 0, nullptr},
        {"logits", T_OBJECT, offsetof(TensorBase, logits), 0, nullptr},  // None until it is set
        {"index", T_PYSSIZET, offsetof(TensorBase, index), 0, nullptr},
        {},
    };
    static PyType_Slot slots[] = {
        {Py_tp_traverse, reinterpret_cast<void*>(traverse<TensorBase>)},
        {Py_tp_clear, reinterpret_cast<void*>(clear<TensorBase>)},
        {Py_tp_dealloc, reinterpret_cast<void*>(free_object<TensorBase>)},
        {Py_tp_members, members},
        {},
    };
    static PyType_Spec spec{"lamella._kernels.TensorBase", sizeof(TensorBase), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
    return make_type(&spec);
}

py::object make_op_type() {
    static PyMethodDef methods[] = {{"__reduce__", reduce_op, METH_NOARGS, nullptr}, {}};
    static PyMemberDef members[] = {
        {"__vectorcalloffset__", T_PYSSIZET, offsetof(Op, call), READONLY, nullptr},
        {"__dictoffset__", T_PYSSIZET, offsetof(Op, attributes), READONLY, nullptr},
        {"__weaklistoffset__", T_PYSSIZET, offsetof(Op, references), READONLY, nullptr},
        {},
    };
    static PyGetSetDef dictionary[] = {{"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr}, {}};
    static PyType_Slot slots[] = {
        {Py_tp_doc, const_cast<char*>("Op(forward, tensor, variable, symbolic)\n--\n\n")},
        {Py_tp_new, reinterpret_cast<void*>(new_op)},
        {Py_tp_descr_get, reinterpret_cast<void*>(bind_op)},
        {Py_tp_repr, reinterpret_cast<void*>(show_op)},
        {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
        {Py_tp_traverse, reinterpret_cast<void*>(traverse<Op>)},
        {Py_tp_clear, reinterpret_cast<void*>(clear<Op>)},
        {Py_tp_dealloc, reinterpret_cast<void*>(free_object<Op>)},
        {Py_tp_methods, methods},
        {Py_tp_members, members},
        {Py_tp_getset, dictionary},
        {},
    };
    static PyType_Spec spec{"lamella._kernels.Op", sizeof(Op), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL, slots};
    return make_type(&spec);
}

}  // namespace

void bind_ops(py::module_& module) {
    const py::module_ numpy = py::module_::import("numpy");
    array_type = reinterpret_cast<PyTypeObject*>(py::object(numpy.attr("ndarray")).release().ptr());
    asarray = py::object(numpy.attr("asarray")).release().ptr();
    value_name = PyUnicode_InternFromString("value");
    compute_name = PyUnicode_InternFromString("compute");
    tensor_base_type = reinterpret_cast<PyTypeObject*>(make_tensor_base_type().release().ptr());
    module.attr("TensorBase") = py::handle(reinterpret_cast<PyObject*>(tensor_base_type));
    module.attr("Op") = make_op_type();
}

}  // namespace lamella
