"""Layers of Keras 1 that Keras 2.2.5 still has: MaxoutDense, Highway, AtrousConvolution1D and 2D.

Source: Keras 2.2.5 keras/legacy/layers.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from lamella import ops
from lamella.core.configurable import Spec
from lamella.core.registry import register
from lamella.core.shapes import Shape
from lamella.core.types import Value
from lamella.core.warn import warn
from lamella.graph.input_spec import InputSpec
from lamella.layers.arguments import KernelLayer, activated
from lamella.layers.conv.conv1d import Conv1D
from lamella.layers.conv.conv2d import Conv2D


class _OldDense(KernelLayer):
    """Of inputs [N, F] with a known F.

    Args:
        init: Initializer of the matrices: a name, a config or an object.
        W_regularizer: Regularizer of W: a name, a config or an object; None for none.
        b_regularizer: Regularizer of b: a name, a config or an object; None for none.
        W_constraint: Constraint of W: a name, a config or an object; None for none.
        b_constraint: Constraint of b: a name, a config or an object; None for none.
        bias: Whether a bias is added.
        input_dim: F, for a first layer.
    """

    input_spec = InputSpec(ndim=2)

    def __init__(self, input_dim: int | None, weights: Sequence[ArrayLike] | None, **kwargs: Any) -> None:
        if input_dim:
            kwargs["input_shape"] = (input_dim,)
        super().__init__(weights=weights, **kwargs)
        self.input_dim = input_dim
        warn(f"The `{type(self).__name__}` layer is deprecated and will be removed after 06/2017.")

    def features(self, input_shape: Shape) -> int:
        """F of the input_shape, which later inputs must have, too. Raises ValueError if it is not known."""
        size = input_shape[1]
        if size is None:
            raise ValueError(f"Layer {self.name}: the last dimension of the inputs should be defined. Found `None`.")
        self.input_spec = InputSpec(ndim=2, axes={1: size})
        return size


@register("layers")
class MaxoutDense(_OldDense, self_contained=True):
    """The largest of nb_feature affine maps, element by element; warns that it is deprecated, as Keras does.

    Shapes:
        x [N, F], W [nb_feature, F, output_dim], b [nb_feature, output_dim] -> [N, output_dim].

    Args:
        output_dim: Number of outputs.
        nb_feature: Number of affine maps.

    Source: arXiv 1302.4389.
    """

    def __init__(
        self,
        output_dim: int,
        nb_feature: int = 4,
        init: Spec = "glorot_uniform",
        weights: Sequence[ArrayLike] | None = None,
        W_regularizer: Spec = None,
        b_regularizer: Spec = None,
        activity_regularizer: Spec = None,
        W_constraint: Spec = None,
        b_constraint: Spec = None,
        bias: bool = True,
        input_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(input_dim, weights, **kwargs)
        self.output_dim = output_dim
        self.nb_feature = nb_feature
        self.init = init
        self.W_regularizer = W_regularizer
        self.b_regularizer = b_regularizer
        self.activity_regularizer = activity_regularizer
        self.W_constraint = W_constraint
        self.b_constraint = b_constraint
        self.bias = bias

    def build(self, input_shape: Shape) -> None:
        features = self.features(input_shape)
        self.W = self.add_weight("W", (self.nb_feature, features, self.output_dim), initializer=self.init)
        self.b = self.add_weight("b", (self.nb_feature, self.output_dim), initializer="zeros") if self.bias else None
        self.built = True

    def call(self, inputs: Value) -> Value:
        rows, features = inputs.shape
        maps, units = self.nb_feature, self.output_dim
        # One product for all maps, side by side.
        columns = ops.reshape(ops.transpose(self.W, axes=(1, 0, 2)), shape=(features, maps * units))
        bias = None if self.b is None else ops.reshape(self.b, shape=(maps * units,))
        y = ops.dense(inputs, columns, bias, activation="linear")
        return ops.max(ops.reshape(y, shape=(rows, maps, units)), axis=1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.output_dim)


@register("layers")
class Highway(_OldDense, self_contained=True):
    """t * activation(x W + b) + (1 - t) * x with t = sigmoid(x W_carry + b_carry); warns that it is deprecated, as Keras does.

    Shapes:
        x [N, F], W [F, F], W_carry [F, F], b [F], b_carry [F], which begins at 1 -> [N, F].

    Source: arXiv 1505.00387.
    """

    def __init__(
        self,
        init: Spec = "glorot_uniform",
        activation: Spec = None,
        weights: Sequence[ArrayLike] | None = None,
        W_regularizer: Spec = None,
        b_regularizer: Spec = None,
        activity_regularizer: Spec = None,
        W_constraint: Spec = None,
        b_constraint: Spec = None,
        bias: bool = True,
        input_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        if "transform_bias" in kwargs:
            kwargs.pop("transform_bias")
            warn("`transform_bias` argument is deprecated and has been removed.")
        super().__init__(input_dim, weights, **kwargs)
        self.init = init
        self.activation = activation
        self.W_regularizer = W_regularizer
        self.b_regularizer = b_regularizer
        self.activity_regularizer = activity_regularizer
        self.W_constraint = W_constraint
        self.b_constraint = b_constraint
        self.bias = bias

    def build(self, input_shape: Shape) -> None:
        size = self.features(input_shape)
        self.W = self.add_weight("W", (size, size), initializer=self.init)
        self.W_carry = self.add_weight("W_carry", (size, size), initializer=self.init)
        self.b = self.add_weight("b", (size,), initializer="zeros") if self.bias else None
        self.b_carry = self.add_weight("b_carry", (size,), initializer="ones") if self.bias else None
        self.built = True

    def call(self, inputs: Value) -> Value:
        share = ops.sigmoid(ops.dense(inputs, self.W_carry, self.b_carry, activation="linear"))
        y = activated(self.activation, ops.dense(inputs, self.W, self.b, activation="linear"))
        # x + t (y - x): one product less.
        return ops.add(inputs, ops.multiply(share, ops.subtract(y, inputs)))


def AtrousConvolution1D(*args: Any, **kwargs: Any) -> Conv1D:
    """Conv1D with dilation_rate=atrous_rate; warns that the name is deprecated, as Keras does."""
    return Conv1D(*args, **_dilated("1D", kwargs))


def AtrousConvolution2D(*args: Any, **kwargs: Any) -> Conv2D:
    """Conv2D with dilation_rate=atrous_rate; warns that the name is deprecated, as Keras does."""
    return Conv2D(*args, **_dilated("2D", kwargs))


def _dilated(rank: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    warn(
        f"The `AtrousConvolution{rank}` layer has been deprecated. Use instead the `Conv{rank}` layer with the `dilation_rate` "
        "argument."
    )
    kwargs["dilation_rate"] = kwargs.pop("atrous_rate", 1)
    return kwargs


AtrousConv1D, AtrousConv2D = AtrousConvolution1D, AtrousConvolution2D
