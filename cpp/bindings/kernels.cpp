// The kernels as functions of the module. They are functions of CPython with positional arguments: pybind11's functions cost
// more time than a small kernel, and take half a minute to compile for all kernels.
#include "bindings/kernels.h"

#include <algorithm>

#include "bindings/caster.h"
#include "bindings/exit.h"
#include "bindings/objects.h"

namespace lamella {
namespace {

// One line of the table. It is never deleted.
struct Bound {
    PyMethodDef method;
    std::vector<Parameter> parameters;
    std::vector<bool> by_element;  // for each argument: whether its type depends on the element type
    // Only this function is compiled again for each list of types.
    // checked: of a Plan, or nullptr.
    Status (*call)(const Bound&, bool is_double, PyObject* const* arguments, CheckedLists* checked);
};

// For each argument the index of its first name in the signature.
template <class... A>
struct Places {
    int first[sizeof...(A)];

    constexpr Places() : first{} {
        int at = 0, i = 0;
        ((first[i++] = at, at += Caster<A>::kParameters), ...);
    }
};

// Kept between calls, so that a call allocates nothing. The GIL protects it.
std::vector<Span>& spans = *new std::vector<Span>;

// Its arguments must be constructed in braces, which guarantee the order from the first to the last.
template <class... A>
struct Call {
    Status status;

    Call(const Bound& bound, Status (*kernel)(A...), CheckedLists* checked, const Caster<A>&... casters) {
        constexpr Places<A...> places;
        spans.clear();
        int i = 0;
        (casters.add_to(spans, places.first[i++]), ...);
        const std::string overlap =
            checked != nullptr ? checked->overlap(bound.parameters, spans) : lamella::overlap(bound.parameters, spans);
        if (!overlap.empty()) throw py::value_error(std::string(bound.method.ml_name) + ": " + overlap);
        status = without_gil([&] { return kernel(casters.get()...); });
    }
};

template <class... A, std::size_t... I>
Status call(const Bound& bound, Status (*kernel)(A...), PyObject* const* arguments, CheckedLists* checked,
            std::index_sequence<I...>) {
    constexpr Places<A...> places;
    const char* const name = bound.method.ml_name;
    if (checked != nullptr) checked->begin(reinterpret_cast<const void*>(kernel));
    return Call<A...>{bound, kernel, checked,
                      Caster<A>(arguments[I], Argument{name, &bound.parameters, places.first[I], checked})...}
        .status;
}

// A bound kernel with its entries in the tables of both element types.
template <class F32, class F64>
struct BoundAs;
template <class... A, class... B>
struct BoundAs<Status(A...), Status(B...)> : Bound {
    Status (*Kernels<float>::*f32)(A...);
    Status (*Kernels<double>::*f64)(B...);

