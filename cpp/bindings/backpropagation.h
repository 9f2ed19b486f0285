// The backward pass along a tape.
#pragma once
#include <pybind11/pybind11.h>

namespace lamella {

void bind_backpropagation(pybind11::module_& module);

}  // namespace lamella
