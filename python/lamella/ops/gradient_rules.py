"""Gradients that have gradients: for each op a rule that computes its gradient with ops.

The closure of an op computes on arrays, so a tape does not record it. `gradients_on_tape` uses the recorded calls of ops and the
rules of this file instead. Ops that are linear in each of their inputs share one rule, `_adjoint`. It is also such an op, which
gives gradients of any order.
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
from lamella.ops.arrays import axis_of, constant_like
from lamella.ops.conv import conv, conv_transpose
from lamella.ops.dense import dense
from lamella.ops.depthwise import depthwise_conv
from lamella.ops.dropout import alpha_dropout, dropout
from lamella.ops.resize import resize
from lamella.ops.tape import Backward, Found, Tape, Tensor, array_of, differentiable, recording, value_of

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """The call of an op that the tape recorded.

    Attributes:
        op: The op.
        inputs: Its positional arguments.
        config: Its keyword arguments.
        y: Its result; a tuple for an op with several results.
        need: For each input, whether it needs a gradient.
    """

    op: Any
    inputs: tuple[Value, ...]
    config: dict[str, Any]
    y: Tensor
    need: tuple[bool, ...]


# rule(call, dy): a gradient for each input that needs one. For an op with several results dy is a tuple, with None for results
# without a gradient.
Rule: TypeAlias = Callable[[Call, Any], Sequence[Value | None]]


def watch(tape: Tape, x: Value) -> Tensor:
    """A new Tensor with x's value, as a source of gradients. If x is on the tape, its gradients continue to x."""
    found = time_steps._identity(x)
    if isinstance(found, Tensor):
        return found
    tape.nodes.append(None)  # an entry without a backward
    return Tensor(found, tape.first + len(tape.nodes) - 1, tape.block)


def gradients_on_tape(tape: Tape, run: Callable[[], Value], sources: Sequence[Tensor | Variable]) -> list[Value | None]:
    """d sum(run()) / d source for each source, as Tensors of the tape that records.

    Args:
        tape: The tape that records.
        run: A function that computes on the sources with ops.
        sources: Tensors of `watch`, or Variables of the tape.

    Returns:
        The gradients; None for a source on which the result does not depend.

    Raises:
        NotImplementedError: An op between the sources and the result has no rule.
    """

    def gradients() -> list[Value | None]:
        start = len(tape.calls or ())
        return gradients_of_calls(tape, run(), sources, start)

    return recording_calls(tape, gradients)


def recording_calls(tape: Tape, run: Callable[[], T]) -> T:
    """run(), while the tape also records the calls of ops."""
    outer = tape.calls
    tape.calls = [] if outer is None else outer
    try:
        return run()
    finally:
        tape.calls = outer


def gradients_of_calls(tape: Tape, y: Value, sources: Sequence[Value], start: int = 0) -> list[Value | None]:
    """d sum(y) / d source for each source, by the rules for the recorded calls from number `start` on.

    Args:
        tape: The tape that recorded the calls.
        y: The result.
        sources: Tensors of `watch`, or Variables of the tape.
        start: Number of the first call.

    Returns:
        The gradients; None for a source on which y does not depend.

    Raises:
        NotImplementedError: An op between the sources and y has no rule.
    """
    calls = tape.calls
    assert calls is not None
    if not isinstance(y, Tensor):
        return [None] * len(sources)
    return _backpropagate(calls[start:], {_key_of(y): np.ones(y.shape, y.dtype)}, sources)


def _key_of(x: Value) -> tuple[str, int] | None:
    """A key that identifies a Tensor or Variable; None for a constant."""
    if isinstance(x, Tensor):
        return "tensor", x.index
    return ("variable", id(x)) if isinstance(x, Variable) else None


