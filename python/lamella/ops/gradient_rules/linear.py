"""Rules of ops that are linear in each of their inputs, or that add a bias to such an op."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.core.types import Array, Value
from lamella.ops import dropout, gates, local, math, pooling, reduce, scan, shape, time_steps
from lamella.ops.conv import conv, conv_transpose
from lamella.ops.dense import dense
from lamella.ops.depthwise import depthwise_conv
from lamella.ops.gradient_rules.walk import RULES, Call
from lamella.ops.resize import resize
from lamella.ops.rows import _take
from lamella.ops.tape import Backward, Found, array_of, differentiable


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
    return [adjoint_of(call.op, call.inputs, call.config, i, dy) if needed else None for i, needed in enumerate(call.need)]


def adjoint_of(op: Any, inputs: Sequence[Value], config: dict[str, Any], place: int, dy: Value) -> Value:
    """The gradient of one input of an op that is linear in this input.

    Args:
        op: The op.
        inputs: Its positional arguments.
        config: Its keyword arguments.
        place: The position of the input.
        dy: The gradient of the op's result.
    """
    x = array_of(inputs[place])
    others = [other for i, other in enumerate(inputs) if i != place]
    return _adjoint(dy, *others, linear=op, place=place, like=(x.shape, x.dtype), config=config)


def _affine(call: Call, dy: Value) -> list[Value | None]:
    """The rule for ops of x, kernel and bias, with or without a fused relu."""
    x, kernel, bias = call.inputs
    config = dict(call.config)
    if config.pop("activation", "linear") == "relu":
        dy = math.multiply(dy, (call.y.value > 0).astype(call.y.dtype))
    found = [adjoint_of(call.op, (x, kernel, None), config, place, dy) if call.need[place] else None for place in range(2)]
    return [*found, reduce.sum(dy, axis=tuple(range(dy.ndim - bias.ndim))) if bias is not None and call.need[2] else None]


def _rows(call: Call, dy: Value) -> list[Value]:
    return [adjoint_of(call.op, call.inputs, call.config | {"in_rows": False}, 0, dy)]


def _of_step(call: Call, dy: Value) -> list[Value]:
    key = (slice(None), call.config["t"])
    return [adjoint_of(shape.getitem, call.inputs, {"key": key}, 0, dy)]


def _of_stack(call: Call, dy: Value) -> list[Value | None]:
    return [shape.getitem(dy, key=(slice(None), t)) if needed else None for t, needed in enumerate(call.need)]


_LINEAR = (
    _adjoint, dropout, math.cast, math.matmul, math.multiply, math.negative,
    gates.gates_of_cudnn,
    pooling.avg_pool, pooling.global_avg_pool, pooling.take_places, reduce.mean, reduce.sum, resize, scan.cumsum, shape.flip,
    shape.getitem, shape.packed, shape.pad, shape.repeat, shape.reshape, shape.tile, shape.transpose, time_steps._identity,
)  # fmt: skip

RULES.update(
    {
        **dict.fromkeys(_LINEAR, _linear),
        **dict.fromkeys((conv, conv_transpose, dense, depthwise_conv, local.local_conv), _affine),
        _take: _rows,
        time_steps._step_of: _of_step,
        time_steps.stack_time: _of_stack,
    }
)
