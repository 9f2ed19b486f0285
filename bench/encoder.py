"""A block of a transformer's encoder, written with functions of K as scripts for Keras 2 do, which has no such layer."""

from __future__ import annotations

from typing import Any

from lamella import backend as K
from lamella.layers import Layer


class EncoderBlock(Layer):
    """x [N, T, C] -> [N, T, C]; see nets.Encoder. Its weights are in the order of nets.initial_weights."""

    def __init__(self, heads: int, hidden: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads = heads
        self.hidden = hidden

    def build(self, input_shape: Any) -> None:
        units = input_shape[-1]
        self.projections = [self._affine(name, units, units) for name in ("query", "key", "value", "output")]
        self.first_norm = self._norm("first", units)
        self.dense = self._affine("wide", units, self.hidden), self._affine("narrow", self.hidden, units)
        self.last_norm = self._norm("last", units)
        super().build(input_shape)

    def _affine(self, name: str, inputs: int, units: int) -> tuple[Any, Any]:
        kernel = self.add_weight(f"{name}_kernel", (inputs, units), initializer="glorot_uniform")
        return kernel, self.add_weight(f"{name}_bias", (units,), initializer="zeros")

    def _norm(self, name: str, units: int) -> tuple[Any, Any]:
        gamma = self.add_weight(f"{name}_gamma", (units,), initializer="ones")
        return gamma, self.add_weight(f"{name}_beta", (units,), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        x = _normalized(inputs + self._attention(inputs), *self.first_norm)
        wide, narrow = self.dense
        return _normalized(x + _affine(K.relu(_affine(x, *wide)), *narrow), *self.last_norm)

    def _attention(self, x: Any) -> Any:
        steps, units = K.int_shape(x)[1:]
        size = units // self.heads
        *of_heads, output = self.projections

        def heads(weights: tuple[Any, Any]) -> Any:
            y = K.reshape(_affine(x, *weights), (-1, steps, self.heads, size))
            return K.reshape(K.permute_dimensions(y, (0, 2, 1, 3)), (-1, steps, size))

        query, key, value = map(heads, of_heads)
        shares = K.softmax(K.batch_dot(query, key, axes=2) / size**0.5)
        found = K.reshape(K.batch_dot(shares, value), (-1, self.heads, steps, size))
        return _affine(K.reshape(K.permute_dimensions(found, (0, 2, 1, 3)), (-1, steps, units)), *output)


def _affine(x: Any, kernel: Any, bias: Any) -> Any:
    return K.bias_add(K.dot(x, kernel), bias)


def _normalized(x: Any, gamma: Any, beta: Any) -> Any:
    centered = x - K.mean(x, axis=-1, keepdims=True)
    variance = K.mean(K.square(centered), axis=-1, keepdims=True)
    return centered / K.sqrt(variance + 1e-5) * gamma + beta
