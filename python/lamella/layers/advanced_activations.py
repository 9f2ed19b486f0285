"""Activations with arguments or weights of their own; they keep shape and mask.

Source: Keras 2.2.5 keras/layers/advanced_activations.py. Deviation: configs hold Python's floats, where Keras has NumPy's.
"""

from __future__ import annotations

import numbers
import operator
from collections.abc import Callable, Sequence
from typing import Any

from lamella import activations, ops
from lamella.core.checks import check_number
from lamella.core.configurable import Spec
from lamella.core.keras_names import complete as _complete
from lamella.core.lists import to_list
from lamella.core.registry import register
from lamella.core.shapes import Shape, normalize_axis
from lamella.core.types import Value
from lamella.graph.input_spec import InputSpec
from lamella.graph.layer import Layer
from lamella.layers.arguments import KernelLayer
from lamella.layers.keras1 import keras1_names
from lamella.layers.pooling.windows import call_before_pooling
from lamella.ops.arrays import is_of_last_axes


def _as_float(value: float) -> float:
    """A float, as configs hold it; what is not a number stays, and the op refuses it."""
    return float(value) if isinstance(value, numbers.Real) and not isinstance(value, bool) else value


@register("layers")
class LeakyReLU(KernelLayer, self_contained=True):
    """x where x > 0, else alpha * x.

    Args:
        alpha: Slope for x <= 0.
    """

    supports_masking = True

    def __init__(self, alpha: float = 0.3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = _as_float(alpha)

    def call(self, inputs: Value) -> Value:
        return ops.relu(inputs, alpha=self.alpha)


@register("layers")
@keras1_names(init="alpha_initializer")
class PReLU(KernelLayer, self_contained=True):
    """x where x > 0, else alpha * x, with a trained alpha for each place of a sample.

    Shapes:
        x [N, ...], alpha [...] with 1 on the shared axes -> [N, ...].

    Args:
        shared_axes: An axis, or a list of them, along which alpha is the same; 1 is the first one after the batch. [1, 2] of
            images [N, H, W, C] leaves one alpha for each channel.

    Raises:
        TypeError: shared_axes are not whole numbers.
        ValueError: At build, for an axis that the input does not have, or for an unknown size on an axis that is not shared.
    """

    supports_masking = True

    def __init__(
        self,
        alpha_initializer: Spec = "zeros",
        alpha_regularizer: Spec = None,
        alpha_constraint: Spec = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = alpha_initializer
        self.alpha_regularizer = alpha_regularizer
        self.alpha_constraint = alpha_constraint
        axes: list[Any] = [*to_list(shared_axes, allow_tuple=True)]
        if shared_axes is not None and not all(hasattr(axis, "__index__") for axis in axes):
            raise TypeError(f"Layer {self.name}: expected shared_axes to be whole numbers, got {shared_axes!r}")
        self.shared_axes = None if shared_axes is None else [operator.index(axis) for axis in axes]

    def build(self, input_shape: Shape) -> None:
        shared = set(self.shared_axes or ())
        ndim = len(input_shape)
        if not shared <= set(range(1, ndim)):
            raise ValueError(f"Layer {self.name}: expected shared_axes from 1 to {ndim - 1}, got {self.shared_axes}")
        sizes = [1 if axis in shared else size for axis, size in enumerate(input_shape) if axis]
        known = [size for size in sizes if size is not None]
        if len(known) < len(sizes):
            raise ValueError(
                f"Layer {self.name}: the dimensions of the inputs to `PReLU` that are not in shared_axes should be defined. "
                f"Found {input_shape}."
            )
        self.alpha = self.add_weight("alpha", known)
        self.input_spec = InputSpec(ndim=ndim, axes={axis: input_shape[axis] for axis in range(1, ndim) if axis not in shared})
        self.built = True

    def call(self, inputs: Value) -> Value:
        if is_of_last_axes(self.alpha.shape, inputs.shape) and inputs.dtype == self.alpha.dtype:
            return ops.prelu(inputs, self.alpha)
        below = ops.relu(ops.negative(inputs))
        return ops.subtract(ops.relu(inputs), ops.multiply(self.alpha, below))


@register("layers")
class ELU(KernelLayer, self_contained=True):
    """x where x > 0, else alpha * (exp(x) - 1).

    Args:
        alpha: Factor for x <= 0.
    """

    supports_masking = True

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = _as_float(alpha)

    def call(self, inputs: Value) -> Value:
        return ops.elu(inputs, alpha=self.alpha)


@register("layers")
class ThresholdedReLU(KernelLayer, self_contained=True):
    """x where x > theta, else 0.

    Args:
        theta: The threshold.
    """

    supports_masking = True

    def __init__(self, theta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.theta = _as_float(theta)

    def call(self, inputs: Value) -> Value:
        return ops.relu(inputs, threshold=self.theta)


@register("layers")
class Softmax(KernelLayer, self_contained=True):
    """exp(x) / sum(exp(x)).

    Args:
        axis: The axis of the sum.

    Raises:
        ValueError: At build, if the input does not have this axis.
    """

    input_spec = InputSpec(min_ndim=2)
    supports_masking = True

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def build(self, input_shape: Shape) -> None:
        normalize_axis(self.axis, len(input_shape), f"Layer {self.name}")
        self.built = True

    def call(self, inputs: Value) -> Value:
        return activations.softmax(inputs, axis=self.axis)


@register("layers")
class ReLU(KernelLayer, self_contained=True):
    """min(x, max_value) where x > threshold, else negative_slope * (x - threshold).

    Args:
        max_value: Upper bound of the output; None for no bound.
        negative_slope: Slope below the threshold.
        threshold: The threshold.

    Raises:
        ValueError: max_value or negative_slope is negative.
    """

    supports_masking = True

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        for name, value in (("max_value", max_value), ("negative_slope", negative_slope)):
            if value is not None:
                check_number(value, f"Layer {self.name}, {name}")
                if value < 0:
                    raise ValueError(f"{name} of ReLU layer cannot be negative value: {value}")
        self.max_value = None if max_value is None else _as_float(max_value)
        self.negative_slope = _as_float(negative_slope)
        self.threshold = _as_float(threshold)

    def call(self, inputs: Value) -> Value:
        return ops.relu(inputs, alpha=self.negative_slope, max_value=self.max_value, threshold=self.threshold)

    def call_before(self, follower: Layer, *, frozen: bool) -> Callable[..., Value] | None:
        return call_before_pooling(self, follower, self._is_plain) if type(self) is ReLU else None

    def _is_plain(self) -> bool:
        return self.max_value is None and self.negative_slope == 0 and self.threshold == 0


_complete(__name__)
