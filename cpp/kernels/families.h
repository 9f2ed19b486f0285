// Every family, one line each.
#pragma once
#include "kernels/activation.inl.h"
