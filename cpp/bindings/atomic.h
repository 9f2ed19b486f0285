// Commits and scopes: changes of state that an interrupt cannot leave half done.
#pragma once
#include <pybind11/pybind11.h>

namespace lamella {

void bind_atomic(pybind11::module_& module);

}  // namespace lamella
