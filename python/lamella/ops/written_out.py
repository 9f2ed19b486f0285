"""Coarse ops written out in finer ones: the same numbers, slower, and with gradients of any order.

`ops.gradient_rules` computes by these again where it needs the gradient of an op's gradient. Each function takes what the op
takes and returns what it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lamella.core.config import epsilon
from lamella.core.types import Array, Value
from lamella.ops import activations, math, pooling, reduce, shape
from lamella.ops.tape import value_of
from lamella.ops.targets import labels_beside
from lamella.ops.time_steps import over_time, stack_time


def _array(x: Value) -> Array:
    array = value_of(x)
    assert array is not None
    return array


# Recurrence -------------------------------------------------------------------------------------------

_FUNCTIONS: dict[str, Callable[[Value], Value]] = {
    "linear": lambda x: x,
    "relu": activations.relu,
    "tanh": activations.tanh,
    "sigmoid": activations.sigmoid,
    "hard_sigmoid": activations.hard_sigmoid,
}


def _sums(x: Value, weight: Value, bias: Value | None, masks: Array | None, gates: Sequence[int], units: int) -> list[Value]:
    """x weight + bias of each of these gates, [N, units]; masks: [1 or all gates, N, K], what x is multiplied by."""
    if masks is None or len(masks) == 1:
        given: list[Value] = [x if masks is None else math.multiply(x, masks[0])] * len(gates)
    else:
        given = [math.multiply(x, masks[gate]) for gate in gates]
    columns = [slice(gate * units, (gate + 1) * units) for gate in gates]
    return [_affine(each, weight, bias, own) for each, own in zip(given, columns)]


def _affine(x: Value, weight: Value, bias: Value | None, columns: slice) -> Value:
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
        of_x = _sums(x_t, kernel, bias, input_dropout, every, units)
        of_h = _sums(h, recurrent_kernel, None, recurrent_dropout, every, units)
        i, f, g, o = (math.add(a, b) for a, b in zip(of_x, of_h))
        c = math.add(math.multiply(rec(f), c), math.multiply(rec(i), act(g)))
        h = math.multiply(rec(o), act(c))
        return h, [h, c]

    return _over_time(step, x, (h0, c0), units, mask, go_backwards, return_sequences)


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
        z, r, n = _sums(x_t, kernel, of_input, input_dropout, range(3), units)
        to_z, to_r = _sums(h, recurrent_kernel, of_state, recurrent_dropout, range(2), units)
        z, r = rec(math.add(z, to_z)), rec(math.add(r, to_r))
        if reset_after:
            (inner,) = _sums(h, recurrent_kernel, of_state, recurrent_dropout, [2], units)
            inner = math.multiply(r, inner)
        else:
            (inner,) = _sums(math.multiply(r, h), recurrent_kernel, None, recurrent_dropout, [2], units)
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
        (of_x,) = _sums(x_t, kernel, bias, input_dropout, [0], units)
        (of_h,) = _sums(states[0], recurrent_kernel, None, recurrent_dropout, [0], units)
        h = _FUNCTIONS[activation](math.add(of_x, of_h))
        return h, [h]

    return _over_time(step, x, (h0,), units, mask, go_backwards, return_sequences)


def gated_dense(kernel: Value, bias: Value | None, *xs: Value, units: int, first: int = 0) -> Value:
    columns = [slice((first + g) * units, (first + g + 1) * units) for g in range(len(xs))]
    parts = [_affine(x, kernel, bias, own) for x, own in zip(xs, columns)]
    return shape.concatenate(*parts, axis=-1)


# Pooling ----------------------------------------------------------------------------------------------


def max_pool(x: Value, *, size: Sequence[int], strides: Sequence[int], padding: str = "valid") -> Value:
    return pooling.take_places(x, places=pooling.places_of_maxima(_array(x), size, strides, padding))


def global_max_pool(x: Value) -> Value:
    return reduce.max(x, axis=tuple(range(1, x.ndim - 1)))


# Losses of rows ---------------------------------------------------------------------------------------


def _mean(x: Value) -> Value:
    return reduce.mean(x, axis=-1)


def _sum(x: Value, keepdims: bool = False) -> Value:
    return reduce.sum(x, axis=-1, keepdims=keepdims)


def _beside(p: Value, y: Value) -> Value:
    return y if y.dtype == p.dtype else math.cast(y, dtype=p.dtype.name)


def _number(value: float, like: Value) -> Array:
    return np.asarray(value, like.dtype)


def _clipped(p: Value, high: float) -> Value:
    return math.clip(p, low=epsilon(), high=high)


def _less(a: Value, b: Value) -> Value:
    return math.subtract(a, b)


def categorical_crossentropy(x: Value, y: Value, *, of_softmax: Array | None = None) -> Value:
    y = _beside(x, y)
    if of_softmax is not None:
        return softmax_crossentropy(x, y)
    q = _clipped(math.divide(x, _sum(x, keepdims=True)), 1 - epsilon())
    return math.negative(_sum(math.multiply(y, math.log(q))))


def softmax_crossentropy(z: Value, y: Value) -> Value:
    y = _beside(z, y)
    return math.negative(_sum(math.multiply(y, _less(z, reduce.logsumexp(z, axis=-1, keepdims=True)))))


def sparse_categorical_crossentropy(x: Value, *, labels: Array, of_softmax: Array | None = None) -> Value:
    if of_softmax is not None:
        return sparse_softmax_crossentropy(x, labels=labels)
    q = _clipped(x, 1 - epsilon())
    return math.negative(math.log(math.divide(_chosen(q, labels), _sum(q))))


def sparse_softmax_crossentropy(z: Value, *, labels: Array) -> Value:
    return _less(reduce.logsumexp(z, axis=-1), _chosen(z, labels))


def _chosen(x: Value, labels: Array) -> Value:
    """x [..., C] at the labels, [...]."""
    places = labels_beside(_array(x), labels, "sparse_categorical_crossentropy").reshape(x.shape[:-1])
    return _sum(math.multiply(x, np.equal(places[..., None], np.arange(x.shape[-1])).astype(x.dtype)))


def binary_crossentropy(x: Value, y: Value, *, of_sigmoid: Array | None = None) -> Value:
    y = _beside(x, y)
    if of_sigmoid is not None:
        return sigmoid_crossentropy(x, y)
    q, one = _clipped(x, 1 - epsilon()), _number(1, x)
    kept, lost = math.multiply(y, math.log(q)), math.multiply(_less(one, y), math.log(_less(one, q)))
    return math.negative(_mean(math.add(kept, lost)))


def sigmoid_crossentropy(z: Value, y: Value) -> Value:
    return _mean(_less(activations.softplus(z), math.multiply(z, _beside(z, y))))


def squared_error(p: Value, y: Value) -> Value:
    return _mean(math.square(_less(p, _beside(p, y))))


def absolute_error(p: Value, y: Value) -> Value:
    return _mean(math.abs(_less(p, _beside(p, y))))


def percentage_error(p: Value, y: Value) -> Value:
    y = _beside(p, y)
    size = math.maximum(math.abs(y), _number(epsilon(), p))
    return _mean(math.multiply(_number(100, p), math.divide(math.abs(_less(p, y)), size)))


def logarithmic_error(p: Value, y: Value) -> Value:
    def log(x: Value) -> Value:
        return math.log(math.add(math.maximum(x, _number(epsilon(), x)), _number(1, x)))

    return _mean(math.square(_less(log(p), log(_beside(p, y)))))


def logcosh(p: Value, y: Value) -> Value:
    d = _less(p, _beside(p, y))
    return _mean(_less(math.add(d, activations.softplus(math.multiply(d, _number(-2, d)))), _number(np.log(2), d)))


def poisson(p: Value, y: Value) -> Value:
    return _mean(_less(p, math.multiply(_beside(p, y), math.log(math.add(p, _number(epsilon(), p))))))


def _short_of_one(p: Value, y: Value) -> Value:
    return activations.relu(_less(_number(1, p), math.multiply(_beside(p, y), p)))


def hinge(p: Value, y: Value) -> Value:
    return _mean(_short_of_one(p, y))


def squared_hinge(p: Value, y: Value) -> Value:
    return _mean(math.square(_short_of_one(p, y)))


def categorical_hinge(p: Value, y: Value) -> Value:
    y = _beside(p, y)
    others = reduce.max(math.multiply(_less(_number(1, p), y), p), axis=-1)
    return activations.relu(math.add(_less(others, _sum(math.multiply(y, p))), _number(1, p)))


def kl_divergence(p: Value, y: Value) -> Value:
    p, y = _clipped(p, 1.0), _clipped(_beside(p, y), 1.0)
    return _sum(math.multiply(y, _less(math.log(y), math.log(p))))


def cosine_proximity(p: Value, y: Value) -> Value:
    y = _beside(p, y)

    def length(x: Value) -> Value:
        return math.sqrt(math.maximum(_sum(math.square(x)), _number(1e-12, x)))

    return math.negative(math.divide(_sum(math.multiply(p, y)), math.multiply(length(p), length(y))))
