"""Pooling over windows of sequences, images and volumes. Source: Keras 2.2.5 keras/layers/pooling.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

from lamella.core.registry import register
from lamella.core.shapes import Shape, count
from lamella.core.types import Value
from lamella.core.window import Window
from lamella.graph.input_spec import InputSpec
from lamella.graph.layer import Layer
from lamella.layers.arguments import KernelLayer
from lamella.layers.data_format import channel_axis, to_first, to_last
from lamella.layers.keras1 import keras1_names
from lamella.ops import avg_pool, max_pool, reshape
from lamella.ops.pooling import LARGEST_MAX_WINDOW


class Pooling(KernelLayer, self_contained=True):
    """Windows of pool_size at strides (default: pool_size). [N, ..., C] -> [N, ..., C], either data_format."""

    def __init__(
        self,
        pool_size: int | Sequence[int],
        strides: int | Sequence[int] | None,
        padding: str,
        data_format: str | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = pool_size
        self.strides = pool_size if strides is None else strides
        self.padding = padding
        self.data_format = data_format

    def pool(self, x: Value) -> Value:
        """The pooling of a channels-last x. By default it is what a subclass of Keras's base classes defines."""
        return self._pooling_function(x, self.pool_size, self.strides, self.padding, "channels_last")

    def _pooling_function(
        self, inputs: Value, pool_size: tuple[int, ...], strides: tuple[int, ...], padding: str, data_format: str
    ) -> Value:
        """The pooling in subclasses of Keras's layers. For one axis it is that of images of one column.

        data_format is "channels_last".
        """
        raise NotImplementedError

    def call(self, inputs: Value) -> Value:
        if self.data_format == "channels_first":
            return to_first(self.pool(to_last(inputs)))
        return self.pool(inputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        window = Window.over(self.pool_size, self.strides, None, self.padding)
        return self.shape_of_windows(input_shape, window, input_shape[channel_axis(self.data_format)], "window")


class Maximum(Pooling, self_contained=True):
    """The largest value of each window."""

    def pool(self, x: Value) -> Value:
        if type(self)._pooling_function is not Maximum._pooling_function:
            return super().pool(x)
        return max_pool(x, size=self.pool_size, strides=self.strides, padding=self.padding)

    def _pooling_function(
        self, inputs: Value, pool_size: tuple[int, ...], strides: tuple[int, ...], padding: str, data_format: str
    ) -> Value:
        return max_pool(inputs, size=pool_size, strides=strides, padding=padding)

    def call_of_relu(self, inputs: Value) -> Value:
        """call(relu(inputs)) without relu(inputs)."""
        first = self.data_format == "channels_first"
        x = to_last(inputs) if first else inputs
        y = max_pool(x, size=self.pool_size, strides=self.strides, padding=self.padding, activation="relu")
        return to_first(y) if first else y


def is_max_pooling(layer: Layer) -> TypeGuard[Maximum]:
    """Whether this is a max pooling that may be one call with the layer before it (`Layer.call_before`)."""
    if not isinstance(layer, Maximum) or count(layer.pool_size) >= LARGEST_MAX_WINDOW:
        return False
    kind = type(layer)
    return kind.call is Pooling.call and kind.pool is Maximum.pool and kind._pooling_function is Maximum._pooling_function


def call_before_pooling(layer: Layer, follower: Layer, is_relu: Callable[[], bool]) -> Callable[..., Value] | None:
    """`Layer.call_before` of a layer that may be a relu.

    Args:
        layer: The layer.
        follower: The layer behind it.
        is_relu: Whether the layer is a relu without bounds. It is asked at each call, as attributes of layers may change.
    """
    if not is_max_pooling(follower):
        return None
    return lambda inputs: follower.call_of_relu(inputs) if is_relu() else follower.call(layer.call(inputs))


class _Average(Pooling, self_contained=True):
    def pool(self, x: Value) -> Value:
        if type(self)._pooling_function is not _Average._pooling_function:
            return super().pool(x)
        return avg_pool(x, size=self.pool_size, strides=self.strides, padding=self.padding)

    def _pooling_function(
        self, inputs: Value, pool_size: tuple[int, ...], strides: tuple[int, ...], padding: str, data_format: str
    ) -> Value:
        return avg_pool(inputs, size=pool_size, strides=strides, padding=padding)


class _Pooling1D(Pooling, self_contained=True):
    input_spec = InputSpec(ndim=3)
    rank = 1

    def pool(self, x: Value) -> Value:
        """The pooling as images of one column, as in Keras."""
        n, t, c = x.shape
        y = self._pooling_function(
            reshape(x, shape=(n, t, 1, c)), (*self.pool_size, 1), (*self.strides, 1), self.padding, "channels_last"
        )
        return reshape(y, shape=(n, y.shape[1], y.shape[3]))

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str = "channels_last",
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **kwargs)


class _Pooling2D(Pooling, self_contained=True):
    input_spec = InputSpec(ndim=4)
    rank = 2

    def __init__(
        self,
        pool_size: int | Sequence[int] = (2, 2),
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **kwargs)


class _Pooling3D(Pooling, self_contained=True):
    input_spec = InputSpec(ndim=5)
    rank = 3

    def __init__(
        self,
        pool_size: int | Sequence[int] = (2, 2, 2),
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **kwargs)


@register("layers", "MaxPool1D")
@keras1_names(pool_length="pool_size", stride="strides")
class MaxPooling1D(Maximum, _Pooling1D, self_contained=True):
    """Maximum of each window of steps; padding never wins."""


@register("layers", "MaxPool2D")
@keras1_names()
class MaxPooling2D(Maximum, _Pooling2D, self_contained=True):
    """Maximum of each window; padding never wins."""


@register("layers", "MaxPool3D")
@keras1_names()
class MaxPooling3D(Maximum, _Pooling3D, self_contained=True):
    """Maximum of each window of volumes; padding never wins."""


@register("layers", "AvgPool1D")
@keras1_names(pool_length="pool_size", stride="strides")
class AveragePooling1D(_Average, _Pooling1D, self_contained=True):
    """Mean of each window of steps; padding is not counted."""


@register("layers", "AvgPool2D")
@keras1_names()
class AveragePooling2D(_Average, _Pooling2D, self_contained=True):
    """Mean of each window; padding is not counted."""


@register("layers", "AvgPool3D")
@keras1_names()
class AveragePooling3D(_Average, _Pooling3D, self_contained=True):
    """Mean of each window of volumes; padding is not counted."""


MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
