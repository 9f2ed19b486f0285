// What a kernel is handed: plain structs without functions, so that no code of theirs can leak between targets.
#pragma once
#include <cstdint>

#include "core/export.h"

namespace lamella {

using Int = std::int64_t;
using Real = double;

// nullptr: done. Else the condition on the arguments that does not hold, as written in the kernel; nothing was
// written then. kOutOfMemory is told apart by its address.
using Status = const char*;
LAMELLA_EXPORT extern const char kOutOfMemory[];

constexpr int kMaxRank = 8;

// A C-contiguous array. size is the product of the first `rank` entries of shape; the rest of shape is 1.
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
