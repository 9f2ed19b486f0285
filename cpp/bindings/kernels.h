#pragma once
#include <pybind11/pybind11.h>

namespace lamella {

// Each line of the table (cpp/table) as a function of the module, and the lists KERNELS and BUNDLES.
void bind_kernels(pybind11::module_& module);

}  // namespace lamella
