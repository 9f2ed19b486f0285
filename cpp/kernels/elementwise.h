// Functions of elements and of rows; sums.
#pragma once
#include "kernels/elementwise/activation.inl.h"
#include "kernels/elementwise/arithmetic.inl.h"
#include "kernels/elementwise/cumulate.inl.h"
#include "kernels/elementwise/dropout.inl.h"
#include "kernels/elementwise/elementary.inl.h"
#include "kernels/elementwise/extremum.inl.h"
#include "kernels/elementwise/gaussian_noise.inl.h"
#include "kernels/elementwise/modulo.inl.h"
#include "kernels/elementwise/prelu.inl.h"
#include "kernels/elementwise/reduce.inl.h"
#include "kernels/elementwise/softmax.inl.h"
