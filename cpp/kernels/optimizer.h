// Optimizers: lists of arrays, updated in place.
#pragma once
#include "kernels/optimizer/adafactor.inl.h"
#include "kernels/optimizer/adam.inl.h"
#include "kernels/optimizer/ftrl.inl.h"
#include "kernels/optimizer/lamb.inl.h"
#include "kernels/optimizer/narrow.inl.h"
#include "kernels/optimizer/optimizer.inl.h"
#include "kernels/optimizer/rmsprop.inl.h"
#include "kernels/optimizer/torch_rules.inl.h"
