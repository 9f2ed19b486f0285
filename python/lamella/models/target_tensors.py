"""compile(target_tensors=): tensors that are the y of outputs, in place of the placeholders that fit feeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamella.core.configurable import Config
from lamella.core.types import Value
from lamella.core.variable import Variable
from lamella.graph.input import InputLayer
from lamella.graph.layer import Layer
from lamella.graph.symbolic import Symbolic
from lamella.ops.tape import value_of
from lamella.training import resolve


def by_output(given: Any, names: Sequence[str]) -> list[Any]:
    """The tensor of each output, or None.

    Args:
        given: The argument of compile.
        names: Names of the outputs.

    Raises:
        TypeError: It is not a tensor, or a list or dict of tensors.
        ValueError: It does not fit the outputs. The message is that of Keras.

    Source: Keras 2.2.5 keras/engine/training.py.
    """
    if given is None or (isinstance(given, (list, tuple, Mapping)) and not given):
        return [None] * len(names)
    if isinstance(given, Mapping):
        resolve.refuse_unknown(given, names, "`target_tensors`")
        tensors = [given.get(name) for name in names]
    elif isinstance(given, (list, tuple)):
        resolve.check_entries(given, names, "`target_tensors`")
        tensors = list(given)
    elif not _is_tensor(given):
        raise TypeError(f"Expected `target_tensors` to be a list or tuple or dict or a single tensor, but got: {given}")
    elif len(names) > 1:
        raise ValueError(
            f"The model has {len(names)} outputs, but you passed a single tensor as `target_tensors`. "
            "Expected a list or a dict of tensors."
        )
    else:
        tensors = [given]
    for name, tensor in zip(names, tensors):
        if tensor is not None and not _is_tensor(tensor):
            raise TypeError(f"target_tensors: expected a tensor for output '{name}', got {type(tensor).__name__}")
    return tensors


def is_fed(tensor: Any, inputs: Sequence[Symbolic]) -> bool:
    """Whether fit takes y for an output with this tensor: it has none, or a placeholder that is none of the model's inputs."""
    if tensor is None or any(tensor is x for x in inputs):
        return tensor is None
    layer = tensor._keras_history[0] if isinstance(tensor, Symbolic) else None
    return isinstance(layer, InputLayer) and layer.is_placeholder


class TargetOf(Layer, self_contained=True):
    """The target tensor of an output, with the number of samples of the output; called on [output] or [output, tensor].

    Args:
        held: The target, if it is not symbolic.
    """

    supports_masking = True
    makes_masks = False

    def __init__(self, held: Any) -> None:
        super().__init__()
        self.held = held

    def call(self, inputs: Any) -> Value:
        value: Value = inputs[1] if len(inputs) > 1 else np.asarray(value_of(self.held))
        return value

    def compute_output_shape(self, input_shape: Any) -> Any:
        target = input_shape[1] if len(input_shape) > 1 else self.held.shape
        return (input_shape[0][0], *target[1:])

    def compute_mask(self, inputs: Value, mask: Any = None) -> None:
        return None

    def get_config(self) -> Config:
        raise NotImplementedError(f"Layer {self.name}: a target tensor cannot be saved with a graph; save the compiled model")


def as_y_true(tensor: Any, output: Symbolic) -> Symbolic:
    """The tensor for a loss that is called on symbolic tensors.

    A loss has no rule for its shape, so it is tried on arrays: those of the two arguments must have equally many samples.
    """
    symbolic = isinstance(tensor, Symbolic)
    y: Symbolic = TargetOf(None if symbolic else tensor)([output, tensor] if symbolic else [output])
    return y


def _is_tensor(x: object) -> bool:
    return isinstance(x, (Symbolic, Variable, np.ndarray))
