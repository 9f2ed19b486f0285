"""Rules of ops that combine the elements along axes: reductions, softmax, batch normalization, concatenation."""

from __future__ import annotations

import functools

import numpy as np

from lamella.core.shapes import normalize_axis
from lamella.core.types import Value
from lamella.ops import activations, math, norm, reduce, shape
from lamella.ops.arrays import constant_like
from lamella.ops.gradient_rules.linear import adjoint_of
from lamella.ops.gradient_rules.walk import RULES, Call, constant_slope
from lamella.ops.tape import array_of


def _spread(call: Call, dy: Value) -> Value:
    """dy, broadcast to the shape before the reduction."""
    return adjoint_of(reduce.sum, call.inputs, call.config, 0, dy)


def _extremum(call: Call, dy: Value) -> list[Value]:
    return [math.multiply(_spread(call, dy), constant_slope(call))]


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
    return _batch_norm(call, _before_relu(call, dy))


def _batch_norm_inference(call: Call, dy: Value) -> list[Value | None]:
    x, gamma, _, mean, variance = call.inputs
    axes = tuple(range(x.ndim - 1))
    inverse = _inverse_root(variance, call.config["epsilon"])
    factor = inverse if gamma is None else math.multiply(inverse, gamma)
    dgamma = reduce.sum(math.multiply(dy, math.multiply(math.subtract(x, mean), inverse)), axis=axes)
    dbeta = reduce.sum(dy, axis=axes)
    of_variance = math.multiply(math.multiply(factor, inverse), dgamma)
    return [
        math.multiply(dy, factor),
        dgamma,
        dbeta,
        math.negative(math.multiply(factor, dbeta)),
        math.multiply(of_variance, constant_like(-0.5, of_variance)),
    ]


def _batch_norm_relu_inference(call: Call, dy: Value) -> list[Value | None]:
    return _batch_norm_inference(call, _before_relu(call, dy))


def _before_relu(call: Call, dy: Value) -> Value:
    """The gradient of what the relu of an op gets."""
    y, top = array_of(call.y), call.config.get("max_value")
    passes = (y > 0) & (y < (np.inf if top is None else top))
    return math.multiply(dy, passes.astype(y.dtype))


def _concatenated(call: Call, dy: Value) -> list[Value | None]:
    axis = normalize_axis(call.config.get("axis", -1), dy.ndim)
    ends = np.cumsum([array_of(x).shape[axis] for x in call.inputs])
    keys = [(*[slice(None)] * axis, slice(start, end)) for start, end in zip([0, *ends], ends)]
    return [shape.getitem(dy, key=key) if needed else None for key, needed in zip(keys, call.need)]


def _softmax(call: Call, dy: Value) -> list[Value]:
    total = reduce.sum(math.multiply(dy, call.y), axis=call.config["axis"], keepdims=True)
    return [math.multiply(call.y, math.subtract(dy, total))]


RULES.update(
    {
        **dict.fromkeys((reduce.max, reduce.min, reduce.sum_absolute), _extremum),
        reduce.sum_squares: lambda call, dy: [math.multiply(call.inputs[0], math.multiply(dy, constant_like(2.0, dy)))],
        reduce.logsumexp: _logsumexp,
        activations._softmax: _softmax,
        norm.batch_norm: _batch_norm,
        norm.batch_norm_relu: _batch_norm_relu,
        norm.batch_norm_inference: _batch_norm_inference,
        norm.batch_norm_relu_inference: _batch_norm_relu_inference,
        shape.concatenate: _concatenated,
    }
)
