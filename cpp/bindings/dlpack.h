// Arrays of other libraries, read by DLPack's table of C functions. A type gives this table once; after that, the
// description of an array's memory takes about 20 ns and counts no reference. torch has the table since 2.10.
// Source: dlpack.h 1.3, "DLPackExchangeAPI".
#pragma once
#include <pybind11/pybind11.h>

#include <cstdint>
#include <vector>

namespace lamella {
namespace dlpack {

// The layout of DLTensor, which all versions 1.x share.
struct Tensor {
    void* data;
    std::int32_t device, device_id;
    std::int32_t ndim;
    std::uint8_t code, bits;
    std::uint16_t lanes;
    std::int64_t *shape, *strides;  // strides in elements
    std::uint64_t byte_offset;
};

constexpr std::int32_t kCpu = 1;
constexpr std::uint8_t kUnsigned = 1, kFloat = 2, kBfloat = 4;

struct Functions {
    std::uint32_t major, minor;
    const Functions* older;
    void *allocate, *from_object, *to_object;
    int (*describe)(void* object, Tensor* out);  // nonzero: Python's error is set
    void* stream;
};

// The types that have such a table. A type in this list is never freed, so no other type gets its address. There are few: torch
// has Tensor and Parameter. The GIL protects the list.
struct Known {
    PyTypeObject* type;
    const Functions* functions;
};
inline std::vector<Known>& known_types = *new std::vector<Known>;

// nullptr for a type that functions_of has not found.
inline const Functions* known_functions_of(PyTypeObject* type) {
    for (const Known& known : known_types) {
        if (known.type == type) return known.functions;
    }
    return nullptr;
}

// nullptr for a type that has no such table.
inline const Functions* functions_of(PyTypeObject* type) {
    if (const Functions* const known = known_functions_of(type)) return known;
    PyObject* const capsule = PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), "__dlpack_c_exchange_api__");
    const void* pointer = nullptr;
    if (capsule != nullptr && PyCapsule_IsValid(capsule, "dlpack_exchange_api")) {
        pointer = PyCapsule_GetPointer(capsule, "dlpack_exchange_api");
    }
    Py_XDECREF(capsule);
    PyErr_Clear();
    const Functions* functions = static_cast<const Functions*>(pointer);
    while (functions != nullptr && functions->major != 1) functions = functions->older;
    if (functions == nullptr) return nullptr;
    Py_INCREF(type);
    known_types.push_back({type, functions});
    return functions;
}

inline bool c_contiguous(const Tensor& tensor) {
    std::int64_t step = 1;
    bool straight = true;
    for (int i = tensor.ndim - 1; i >= 0; --i) {
        if (tensor.shape[i] == 0) return true;
        straight = straight && (tensor.shape[i] == 1 || tensor.strides == nullptr || tensor.strides[i] == step);
        step *= tensor.shape[i];
    }
    return straight;
}

}  // namespace dlpack
}  // namespace lamella
