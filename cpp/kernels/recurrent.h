// Recurrent layers over all of time, and one step of an LSTM.
#pragma once
#include "kernels/recurrent/gru.inl.h"
#include "kernels/recurrent/lstm.inl.h"
#include "kernels/recurrent/lstm_step.inl.h"
#include "kernels/recurrent/simple_rnn.inl.h"
