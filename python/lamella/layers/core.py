"""Dense, Activation, Dropout, Flatten, Reshape. Source: Keras 2.2.5 keras/layers/core.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.core.configurable import Spec
from lamella.core.keras_names import complete as _complete
from lamella.core.phase import current
from lamella.core.random import draw_key
from lamella.core.registry import register
from lamella.core.shapes import Shape, as_shape, count
from lamella.core.types import Value
from lamella.graph.input_spec import InputSpec
from lamella.graph.layer import Layer
from lamella.layers.arguments import KernelLayer
from lamella.layers.keras1 import keras1_names
from lamella.ops import dense, dropout, reshape, transpose


@register("layers")
@keras1_names(output_dim="units")
class Dense(KernelLayer, self_contained=True):
    """activation(x kernel + bias).

    Shapes:
        x [..., K], kernel [K, units], bias [units] -> [..., units].
    """

    input_spec = InputSpec(min_ndim=2)
    supports_masking = True
    fuses = ("relu",)

    def __init__(
        self,
        units: int,
        activation: Spec = None,
        use_bias: bool = True,
        kernel_initializer: Spec = "glorot_uniform",
        bias_initializer: Spec = "zeros",
        kernel_regularizer: Spec = None,
        bias_regularizer: Spec = None,
        activity_regularizer: Spec = None,
        kernel_constraint: Spec = None,
        bias_constraint: Spec = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.activation = activation
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        self.bias_regularizer = bias_regularizer
        self.activity_regularizer = activity_regularizer
        self.kernel_constraint = kernel_constraint
        self.bias_constraint = bias_constraint

    def build(self, input_shape: Shape) -> None:
        features = input_shape[-1]
        if features is None:
            raise ValueError(f"Layer {self.name}: the last dimension of the inputs to `Dense` should be defined. Found `None`.")
        self.kernel = self.add_weight("kernel", (features, self.units))
        self.bias = self.add_weight("bias", (self.units,)) if self.use_bias else None
        self.input_spec = InputSpec(min_ndim=2, axes={-1: features})
        self._fused, self._after = self.split_activation()
        self.built = True

    def call(self, inputs: Value) -> Value:
        y = dense(inputs, self.kernel, self.bias, activation=self._fused)
        return y if self._after is None else self._after(y)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)


@register("layers")
class Activation(KernelLayer, self_contained=True):
    """An activation function as a layer; shape unchanged."""

    supports_masking = True

    def __init__(self, activation: Spec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activation

    def call(self, inputs: Value) -> Value:
        return self.activation(inputs)


@register("layers")
@keras1_names(p="rate")
class Dropout(Layer, self_contained=True):
    """In training, zero a random share `rate` of the inputs and scale the rest by 1 / (1 - rate).

    The rate is clipped to [0, 1]; at exactly 0 and exactly 1 the layer is the identity, as in Keras 2.2.5.
    noise_shape: shape of the mask, which is broadcast; None in it is the input's own size.
    Masks are keyed by (seed, training step, number of the draw in it): the same for any threads and targets, and for a
    model that was saved, loaded and trained on.
    """

    supports_masking = True

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(rate, (str, bytes)) or np.ndim(rate) != 0 or rate is None or rate != rate:
            raise ValueError(f"Layer {self.name}: expected rate to be a number, got {rate!r}")
        self.rate = min(1.0, max(0.0, rate))
        self.noise_shape = None if noise_shape is None else as_shape(noise_shape)
        self.seed = seed

    @property
    def uses_learning_phase(self) -> bool:
        return 0.0 < self.rate < 1.0

    def call(self, inputs: Value, training: bool | None = None) -> Value:
        if training is None:
            training = current.training
        if not training or not 0.0 < self.rate < 1.0:
            return inputs
        return dropout(inputs, rate=self.rate, key=draw_key(self.seed), noise_shape=self.noise_shape)


@register("layers")
class Flatten(KernelLayer, self_contained=True):
    """[N, ...] -> [N, product].

    channels_first inputs are brought to channels_last first, so the rows of a Dense above lie in H, W, C order
    whatever the format (weights files rely on it).
    """

    input_spec = InputSpec(min_ndim=3)

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = data_format

    def build(self, input_shape: Shape) -> None:
        ndim = len(input_shape)
        moves = self.data_format == "channels_first" and ndim > 2
        self._axes = (0, *range(2, ndim), 1) if moves else None
        self.built = True

    def call(self, inputs: Value) -> Value:
        if self._axes is not None:
            inputs = transpose(inputs, axes=self._axes)
        return reshape(inputs, shape=(inputs.shape[0], -1))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes = [d for d in input_shape[1:] if d is not None]
        if len(sizes) < len(input_shape) - 1:
            raise ValueError(
                f'The shape of the input to "Flatten" is not fully defined (got {input_shape[1:]}). Make sure to pass a '
                f'complete "input_shape" or "batch_input_shape" argument to the first layer in your model.'
            )
        return (input_shape[0], count(sizes))


@register("layers")
class Reshape(Layer, self_contained=True):
    """[N, ...] -> [N, *target_shape]; one entry may be -1."""

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(target_shape, (list, tuple)) or not all(hasattr(d, "__index__") for d in target_shape):
            raise ValueError(f"Layer {self.name}: expected a shape of integers for target_shape, got {target_shape!r}")
        self.target_shape = tuple(int(d) for d in target_shape)
        if sum(d == -1 for d in self.target_shape) > 1:
            raise ValueError(f"Layer {self.name}: can only specify one unknown dimension, got {self.target_shape}")

    def call(self, inputs: Value) -> Value:
        return reshape(inputs, shape=(inputs.shape[0], *self.target_shape))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        known = count([d for d in self.target_shape if d != -1])
        sizes = input_shape[1:]
        if any(d is None for d in sizes):
            return (input_shape[0], *(None if d == -1 else d for d in self.target_shape))
        total = count(as_shape(sizes))  # type: ignore[arg-type]
        fits = total % known == 0 if known and -1 in self.target_shape else total == known
        if not fits:
            raise ValueError(
                f"total size of new array must be unchanged: layer {self.name} cannot reshape {sizes} to {self.target_shape}"
            )
        return (input_shape[0], *(total // known if d == -1 else d for d in self.target_shape))


_complete(__name__)
