// Dense layers and convolutions: all that multiplies matrices.
#pragma once
#include "kernels/multiply/conv2d.inl.h"
#include "kernels/multiply/dense.inl.h"
