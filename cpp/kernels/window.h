// Pooling, depthwise convolution.
#pragma once
#include "kernels/window/depthwise.inl.h"
#include "kernels/window/global_pool.inl.h"
#include "kernels/window/pool.inl.h"
