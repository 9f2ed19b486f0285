"""Coarse ops written with simpler ops. They give the same numbers more slowly, and have gradients of any order.

`ops.gradient_rules` uses them where it needs the gradient of an op's gradient, and finds them by the name of the op. Each
function has the arguments and results of its op.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lamella.core.config import epsilon
from lamella.core.types import Array, Value
from lamella.ops import activations, math, pooling, reduce, shape
from lamella.ops.arrays import constant_like
from lamella.ops.conv import conv
from lamella.ops.tape import array_of
from lamella.ops.targets import labels_for
from lamella.ops.time_steps import over_time, stack_time

# Recurrence -------------------------------------------------------------------------------------------

_FUNCTIONS: dict[str, Callable[[Value], Value]] = {
    "linear": lambda x: x,
    "relu": activations.relu,
    "tanh": activations.tanh,
    "sigmoid": activations.sigmoid,
    "hard_sigmoid": activations.hard_sigmoid,
}


def _gate_sums(
    x: Value, weight: Value, bias: Value | None, masks: Array | None, gates: Sequence[int], units: int
) -> list[Value]:
    """x weight + bias for each of these gates, [N, units]. masks: factors of x, [1, N, K] or [all gates, N, K]."""
    if masks is None or len(masks) == 1:
        given: list[Value] = [x if masks is None else math.multiply(x, masks[0])] * len(gates)
    else:
        given = [math.multiply(x, masks[gate]) for gate in gates]
    columns = [slice(gate * units, (gate + 1) * units) for gate in gates]
    return [_affine(each, weight, bias, own) for each, own in zip(given, columns)]


def _affine(x: Value, weight: Value, bias: Value | None, columns: slice) -> Value:
    """x weight + bias for these columns of weight and bias."""
    y = math.matmul(x, shape.getitem(weight, key=(slice(None), columns)))
    return y if bias is None else math.add(y, shape.getitem(bias, key=columns))


def _over_time(
    step: Callable[[Value, list[Value]], tuple[Value, list[Value]]],
    x: Value,
    states: Sequence[Value | None],
    units: int,
    mask: Array | None,
    go_backwards: bool,
    return_sequences: bool,
) -> tuple[Value, ...]:
    """(outputs, *last states) of a recurrent op with this step."""
    zeros = np.zeros((x.shape[0], units), x.dtype)
    start = [zeros if state is None else state for state in states]
    outputs, last = over_time(step, x, start, mask=mask, go_backwards=go_backwards)
    return (stack_time(*outputs) if return_sequences else outputs[-1], *last)


def lstm(
    x: Value,
    kernel: Value,
    recurrent_kernel: Value,
    bias: Value | None,
    h0: Value | None = None,
    c0: Value | None = None,
    *,
    input_dropout: Array | None = None,
    recurrent_dropout: Array | None = None,
    mask: Array | None = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
    activation: str = "tanh",
    recurrent_activation: str = "hard_sigmoid",
) -> tuple[Value, ...]:
    units, every = recurrent_kernel.shape[0], range(4)
    act, rec = _FUNCTIONS[activation], _FUNCTIONS[recurrent_activation]

    def step(x_t: Value, states: list[Value]) -> tuple[Value, list[Value]]:
        h, c = states
        of_x = _gate_sums(x_t, kernel, bias, input_dropout, every, units)
        of_h = _gate_sums(h, recurrent_kernel, None, recurrent_dropout, every, units)
        i, f, g, o = (math.add(a, b) for a, b in zip(of_x, of_h))
        c = math.add(math.multiply(rec(f), c), math.multiply(rec(i), act(g)))
        h = math.multiply(rec(o), act(c))
        return h, [h, c]

    return _over_time(step, x, (h0, c0), units, mask, go_backwards, return_sequences)


def lstm_step(
    of_x: Value, of_h: Value, c: Value, *, activation: str = "tanh", recurrent_activation: str = "hard_sigmoid"
) -> tuple[Value, Value]:
    units = c.shape[-1]
    act, rec = _FUNCTIONS[activation], _FUNCTIONS[recurrent_activation]
    z = math.add(of_x, of_h)
    i, f, g, o = (shape.getitem(z, key=(..., slice(gate * units, (gate + 1) * units))) for gate in range(4))
    c = math.add(math.multiply(rec(f), c), math.multiply(rec(i), act(g)))
    return math.multiply(rec(o), act(c)), c


def gru(
    x: Value,
    kernel: Value,
    recurrent_kernel: Value,
    bias: Value | None,
    h0: Value | None = None,
    *,
    input_dropout: Array | None = None,
    recurrent_dropout: Array | None = None,
    mask: Array | None = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
    activation: str = "tanh",
    recurrent_activation: str = "hard_sigmoid",
    reset_after: bool = False,
) -> tuple[Value, ...]:
    units = recurrent_kernel.shape[0]
    act, rec = _FUNCTIONS[activation], _FUNCTIONS[recurrent_activation]
    of_input, of_state = (bias[0], bias[1]) if reset_after and bias is not None else (bias, None)

    def step(x_t: Value, states: list[Value]) -> tuple[Value, list[Value]]:
        (h,) = states
        z, r, n = _gate_sums(x_t, kernel, of_input, input_dropout, range(3), units)
        to_z, to_r = _gate_sums(h, recurrent_kernel, of_state, recurrent_dropout, range(2), units)
        z, r = rec(math.add(z, to_z)), rec(math.add(r, to_r))
        if reset_after:
            (inner,) = _gate_sums(h, recurrent_kernel, of_state, recurrent_dropout, [2], units)
            inner = math.multiply(r, inner)
        else:
            (inner,) = _gate_sums(math.multiply(r, h), recurrent_kernel, None, recurrent_dropout, [2], units)
        n = act(math.add(n, inner))
        h = math.add(n, math.multiply(z, math.subtract(h, n)))
        return h, [h]

    return _over_time(step, x, (h0,), units, mask, go_backwards, return_sequences)


def simple_rnn(
    x: Value,
    kernel: Value,
    recurrent_kernel: Value,
    bias: Value | None,
    h0: Value | None = None,
    *,
    input_dropout: Array | None = None,
    recurrent_dropout: Array | None = None,
    mask: Array | None = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
    activation: str = "tanh",
) -> tuple[Value, ...]:
    units = recurrent_kernel.shape[0]

    def step(x_t: Value, states: list[Value]) -> tuple[Value, list[Value]]:
        (of_x,) = _gate_sums(x_t, kernel, bias, input_dropout, [0], units)
        (of_h,) = _gate_sums(states[0], recurrent_kernel, None, recurrent_dropout, [0], units)
        h = _FUNCTIONS[activation](math.add(of_x, of_h))
        return h, [h]

    return _over_time(step, x, (h0,), units, mask, go_backwards, return_sequences)


def gated_dense(kernel: Value, bias: Value | None, *xs: Value, units: int, first: int = 0) -> Value:
    columns = [slice((first + g) * units, (first + g + 1) * units) for g in range(len(xs))]
    parts = [_affine(x, kernel, bias, own) for x, own in zip(xs, columns)]
    return shape.concatenate(*parts, axis=-1)


def prelu(x: Value, alpha: Value) -> Value:
    below = activations.relu(math.negative(x))
    return math.subtract(activations.relu(x), math.multiply(alpha, below))


def batch_norm_with_statistics(x: Value, gamma: Value | None, beta: Value | None, *, epsilon: float) -> tuple[Value, ...]:
    axes = tuple(range(x.ndim - 1))
    mean = reduce.mean(x, axis=axes)
    centered = math.subtract(x, mean)
    variance = reduce.mean(math.square(centered), axis=axes)
    y = math.divide(centered, math.sqrt(math.add(variance, constant_like(epsilon, variance))))
    y = y if gamma is None else math.multiply(y, gamma)
    return (y if beta is None else math.add(y, beta)), mean, variance


# Pooling ----------------------------------------------------------------------------------------------


def max_pool(
    x: Value, *, size: Sequence[int], strides: Sequence[int], padding: str = "valid", activation: str = "linear"
) -> Value:
    maximum = pooling.take_places(x, places=pooling.places_of_maxima(array_of(x), size, strides, padding))
    return activations.relu(maximum) if activation == "relu" else maximum


def conv_max_pool(
    x: Value,
    kernel: Value,
    bias: Value | None,
    *,
    size: Sequence[int],
    strides: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    padding: str = "valid",
    pool_strides: Sequence[int],
    pool_padding: str = "valid",
    activation: str = "linear",
) -> Value:
    z = conv(x, kernel, bias, strides=strides, dilation=dilation, padding=padding)
    return max_pool(z, size=size, strides=pool_strides, padding=pool_padding, activation=activation)


def global_max_pool(x: Value) -> Value:
    return reduce.max(x, axis=tuple(range(1, x.ndim - 1)))


# Losses of rows ---------------------------------------------------------------------------------------


def _mean(x: Value) -> Value:
    return reduce.mean(x, axis=-1)


def _sum(x: Value, keepdims: bool = False) -> Value:
    return reduce.sum(x, axis=-1, keepdims=keepdims)


def _cast_like(p: Value, y: Value) -> Value:
    """y with p's dtype."""
    return y if y.dtype == p.dtype else math.cast(y, dtype=p.dtype.name)