def _backpropagate(
    calls: Sequence[tuple[Any, tuple[Value, ...], dict[str, Any], Any]], slopes: dict[Any, Value], sources: Sequence[Value]
) -> list[Any]:
    """The gradients of `sources`. slopes: the gradients of results of `calls`, by their keys."""
    wanted = {_key_of(source) for source in sources}
    dependent = set(wanted)
    relevant = []
    for op, inputs, config, result in calls:
        need = tuple(x is not None and _key_of(x) in dependent for x in inputs)
        if any(need):
            dependent |= {_key_of(each) for each in (result if isinstance(result, tuple) else (result,))}
            relevant.append(Call(op, inputs, config, result, need))
    for call in reversed(relevant):
        results = call.y if isinstance(call.y, tuple) else (call.y,)
        found = [(slopes.get if key in wanted else slopes.pop)(key, None) for key in map(_key_of, results)]
        if all(dy is None for dy in found):
            continue
        rule = _RULES.get(call.op)
        if rule is None:
            raise NotImplementedError(
                f"K.gradients: the gradient of {call.op.__name__} has no gradient of its own, which gradients of gradients, and "
                "training through K.gradients, need"
            )
        dy = tuple(found) if isinstance(call.y, tuple) else found[0]
        for x, needed, dx in zip(call.inputs, call.need, rule(call, dy)):
            if needed and dx is not None:
                _collect(slopes, x, dx)
    return [slopes.get(_key_of(source)) for source in sources]


def _collect(slopes: dict[Any, Value], x: Value, dx: Value) -> None:
    """Add dx to the gradient of x in `slopes`."""
    key = _key_of(x)
    slopes[key] = dx if key not in slopes else math.add(slopes[key], dx)


# Ops that are linear in each input --------------------------------------------------------------------


@differentiable
def _adjoint(
    dy: Array, *others: Array | None, linear: Any, place: int, like: tuple[tuple[int, ...], Any], config: dict[str, Any]
) -> tuple[Array, Backward]:
    """The gradient of one input of `linear`, an op that is linear in each input. It is linear in dy and in each other input.

    Args:
        dy: The gradient of the op's result.
        others: The other inputs.
        linear: The op.
        place: The position of the input.
        like: Shape and dtype of the input; its value does not matter.
        config: The keyword arguments of the op.
    """

    def run(x: Array) -> tuple[Array, Any]:
        y, linear_backward = linear.__wrapped__(*others[:place], x, *others[place:], **config)
        return y, linear_backward

    inputs = len(others) + 1
    dx = run(np.zeros(*like))[1](dy, tuple(i == place for i in range(inputs)))[place]

    def backward(u: Array, need: tuple[bool, ...]) -> Found:
        y, linear_backward = run(u)
        wanted = (*need[1 : place + 1], False, *need[place + 1 :])
        found = linear_backward(dy, wanted) if any(wanted) else (None,) * inputs
        return (y, *found[:place], *found[place + 1 :])

    return dx, backward


def _linear(call: Call, dy: Value) -> list[Value | None]:
    """The rule for ops that are linear in each input."""
    return [_adjoint_of(call.op, call.inputs, call.config, i, dy) if needed else None for i, needed in enumerate(call.need)]


def _adjoint_of(op: Any, inputs: Sequence[Value], config: dict[str, Any], place: int, dy: Value) -> Value:
    x = array_of(inputs[place])
    others = [other for i, other in enumerate(inputs) if i != place]
    return _adjoint(dy, *others, linear=op, place=place, like=(x.shape, x.dtype), config=config)


def _affine(call: Call, dy: Value) -> list[Value | None]:
    """The rule for ops of x, kernel and bias, with or without a fused relu."""
    x, kernel, bias = call.inputs
    config = dict(call.config)
    if config.pop("activation", "linear") == "relu":
        dy = math.multiply(dy, (call.y.value > 0).astype(call.y.dtype))
    found = [_adjoint_of(call.op, (x, kernel, None), config, place, dy) if call.need[place] else None for place in range(2)]
    return [*found, reduce.sum(dy, axis=tuple(range(dy.ndim - bias.ndim))) if bias is not None and call.need[2] else None]


# Sums and broadcasts ----------------------------------------------------------------------------------


def _unbroadcast(dy: Value, x: Value) -> Value:
    """dy summed over the axes along which x was broadcast, in x's shape."""
    wanted = tuple(x.shape) if hasattr(x, "shape") else ()
    if tuple(dy.shape) == wanted:
        return dy
    ahead = dy.ndim - len(wanted)
    axes = [*range(ahead), *(ahead + i for i, n in enumerate(wanted) if n == 1 and dy.shape[ahead + i] != 1)]
    return shape.reshape(reduce.sum(dy, axis=tuple(axes)), shape=wanted)


