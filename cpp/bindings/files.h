// A function that reads many small files in one call.
#pragma once
#include <pybind11/pybind11.h>

namespace lamella {

void bind_files(pybind11::module_& module);

}  // namespace lamella