    static Status call_one(const Bound& bound, bool is_double, PyObject* const* arguments, CheckedLists* checked) {
        constexpr std::index_sequence_for<A...> all;
        const auto& own = static_cast<const BoundAs&>(bound);
        return is_double ? lamella::call(bound, current().f64.*own.f64, arguments, checked, all)
                         : lamella::call(bound, current().f32.*own.f32, arguments, checked, all);
    }
};

PyObject* run_bound(const Bound& bound, PyObject* const* arguments, Py_ssize_t count, CheckedLists* checked) {
    const char* const name = bound.method.ml_name;
    const auto wanted = static_cast<Py_ssize_t>(bound.by_element.size());
    if (count != wanted) {
        return PyErr_Format(PyExc_TypeError, "%s: expected %zd arguments, %s, got %zd", name, wanted, bound.method.ml_doc,
                            count);
    }
    try {
        char element = 0;
        for (Py_ssize_t i = 0; i < count && element == 0; ++i) element = bound.by_element[i] ? element_of(arguments[i]) : 0;
        // If the element is neither float32 nor float64, the float32 caster raises the error.
        const Status status = bound.call(bound, element == 'd', arguments, checked);
        if (status == nullptr) Py_RETURN_NONE;
        if (status == kOutOfMemory) PyErr_SetString(PyExc_MemoryError, name);
        else PyErr_Format(PyExc_ValueError, "%s: requires %s", name, status);
    } catch (py::error_already_set& error) {
        error.restore();
    } catch (const py::builtin_exception& error) {
        error.set_error();
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    }
    return nullptr;
}

PyObject* run(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
    return run_bound(*static_cast<const Bound*>(PyCapsule_GetPointer(self, nullptr)), arguments, count, nullptr);
}

// plan(kernel, *arguments) is kernel(*arguments), and remembers what it has checked.
struct Plan {
    PyObject_HEAD
    CheckedLists* lists;
    bool busy;  // a call uses `lists`; the kernel runs without the GIL, so another thread may call the plan meanwhile
};

PyObject* new_plan(PyTypeObject* type, PyObject* arguments, PyObject* names) {
    if (PyTuple_GET_SIZE(arguments) > 0 || (names != nullptr && PyDict_GET_SIZE(names) > 0)) {
        return PyErr_Format(PyExc_TypeError, "Plan: expected no arguments, got %R", arguments);
    }
    CheckedLists* const lists = new (std::nothrow) CheckedLists;
    if (lists == nullptr) return PyErr_NoMemory();
    PyObject* const self = type->tp_alloc(type, 0);
    if (self == nullptr) delete lists;
    else reinterpret_cast<Plan*>(self)->lists = lists;
    return self;
}

void free_plan(PyObject* self) {
    PyTypeObject* const type = Py_TYPE(self);
    delete reinterpret_cast<Plan*>(self)->lists;
    type->tp_free(self);
    Py_DECREF(type);
}

PyObject* run_planned(PyObject* self, PyObject* kernel, PyObject* const* arguments, Py_ssize_t count) {
    if (!PyCFunction_Check(kernel) || PyCFunction_GET_FUNCTION(kernel) != fast(run)) {
        return PyErr_Format(PyExc_TypeError, "Plan: expected a kernel and its arguments, got %R", kernel);
    }
    const Bound& bound = *static_cast<const Bound*>(PyCapsule_GetPointer(PyCFunction_GET_SELF(kernel), nullptr));
    Plan& plan = *reinterpret_cast<Plan*>(self);
    if (plan.busy) return run_bound(bound, arguments, count, nullptr);
    plan.busy = true;
    PyObject* const result = run_bound(bound, arguments, count, plan.lists);
    plan.busy = false;
    return result;
}

PyObject* call_plan(PyObject* self, PyObject* arguments, PyObject* names) {
    const Py_ssize_t count = PyTuple_GET_SIZE(arguments);
    if (count == 0 || (names != nullptr && PyDict_GET_SIZE(names) > 0)) {
        return PyErr_Format(PyExc_TypeError, "Plan: expected a kernel and its arguments, got %R", arguments);
    }
    PyObject* const* const given = &PyTuple_GET_ITEM(arguments, 0);
    return run_planned(self, given[0], given + 1, count - 1);
}

// plan.step(kernel, params, grads, slots, numbers, last) is plan(kernel, params, grads, *slots, *numbers, last). The tuple
// of that call takes 0.19 us, of 4.4 for a step of lamella.torch.Adam on one small tensor (Zen 3).
PyObject* step(PyObject* self, PyObject* const* given, Py_ssize_t count) {
    constexpr Py_ssize_t kMost = 16;
    PyObject* arguments[kMost];
    if (count != 6 || !PyList_Check(given[3]) || !PyTuple_Check(given[4]) ||
        PyList_GET_SIZE(given[3]) + PyTuple_GET_SIZE(given[4]) + 3 > kMost) {
        return PyErr_Format(PyExc_TypeError,
                            "Plan.step: expected a kernel, parameters, gradients, slots, numbers and an argument");
    }
    // No references are counted: a step of lamella.torch holds the list and the tuple, and changes neither.
    PyObject** end = std::copy_n(given + 1, 2, arguments);
    end = std::copy_n(PySequence_Fast_ITEMS(given[3]), PyList_GET_SIZE(given[3]), end);
    end = std::copy_n(PySequence_Fast_ITEMS(given[4]), PyTuple_GET_SIZE(given[4]), end);
    *end++ = given[5];
    return run_planned(self, given[0], arguments, end - arguments);
}

py::object make_plan_type() {
    static PyMethodDef methods[] = {
        {"step", fast(step), METH_FASTCALL, "step($self, kernel, params, grads, slots, numbers, last, /)\n--\n\n"}, {}};
    static PyType_Slot slots[] = {
        {Py_tp_doc, const_cast<char*>("Plan()\n--\n\n")}, {Py_tp_methods, methods},
        {Py_tp_new, reinterpret_cast<void*>(new_plan)},   {Py_tp_dealloc, reinterpret_cast<void*>(free_plan)},
        {Py_tp_call, reinterpret_cast<void*>(call_plan)}, {},
    };
    static PyType_Spec spec{"lamella._kernels.Plan", sizeof(Plan), 0, Py_TPFLAGS_DEFAULT, slots};
    return make_type(&spec);
}

void add(py::module_& module, Bound* bound) {
    const py::object self = stolen(PyCapsule_New(bound, nullptr, nullptr));
    if (!self) throw py::error_already_set();
    const py::object function = stolen(PyCFunction_NewEx(&bound->method, self.ptr(), module.attr("__name__").ptr()));
    if (!function) throw py::error_already_set();
    module.attr(bound->method.ml_name) = function;
}

template <class... A, class... B>
void bind(py::module_& module, const char* name, const char* signature, Status (*Kernels<float>::*f32)(A...),
          Status (*Kernels<double>::*f64)(B...)) {
    using Own = BoundAs<Status(A...), Status(B...)>;
    const PyMethodDef method{name, fast(run), METH_FASTCALL, signature};
    add(module, new Own{{method, parameters_of(signature), {!std::is_same_v<A, B>...}, Own::call_one}, f32, f64});
}

// Adds the views of one call's lists, [written, read, written...], and says whether they agree in number, shapes and type.
template <class T>
bool lists_agree(py::handle lists, std::vector<Span>& found) {
    static const std::vector<Parameter> names = {{"lists", false}};
    const Argument argument{"lists_fit", &names, 0};
    const Py_ssize_t count = PyList_GET_SIZE(lists.ptr());
    std::vector<View<T>> first;
    for (Py_ssize_t k = 0; k < count; ++k) {
        const py::handle list = PyList_GET_ITEM(lists.ptr(), k);
        if (!PyList_Check(list.ptr())) return false;
        const Py_ssize_t size = PyList_GET_SIZE(list.ptr());
        if (k > 0 && size == 0) continue;  // a list that the kernel does without
        if (k > 0 && static_cast<std::size_t>(size) != first.size()) return false;
        for (Py_ssize_t i = 0; i < size; ++i) {
            const View<T> view = view_of<T>(PyList_GET_ITEM(list.ptr(), i), argument);
            if (k == 0) first.push_back(view);
            bool same = view.rank == first[i].rank;
            for (Int axis = 0; same && axis < view.rank; ++axis) same = view.shape[axis] == first[i].shape[axis];
            if (!same) return false;
            add_span(found, view, 0, static_cast<int>(i));
            if (view.size > 0 && k == 1) found.back().written = false;
        }
    }
    return true;
}

// Whether several calls of kernels would take their lists. It looks at all of them before the first call writes.
bool lists_fit(const py::list& calls) {
    std::vector<Span> found;
    try {
        for (const py::handle lists : calls) {
            if (!PyList_Check(lists.ptr()) || PyList_GET_SIZE(lists.ptr()) == 0) return false;
            const char element = element_of(PyList_GET_ITEM(lists.ptr(), 0));
            const bool agree = element == 'd'   ? lists_agree<double>(lists, found)
                               : element == 'f' ? lists_agree<float>(lists, found)
                                                : lists_agree<std::uint8_t>(lists, found);
            if (!agree) return false;
        }
    } catch (const py::type_error&) {
        return false;
    } catch (const py::error_already_set&) {  // a library does not describe its array
        return false;
    }
    return !any_overlap(found);
}

}  // namespace

void bind_kernels(py::module_& module) {
    module.def("lists_fit", lists_fit, py::arg("calls"));
    module.attr("Plan") = make_plan_type();
#define KERNEL(name, arguments) bind(module, #name, #arguments, &Kernels<float>::name, &Kernels<double>::name);
#include "table/all.def"

    py::list roster;
#define KERNEL(name, arguments) roster.append(#name);
#include "table/all.def"
    module.attr("KERNELS") = py::tuple(roster);
    py::dict bundles;
#define BUNDLE(name, fields) bundles[#name] = #fields;
#include "table/all.def"
    module.attr("BUNDLES") = bundles;
}

}  // namespace lamella
