"""A row for each function of K: sample arguments, and the result by NumPy.

`T` marks arguments that are tensors, and whether they get a gradient. tests/backend/test_sweep.py replaces them by arrays,
Variables, Tensors of a tape, symbolic tensors and lists. A row without an oracle is for a function that computes nothing from a
tensor. `SETTINGS` lists the functions without tensors.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.oracles.conv import backward as convolve_back
from tests.oracles.conv import convolve
from tests.oracles.depthwise import whole
from tests.oracles.local import local_conv
from tests.oracles.pool import pooled
from tests.oracles.resize import resize

DRAW = np.random.default_rng(0)


class T:
    """A tensor among the arguments."""

    def __init__(self, value: Any, gradient: bool = True) -> None:
        self.value = np.asarray(value)
        self.gradient = gradient and self.value.dtype.kind == "f"


@dataclass
class Row:
    arguments: tuple[Any, ...]
    oracle: Callable[..., Any]  # takes the same arguments, as arrays
    named: dict[str, Any] = field(default_factory=dict)
    symbolic: bool = True  # makes a node of a graph
    gradient: bool = True  # each T with a gradient gets it
    integers: bool = True  # the oracle is also right for integers


def some(*shape: int) -> np.ndarray:
    """Values with a distance from 0 and from each other, where the functions are differentiable."""
    size = int(np.prod(shape))
    return (DRAW.permutation(size).reshape(shape) + 1.37) / size - 0.5


def T_(*shape: int) -> T:
    return T(some(*shape))


X, POSITIVE = some(3, 4, 5), np.abs(some(3, 4)) + 0.3
P = POSITIVE / POSITIVE.sum(-1, keepdims=True)
Y = np.roll(P, 1, 0)
ONE_HOT = np.eye(4)[[1, 0, 3]]
IMAGES = some(2, 5, 6, 3)
LABELS = np.array([1, 0, 3])


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def windows(x, size, strides, reduce):
    """reduce over each window of NHWC images, without padding."""
    rows = range(0, x.shape[1] - size[0] + 1, strides[0])
    columns = range(0, x.shape[2] - size[1] + 1, strides[1])
    return np.stack([np.stack([reduce(x[:, i : i + size[0], j : j + size[1]]) for j in columns], 1) for i in rows], 1)


def conv(x, kernel, strides=None, dilation=None):
    ones = (1,) * (x.ndim - 2)
    return convolve(x, kernel, strides or ones, dilation or ones, (0,) * len(ones))


def separable(x, depthwise, pointwise, strides=None):
    return conv(conv(x, whole(depthwise), strides), pointwise)


def transposed(x, kernel, sizes, strides, before=None):
    y, ones = np.zeros((len(x), *sizes, kernel.shape[-2])), (1,) * len(sizes)
    return convolve_back(y, kernel, x, strides, ones, before or (0,) * len(sizes))[0]


def one_argument(oracle, value=X, **more):
    return Row((T(value),), oracle, **more)


def reduction(oracle, **more):
    return Row(
        (T(X),), lambda x, axis, keepdims: oracle(x, axis=axis, keepdims=keepdims), {"axis": (0, 2), "keepdims": True}, **more
    )


CONSTANT = {"gradient": False}
VALUE = {"symbolic": False, "gradient": False}

ROWS: dict[str, list[Row]] = {
    # elementwise
    "abs": [one_argument(np.abs)],
    "clip": [
        Row((T(X), -0.2, 0.3), np.clip),
        Row((T(X), None, 0.3), lambda x, low, high: np.minimum(x, high)),
        Row((T(X), T(some(5) / 2 - 0.3), T(some(5) / 2 + 0.3)), lambda x, low, high: np.clip(x, low, high), integers=False),
        Row((T(X), T(some(4, 1)), None), lambda x, low, high: np.maximum(x, low)),
        Row((T(X), 0.3, -0.2), lambda x, low, high: np.full_like(x, 0.3), integers=False, **CONSTANT),
        Row((T(X), T(np.full(5, 0.3)), T(np.full(5, -0.2))), lambda x, low, high: np.full_like(x, 0.3), integers=False, **CONSTANT),
    ],
    "cos": [one_argument(np.cos)],
    "equal": [Row((T(X), T(np.round(X, 1))), np.equal, **CONSTANT)],
    "exp": [one_argument(np.exp)],
    "greater": [Row((T(X), T(X[0])), np.greater, **CONSTANT)],
    "greater_equal": [Row((T(X), T(X[0])), np.greater_equal, **CONSTANT)],
    "less": [Row((T(X), T(X[0])), np.less, **CONSTANT)],
    "less_equal": [Row((T(X), 0.25), np.less_equal, **CONSTANT)],
    "log": [one_argument(np.log, POSITIVE)],
    "maximum": [Row((T(X), T(some(5))), np.maximum), Row((T(X), 0.1), np.maximum)],
    "minimum": [Row((T(X), T(some(4, 1))), np.minimum)],
    "negative": [one_argument(np.negative)],
    "not_equal": [Row((T(X), T(np.round(X, 1))), np.not_equal, **CONSTANT)],
    "pow": [Row((T(POSITIVE), 1.5), np.power), Row((T(POSITIVE), T(some(4))), np.power)],
    "round": [one_argument(lambda x: np.round(x), 3 * X, **CONSTANT)],
    "sign": [one_argument(np.sign)],
    "sin": [one_argument(np.sin)],
    "sqrt": [one_argument(np.sqrt, POSITIVE)],
    "square": [one_argument(np.square)],
    "switch": [Row((T(X > 0), T(X), T(X[::-1].copy())), np.where), Row((T(X[:, 0, 0] > 0), T(X), T(-X)), lambda c, x, y: np.where(c[:, None, None], x, y))],
    # normalization
    "batch_normalization": [
        Row((T(X), T(some(5)), T(POSITIVE[0, 0] + np.arange(5.0)), T(some(5)), T(some(5))), lambda x, m, v, b, g: (x - m) / np.sqrt(v + 1e-3) * g + b),
        Row((T(X), T(some(1, 4, 1)), T(POSITIVE[:1, :, None]), None, T(some(4))), lambda x, m, v, b, g, axis, epsilon: (x - m) / np.sqrt(v + epsilon) * g[:, None], {"axis": 1, "epsilon": 0.1}),
    ],
    "print_tensor": [one_argument(lambda x: x)],
    # reductions
    "all": [reduction(np.all, **CONSTANT)],
    "any": [reduction(np.any, **CONSTANT)],
    "argmax": [Row((T(X), 1), np.argmax, **CONSTANT)],
    "argmin": [Row((T(X),), lambda x: np.argmin(x, -1), **CONSTANT)],
    "cumprod": [Row((T(X), 1), np.cumprod)],
    "cumsum": [Row((T(X), -1), np.cumsum)],
    "logsumexp": [reduction(lambda x, axis, keepdims: np.log(np.exp(x).sum(axis=axis, keepdims=keepdims)))],
    "max": [reduction(np.max)],
    "mean": [reduction(np.mean), Row((T(X), np.int64(1)), np.mean), one_argument(np.mean)],
    "min": [reduction(np.min)],
    "prod": [reduction(np.prod)],
    "std": [reduction(np.std)],
    "sum": [reduction(np.sum), Row((T(X), [0, 1]), lambda x, axis: x.sum((0, 1))), one_argument(np.sum)],
    "var": [reduction(np.var)],
    # shapes
    "batch_flatten": [one_argument(lambda x: x.reshape(3, 20))],
    "concatenate": [Row(([T(X), T(X[:, :1])], 1), lambda xs, axis: np.concatenate(xs, axis))],
    "expand_dims": [Row((T(X), 1), np.expand_dims)],
    "flatten": [one_argument(np.ravel)],
    "gather": [Row((T(some(6, 2)), T([[5, 0], [2, 2]])), lambda x, i: x[i])],
    "one_hot": [Row((T(LABELS), 4), lambda i, n: np.eye(n)[i], **CONSTANT)],
    "permute_dimensions": [Row((T(X), (0, 2, 1)), np.transpose)],
    "repeat": [Row((T(some(3, 4)), 2), lambda x, n: np.stack([x] * n, 1))],
    "repeat_elements": [Row((T(X), 2, 1), np.repeat)],
    "reshape": [Row((T(X), (3, 2, -1)), lambda x, shape: x.reshape(shape))],
    "reverse": [Row((T(X), [1, 2]), np.flip)],
    "slice": [Row((T(X), [0, 1, 2], [3, 2, -1]), lambda x, start, size: x[:, 1:3, 2:])],
    "spatial_2d_padding": [Row((T(IMAGES), ((1, 0), (0, 2))), lambda x, p: np.pad(x, ((0, 0), *p, (0, 0))))],
    "spatial_3d_padding": [Row((T(some(1, 2, 2, 3, 2)),), lambda x: np.pad(x, ((0, 0), (1, 1), (1, 1), (1, 1), (0, 0))))],
    "squeeze": [Row((T(some(3, 1, 4)), 1), np.squeeze)],
    "stack": [Row(([T(X), T(-X)], 1), lambda xs, axis: np.stack(xs, axis))],
    "temporal_padding": [Row((T(X), (2, 1)), lambda x, p: np.pad(x, ((0, 0), p, (0, 0))))],
    "tile": [
        Row((T(X), (1, 2, 3)), np.tile),
        Row((T(X), [2]), np.tile),
        Row((T(X), 3), np.tile),
        Row((T(X), (2, 1)), np.tile),
    ],
    "transpose": [one_argument(np.transpose, some(3, 3))],
    # products
    "batch_dot": [Row((T(X), T(some(3, 5, 2))), lambda x, y: np.einsum("nik,nkj->nij", x, y), {})],
    "dot": [Row((T(X), T(some(5, 2))), np.dot), Row((T(X), T(some(5))), np.dot)],
    # neural
    "bias_add": [Row((T(X), T(some(5))), np.add), Row((T(X), T(some(4, 5))), np.add)],
    "binary_crossentropy": [Row((T(Y, False), T(P)), lambda y, p: -(y * np.log(p) + (1 - y) * np.log(1 - p)))],
    "categorical_crossentropy": [Row((T(Y, False), T(P)), lambda y, p: -(y * np.log(p)).sum(-1))],
    "conv1d": [
        Row((T(X), T(some(2, 5, 3))), lambda x, k: conv(x, k)),
        Row((T(X), T(some(2, 5, 3)), 2, "causal", None, 2), lambda x, k, *_: conv(np.pad(x, ((0, 0), (2, 0), (0, 0))), k, (2,), (2,))),
        Row((T(X), T(some(2, 4, 3)), 1, "valid", "channels_first"), lambda x, k, *_: np.moveaxis(conv(np.moveaxis(x, 1, 2), k), 2, 1)),
    ],
    "conv2d": [Row((T(IMAGES), T(some(2, 3, 3, 4))), conv)],
    "conv3d": [Row((T(some(1, 3, 4, 3, 2)), T(some(2, 2, 3, 2, 3)), (1, 2, 1)), lambda x, k, strides: conv(x, k, strides))],
    "conv2d_transpose": [
        Row((T(some(2, 3, 2, 2)), T(some(2, 2, 3, 2)), None, (3, 2)), lambda x, k, shape, s: transposed(x, k, (9, 4), s)),
        Row((T(some(2, 3, 2, 2)), T(some(3, 2, 3, 2)), (2, 5, 4, 3), (2, 2), "same"), lambda x, k, shape, s, padding: transposed(x, k, (5, 4), s, (1, 0))),
    ],
    "conv3d_transpose": [Row((T(some(1, 2, 3, 2, 2)), T(some(2, 2, 2, 1, 2)), (1, 3, 4, 3, 1)), lambda x, k, shape: transposed(x, k, (3, 4, 3), (1, 1, 1)))],
    "depthwise_conv2d": [Row((T(IMAGES), T(some(2, 3, 3, 2)), (2, 1)), lambda x, k, strides: conv(x, whole(k), strides))],
    "separable_conv1d": [Row((T(some(2, 5, 3)), T(some(2, 3, 2)), T(some(1, 6, 4)), 2), lambda x, d, p, stride: separable(x, d, p, (stride,)))],
    "separable_conv2d": [Row((T(IMAGES), T(some(2, 3, 3, 2)), T(some(1, 1, 6, 4))), separable)],
    "local_conv1d": [Row((T(some(2, 5, 3)), T(some(2, 6, 4)), (2,), (2,)), local_conv)],
    "local_conv2d": [
        Row((T(some(2, 4, 5, 3)), T(some(6, 18, 2)), (2, 3), (1, 2), (3, 2)), lambda x, k, size, strides, shape: local_conv(x, k, size, strides)),
        Row((T(some(2, 3, 4, 5)), T(some(6, 18, 2)), (2, 3), (1, 2), None, "channels_first"), lambda x, k, size, strides, *_: np.moveaxis(local_conv(np.moveaxis(x, 1, -1), k, size, strides, True), -1, 1)),
    ],
    "local_conv": [Row((T(some(2, 5, 3)), T(some(4, 6, 4)), (2,), (1,), (4,)), lambda x, k, size, strides, shape: local_conv(x, k, size, strides))],
    "elu": [Row((T(X), 0.7), lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x)))],
    "hard_sigmoid": [one_argument(lambda x: np.clip(0.2 * x + 0.5, 0, 1), 4 * X)],
    "in_top_k": [Row((T(P), T(LABELS), 2), lambda p, y, k: (p > p[range(3), y][:, None]).sum(1) < k, **CONSTANT)],
    "l2_normalize": [Row((T(X), 1), lambda x, axis: x / np.linalg.norm(x, axis=axis, keepdims=True), integers=False)],
    "pool2d": [
        Row((T(IMAGES), (2, 3), (1, 2)), lambda x, size, strides: windows(x, size, strides, lambda w: w.max((1, 2)))),
        Row((T(IMAGES), (2, 2)), lambda x, size, pool_mode: windows(x, size, (1, 1), lambda w: w.mean((1, 2))), {"pool_mode": "avg"}),
    ],
    "pool3d": [
        Row((T(some(1, 4, 5, 4, 2)), (2, 2, 2), (2, 1, 2)), lambda x, size, strides: pooled(x, size, strides, np.max)),
        Row((T(some(1, 4, 5, 4, 2)), (2, 2, 2)), lambda x, size, pool_mode: pooled(x, size, (1, 1, 1), np.mean), {"pool_mode": "avg"}),
    ],
    "relu": [
        one_argument(lambda x: np.maximum(x, 0)),
        Row((T(X), 0.1, 0.3, 0.2), lambda x, a, m, t: np.where(x > t, np.minimum(x, m), a * (x - t))),
        Row((T(X), 0.1, 0.3, -0.2), lambda x, a, m, t: np.where(x > t, np.clip(x, 0, m), a * (x - t))),
        Row((T(X), 0.0, None, -0.2), lambda x, a, m, t: np.where(x > t, x, 0)),
    ],
    "resize_images": [
        Row((T(IMAGES), 2, 1, "channels_last"), lambda x, h, w, f: np.repeat(x, 2, 1)),
        Row((T(IMAGES), 1, 3, "channels_first"), lambda x, h, w, f: np.repeat(x, 3, 3)),
        Row((T(IMAGES), 3, 2, "channels_last"), lambda x, h, w, f, interpolation: resize(x, (h, w), interpolation)[0], {"interpolation": "bilinear"}, integers=False),
    ],
    "resize_volumes": [Row((T(some(1, 2, 2, 3, 2)), 1, 2, 3, "channels_first"), lambda x, d, h, w, f: x.repeat(2, 3).repeat(3, 4))],
    "sigmoid": [one_argument(lambda x: 1 / (1 + np.exp(-x)))],
    "softmax": [one_argument(softmax), Row((T(X), 1), softmax)],
    "softplus": [one_argument(lambda x: np.log1p(np.exp(x)))],
    "softsign": [one_argument(lambda x: x / (1 + np.abs(x)))],
    "sparse_categorical_crossentropy": [Row((T(LABELS), T(P)), lambda y, p: -np.log(p[range(3), y]))],
    "tanh": [one_argument(np.tanh)],
    "dropout": [Row((T(np.ones((40, 50))), 0.0), lambda x, level: x)],
    # rows
    "foldl": [
        Row((lambda s, row: 2 * s + row, T(some(3, 2))), lambda fn, x: 4 * x[0] + 2 * x[1] + x[2]),
        Row((lambda s, row: s - row, T(some(3, 2)), T(some(2))), lambda fn, x, start: start - x.sum(0)),
    ],
    "foldr": [Row((lambda s, row: 2 * s + row, T(some(3, 2))), lambda fn, x: 4 * x[2] + 2 * x[1] + x[0])],
    "map_fn": [
        Row((lambda row: row * row, T(some(3, 2))), lambda fn, x: x**2),
        Row((lambda rows: rows[0] * rows[1], (T(some(3, 2)), T(some(3)))), lambda fn, xs: xs[0] * xs[1][:, None], {}),
    ],
    # values
    "cast": [Row((T(X), "float32"), lambda x, dtype: x.astype(dtype)), Row((T(3 * X), "int32"), lambda x, dtype: x.astype(dtype), **CONSTANT)],
    "identity": [one_argument(lambda x: x)],
    "in_test_phase": [Row((T(X), T(-X)), lambda x, alt: x, **CONSTANT)],
    "in_train_phase": [Row((T(X), T(-X), 1), lambda x, alt, training: x, **CONSTANT)],
    "ones_like": [one_argument(np.ones_like, **CONSTANT)],
    "stop_gradient": [one_argument(lambda x: x, **CONSTANT)],
    "zeros_like": [one_argument(np.zeros_like, **CONSTANT)],
    "count_params": [one_argument(np.size, **VALUE)],
    "dtype": [one_argument(lambda x: "float64", **VALUE)],
    "eval": [one_argument(lambda x: x, **VALUE)],
    "get_value": [one_argument(lambda x: x, **VALUE)],
    "batch_get_value": [Row(([T(X), T(-X)],), lambda xs: np.stack(xs), **VALUE)],
    "get_variable_shape": [one_argument(np.shape, **VALUE)],
    "int_shape": [one_argument(np.shape, **VALUE)],
    "ndim": [one_argument(np.ndim, **VALUE)],
    "shape": [one_argument(lambda x: np.array(x.shape), **CONSTANT)],
}  # fmt: skip

# Functions that take no tensor, or only a Variable. tests/test_backend.py checks their values.
SETTINGS = {
    "arange", "backend", "batch_set_value", "Function", "cast_to_floatx", "clear_session", "constant", "ctc_batch_cost", "ctc_decode", "ctc_label_dense_to_sparse", "epsilon", "eye", "floatx", "function",
    "get_session", "get_uid", "gradients", "image_data_format", "image_dim_ordering", "is_keras_tensor", "is_placeholder", "is_sparse", "is_tensor", "learning_phase",
    "manual_variable_initialization", "moving_average_update", "name_scope", "normalize_batch_in_training", "normalize_data_format", "set_session", "ones", "placeholder", "random_binomial", "random_normal",
    "random_normal_variable", "random_uniform", "random_uniform_variable", "reset_uids", "rnn", "set_epsilon", "set_floatx",
    "set_image_data_format", "set_image_dim_ordering", "set_learning_phase", "set_value", "to_dense", "truncated_normal", "update",
    "update_add", "update_sub", "variable", "zeros",
}  # fmt: skip