def _broadcast(to_inputs: Callable[..., Sequence[Value]]) -> Rule:
    """The rule for broadcasting ops. to_inputs(*inputs, y, dy) gives the gradients before `_unbroadcast`."""

    def rule(call: Call, dy: Value) -> list[Value | None]:
        found = to_inputs(*call.inputs, call.y, dy)
        return [_unbroadcast(d, x) if needed else None for d, x, needed in zip(found, call.inputs, call.need)]

    return rule


def _mask(condition: Any, like: Value) -> Array:
    return np.asarray(condition).astype(like.dtype)


def _split(condition: Any, dy: Value) -> tuple[Value, Value]:
    """dy where the condition holds, and dy elsewhere."""
    return math.multiply(dy, _mask(condition, dy)), math.multiply(dy, _mask(~condition, dy))


def _where(call: Call, dy: Value) -> list[Value | None]:
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
    """The rule for piecewise linear elementwise ops. Their slopes are constants."""
    op_backward = call.op.__wrapped__(value_of(call.inputs[0]), **call.config)[1]
    return [math.multiply(dy, op_backward(np.ones(call.y.shape, call.y.dtype), (True,))[0])]


def _sqrt(call: Call, dy: Value) -> list[Value]:
    positive = call.y.value > 0
    root = math.where(call.y, constant_like(1.0, call.y), condition=positive)
    return [
        math.where(math.divide(dy, math.multiply(root, constant_like(2.0, root))), constant_like(0.0, dy), condition=positive)
    ]


def _power(a: Value, b: Value, y: Value, dy: Value) -> tuple[Value, Value]:
    safe = math.where(a, constant_like(1.0, y), condition=array_of(a) > 0)
    to_a = math.multiply(math.multiply(dy, b), math.power(a, math.subtract(b, constant_like(1.0, y))))
    return to_a, math.multiply(math.multiply(dy, y), math.log(safe))


def _elu(call: Call, dy: Value) -> list[Value]:
    alpha, scale = call.config.get("alpha", 1.0), call.config.get("scale", 1.0)
    below = math.add(call.y, constant_like(alpha * scale, dy))
    return [math.multiply(dy, math.where(constant_like(scale, dy), below, condition=call.y.value > 0))]


def _softmax(call: Call, dy: Value) -> list[Value]:
    total = reduce.sum(math.multiply(dy, call.y), axis=call.config["axis"], keepdims=True)
    return [math.multiply(call.y, math.subtract(dy, total))]


# Over axes --------------------------------------------------------------------------------------------


def _spread(call: Call, dy: Value) -> Value:
    """dy, broadcast to the shape before the reduction."""
    return _adjoint_of(reduce.sum, call.inputs, call.config, 0, dy)


def _extremum(call: Call, dy: Value) -> list[Value]:
    op_backward = call.op.__wrapped__(value_of(call.inputs[0]), **call.config)[1]
    return [math.multiply(_spread(call, dy), op_backward(np.ones(call.y.shape, call.y.dtype), (True,))[0])]


def _logsumexp(call: Call, dy: Value) -> list[Value]:
    shares = math.exp(math.subtract(call.inputs[0], _spread(call, call.y)))
    return [math.multiply(_spread(call, dy), shares)]


def _inverse_root(variance: Value, epsilon: float) -> Value:
    return math.divide(constant_like(1.0, variance), math.sqrt(math.add(variance, constant_like(epsilon, variance))))


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
    y, top = array_of(call.y), call.config.get("max_value")
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
    ends = np.cumsum([array_of(x).shape[axis] for x in call.inputs])
    keys = [(*[slice(None)] * axis, slice(start, end)) for start, end in zip([0, *ends], ends)]
    return [shape.getitem(dy, key=key) if needed else None for key, needed in zip(keys, call.need)]


# Over places and time ---------------------------------------------------------------------------------


def _of_step(call: Call, dy: Value) -> list[Value]:
    key = (slice(None), call.config["t"])
    return [_adjoint_of(shape.getitem, call.inputs, {"key": key}, 0, dy)]


