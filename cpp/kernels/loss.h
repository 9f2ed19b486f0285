// Losses of rows and their gradients.
#pragma once
#include "kernels/loss/crossentropy.inl.h"
#include "kernels/loss/hinge_loss.inl.h"
#include "kernels/loss/regression_loss.inl.h"
#include "kernels/loss/similarity_loss.inl.h"
#include "kernels/loss/softmax_crossentropy.inl.h"
