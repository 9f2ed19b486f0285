// Makes the memory pool of cpp/core/pool.h the allocator of NumPy's arrays while a step runs.
#pragma once
#include <pybind11/pybind11.h>

namespace lamella {

void bind_pool(pybind11::module_& module);

}  // namespace lamella
