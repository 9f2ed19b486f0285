"""Functions of keras.engine.training_utils that check arguments of training loops. Source: Keras 2.2.5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.core.graphs import GraphTensor
from lamella.core.shapes import Shape
from lamella.core.variable import Variable
from lamella.models.network import Network

_TENSORS: tuple[type[Any], ...] = (GraphTensor, Variable)  # not arrays, which the functions of K also take as tensors
_BESIDE = "argument is not supported when data is a generator or Sequence instance. Instead pass"


def standardize_single_array(x: Any) -> Any:
    """An array with at least two axes, as fit uses it: (N,) becomes (N, 1). None and tensors stay as they are.

    Args:
        x: An array, a tensor or None.

    Raises:
        ValueError: The batch size of a tensor is not known.
    """
    if x is None:
        return None
    if isinstance(x, _TENSORS):
        if not x.shape or x.shape[0] is None:
            raise ValueError(
                "When feeding symbolic tensors to a model, we expect the tensors to have a static batch size. "
                f"Got tensor with shape: {tuple(x.shape)}"
            )
        return x
    return np.expand_dims(x, 1) if x.ndim == 1 else x


def check_generator_arguments(y: object = None, sample_weight: object = None, validation_split: float | None = None) -> None:
    """Raise ValueError for an argument that cannot be combined with a generator.

    Args:
        y: Must be None.
        sample_weight: Must be None.
        validation_split: Must be None or 0.
    """
    if y is not None:
        raise ValueError(f"`y` {_BESIDE} targets as the second element of the generator.")
    if sample_weight is not None:
        raise ValueError(f"`sample_weight` {_BESIDE} sample weights as the third element of the generator.")
    if validation_split:
        raise ValueError("If your data is in the form of a Python generator, you cannot use `validation_split`.")


def check_num_samples(
    ins: Sequence[Any], batch_size: int | None = None, steps: int | None = None, steps_name: str = "steps"
) -> int | None:
    """The number of samples of the first input; None if there are no inputs, or if they are tensors.

    Args:
        ins: Arrays or tensors, one for each input.
        batch_size: Samples in a batch; None with `steps`.
        steps: Number of batches, or None.
        steps_name: The name of `steps`, for messages.

    Raises:
        ValueError: Both batch_size and steps are given; or steps are missing for tensors or no inputs.
    """
    if steps is not None and batch_size is not None:
        raise ValueError(f"If {steps_name} is set, the `batch_size` must be None.")
    if not ins or any(isinstance(x, _TENSORS) for x in ins):
        if steps is None:
            raise ValueError(
                f"If your data is in the form of symbolic tensors, you should specify the `{steps_name}` argument (instead of the "
                "`batch_size` argument, because symbolic tensors are expected to produce batches of input data)."
            )
        return None
    return int(ins[0].shape[0]) if hasattr(ins[0], "shape") else None


def get_input_shape_and_dtype(layer: Any) -> tuple[Shape | None, str | None]:
    """The shape, with the batch axis, and the dtype that a layer was given for its input; None for what it was not given.

    Keras 2.2.5 reads an attribute that its layers do not have, and finds only None.

    Args:
        layer: A layer; of a model, its first layer counts.

    Raises:
        ValueError: A model has no layers.
    """
    while isinstance(layer, Network) and getattr(layer, "_is_graph_network", True):
        if not layer.layers:
            raise ValueError("An empty Model cannot be used as a Layer.")
        layer = layer.layers[0]
    shape = getattr(layer, "batch_input_shape", None)
    return (None, None) if shape is None else (tuple(shape), layer.dtype)


def get_static_batch_size(layer: Any) -> int | None:
    """The batch size that a layer, or the first layer of a model, was given; None for none.

    Args:
        layer: A layer or model.
    """
    shape, _ = get_input_shape_and_dtype(layer)
    return None if shape is None else shape[0]
