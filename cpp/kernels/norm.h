// Batch normalization.
#pragma once
#include "kernels/norm/batch_norm.inl.h"
