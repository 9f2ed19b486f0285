"""Gradients that have gradients: for each op its way back, written with ops.

An op's closure computes on arrays, so nothing stands on a tape of what it does. `gradients_on_tape` goes back from noted calls
by the rules of this file instead. Ops that are linear in each of their inputs share one rule, `_adjoint`, which is such an op
itself: so gradients of any order follow.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np

from lamella.core.types import Array, Value
from lamella.core.variable import Variable
from lamella.ops import (
    activations,
    crossentropy,
    gates,
    local,
    math,
    noise,
    norm,
    pooling,
    recurrent,
    reduce,
    row_losses,
    rows,
    scan,
    shape,
    time_steps,
    written_out,
)  # fmt: skip
from lamella.ops.arrays import axis_of
from lamella.ops.conv import conv, conv_transpose
from lamella.ops.dense import dense
from lamella.ops.depthwise import depthwise_conv
from lamella.ops.dropout import alpha_dropout, dropout
from lamella.ops.resize import resize
from lamella.ops.tape import Backward, Found, Tape, Tensor, differentiable, recording, value_of

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """An op's call as the tape noted it. need: which inputs want a gradient."""

    op: Any
    inputs: tuple[Value, ...]
    config: dict[str, Any]
    y: Tensor
    need: tuple[bool, ...]


# rule(call, dy): a gradient for each input that wants one. dy: of an op with several results a tuple, with None for those that
# have no gradient.
Rule: TypeAlias = Callable[[Call, Any], Sequence[Value | None]]


def watch(tape: Tape, x: Value) -> Tensor:
    """A Tensor of x's value to ask gradients for; its own go on to x, if that stands on the tape."""
    found = _same(x)
    if isinstance(found, Tensor):
        return found
    tape.nodes.append(None)  # a place without a way back
    return Tensor(found, tape.first + len(tape.nodes) - 1, tape.block)


@differentiable
def _same(x: Array) -> tuple[Array, Backward]:
    return x, lambda dy, need: (dy,)


def gradients_on_tape(tape: Tape, run: Callable[[], Value], sources: Sequence[Tensor | Variable]) -> list[Value | None]:
    """d sum(run()) / d source for each source, as Tensors of the tape that records.

    Args:
        run: Computes on the sources, with ops.
        sources: Of `watch`, or Variables of the tape.

    Returns:
        None in place of a gradient where `run` does not depend on the source.

    Raises:
        NotImplementedError: For an op on the way that has no rule.
    """

    def back() -> list[Value | None]:
        start = len(tape.calls or ())
        return gradients_of_noted(tape, run(), sources, start)

    return noting(tape, back)


def noting(tape: Tape, run: Callable[[], T]) -> T:
    """run(), while the tape that records notes the calls of ops."""
    outer = tape.calls
    tape.calls = [] if outer is None else outer
    try:
        return run()
    finally:
        tape.calls = outer


def gradients_of_noted(tape: Tape, y: Value, sources: Sequence[Value], start: int = 0) -> list[Value | None]:
    """d sum(y) / d source for each source, by the calls that were noted from number `start` on."""
    calls = tape.calls
    assert calls is not None
    if not isinstance(y, Tensor):
        return [None] * len(sources)
    return _back(calls[start:], {_place(y): np.ones(y.shape, y.dtype)}, sources)


def _array(x: Value) -> Array:
    value = value_of(x)
    assert value is not None
    return value


def _place(x: Value) -> tuple[str, int] | None:
    """What tells a Tensor or Variable from others; None for a constant."""
    if isinstance(x, Tensor):
        return "tensor", x.index
    return ("variable", id(x)) if isinstance(x, Variable) else None


