// Converts Python arguments to a kernel's arguments without copying. The dtype of the first array chooses between the float32
// and the float64 kernel.
#pragma once
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "arguments/overlap.h"
#include "bindings/checked_lists.h"
#include "bindings/view_of.h"

namespace lamella {

// Caster<A> reads an argument of the kernel's type A from Python: `get` returns the argument, `add_to` adds its memory to the
// spans of the call. kParameters: the number of names in the signature that it reads.
template <class A>
struct Caster;

template <>
struct Caster<Int> {
    static constexpr int kParameters = 1;
    Int value;
    Caster(py::handle from, const Argument& argument) : value(PyLong_AsLongLong(from.ptr())) {
        if (value == -1 && PyErr_Occurred()) refuse_number(argument, "an int", from);
    }
    Int get() const { return value; }
    void add_to(std::vector<Span>&, int) const {}
};

template <>
struct Caster<Real> {
    static constexpr int kParameters = 1;
    Real value;
    Caster(py::handle from, const Argument& argument) : value(PyFloat_AsDouble(from.ptr())) {
        if (value == -1 && PyErr_Occurred()) refuse_number(argument, "a number", from);
    }
    Real get() const { return value; }
    void add_to(std::vector<Span>&, int) const {}
};

template <class Element>
struct Caster<const View<Element>&> {
    static constexpr int kParameters = 1;
    View<Element> view;
    Caster(py::handle from, const Argument& argument) : view(view_of<Element>(from, argument)) {}
    const View<Element>& get() const { return view; }
    void add_to(std::vector<Span>& spans, int parameter) const { add_span(spans, view, parameter, -1); }
};

template <class Element>
struct Caster<const ViewList<Element>&> {
    static constexpr int kParameters = 1;
    std::vector<View<Element>> views;
    ViewList<Element> list;
    Caster(py::handle from, const Argument& argument) {
        if (!PyList_Check(from.ptr())) refuse(argument, "a list", from);
        if (argument.checked != nullptr) {
            list = argument.checked->views<Element>(from, argument);
            return;
        }
        const Py_ssize_t count = PyList_GET_SIZE(from.ptr());
        views.reserve(count);
        for (Py_ssize_t i = 0; i < count; ++i) views.push_back(view_of<Element>(PyList_GET_ITEM(from.ptr(), i), argument));
        list = {views.data(), count};
    }
    const ViewList<Element>& get() const { return list; }
    void add_to(std::vector<Span>& spans, int parameter) const {
        // CheckedLists compares the views that it has.
        for (std::size_t i = 0; i < views.size(); ++i) add_span(spans, views[i], parameter, static_cast<int>(i));
    }
};

// (sizes, strides, dilations, before): tuples of 1 to 3 ints, all of the same length.
template <>
struct Caster<Window> {
    static constexpr int kParameters = 1;
    Window window{0, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}};
    Caster(py::handle from, const Argument& argument) {
        Int(*const parts[])[kMaxAxes] = {&window.size, &window.stride, &window.dilation, &window.before};
        if (!PyTuple_Check(from.ptr()) || PyTuple_GET_SIZE(from.ptr()) != 4) refuse(argument, kWanted, from);
        for (int part = 0; part < 4; ++part) {
            PyObject* const numbers = PyTuple_GET_ITEM(from.ptr(), part);
            const Py_ssize_t axes = PyTuple_Check(numbers) ? PyTuple_GET_SIZE(numbers) : 0;
            if (axes < 1 || axes > kMaxAxes || (part > 0 && axes != window.axes)) refuse(argument, kWanted, from);
            window.axes = axes;
            for (Py_ssize_t i = 0; i < axes; ++i) {
                const long long number = PyLong_AsLongLong(PyTuple_GET_ITEM(numbers, i));
                if (number == -1 && PyErr_Occurred()) throw py::error_already_set();
                (*parts[part])[kMaxAxes - axes + i] = number;
            }
        }
    }
    Window get() const { return window; }
    void add_to(std::vector<Span>&, int) const {}

    static constexpr const char* kWanted = "a window: (sizes, strides, dilations, before), each a tuple of 1 to 3 ints";
};

// A tuple of the fields' values. The kernel's struct refers to the values in the casters of the fields.
template <class Bundle, class Fields>
struct BundleCaster;
template <class Bundle, class... A>
struct BundleCaster<Bundle, void(A...)> {
    static constexpr int kParameters = sizeof...(A);
    std::tuple<Caster<A>...> fields;
    BundleCaster(py::handle from, const Argument& argument) : BundleCaster(from, argument, std::index_sequence_for<A...>()) {}
    Bundle get() const {
        return std::apply([](const auto&... field) { return Bundle{field.get()...}; }, fields);
    }
    void add_to(std::vector<Span>& spans, int parameter) const {
        std::apply([&](const auto&... field) { (field.add_to(spans, parameter++), ...); }, fields);
    }

private:
    template <std::size_t... I>
    BundleCaster(py::handle from, const Argument& argument, std::index_sequence<I...>)
        : fields{Caster<A>(item(from, argument, I), argument.next(I))...} {}

    static py::handle item(py::handle from, const Argument& argument, std::size_t i) {
        if (!PyTuple_Check(from.ptr()) || PyTuple_GET_SIZE(from.ptr()) != kParameters) {
            std::string wanted;
            for (int k = 0; k < kParameters; ++k)
                wanted += (k > 0 ? ", " : "(") + (*argument.parameters)[argument.index + k].name;
            refuse(argument, "a tuple " + wanted + ")", from);
        }
        return PyTuple_GET_ITEM(from.ptr(), i);
    }
};
#define BUNDLE(name, fields)                                                                   \
    template <class T>                                                                         \
    struct Caster<const name<T>&> : BundleCaster<name<T>, typename Kernels<T>::name##Fields> { \
        using BundleCaster<name<T>, typename Kernels<T>::name##Fields>::BundleCaster;          \
    };
#include "table/all.def"

// The element type of an array, or of the first array of a list: 'f', 'd', or 0 for another type or no array. A list in a list
// is no argument of a kernel.
inline char element_of(py::handle object) {
    if (PyList_Check(object.ptr())) {
        if (PyList_GET_SIZE(object.ptr()) == 0) return 0;
        object = PyList_GET_ITEM(object.ptr(), 0);
        if (PyList_Check(object.ptr())) return 0;
    }
    if (!py::isinstance<py::array>(object)) {
        const dlpack::Functions* const functions = dlpack::functions_of(Py_TYPE(object.ptr()));
        if (functions == nullptr) return 0;
        dlpack::Tensor tensor;
        if (functions->describe(object.ptr(), &tensor) != 0) throw py::error_already_set();
        return tensor.code != dlpack::kFloat ? 0 : tensor.bits == 32 ? 'f' : tensor.bits == 64 ? 'd' : 0;
    }
    const auto array = py::reinterpret_borrow<py::array>(object);
    return has_type<float>(array) ? 'f' : has_type<double>(array) ? 'd' : 0;
}

}  // namespace lamella
