// The memory of Python's arrays as Views, without copying. Errors name the argument, what was expected and what it got.
#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "arguments/signature.h"
#include "bindings/dlpack.h"
#include "lamella/kernels.h"

namespace lamella {

namespace py = pybind11;

class CheckedLists;

// The position of an argument, for messages. checked: the record of the last call, if a Plan makes the call.
struct Argument {
    const char* kernel;
    const std::vector<Parameter>* parameters;
    int index;
    CheckedLists* checked = nullptr;

    std::string who() const { return std::string(kernel) + ": argument '" + (*parameters)[index].name + "'"; }
    Argument next(int fields) const { return {kernel, parameters, index + fields, checked}; }
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
inline constexpr const char* kTypeName = nullptr;
template <>
inline constexpr const char* kTypeName<float> = "float32";
template <>
inline constexpr const char* kTypeName<double> = "float64";
template <>
inline constexpr const char* kTypeName<std::uint8_t> = "uint8";
template <>
inline constexpr const char* kTypeName<Int> = "int64";

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

// The flags of NumPy that an argument must have.
template <class Element>
constexpr int kNeededFlags = py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_ | py::detail::npy_api::NPY_ARRAY_ALIGNED_ |
                             (std::is_const_v<Element> ? 0 : py::detail::npy_api::NPY_ARRAY_WRITEABLE_);

// Whether the tensor is of numbers of type T in the CPU's memory, without gaps. Bytes are also taken from tensors of floats and
// of bfloat16, integers from none.
template <class T>
bool is_tensor_of(const dlpack::Tensor& tensor) {
    if (tensor.device != dlpack::kCpu || tensor.lanes != 1 || !dlpack::c_contiguous(tensor)) return false;
    const bool floats = tensor.code == dlpack::kFloat && (tensor.bits == 32 || tensor.bits == 64);
    if (!std::is_same_v<T, std::uint8_t>) return !std::is_same_v<T, Int> && floats && tensor.bits == 8 * sizeof(T);
    return floats || (tensor.code == dlpack::kUnsigned && tensor.bits == 8) ||
           (tensor.code == dlpack::kBfloat && tensor.bits == 16);
}

// The axes of a tensor that is_tensor_of<T>, as the kernel sees them: bytes of larger numbers have one more axis, of their
// size.
template <class T>
int rank_of(const dlpack::Tensor& tensor) {
    return tensor.ndim + (tensor.bits != 8 * sizeof(T) ? 1 : 0);
}
inline Int length_of(const dlpack::Tensor& tensor, Int axis) {
    return axis < tensor.ndim ? tensor.shape[axis] : tensor.bits / 8;
}

// The array of another library, if DLPack's table describes it and a kernel can take it as it is. DLPack does not say whether
// it is read-only: the caller must know.
template <class Element>
View<Element> view_of_tensor(py::handle object, const Argument& argument) {
    using T = std::remove_const_t<Element>;
    const dlpack::Functions* const functions = dlpack::functions_of(Py_TYPE(object.ptr()));
    if (functions == nullptr) refuse(argument, std::string("an array of ") + kTypeName<T>, object);
    dlpack::Tensor tensor;
    if (functions->describe(object.ptr(), &tensor) != 0) throw py::error_already_set();
    View<Element> view;
    view.data = reinterpret_cast<Element*>(static_cast<char*>(tensor.data) + tensor.byte_offset);
    view.rank = rank_of<T>(tensor);
    view.size = 1;
    const bool fits =
        is_tensor_of<T>(tensor) && view.rank <= kMaxRank && reinterpret_cast<std::uintptr_t>(view.data) % alignof(T) == 0;
    for (Int i = 0; fits && i < kMaxRank; ++i) {
        view.shape[i] = i < view.rank ? length_of(tensor, i) : 1;
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
    constexpr int kNeeded = kNeededFlags<Element>;
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

}  // namespace lamella
