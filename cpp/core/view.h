// The arguments of kernels: structs without functions, so that targets share no code of them.
#pragma once
#include <cstdint>

#include "core/export.h"

namespace lamella {

using Int = std::int64_t;
using Real = double;

// nullptr: success. Otherwise the condition on the arguments that failed, as written in the kernel; then nothing was written.
// kOutOfMemory is recognized by its address.
using Status = const char*;
LAMELLA_EXPORT extern const char kOutOfMemory[];

constexpr int kMaxRank = 8;

// A C-contiguous array. size is the product of the first `rank` entries of shape; the other entries are 1.
template <class T>
struct View {
    T* data;
    Int size;
    Int rank;
    Int shape[kMaxRank];
};

template <class T>
struct ViewList {
    const View<T>* items;
    Int count;
};

}  // namespace lamella
