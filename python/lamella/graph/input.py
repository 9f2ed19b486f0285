"""Input: the place where data enters a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.core import config
from lamella.core.configurable import Config, plain
from lamella.core.names import next_uid
from lamella.core.registry import register
from lamella.core.shapes import as_shape
from lamella.core.types import Array
from lamella.core.variable import Variable
from lamella.graph.layer import Layer
from lamella.graph.symbolic import Node, Symbolic


@register("layers")
class InputLayer(Layer, self_contained=True):
    """The layer of an input.

    Args:
        input_shape: Shape without the batch axis.
        batch_size: Number of samples in a batch; None allows any.
        batch_input_shape: Shape with the batch axis, instead of the two arguments before.
        dtype: Name of the dtype; None for floatx, or for the dtype of input_tensor.
        input_tensor: A symbolic tensor, array or Variable for which the input stands. K.function and K.gradients compute it if
            they get no value for the input. fit, evaluate and predict take no values for it, unless it is a symbolic tensor that
            depends on a tensor which is no input of the model. Configs and copies have a usual input instead.
        sparse: Stored in the config, as in Keras. Arrays are dense here.
        name: Name of the layer; None for a default name.

    Raises:
        TypeError: input_tensor is not a tensor.
        ValueError: No shape is given, or two.

    Source: Keras 2.2.5 keras/engine/input_layer.py, where no symbolic tensor takes values.
    """

    is_input = True

    def __init__(
        self,
        input_shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        batch_input_shape: Sequence[int | None] | None = None,
        dtype: str | None = None,
        input_tensor: object = None,
        sparse: bool = False,
        name: str | None = None,
    ) -> None:
        if input_shape is not None and batch_input_shape is not None:
            raise ValueError(
                "Only provide the input_shape OR batch_input_shape argument to InputLayer, not both at the same time."
            )
        before = [input_tensor] if isinstance(input_tensor, Symbolic) else []
        # An array or Variable that is the value if none is given.
        self.source: Array | Variable | None = None
        if input_tensor is not None and not before:
            self.source = input_tensor if isinstance(input_tensor, Variable) else np.asarray(input_tensor)
        held = before[0] if before else self.source
        if held is not None:
            if np.dtype(held.dtype).kind not in "biuf":
                raise TypeError(f"InputLayer: expected input_tensor to be a tensor, got {type(input_tensor).__name__}")
            batch_input_shape, input_shape, dtype = held.shape, None, str(held.dtype)
        if input_shape is None and batch_input_shape is None:
            raise ValueError("An Input layer should be passed either a `batch_input_shape` or an `input_shape`.")
        super().__init__(
            name=name or f"input_{next_uid('input')}",
            dtype=dtype or config.floatx(),
            input_shape=input_shape,
            batch_input_shape=batch_input_shape,
            batch_size=batch_size,
        )
        self.sparse = sparse
        self.built = True
        self.trainable = False
        tensor = Symbolic(self.batch_input_shape or (), self.dtype, self.name)
        tensor._keras_history = (self, 0, 0)
        self._inbound_nodes.append(Node(self, before, [tensor]))

    @property
    def is_placeholder(self) -> bool:
        """Whether it needs values, because it does not stand for another tensor."""
        return self.source is None and not self._inbound_nodes[0].inputs

    # An input has one node, whose only tensor is both its input and its output.
    @property
    def input(self) -> Symbolic:
        return self._inbound_nodes[0].outputs[0]

    @property
    def input_shape(self) -> Any:
        return self.input.shape

    def get_config(self) -> Config:
        return {
            "batch_input_shape": plain(self.batch_input_shape),
            "dtype": self.dtype,
            "sparse": self.sparse,
            "name": self.name,
        }


class Placeholder(InputLayer, self_contained=True):
    """The layer of K.placeholder: an input for functions of K, which a model does not accept."""


def Input(
    shape: Sequence[int | None] | None = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    dtype: str | None = None,
    sparse: bool = False,
    tensor: object = None,
) -> Symbolic:
    """A symbolic tensor that stands for the input of a model.

    Args:
        shape: Shape without the batch axis.
        batch_shape: Shape with the batch axis.
        name: Name of the input; None for a default name.
        dtype: Name of the dtype; None for floatx.
        sparse: See InputLayer.
        tensor: A symbolic tensor, array or Variable for which the input stands; see InputLayer.

    Raises:
        ValueError: There is neither a shape nor a tensor.

    Source: Keras 2.2.5.
    """
    if batch_shape is None and shape is None and tensor is None:
        raise ValueError(
            "Please provide to Input either a `shape` or a `batch_shape` argument. "
            "Note that `shape` does not include the batch dimension."
        )
    if batch_shape is None and shape is not None:
        batch_shape = (None, *as_shape(shape))
    layer = InputLayer(batch_input_shape=batch_shape, name=name, dtype=dtype, sparse=sparse, input_tensor=tensor)
    return layer.input


def value_held(x: Symbolic) -> Array | Variable | None:
    """The array or Variable that an Input stands for, if `x` is such a one."""
    layer = x._keras_history[0]
    return layer.source if isinstance(layer, InputLayer) else None


def tensor_held(x: Symbolic) -> Symbolic | None:
    """The symbolic tensor that an Input stands for, if `x` is such a one."""
    layer = x._keras_history[0]
    before = layer._inbound_nodes[0].inputs if isinstance(layer, InputLayer) else []
    return before[0] if before else None
