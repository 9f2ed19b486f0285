"""Makes the contents of a file of a model, and the reverse: description, weights, arguments of compile, optimizer state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lamella.core import budget
from lamella.core.configurable import Config, deserialize, plain, serialize
from lamella.core.protocols import SavedModel
from lamella.core.registry import custom_object_scope
from lamella.core.warn import warn
from lamella.saving import tree, weights
from lamella.saving.compiled import compile_as_saved
from lamella.saving.contents import Contents
from lamella.saving.errors import ModelFileError, refusing


def contents_of(model: SavedModel, *, include_optimizer: bool) -> Contents:
    """The contents of a file of the model, as copies.

    Raises:
        TypeError: A config cannot be expressed in JSON.
    """
    contents = Contents(weights.entries(model.layers))
    contents.model_config = _data(serialize(model), f"the config of '{model.name}'")
    optimizer = model.optimizer
    if include_optimizer and optimizer is not None:
        contents.training_config = _data(
            {
                "optimizer_config": serialize(optimizer),
                "loss": model.loss,
                "metrics": model.metrics,
                "weighted_metrics": model.weighted_metrics,
                "sample_weight_mode": model.sample_weight_mode,
                "loss_weights": model.loss_weights,
            },
            f"what '{model.name}' was compiled with",
        )
        contents.state["iterations"] = int(optimizer.iterations)
        steps = model.prepared_steps
        # Before the first step the optimizer's arrays are those that it was given, or those of another model that it trained.
        if steps is not None:
            steps.bind_given()
        if steps is not None and steps.bound:
            steps.select_optimizer_state()
            names = [w.name for w in optimizer.weights]
            contents.optimizer_weights = weights.named(list(zip(names, optimizer.get_weights())))
            contents.state["trained"] = weights.places(model.layers, steps.variables)
        if steps is not None and steps.stream.step:
            contents.state["random"] = steps.stream.get_state()
        callback_state = None if steps is None else steps.session.current_state()
        if callback_state is not None:
            _add_callback_state(contents, callback_state)
    return contents


def model_of(contents: Contents, path: str, custom_objects: Mapping[str, Any] | None, *, compiled: bool) -> SavedModel:
    """The model of a file that lamella, or Keras from 2.0 on, wrote.

    Args:
        contents: The contents of the file.
        path: Path of the file, for messages.
        custom_objects: Classes and functions by name.
        compiled: Whether to compile the model if the file says how.

    Raises:
        ValueError: A name is unknown ("Unknown layer: Foo"), or weights do not fit.
        ModelFileError: The description is damaged.
    """
    if contents.model_config is None:
        raise ValueError(f"No model found in config: {path} holds weights only; use load_weights on a model")
    elements = sum(array.size for entry in contents.layers for _, array in entry.weights)
    with custom_object_scope(custom_objects or {}):
        with refusing(path, "the model cannot be built from its description"):
            config = contents.dialect.model(contents.model_config)
            with budget.limit(elements, f"{path} holds", filled=True):
                model: SavedModel = deserialize("layers", config)
        if not hasattr(model, "run"):
            raise ModelFileError(path, f"describes a {type(model).__name__}, which is not a model")
        weights.assign(weights.by_position(contents, model.layers, as_described=True))
        if compiled:
            with refusing(path, "the model cannot be compiled as it was"):
                compile_as_saved(model, contents, path)
    return model


def _add_callback_state(contents: Contents, state: Config) -> None:
    try:
        contents.state["callbacks"], arrays = tree.flatten(state)
    except (TypeError, ValueError) as error:  # in the state of a custom callback: the model is saved without it
        warn(f"the state of the callbacks is not saved: {error}", RuntimeWarning)
    else:
        contents.state_arrays = list(arrays.items())


def _data(value: Any, what: str) -> Config:
    """The value after a round trip through JSON.

    Raises:
        TypeError: JSON cannot express it. The message names `what`.
    """
    try:
        data: Config = json.loads(json.dumps(plain(value)))
    except (TypeError, ValueError) as error:
        raise TypeError(f"{what} cannot be saved: {error}") from error
    return data
