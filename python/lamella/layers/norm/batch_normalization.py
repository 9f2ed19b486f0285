"""BatchNormalization. Source: Ioffe & Szegedy 1502.03167; Keras 2.2.5 keras/layers/normalization.py."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lamella import activations
from lamella.core import config
from lamella.core.configurable import Spec
from lamella.core.phase import current
from lamella.core.registry import register
from lamella.core.shapes import Shape, count, normalize_axis
from lamella.core.types import Value
from lamella.core.updates import latest, note
from lamella.core.variable import Variable
from lamella.graph.input_spec import InputSpec
from lamella.graph.layer import Layer
from lamella.graph.symbolic import Node
from lamella.layers.advanced_activations import ReLU
from lamella.layers.arguments import KernelLayer
from lamella.layers.core.activation import Activation
from lamella.layers.keras1 import keras1_names
from lamella.ops import batch_norm, batch_norm_inference, batch_norm_relu, batch_norm_relu_inference, transpose
from lamella.ops.arrays import moving_average


@register("layers")
@keras1_names(beta_init="beta_initializer", gamma_init="gamma_initializer", dropped=("mode",))
class BatchNormalization(KernelLayer, self_contained=True):
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, with mean and variance over all axes except `axis`.

    In training, mean and variance are those of the batch. At the end of the step the moving averages are updated:
    m = momentum m + (1 - momentum) s, with the variance multiplied by n / (n - (1 + epsilon)) if n > 1 + epsilon. In inference
    the moving averages are used.

    Args:
        axis: The axis of the channels.
        momentum: Decay of the moving averages.
        epsilon: Number that is added to the variance.
        center: Whether beta is added.
        scale: Whether gamma is multiplied.
        moving_mean_initializer: Initializer of the moving mean.
        moving_variance_initializer: Initializer of the moving variance.

    Differences from Keras 2.2.5:
        - The moving averages are not zero-debiased.
        - The moving variance is corrected once for inputs of any rank. On TensorFlow, 2.2.5 corrects that of 4-D inputs twice,
          because its fused kernel already returns the unbiased variance n / (n - 1) v.
        - A frozen layer (trainable=False, of the layer or a model that contains it) uses the moving averages in training too. What
          counts is `trainable` when the trained model was compiled. config.set_legacy_frozen_batch_norm(True) restores the
          old rule.
    """

    supports_masking = True

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Spec = "zeros",
        gamma_initializer: Spec = "ones",
        moving_mean_initializer: Spec = "zeros",
        moving_variance_initializer: Spec = "ones",
        beta_regularizer: Spec = None,
        gamma_regularizer: Spec = None,
        beta_constraint: Spec = None,
        gamma_constraint: Spec = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.momentum = momentum
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.beta_initializer = beta_initializer
        self.gamma_initializer = gamma_initializer
        self.moving_mean_initializer = moving_mean_initializer
        self.moving_variance_initializer = moving_variance_initializer
        self.beta_regularizer = beta_regularizer
        self.gamma_regularizer = gamma_regularizer
        self.beta_constraint = beta_constraint
        self.gamma_constraint = gamma_constraint

    def build(self, input_shape: Shape) -> None:
        axis = normalize_axis(self.axis, len(input_shape), self.name)
        channels = input_shape[axis]
        if channels is None:
            raise ValueError(
                f"Axis {self.axis} of input tensor should have a defined dimension but the layer received an input with "
                f"shape {input_shape}."
            )
        shape = (channels,)
        self.gamma = self.add_weight("gamma", shape) if self.scale else None
        self.beta = self.add_weight("beta", shape) if self.center else None
        self.moving_mean = self.add_weight("moving_mean", shape, trainable=False)
        self.moving_variance = self.add_weight("moving_variance", shape, trainable=False)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axis: channels})
        self.built = True

    def call(self, inputs: Value, training: bool | None = None) -> Value:
        return self._call(inputs, training, frozen=not self.trainable)

    def moved_by(self, node: Node) -> list[Variable]:
        return [] if node.training is False else [self.moving_mean, self.moving_variance]

    def call_frozen(self, inputs: Value, training: bool | None = None) -> Value:
        """`call` inside a model that is itself frozen."""
        return self._call(inputs, training, frozen=True)

    def call_before(self, follower: Layer, *, frozen: bool) -> Callable[..., Value] | None:
        if type(self) is BatchNormalization and type(follower) in (ReLU, Activation):
            return functools.partial(self._call_before, follower, frozen)
        return None

    def _call_before(self, follower: Layer, frozen: bool, inputs: Value, training: bool | None = None) -> Value:
        # Asked at each call, as attributes of layers may change.
        relu = _relu_of(follower)
        if training is None:
            training = current.training
        frozen = frozen or not self.trainable
        if relu is None or self._swap(inputs) is not None or (training and frozen and config.legacy_frozen_batch_norm()):
            return follower.call(self._call(inputs, training, frozen=frozen))
        if training and not frozen:
            return self._train(inputs, functools.partial(batch_norm_relu, max_value=relu[0]))
        return self._by_moving_averages(inputs, functools.partial(batch_norm_relu_inference, max_value=relu[0]))

    def _call(self, inputs: Value, training: bool | None, *, frozen: bool) -> Value:
        if training is None:
            training = current.training
        swap = self._swap(inputs)
        x = inputs if swap is None else transpose(inputs, axes=swap)
        if training and not frozen:
            y = self._train(x)
        elif training and config.legacy_frozen_batch_norm():
            y = batch_norm(x, self.gamma, self.beta, epsilon=self.epsilon)
        else:
            y = self._by_moving_averages(x, batch_norm_inference)
        return y if swap is None else transpose(y, axes=swap)

    def _swap(self, inputs: Value) -> tuple[int, ...] | None:
        """The axes with the normalized one last, as the ops want it, and back; None if it is the last one."""
        order = list(range(len(inputs.shape)))
        axis = normalize_axis(self.axis, len(order), self.name)
        order[axis], order[-1] = order[-1], order[axis]
        return None if axis == len(order) - 1 else tuple(order)

    def _by_moving_averages(self, x: Value, op: Callable[..., Value]) -> Value:
        return op(x, self.gamma, self.beta, self.moving_mean.value, self.moving_variance.value, epsilon=self.epsilon)

    def _train(self, x: Value, op: Callable[..., Value] = batch_norm) -> Value:
        statistics: dict[str, Any] = {}
        y = op(x, self.gamma, self.beta, epsilon=self.epsilon, statistics=statistics)
        n = count(x.shape[:-1])
        rest = 1.0 - self.momentum
        bound = 1.0 + self.epsilon  # of so few values no variance can be estimated: the factor would be negative or infinite
        corrected = rest * n / (n - bound) if n > bound else rest
        note(self.moving_mean, moving_average(latest(self.moving_mean), statistics["mean"], self.momentum, rest))
        note(
            self.moving_variance,
            moving_average(latest(self.moving_variance), statistics["variance"], self.momentum, corrected),
        )
        return y


def _relu_of(layer: Layer) -> tuple[float | None] | None:
    """The upper bound of a layer that is a relu from 0 on; None: it is something else."""
    if isinstance(layer, ReLU):
        return (layer.max_value,) if layer.negative_slope == 0 and layer.threshold == 0 else None
    return (None,) if isinstance(layer, Activation) and layer.activation is activations.relu else None
