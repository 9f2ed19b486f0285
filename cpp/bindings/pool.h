// The pool of cpp/core as where NumPy gets its arrays from, while a step runs.
#pragma once
#include <pybind11/pybind11.h>

namespace lamella {

void bind_pool(pybind11::module_& module);

}  // namespace lamella
