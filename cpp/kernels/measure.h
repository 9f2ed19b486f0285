// The machine's own limits, for bench/.
#pragma once
#include "kernels/measure/measure.inl.h"
