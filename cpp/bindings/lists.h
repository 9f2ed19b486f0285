// Functions on lists of Python's objects, for steps on lists of thousands of arrays.
#pragma once
#include <pybind11/pybind11.h>

namespace lamella {

void bind_lists(pybind11::module_& module);

}  // namespace lamella
