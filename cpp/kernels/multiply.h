// Dense layers, batches of products and convolutions: all that multiplies matrices.
#pragma once
#include "kernels/multiply/conv.inl.h"
#include "kernels/multiply/dense.inl.h"
#include "kernels/multiply/local_conv.inl.h"
#include "kernels/multiply/matmul.inl.h"
