// Pooling.
#pragma once
#include "kernels/window/global_pool.inl.h"
#include "kernels/window/pool.inl.h"
