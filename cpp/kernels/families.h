// Every family, one line each.
#pragma once
#include "kernels/activation.inl.h"
#include "kernels/batch_norm.inl.h"
#include "kernels/conv2d.inl.h"
#include "kernels/dense.inl.h"
#include "kernels/dropout.inl.h"
#include "kernels/global_pool.inl.h"
#include "kernels/loss.inl.h"
#include "kernels/measure.inl.h"
#include "kernels/optimizer.inl.h"
#include "kernels/pool2d.inl.h"
#include "kernels/reduce.inl.h"
#include "kernels/softmax.inl.h"
