// Elements in another order: rows of a table, arrays with strides, arrays one after another.
#pragma once
#include "kernels/gather/concatenate.inl.h"
#include "kernels/gather/pad.inl.h"
#include "kernels/gather/resize.inl.h"
#include "kernels/gather/strided_copy.inl.h"
#include "kernels/gather/take.inl.h"
