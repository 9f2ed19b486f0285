// Reading rows of a table.
#pragma once
#include "kernels/gather/take.inl.h"
