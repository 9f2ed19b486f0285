// The part of lamella.ops that runs for every op of every step.
#pragma once
#include <pybind11/pybind11.h>

namespace lamella {

void bind_ops(pybind11::module_& module);

}  // namespace lamella
