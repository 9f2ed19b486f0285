// The kernels for C++ programs: one table for each target, filled from cpp/table/all.def.
//
//   const lamella::Table& table = lamella::current();
//   lamella::Status error = table.f32.relu_forward(x, 0, INFINITY, 0, y);
#pragma once
#include "core/bundles.h"
#include "core/parallel.h"
#include "core/view.h"
#include "core/window.h"

namespace lamella {

template <class T>
struct Kernels {
    using In = const View<const T>&;
    using Out = const View<T>&;
    using InPlace = const View<T>&;
    using Bytes = const View<std::uint8_t>&;
    using InBytes = const View<const std::uint8_t>&;
    using Labels = const View<const Int>&;
    using Reals = const View<const Real>&;
    using OutLabels = const View<Int>&;
    using List = const ViewList<T>&;
    using InList = const ViewList<const T>&;
    using InBytesList = const ViewList<const std::uint8_t>&;
// The name of a bundle is an argument's type; its fields are the arguments of a function type.
#define BUNDLE(name, fields)              \
    using name = const lamella::name<T>&; \
    using name##Fields = void fields;
#define KERNEL(name, arguments) Status(*name) arguments;
#include "table/all.def"
};

struct Table {
    const char* target;
    Kernels<float> f32;
    Kernels<double> f64;
};

// The targets that this CPU and its operating system can run, best first.
struct Targets {
    const char* names[8];
    int count;
};
LAMELLA_EXPORT Targets available_targets();

// The table in use: the best one, or the one that LAMELLA_TARGET names. select() changes it, and returns false if this machine
// cannot run `target` or there is no such name. current_or_null() returns nullptr if LAMELLA_TARGET is no target that can run
// here.
LAMELLA_EXPORT const Table& current();
LAMELLA_EXPORT const Table* current_or_null();
LAMELLA_EXPORT bool select(const char* target);

}  // namespace lamella
