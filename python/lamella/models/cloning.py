"""clone_model: makes a model of the same architecture with its own weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.core.lists import to_list
from lamella.core.variable import Variable
from lamella.graph.arguments import fill, placed
from lamella.graph.connect import call_alone, comes_from_layers
from lamella.graph.input import Input, InputLayer
from lamella.graph.layer import Layer
from lamella.graph.symbolic import Symbolic
from lamella.models.model import Model
from lamella.models.sequential import Sequential


def clone_model(model: Model, input_tensors: Symbolic | Sequence[Symbolic] | None = None) -> Model:
    """A model of new layers with the same names, configs and calls, and with new initial weights. It is not compiled.

    Args:
        model: A Sequential, which gives a Sequential, or a Model with inputs and outputs, which gives a Model.
        input_tensors: Tensors for the new model's inputs, in order; None makes new inputs. A placeholder, Variable or array
            becomes an input that stands for it. For a Sequential, the tensor must not come from a layer.

    Returns:
        The model. Losses of `model.add_loss` are not copied, as in Keras.

    Raises:
        ValueError: The model is a subclass with its own `call`, or number or kind of the input tensors is wrong.
        NotImplementedError: A layer has no config.

    Source: Keras 2.2.5 keras/models.py.
    """
    if isinstance(model, Sequential):
        clone: Model = _clone_sequential_model(model, input_tensors)
    else:
        clone = _clone_functional_model(model, input_tensors)
    clone.trainable = model.trainable
    return clone


def _clone_sequential_model(model: Sequential, input_tensors: Any = None) -> Sequential:
    if not isinstance(model, Sequential):
        raise ValueError(f"Expected `model` argument to be a `Sequential` model instance, but got: {model!r}")
    tensors = None if input_tensors is None else [*to_list(input_tensors, allow_tuple=True)]
    first: list[Layer] = []
    if tensors is not None:
        if len(tensors) != 1:
            raise ValueError(
                f"To clone a `Sequential` model, we expect at most one tensor as part of `input_tensors`, got {len(tensors)}"
            )
        layer = _tensor_for(model.input_names[0] if model.inputs else model.name, tensors[0])._keras_history[0]
        if not isinstance(layer, InputLayer):
            raise ValueError(
                "Cannot clone a `Sequential` model on top of a tensor that comes from a Keras layer other than an "
                f"`InputLayer`, got {tensors[0]!r}. Use the functional API instead."
            )
        first = [layer]
    elif model.inputs:
        # The shape may come from the data or from an InputLayer instead of the first layer.
        first = [_input_like(model.inputs[0])._keras_history[0]]
    return Sequential([*first, *(_layer(layer) for layer in model.layers)], name=model.name)


def _clone_functional_model(model: Model, input_tensors: Any = None) -> Model:
    if not isinstance(model, Model):
        raise ValueError(f"Expected `model` argument to be a `Model` instance, got {model!r}")
    if isinstance(model, Sequential):
        raise ValueError(
            f"Expected `model` argument to be a functional `Model` instance, got a `Sequential` instance: {model!r}"
        )
    tensors = None if input_tensors is None else [*to_list(input_tensors, allow_tuple=True)]
    if tensors is None:
        tensors = [_input_like(x) for x in model.inputs]
    elif len(tensors) != len(model.inputs):
        raise ValueError(f"clone_model: model '{model.name}' has {len(model.inputs)} inputs, got {len(tensors)} input_tensors")
    tensors = [_tensor_for(name, given) for name, given in zip(model.input_names, tensors)]
    made: dict[Symbolic, Symbolic] = dict(zip(model.inputs, tensors))
    clones: dict[Layer, Layer] = {}
    for node in (node for level in model._graph.by_depth for node in level):
        if all(x in made for x in node.outputs):
            continue
        if node.layer not in clones:
            clones[node.layer] = _layer(node.layer)
        inputs = [made[x] for x in node.inputs]
        arguments = fill(placed(node.arguments, node.beside), [made[x] for x in node.beside])
        if inputs:
            outputs = clones[node.layer](inputs[0] if node.single else inputs, **arguments)
        else:
            outputs = call_alone(clones[node.layer])
        for x, y in zip(node.outputs, to_list(outputs)):
            made.setdefault(x, y)
    return Model(tensors, [made[x] for x in model.outputs], name=model.name)


def _layer(layer: Layer) -> Layer:
    # A model is cloned by its layers, not by its config: in a config, a custom layer is a name that may not be registered.
    return clone_model(layer) if type(layer) in (Model, Sequential) else layer.clone()  # type: ignore[arg-type]


def _input_like(x: Symbolic) -> Symbolic:
    layer = x._keras_history[0]
    name = layer.name if isinstance(layer, InputLayer) else None
    return Input(batch_shape=x.shape, dtype=x.dtype, name=name, sparse=isinstance(layer, InputLayer) and layer.sparse)


def _tensor_for(name: str, given: object) -> Symbolic:
    """The tensor for the input of this name: `given` itself if it comes from layers, else an input that stands for it."""
    if isinstance(given, Symbolic) and comes_from_layers(given):
        return given
    if not isinstance(given, (Symbolic, Variable, np.ndarray)):
        raise ValueError(f"clone_model: expected tensors as inputs, got {type(given).__name__} for '{name}'")
    return Input(tensor=given, name=f"input_wrapper_for_{name}")