def _back(
    calls: Sequence[tuple[Any, tuple[Value, ...], dict[str, Any], Any]], slopes: dict[Any, Value], sources: Sequence[Value]
) -> list[Any]:
    """The gradients to `sources`. slopes: those to results of `calls`, by their places."""
    wanted = {_place(source) for source in sources}
    behind = set(wanted)
    on_way = []
    for op, inputs, config, result in calls:
        need = tuple(x is not None and _place(x) in behind for x in inputs)
        if any(need):
            behind |= {_place(each) for each in (result if isinstance(result, tuple) else (result,))}
            on_way.append(Call(op, inputs, config, result, need))
    for call in reversed(on_way):
        results = call.y if isinstance(call.y, tuple) else (call.y,)
        found = [(slopes.get if place in wanted else slopes.pop)(place, None) for place in map(_place, results)]
        if all(dy is None for dy in found):
            continue
        rule = _RULES.get(call.op)
        if rule is None:
            raise NotImplementedError(
                f"K.gradients: the gradient of {call.op.__name__} has no gradient of its own, which gradients of gradients, and "
                "training through K.gradients, ask for"
            )
        dy = tuple(found) if isinstance(call.y, tuple) else found[0]
        for x, needed, dx in zip(call.inputs, call.need, rule(call, dy)):
            if needed and dx is not None:
                _collect(slopes, x, dx)
    return [slopes.get(_place(source)) for source in sources]


def _collect(slopes: dict[Any, Value], x: Value, dx: Value) -> None:
    place = _place(x)
    slopes[place] = dx if place not in slopes else math.add(slopes[place], dx)


# Ops that are linear in each input --------------------------------------------------------------------


@differentiable
def _adjoint(
    dy: Array, *others: Array | None, linear: Any, place: int, like: tuple[tuple[int, ...], Any], config: dict[str, Any]
) -> tuple[Array, Backward]:
    """The gradient to input `place` of `linear`, an op of the arrays `others` and, at that place, one of which nothing counts
    but its shape and dtype: linear in dy and in each of the others."""

    def closure(x: Array) -> tuple[Array, Any]:
        y, back = linear.__wrapped__(*others[:place], x, *others[place:], **config)
        return y, back

    inputs = len(others) + 1
    dx = closure(np.zeros(*like))[1](dy, tuple(i == place for i in range(inputs)))[place]

    def backward(u: Array, need: tuple[bool, ...]) -> Found:
        y, back = closure(u)
        wanted = (*need[1 : place + 1], False, *need[place + 1 :])
        found = back(dy, wanted) if any(wanted) else (None,) * inputs
        return (y, *found[:place], *found[place + 1 :])

    return dx, backward


def _linear(call: Call, dy: Value) -> list[Value | None]:
    return [_adjoint_of(call.op, call.inputs, call.config, i, dy) if needed else None for i, needed in enumerate(call.need)]


def _adjoint_of(op: Any, inputs: Sequence[Value], config: dict[str, Any], place: int, dy: Value) -> Value:
    x = _array(inputs[place])
    others = [other for i, other in enumerate(inputs) if i != place]
    return _adjoint(dy, *others, linear=op, place=place, like=(x.shape, x.dtype), config=config)


def _affine(call: Call, dy: Value) -> list[Value | None]:
    """Of x, kernel and bias, with a fused relu or without."""
    x, kernel, bias = call.inputs
    config = dict(call.config)
    if config.pop("activation", "linear") == "relu":
        dy = math.multiply(dy, (call.y.value > 0).astype(call.y.dtype))
    found = [_adjoint_of(call.op, (x, kernel, None), config, place, dy) if call.need[place] else None for place in range(2)]
    return [*found, reduce.sum(dy, axis=tuple(range(dy.ndim - bias.ndim))) if bias is not None and call.need[2] else None]


# Sums and broadcasts ----------------------------------------------------------------------------------


def _unbroadcast(dy: Value, x: Value) -> Value:
    """dy summed over the axes that broadcasting gave to x."""
    wanted = tuple(x.shape) if hasattr(x, "shape") else ()
    if tuple(dy.shape) == wanted:
        return dy
    ahead = dy.ndim - len(wanted)
    axes = [*range(ahead), *(ahead + i for i, n in enumerate(wanted) if n == 1 and dy.shape[ahead + i] != 1)]
    return shape.reshape(reduce.sum(dy, axis=tuple(axes)), shape=wanted)


