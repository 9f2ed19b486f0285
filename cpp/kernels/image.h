// Batches of images.
#pragma once
#include "kernels/image/augment.inl.h"
