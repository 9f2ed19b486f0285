// Recurrent layers over all of time.
#pragma once
#include "kernels/recurrent/gru.inl.h"
#include "kernels/recurrent/lstm.inl.h"
#include "kernels/recurrent/simple_rnn.inl.h"
