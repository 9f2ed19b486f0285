// lamella.ops.tape and lamella.ops.arrays document these types and functions. In a step of a small model most of the time is
// spent around its kernels. So this is not Python, and its functions are CPython's, which are faster than pybind11's.
#include "bindings/ops.h"

#include <pybind11/numpy.h>
#include <structmember.h>

#include <algorithm>
#include <cstddef>
#include <initializer_list>

#include "bindings/exit.h"
#include "bindings/objects.h"

namespace lamella {
namespace {

// The base of lamella.ops.tape.Tape: the record of its present block.
struct Recorder {
    PyObject_HEAD
    PyObject* nodes;   // list of (backward, origins, need, index of the result, number of results or -1), see call_op
    PyObject* places;  // dict: index of each source that is a Variable
    PyObject* block;   // an object that identifies this block; its Tensors refer to it
    PyObject* calls;   // list of (op, inputs, configuration, result) if gradients of gradients are needed, else null
    Py_ssize_t first;  // index of the first result
    Py_ssize_t given;  // `first` at the beginning of a block

    template <class F>
    int each_owned(const F& f) {
        for (PyObject** owned : {&nodes, &places, &block, &calls}) {
            if (const int stop = f(*owned)) return stop;
        }
        return 0;
    }
};
thread_local Recorder* recording = nullptr;  // the Recorder that records in this thread; owned

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
    PyObject* attributes;
    PyObject* references;  // weak references
    vectorcallfunc call;

    bool is_tensor(PyObject* object) const { return Py_TYPE(object) == reinterpret_cast<PyTypeObject*>(tensor); }
    bool is_variable(PyObject* object) const { return Py_TYPE(object) == reinterpret_cast<PyTypeObject*>(variable); }

