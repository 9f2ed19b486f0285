// The kernels for C++ programs: one table for each target, filled from cpp/table/all.def.
//
//   const lamella::Table& table = lamella::current();
//   lamella::Status error = table.f32.relu_forward(x, 0, INFINITY, 0, y);
#pragma once
#include "core/parallel.h"
#include "lamella/arguments.h"

namespace lamella {

template <class T>
struct Kernels;

#define KERNEL(name, arguments) Status(*name) arguments;
template <>
struct Kernels<float> : ArgumentTypes<float> {
#include "table/all.def"
};

#define KERNEL(name, arguments) Status(*name) arguments;
template <>
struct Kernels<double> : ArgumentTypes<double> {
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
