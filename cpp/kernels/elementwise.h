// Elements and rows, each on its own; sums.
#pragma once
#include "kernels/elementwise/activation.inl.h"
#include "kernels/elementwise/dropout.inl.h"
#include "kernels/elementwise/reduce.inl.h"
#include "kernels/elementwise/softmax.inl.h"
