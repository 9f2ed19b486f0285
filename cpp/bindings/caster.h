// Converts Python arguments to a kernel's arguments without copying. Errors name the argument, what was expected and what it
// got. The dtype of the first array chooses between the float32 and the float64 kernel.
#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "arguments/overlap.h"
#include "arguments/signature.h"
#include "bindings/dlpack.h"
#include "lamella/kernels.h"

namespace lamella {

namespace py = pybind11;

// The position of an argument, for messages.
struct Argument {
    const char* kernel;
    const std::vector<Parameter>* parameters;
    int index;

    std::string who() const { return std::string(kernel) + ": argument '" + (*parameters)[index].name + "'"; }
    Argument next(int fields) const { return {kernel, parameters, index + fields}; }
};

[[noreturn]] inline void refuse(const Argument& argument, const std::string& wanted, py::handle got) {
    std::string what = py::str(py::type::handle_of(got).attr("__name__"));
    if (py::isinstance<py::array>(got)) {
        what = py::str(got.attr("dtype")).cast<std::string>() + " " + py::str(got.attr("shape")).cast<std::string>();
        const auto flags = py::reinterpret_borrow<py::array>(got).flags();
        if (!(flags & py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_)) what += ", not C-contiguous";
        if (!(flags & py::detail::npy_api::NPY_ARRAY_ALIGNED_)) what += ", unaligned";
        if (!(flags & py::detail::npy_api::NPY_ARRAY_WRITEABLE_)) what += ", read-only";
    }
    throw py::type_error(argument.who() + ": expected " + wanted + ", got " + what);
}

// Replaces the error that Python has set.
[[noreturn]] inline void refuse_number(const Argument& argument, const char* wanted, py::handle got) {
    PyErr_Clear();
    refuse(argument, wanted, got);
}

template <class T>
constexpr const char* kTypeName = nullptr;
template <>
constexpr const char* kTypeName<float> = "float32";
template <>
constexpr const char* kTypeName<double> = "float64";
template <>
constexpr const char* kTypeName<std::uint8_t> = "uint8";
template <>
constexpr const char* kTypeName<Int> = "int64";

// NumPy has one descriptor object for each native type, so comparing pointers is usually enough. A copy of it (for example from
// a pickle) and the other types equal to int64 are compared by content.
template <class T>
bool has_type(const py::array& array) {
    static const PyObject* const native = py::dtype::of<T>().release().ptr();
    const PyObject* const descriptor = py::detail::array_proxy(array.ptr())->descr;
    if (descriptor == native) return true;
    const py::dtype type = array.dtype();
    constexpr char kKind = std::is_same_v<T, Int> ? 'i' : std::is_same_v<T, std::uint8_t> ? 'u' : 'f';
    return type.byteorder() != '>' && type.kind() == kKind && type.itemsize() == sizeof(T);
}

// The array of another library, if DLPack's table describes it and a kernel can take it as it is. What is read-only in that
// library is not told: its caller knows.
template <class Element>
View<Element> view_of_tensor(py::handle object, const Argument& argument) {
    using T = std::remove_const_t<Element>;
    const dlpack::Functions* const functions = dlpack::functions_of(Py_TYPE(object.ptr()));
    if (functions == nullptr) refuse(argument, std::string("an array of ") + kTypeName<T>, object);
    dlpack::Tensor tensor;
    if (functions->describe(object.ptr(), &tensor) != 0) throw py::error_already_set();
    View<Element> view;
    view.data = reinterpret_cast<Element*>(static_cast<char*>(tensor.data) + tensor.byte_offset);
    view.rank = tensor.ndim;
    view.size = 1;
    const bool fits = tensor.device == dlpack::kCpu && !std::is_same_v<T, Int> && !std::is_same_v<T, std::uint8_t> &&
                      tensor.code == dlpack::kFloat && tensor.bits == 8 * sizeof(T) && tensor.lanes == 1 &&
                      tensor.ndim <= kMaxRank && dlpack::c_contiguous(tensor) &&
                      reinterpret_cast<std::uintptr_t>(view.data) % alignof(T) == 0;
    for (Int i = 0; fits && i < kMaxRank; ++i) {
        view.shape[i] = i < view.rank ? tensor.shape[i] : 1;
        view.size *= view.shape[i];
    }
    if (!fits || (view.size > 0 && tensor.data == nullptr)) {
        refuse(argument, std::string("a C-contiguous array of ") + kTypeName<T> + " in the CPU's memory", object);
    }
    return view;
}

template <class Element>
View<Element> view_of(py::handle object, const Argument& argument) {
    using T = std::remove_const_t<Element>;
    constexpr bool kWritten = !std::is_const_v<Element>;
    if (!py::isinstance<py::array>(object)) return view_of_tensor<Element>(object, argument);
    const auto array = py::reinterpret_borrow<py::array>(object);
    constexpr int kNeeded = py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_ | py::detail::npy_api::NPY_ARRAY_ALIGNED_ |
                            (kWritten ? py::detail::npy_api::NPY_ARRAY_WRITEABLE_ : 0);
    if ((array.flags() & kNeeded) != kNeeded || !has_type<T>(array) || array.ndim() > kMaxRank) {
        refuse(argument, std::string(kWritten ? "a writable" : "a") + " C-contiguous array of " + kTypeName<T>, object);
    }
    View<Element> view;
    view.data = static_cast<Element*>(const_cast<void*>(array.data()));
    view.size = array.size();
    view.rank = array.ndim();
    for (Int i = 0; i < kMaxRank; ++i) view.shape[i] = i < view.rank ? array.shape(i) : 1;
    return view;
}

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
        const Py_ssize_t count = PyList_GET_SIZE(from.ptr());
        views.reserve(count);
        for (Py_ssize_t i = 0; i < count; ++i) views.push_back(view_of<Element>(PyList_GET_ITEM(from.ptr(), i), argument));
        list = {views.data(), count};
    }
    const ViewList<Element>& get() const { return list; }
    void add_to(std::vector<Span>& spans, int parameter) const {
        for (Int i = 0; i < list.count; ++i) add_span(spans, list.items[i], parameter, static_cast<int>(i));
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

// The element type of an array, or of the first array of a list: 'f', 'd', or 0 for another type or no array.
inline char element_of(py::handle object) {
    if (PyList_Check(object.ptr())) return PyList_GET_SIZE(object.ptr()) > 0 ? element_of(PyList_GET_ITEM(object.ptr(), 0)) : 0;
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
