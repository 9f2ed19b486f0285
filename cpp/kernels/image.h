// Images into batches.
#pragma once
#include "kernels/image/augment.inl.h"