def _of_stack(call: Call, dy: Value) -> list[Value | None]:
    return [shape.getitem(dy, key=(slice(None), t)) if needed else None for t, needed in enumerate(call.need)]


# Ops that are computed again by simpler ops -----------------------------------------------------------


def _recompute_with(compute: Callable[..., Any]) -> Rule:
    """The rule for an op that `compute` computes by ops which have rules."""

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
        sources: dict[Any, Value] = {_key_of(x): x for x, needed in zip(call.inputs, call.need) if needed}
        found = dict(zip(sources, _backpropagate(tape.calls[start:], slopes, list(sources.values()))))
        # If the same value is given for two inputs, its gradient is returned once.
        return [found.pop(_key_of(x), None) if needed else None for x, needed in zip(call.inputs, call.need)]

    return rule


def _take(call: Call, dy: Value) -> list[Value]:
    return [_adjoint_of(call.op, call.inputs, call.config | {"in_rows": False}, 0, dy)]


_LINEAR = (
    _adjoint, dropout, math.cast, math.matmul, math.multiply, math.negative,
    gates.gates_of_cudnn,
    pooling.avg_pool, pooling.global_avg_pool, pooling.take_places, reduce.mean, reduce.sum, resize, scan.cumsum, shape.flip,
    shape.getitem, shape.packed, shape.pad, shape.repeat, shape.reshape, shape.tile, shape.transpose, time_steps._identity,
)  # fmt: skip
_PIECEWISE = (
    activations.hard_sigmoid, activations.relu, alpha_dropout, math.abs, math.clip, math.sign, noise.gaussian_dropout,
    noise.gaussian_noise,
)  # fmt: skip
# The functions of written_out have the names of these ops, without the underscore.
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
    **{op: _recompute_with(getattr(written_out, op.__name__.lstrip("_"))) for op in _COARSE},
    **dict.fromkeys((reduce.max, reduce.min, reduce.sum_absolute), _extremum),
    rows._take: _take,
    time_steps._step_of: _of_step,
    time_steps.stack_time: _of_stack,
    shape.concatenate: _concatenated,
    math.where: _where,
    math.add: _broadcast(lambda *values: [values[-1]] * (len(values) - 2)),
    math.subtract: _broadcast(lambda a, b, y, dy: (dy, math.negative(dy))),
    math.divide: _broadcast(lambda a, b, y, dy: (math.divide(dy, b), math.negative(math.divide(math.multiply(dy, y), b)))),
    math.maximum: _broadcast(lambda a, b, y, dy: _split(array_of(a) >= array_of(b), dy)),
    math.minimum: _broadcast(lambda a, b, y, dy: _split(array_of(a) <= array_of(b), dy)),
    math.power: _broadcast(_power),
    math.square: _elementwise(lambda x, y: math.multiply(x, constant_like(2.0, x))),
    math.sqrt: _sqrt,
    math.log: lambda call, dy: [math.divide(dy, call.inputs[0])],
    math.sin: _elementwise(lambda x, y: math.cos(x)),
    math.cos: _elementwise(lambda x, y: math.negative(math.sin(x))),
    activations.exponential: _elementwise(lambda x, y: y),
    activations.tanh: _elementwise(lambda x, y: math.subtract(constant_like(1.0, y), math.square(y))),
    activations._sigmoid: _elementwise(lambda x, y: math.multiply(y, math.subtract(constant_like(1.0, y), y))),
    activations.softplus: _elementwise(lambda x, y: activations.sigmoid(x)),
    activations.softsign: _elementwise(lambda x, y: math.square(math.subtract(constant_like(1.0, y), math.abs(y)))),
    activations.elu: _elu,
    activations._softmax: _softmax,
    reduce.sum_squares: lambda call, dy: [math.multiply(call.inputs[0], math.multiply(dy, constant_like(2.0, dy)))],
    reduce.logsumexp: _logsumexp,
    norm.batch_norm: _batch_norm,
    norm.batch_norm_relu: _batch_norm_relu,
    norm.batch_norm_inference: _batch_norm_inference,
}