def _broadcast(to_inputs: Callable[..., Sequence[Value]]) -> Rule:
    """Of gradients as they are before broadcasting is undone: to_inputs(*inputs, y, dy)."""

    def rule(call: Call, dy: Value) -> list[Value | None]:
        found = to_inputs(*call.inputs, call.y, dy)
        return [_unbroadcast(d, x) if needed else None for d, x, needed in zip(found, call.inputs, call.need)]

    return rule


def _number(value: float, like: Value) -> Array:
    return np.asarray(value, like.dtype)


def _mask(condition: Any, like: Value) -> Array:
    return np.asarray(condition).astype(like.dtype)


def _first_and_other(condition: Any, dy: Value) -> tuple[Value, Value]:
    return math.multiply(dy, _mask(condition, dy)), math.multiply(dy, _mask(~condition, dy))


def _chosen(call: Call, dy: Value) -> list[Value | None]:
    condition = call.config["condition"]
    return [
        _unbroadcast(math.multiply(dy, _mask(np.broadcast_to(chosen, dy.shape), dy)), x) if needed else None
        for x, chosen, needed in zip(call.inputs, (condition, np.logical_not(condition)), call.need)
    ]


# Elementwise ------------------------------------------------------------------------------------------


def _elementwise(slope: Callable[[Value, Value], Value]) -> Rule:
    """dx = dy * slope(x, y)."""
    return lambda call, dy: [math.multiply(dy, slope(call.inputs[0], call.y))]


def _piecewise(call: Call, dy: Value) -> list[Value]:
    """Of an elementwise op that is linear between its bends: the slopes are constants."""
    back = call.op.__wrapped__(value_of(call.inputs[0]), **call.config)[1]
    return [math.multiply(dy, back(np.ones(call.y.shape, call.y.dtype), (True,))[0])]


def _sqrt(call: Call, dy: Value) -> list[Value]:
    positive = call.y.value > 0
    root = math.where(call.y, _number(1.0, call.y), condition=positive)
    return [math.where(math.divide(dy, math.multiply(root, _number(2.0, root))), _number(0.0, dy), condition=positive)]


def _power(a: Value, b: Value, y: Value, dy: Value) -> tuple[Value, Value]:
    safe = math.where(a, _number(1.0, y), condition=_array(a) > 0)
    to_a = math.multiply(math.multiply(dy, b), math.power(a, math.subtract(b, _number(1.0, y))))
    return to_a, math.multiply(math.multiply(dy, y), math.log(safe))


def _elu(call: Call, dy: Value) -> list[Value]:
    alpha, scale = call.config.get("alpha", 1.0), call.config.get("scale", 1.0)
    below = math.add(call.y, _number(alpha * scale, dy))
    return [math.multiply(dy, math.where(_number(scale, dy), below, condition=call.y.value > 0))]


def _softmax(call: Call, dy: Value) -> list[Value]:
    total = reduce.sum(math.multiply(dy, call.y), axis=call.config["axis"], keepdims=True)
    return [math.multiply(call.y, math.subtract(dy, total))]


# Over axes --------------------------------------------------------------------------------------------


def _spread(call: Call, dy: Value) -> Value:
    """dy in the shape that was reduced."""
    return _adjoint_of(reduce.sum, call.inputs, call.config, 0, dy)


def _extremum(call: Call, dy: Value) -> list[Value]:
    back = call.op.__wrapped__(value_of(call.inputs[0]), **call.config)[1]
    return [math.multiply(_spread(call, dy), back(np.ones(call.y.shape, call.y.dtype), (True,))[0])]


def _logsumexp(call: Call, dy: Value) -> list[Value]:
    shares = math.exp(math.subtract(call.inputs[0], _spread(call, call.y)))
    return [math.multiply(_spread(call, dy), shares)]