def _clipped(p: Value, high: float) -> Value:
    return math.clip(p, low=epsilon(), high=high)


def categorical_crossentropy(x: Value, y: Value, *, of_softmax: Array | None = None) -> Value:
    y = _cast_like(x, y)
    if of_softmax is not None:
        return softmax_crossentropy(x, y)
    q = _clipped(math.divide(x, _sum(x, keepdims=True)), 1 - epsilon())
    return math.negative(_sum(math.multiply(y, math.log(q))))


def softmax_crossentropy(z: Value, y: Value) -> Value:
    y = _cast_like(z, y)
    return math.negative(_sum(math.multiply(y, math.subtract(z, reduce.logsumexp(z, axis=-1, keepdims=True)))))


def sparse_categorical_crossentropy(x: Value, *, labels: Array, of_softmax: Array | None = None) -> Value:
    if of_softmax is not None:
        return sparse_softmax_crossentropy(x, labels=labels)
    q = _clipped(x, 1 - epsilon())
    return math.negative(math.log(math.divide(_at_labels(q, labels), _sum(q))))


def sparse_softmax_crossentropy(z: Value, *, labels: Array) -> Value:
    return math.subtract(reduce.logsumexp(z, axis=-1), _at_labels(z, labels))


def _at_labels(x: Value, labels: Array) -> Value:
    """The elements of x [..., C] at the labels, [...]."""
    places = labels_for(array_of(x), labels, "sparse_categorical_crossentropy").reshape(x.shape[:-1])
    return _sum(math.multiply(x, np.equal(places[..., None], np.arange(x.shape[-1])).astype(x.dtype)))


