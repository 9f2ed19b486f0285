// The part of lamella.ops that each op of each step passes through.
#pragma once
#include <pybind11/pybind11.h>

namespace lamella {

void bind_ops(pybind11::module_& module);

}  // namespace lamella
