"""Layers for other trainers: functions of plain arrays, forward and backward, without a tape and without a model.

    y = functional.conv(x, w, bias, padding=1, relu=True)
    dx, dw, dbias = functional.conv_backward(dy, x, w, padding=1, y=y)

Arrays are C-contiguous, all float32 or all float64, channels last. Each result can be written to an array of the caller's (`out=`),
and gradients that are not needed are not computed (`need=`). Nothing is recorded: the caller keeps what the
forward function returns for the backward function. The results do not depend on the number of threads.
"""

from __future__ import annotations

from lamella.functional.crossentropy import softmax, softmax_backward, softmax_cross_entropy, softmax_cross_entropy_backward
from lamella.functional.linear import conv, conv_backward, dense, dense_backward, depthwise_conv, depthwise_conv_backward
from lamella.functional.normalization import batch_norm, batch_norm_backward, batch_norm_inference
from lamella.functional.pooling import avg_pool, avg_pool_backward, max_pool, max_pool_backward
from lamella.functional.recurrent import gru, gru_backward, lstm, lstm_backward

__all__ = [
    "avg_pool",
    "avg_pool_backward",
    "batch_norm",
    "batch_norm_backward",
    "batch_norm_inference",
    "conv",
    "conv_backward",
    "dense",
    "dense_backward",
    "depthwise_conv",
    "depthwise_conv_backward",
    "gru",
    "gru_backward",
    "lstm",
    "lstm_backward",
    "max_pool",
    "max_pool_backward",
    "softmax",
    "softmax_backward",
    "softmax_cross_entropy",
    "softmax_cross_entropy_backward",
]