def binary_crossentropy(x: Value, y: Value, *, of_sigmoid: Array | None = None) -> Value:
    y = _cast_like(x, y)
    if of_sigmoid is not None:
        return sigmoid_crossentropy(x, y)
    q, one = _clipped(x, 1 - epsilon()), constant_like(1, x)
    kept, lost = math.multiply(y, math.log(q)), math.multiply(math.subtract(one, y), math.log(math.subtract(one, q)))
    return math.negative(_mean(math.add(kept, lost)))


def sigmoid_crossentropy(z: Value, y: Value) -> Value:
    return _mean(math.subtract(activations.softplus(z), math.multiply(z, _cast_like(z, y))))


def squared_error(p: Value, y: Value) -> Value:
    return _mean(math.square(math.subtract(p, _cast_like(p, y))))


def absolute_error(p: Value, y: Value) -> Value:
    return _mean(math.abs(math.subtract(p, _cast_like(p, y))))


def percentage_error(p: Value, y: Value) -> Value:
    y = _cast_like(p, y)
    size = math.maximum(math.abs(y), constant_like(epsilon(), p))
    return _mean(math.multiply(constant_like(100, p), math.divide(math.abs(math.subtract(p, y)), size)))


def logarithmic_error(p: Value, y: Value) -> Value:
    def log(x: Value) -> Value:
        return math.log(math.add(math.maximum(x, constant_like(epsilon(), x)), constant_like(1, x)))

    return _mean(math.square(math.subtract(log(p), log(_cast_like(p, y)))))


def logcosh(p: Value, y: Value) -> Value:
    d = math.subtract(p, _cast_like(p, y))
    softplus = activations.softplus(math.multiply(d, constant_like(-2, d)))
    return _mean(math.subtract(math.add(d, softplus), constant_like(np.log(2), d)))


def poisson(p: Value, y: Value) -> Value:
    return _mean(math.subtract(p, math.multiply(_cast_like(p, y), math.log(math.add(p, constant_like(epsilon(), p))))))


def _margins(p: Value, y: Value) -> Value:
    """max(1 - y * p, 0)."""
    return activations.relu(math.subtract(constant_like(1, p), math.multiply(_cast_like(p, y), p)))


def hinge(p: Value, y: Value) -> Value:
    return _mean(_margins(p, y))


def squared_hinge(p: Value, y: Value) -> Value:
    return _mean(math.square(_margins(p, y)))


def categorical_hinge(p: Value, y: Value) -> Value:
    y = _cast_like(p, y)
    others = reduce.max(math.multiply(math.subtract(constant_like(1, p), y), p), axis=-1)
    return activations.relu(math.add(math.subtract(others, _sum(math.multiply(y, p))), constant_like(1, p)))


def kl_divergence(p: Value, y: Value) -> Value:
    p, y = _clipped(p, 1.0), _clipped(_cast_like(p, y), 1.0)
    return _sum(math.multiply(y, math.subtract(math.log(y), math.log(p))))


def cosine_proximity(p: Value, y: Value) -> Value:
    y = _cast_like(p, y)

    def length(x: Value) -> Value:
        return math.sqrt(math.maximum(_sum(math.square(x)), constant_like(1e-12, x)))

    return math.negative(math.divide(_sum(math.multiply(p, y)), math.multiply(length(p), length(y))))
