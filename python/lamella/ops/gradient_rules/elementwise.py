"""Rules of elementwise ops, with one array or with two that are broadcast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella.core.types import Array, Value
from lamella.ops import activations, broadcast, math, noise, reduce, shape
from lamella.ops.arrays import constant_like
from lamella.ops.dropout import alpha_dropout
from lamella.ops.gradient_rules.walk import RULES, Call, Rule, constant_slope
from lamella.ops.tape import array_of


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


def _elementwise(slope: Callable[[Value, Value], Value]) -> Rule:
    """dx = dy * slope(x, y)."""
    return lambda call, dy: [math.multiply(dy, slope(call.inputs[0], call.y))]


def _piecewise(call: Call, dy: Value) -> list[Value]:
    """The rule for piecewise linear elementwise ops."""
    return [math.multiply(dy, constant_slope(call))]


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


_PIECEWISE = (
    activations.hard_sigmoid, activations.relu, alpha_dropout, math.abs, math.clip, math.sign, noise.gaussian_dropout,
    noise.gaussian_noise,
)  # fmt: skip

RULES.update(
    {
        **dict.fromkeys(_PIECEWISE, _piecewise),
        math.where: _where,
        math.add: _broadcast(lambda *values: [values[-1]] * (len(values) - 2)),
        math.subtract: _broadcast(lambda a, b, y, dy: (dy, math.negative(dy))),
        math.divide: _broadcast(lambda a, b, y, dy: (math.divide(dy, b), math.negative(math.divide(math.multiply(dy, y), b)))),
        math.mod: _broadcast(lambda a, b, y, dy: (dy, math.multiply(dy, -broadcast.floor_divide(array_of(a), array_of(b))))),
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
    }
)
