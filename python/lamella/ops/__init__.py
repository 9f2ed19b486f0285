"""Ops: functions of arrays that know their gradient. One line a family; see tape.py for what an op is."""

from lamella.ops import operators as _operators  # noqa: F401 - gives Tensor and Variable theirs
from lamella.ops.activations import elu, exponential, hard_sigmoid, relu, selu, sigmoid, softmax, softplus, softsign, tanh
from lamella.ops.conv import conv2d
from lamella.ops.crossentropy import binary_crossentropy, categorical_crossentropy, sparse_categorical_crossentropy
from lamella.ops.dense import dense
from lamella.ops.dropout import dropout
from lamella.ops.math import (
    abs,
    add,
    cast,
    clip,
    cos,
    divide,
    exp,
    log,
    matmul,
    maximum,
    minimum,
    multiply,
    negative,
    power,
    sign,
    sin,
    sqrt,
    square,
    subtract,
    where,
)
from lamella.ops.norm import batch_norm, batch_norm_inference
from lamella.ops.pooling import avg_pool2d, global_avg_pool2d, global_max_pool2d, max_pool2d
from lamella.ops.reduce import logsumexp, max, mean, min, sum, sum_absolute, sum_squares
from lamella.ops.row_losses import (
    absolute_error,
    categorical_hinge,
    cosine_proximity,
    hinge,
    kl_divergence,
    logarithmic_error,
    logcosh,
    percentage_error,
    poisson,
    squared_error,
    squared_hinge,
)
from lamella.ops.scan import cumprod, cumsum, prod
from lamella.ops.shape import concatenate, flip, getitem, pad, repeat, reshape, take, tile, transpose

__all__ = [
    "abs", "absolute_error", "add", "avg_pool2d", "batch_norm", "batch_norm_inference", "binary_crossentropy", "cast",
    "categorical_crossentropy", "categorical_hinge", "clip", "concatenate", "conv2d", "cos", "cosine_proximity", "cumprod",
    "cumsum", "dense", "divide", "dropout", "elu", "exp", "exponential", "flip", "getitem", "global_avg_pool2d",
    "global_max_pool2d", "hard_sigmoid", "hinge", "kl_divergence", "log", "logarithmic_error", "logcosh", "logsumexp",
    "matmul", "max", "max_pool2d", "maximum", "mean", "min", "minimum", "multiply", "negative", "pad", "percentage_error",
    "poisson", "power", "prod", "relu", "repeat", "reshape", "selu", "sigmoid", "sign", "sin", "softmax", "softplus", "softsign",
    "sparse_categorical_crossentropy", "sqrt", "square", "squared_error", "squared_hinge", "subtract", "sum",
    "sum_absolute", "sum_squares", "take", "tanh", "tile", "transpose", "where",
]  # fmt: skip