    template <class F>
    int each_owned(const F& f) {
        for (PyObject** owned : {&forward, &tensor, &variable, &attributes}) {
            if (const int stop = f(*owned)) return stop;
        }
        return 0;
    }
};

PyTypeObject* array_type;
PyTypeObject* tensor_base_type;
PyObject *asarray, *require, *value_name;
const py::detail::npy_api* numpy_api;

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

// The ndarray, or None, with which an op computes, as a new reference; null with an error set.
PyObject* value_of(const Op& op, PyObject* input) {
    if (Py_TYPE(input) == array_type || input == Py_None) return Py_NewRef(input);
    if (op.is_tensor(input) && reinterpret_cast<TensorBase*>(input)->value != nullptr) {
        return Py_NewRef(reinterpret_cast<TensorBase*>(input)->value);
    }
    if (op.is_variable(input)) return PyObject_GetAttr(input, value_name);
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

PyObject* call_op(PyObject* self, PyObject* const* arguments, std::size_t flags, PyObject* names) {
    const Op& op = *reinterpret_cast<Op*>(self);
    const Py_ssize_t inputs = PyVectorcall_NARGS(flags), named = names != nullptr ? PyTuple_GET_SIZE(names) : 0;
    // The tape may begin a new block while the op runs.
    py::object nodes, places, block, calls;
    Py_ssize_t first = 0;
    if (recording != nullptr) {
        nodes = borrowed(recording->nodes);
        places = borrowed(recording->places);
        block = borrowed(recording->block);
        if (recording->calls != nullptr && PyList_Check(recording->calls)) calls = borrowed(recording->calls);
        first = recording->first;
    }

    References values(inputs + named);
    if (values.items() == nullptr) return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < inputs; ++i) {
        PyObject* const value = value_of(op, arguments[i]);
        if (value == nullptr) return nullptr;
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
    static const char* keywords[] = {"forward", "tensor", "variable", nullptr};
    PyObject *forward, *tensor, *variable;
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "OO!O!", const_cast<char**>(keywords), &forward, &PyType_Type, &tensor,
                                     &PyType_Type, &variable)) {
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
        {Py_tp_doc, const_cast<char*>("Op(forward, tensor, variable)\n--\n\n")},
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

// --- Recorder ---------------------------------------------------------------------------------------------------

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
    if (recording != nullptr) {
        PyErr_SetString(PyExc_RuntimeError, "Tape: a tape is already recording in this thread");
        return false;
    }
    if (!renew(self)) return false;
    self.first = self.given;
    Py_CLEAR(self.calls);
    recording = reinterpret_cast<Recorder*>(Py_NewRef(reinterpret_cast<PyObject*>(&self)));
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
    PyObject* const recorder = reinterpret_cast<PyObject*>(recording);
    recording = nullptr;
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

PyObject* is_recording(PyObject* self, void*) { return PyBool_FromLong(self == reinterpret_cast<PyObject*>(recording)); }

PyObject* recorded(PyObject*, PyObject*) {
    return Py_NewRef(recording != nullptr ? reinterpret_cast<PyObject*>(recording) : Py_None);
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

// --- backpropagation --------------------------------------------------------------------------------------------

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

// before + dx, in the memory of `before` if only the caller and its list of gradients refer to it.
PyObject* sum_of(PyObject* before, PyObject* dx) {
    if (Py_TYPE(dx) != array_type || !is_ours_alone(before, 2)) return PyNumber_Add(before, dx);
    const py::detail::PyArray_Proxy *to = py::detail::array_proxy(before), *from = py::detail::array_proxy(dx);
    const bool same =
        to->descr == from->descr && to->nd == from->nd && std::equal(to->dimensions, to->dimensions + to->nd, from->dimensions);
    return same ? PyNumber_InPlaceAdd(before, dx) : PyNumber_Add(before, dx);
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
    const py::object result = stolen(or_sleep_at_exit([&] { return PyObject_Vectorcall(backward, arguments, 2, nullptr); }));
    spare = nullptr;
    if (!result) return false;
    const py::object found = stolen(or_sleep_at_exit([&] { return PySequence_Tuple(result.ptr()); }));
    if (!found) return false;
    const Py_ssize_t count = std::min(PyTuple_GET_SIZE(origins), PyTuple_GET_SIZE(found.ptr()));
    for (Py_ssize_t i = 0; i < count; ++i) {
        const Py_ssize_t origin = PyLong_AsSsize_t(PyTuple_GET_ITEM(origins, i));
        PyObject* const dx = PyTuple_GET_ITEM(found.ptr(), i);
        if (origin < 0 || dx == Py_None) continue;
        const py::object before = stolen(item_of(gradients, origin));
        if (!before) return false;
        PyObject* const sum = before.is_none() ? Py_NewRef(dx) : or_sleep_at_exit([&] { return sum_of(before.ptr(), dx); });
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

// x itself if it is C-contiguous and aligned, else a copy that is.
PyObject* contiguous(PyObject*, PyObject* x) {
    constexpr int kNeeded = py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_ | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
    if (PyObject_TypeCheck(x, array_type) && (py::detail::array_proxy(x)->flags & kNeeded) == kNeeded) return Py_NewRef(x);
    return PyObject_CallFunction(require, "OO(ss)", x, Py_None, "C", "A");
}

// A new C-contiguous ndarray with x's dtype, and with x's shape or the given one; its values are not initialized.
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
    return numpy_api->PyArray_NewFromDescr_(array_type, Py_NewRef(array->descr), static_cast<int>(rank),
                                            shaped ? shape : array->dimensions, nullptr, nullptr, 0, nullptr);
}

// Memory for a gradient with dy's shape and dtype: dy itself, once, if it is the gradient of the closure now called and only
// backpropagate refers to it; else a new array.
PyObject* in_place_of(PyObject*, PyObject* dy) {
    if (dy != spare) return empty_like(nullptr, &dy, 1);
    spare = nullptr;
    return Py_NewRef(dy);
}

}  // namespace

void bind_ops(py::module_& module) {
    const py::module_ numpy = py::module_::import("numpy");
    array_type = reinterpret_cast<PyTypeObject*>(py::object(numpy.attr("ndarray")).release().ptr());
    numpy_api = &py::detail::npy_api::get();
    asarray = py::object(numpy.attr("asarray")).release().ptr();
    require = py::object(numpy.attr("require")).release().ptr();
    value_name = PyUnicode_InternFromString("value");
    tensor_base_type = reinterpret_cast<PyTypeObject*>(make_tensor_base_type().release().ptr());
    module.attr("TensorBase") = py::handle(reinterpret_cast<PyObject*>(tensor_base_type));
    module.attr("Op") = make_op_type();
    module.attr("Recorder") = make_recorder_type();
    static PyMethodDef functions[] = {
        {"recorded", recorded, METH_NOARGS, "recorded($module)\n--\n\n"},
        {"backpropagate", backpropagate, METH_VARARGS, "backpropagate($module, nodes, gradients, /)\n--\n\n"},
        {"contiguous", contiguous, METH_O, "contiguous($module, x, /)\n--\n\n"},
        {"in_place_of", in_place_of, METH_O, "in_place_of($module, dy, /)\n--\n\n"},
        {"empty_like", fast(empty_like), METH_FASTCALL, "empty_like($module, x, shape=..., /)\n--\n\n"},
        {},
    };
    if (PyModule_AddFunctions(module.ptr(), functions) < 0) throw py::error_already_set();
}

}  // namespace lamella
