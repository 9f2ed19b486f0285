// What an interrupt must not tear apart: commits and scopes.
#pragma once
#include <pybind11/pybind11.h>

namespace lamella {

void bind_atomic(pybind11::module_& module);

}  // namespace lamella