def _inverse_root(variance: Value, epsilon: float) -> Value:
    return math.divide(_number(1.0, variance), math.sqrt(math.add(variance, _number(epsilon, variance))))


def _batch_norm(call: Call, dy: Value) -> list[Value | None]:
    x, gamma, _ = call.inputs
    axes = tuple(range(x.ndim - 1))
    mean = functools.partial(reduce.mean, axis=axes)
    centered = math.subtract(x, mean(x))
    inverse = _inverse_root(mean(math.square(centered)), call.config["epsilon"])
    normed = math.multiply(centered, inverse)
    slope = dy if gamma is None else math.multiply(dy, gamma)
    along = math.multiply(normed, mean(math.multiply(slope, normed)))
    return [
        math.multiply(inverse, math.subtract(math.subtract(slope, mean(slope)), along)),
        reduce.sum(math.multiply(dy, normed), axis=axes),
        reduce.sum(dy, axis=axes),
    ]


def _batch_norm_relu(call: Call, dy: Value) -> list[Value | None]:
    y, top = _array(call.y), call.config.get("max_value")
    passes = (y > 0) & (y < (np.inf if top is None else top))
    return _batch_norm(call, math.multiply(dy, passes.astype(y.dtype)))


def _batch_norm_inference(call: Call, dy: Value) -> list[Value | None]:
    x, gamma, _, mean, variance = call.inputs
    axes = tuple(range(x.ndim - 1))
    inverse = _inverse_root(variance, call.config["epsilon"])
    return [
        math.multiply(dy, inverse if gamma is None else math.multiply(inverse, gamma)),
        reduce.sum(math.multiply(dy, math.multiply(math.subtract(x, mean), inverse)), axis=axes),
        reduce.sum(dy, axis=axes),
        None,
        None,
    ]


def _concatenated(call: Call, dy: Value) -> list[Value | None]:
    axis = axis_of(call.config.get("axis", -1), dy.ndim)
    ends = np.cumsum([_array(x).shape[axis] for x in call.inputs])
    keys = [(*[slice(None)] * axis, slice(start, end)) for start, end in zip([0, *ends], ends)]
    return [shape.getitem(dy, key=key) if needed else None for key, needed in zip(keys, call.need)]


# Over places and time ---------------------------------------------------------------------------------


def _of_step(call: Call, dy: Value) -> list[Value]:
    key = (slice(None), call.config["t"])
    return [_adjoint_of(shape.getitem, call.inputs, {"key": key}, 0, dy)]


def _of_stack(call: Call, dy: Value) -> list[Value | None]:
    return [shape.getitem(dy, key=(slice(None), t)) if needed else None for t, needed in enumerate(call.need)]


# Ops that are computed again in finer ones ------------------------------------------------------------


def _again_by(compute: Callable[..., Any]) -> Rule:
    def rule(call: Call, dy: Any) -> list[Value | None]:
        tape = recording()
        assert tape is not None and tape.calls is not None
        start = len(tape.calls)
        results = compute(*call.inputs, **call.config)
        several = isinstance(call.y, tuple)
        slopes: dict[Any, Value] = {}
        for y, d in zip(results if several else [results], dy if several else [dy]):
            if d is not None and isinstance(y, Tensor):
                _collect(slopes, y, d)
        sources: dict[Any, Value] = {_place(x): x for x, needed in zip(call.inputs, call.need) if needed}
        found = dict(zip(sources, _back(tape.calls[start:], slopes, list(sources.values()))))
        # An input that stands at two places gets its gradient once.
        return [found.pop(_place(x), None) if needed else None for x, needed in zip(call.inputs, call.need)]

    return rule


def _taken(call: Call, dy: Value) -> list[Value]:
    return [_adjoint_of(call.op, call.inputs, call.config | {"in_rows": False}, 0, dy)]


