// A function that reads the headers of JPEG files.
#pragma once
#include <pybind11/pybind11.h>

namespace lamella {

void bind_jpeg(pybind11::module_& module);

}  // namespace lamella
