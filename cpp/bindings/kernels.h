#pragma once
#include <pybind11/pybind11.h>

namespace lamella {

// Adds each line of the table (cpp/table) to the module as a function, and the lists KERNELS and BUNDLES.
void bind_kernels(pybind11::module_& module);

}  // namespace lamella