_LINEAR = (
    _adjoint, _same, dropout, math.cast, math.matmul, math.multiply, math.negative,
    gates.gates_of_cudnn,
    pooling.avg_pool, pooling.global_avg_pool, pooling.take_places, reduce.mean, reduce.sum, resize, scan.cumsum, shape.flip,
    shape.getitem, shape.packed, shape.pad, shape.repeat, shape.reshape, shape.tile, shape.transpose, time_steps._alone,
)  # fmt: skip
_PIECEWISE = (
    activations.hard_sigmoid, activations.relu, alpha_dropout, math.abs, math.clip, math.sign, noise.gaussian_dropout,
    noise.gaussian_noise,
)  # fmt: skip
# By the names that written_out gives them.
_COARSE = (
    gates.gated_dense, pooling.global_max_pool, pooling.max_pool, recurrent.gru, recurrent.lstm, recurrent.simple_rnn,
    crossentropy._binary_crossentropy, crossentropy._categorical_crossentropy, crossentropy._sigmoid_crossentropy,
    crossentropy._softmax_crossentropy, crossentropy._sparse_categorical_crossentropy,
    crossentropy._sparse_softmax_crossentropy,
    row_losses.absolute_error, row_losses.categorical_hinge, row_losses.cosine_proximity, row_losses.hinge,
    row_losses.kl_divergence, row_losses.logarithmic_error, row_losses.logcosh, row_losses.percentage_error,
    row_losses.poisson, row_losses.squared_error, row_losses.squared_hinge,
)  # fmt: skip
_RULES: dict[Any, Rule] = {
    **dict.fromkeys(_LINEAR, _linear),
    **dict.fromkeys((conv, conv_transpose, dense, depthwise_conv, local.local_conv), _affine),
    **dict.fromkeys(_PIECEWISE, _piecewise),
    **{op: _again_by(getattr(written_out, op.__name__.lstrip("_"))) for op in _COARSE},
    **dict.fromkeys((reduce.max, reduce.min, reduce.sum_absolute), _extremum),
    rows._take: _taken,
    time_steps._step_of: _of_step,
    time_steps.stack_time: _of_stack,
    shape.concatenate: _concatenated,
    math.where: _chosen,
    math.add: _broadcast(lambda *values: [values[-1]] * (len(values) - 2)),
    math.subtract: _broadcast(lambda a, b, y, dy: (dy, math.negative(dy))),
    math.divide: _broadcast(lambda a, b, y, dy: (math.divide(dy, b), math.negative(math.divide(math.multiply(dy, y), b)))),
    math.maximum: _broadcast(lambda a, b, y, dy: _first_and_other(_array(a) >= _array(b), dy)),
    math.minimum: _broadcast(lambda a, b, y, dy: _first_and_other(_array(a) <= _array(b), dy)),
    math.power: _broadcast(_power),
    math.square: _elementwise(lambda x, y: math.multiply(x, _number(2.0, x))),
    math.sqrt: _sqrt,
    math.log: lambda call, dy: [math.divide(dy, call.inputs[0])],
    math.sin: _elementwise(lambda x, y: math.cos(x)),
    math.cos: _elementwise(lambda x, y: math.negative(math.sin(x))),
    activations.exponential: _elementwise(lambda x, y: y),
    activations.tanh: _elementwise(lambda x, y: math.subtract(_number(1.0, y), math.square(y))),
    activations._sigmoid: _elementwise(lambda x, y: math.multiply(y, math.subtract(_number(1.0, y), y))),
    activations.softplus: _elementwise(lambda x, y: activations.sigmoid(x)),
    activations.softsign: _elementwise(lambda x, y: math.square(math.subtract(_number(1.0, y), math.abs(y)))),
    activations.elu: _elu,
    activations._softmax: _softmax,
    reduce.sum_squares: lambda call, dy: [math.multiply(call.inputs[0], math.multiply(dy, _number(2.0, dy)))],
    reduce.logsumexp: _logsumexp,
    norm.batch_norm: _batch_norm,
    norm.batch_norm_relu: _batch_norm_relu,
    norm.batch_norm_inference: _batch_norm_inference,
}
