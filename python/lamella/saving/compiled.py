"""Compiles a loaded model as it was when saved, and restores the states of optimizer, random stream and callbacks."""

from __future__ import annotations

from typing import Any

from lamella.core.protocols import SavedModel
from lamella.core.warn import warn
from lamella.saving import tree, weights
from lamella.saving.contents import Contents
from lamella.saving.errors import WRONG, ModelFileError

_NOT_COMPILED = "the model was *not* compiled. Compile it manually."


def compile_as_saved(model: SavedModel, contents: Contents, path: str) -> None:
    """Compile a model with the file's training configuration, and restore the state of the training.

    The model stays uncompiled, with a warning, if the file has no training configuration, or one of a later Keras that has
    no counterpart here.

    Args:
        model: The model, with its weights.
        contents: The contents of the file.
        path: The path of the file, for messages.

    Raises:
        ModelFileError: The configuration or a state is damaged.
        ValueError: The configuration has a name that is not registered.
    """
    training = contents.training_config
    if training is None:
        warn(f"No training configuration found in save file: {_NOT_COMPILED}")
        return
    if contents.dialect.is_keras_1 or contents.dialect.is_keras_2:
        if not isinstance(training.get("optimizer_config"), dict) or "loss" not in training:
            raise ModelFileError(path, f"training_config: expected optimizer_config and loss, found {sorted(training)}")
        _compile(model, training)
    else:
        try:
            _compile(model, contents.dialect.training(training, model.output_names))
        except (ValueError, *WRONG) as error:
            written = f"The training configuration of Keras {contents.keras_version} in the save file"
            warn(f"{written} has no counterpart ({error}): {_NOT_COMPILED}")
            return
    _restore_state(model, contents, training, path)


def _compile(model: SavedModel, training: dict[str, Any]) -> None:
    model.compile(
        optimizer=training["optimizer_config"],
        loss=training["loss"],
        metrics=training.get("metrics"),
        # Releases before 2.2 did not write weighted_metrics.
        weighted_metrics=training.get("weighted_metrics"),
        sample_weight_mode=training.get("sample_weight_mode"),
        loss_weights=training.get("loss_weights"),
    )


def _restore_state(model: SavedModel, contents: Contents, training: dict[str, Any], path: str) -> None:
    optimizer, prepared, steps = model.optimizer, model.compiled_steps(), None
    assert optimizer is not None, "compile_as_saved has compiled the model"
    if contents.optimizer_weights:
        if "trained" in contents.state:
            # The trainable weights may have changed between compile and save.
            try:
                prepared.collect(weights.at(model.layers, contents.state["trained"]))
            except (TypeError, ValueError) as error:
                raise ModelFileError(path, f"trained: {error}") from error
        prepared.bind_optimizer()
        found = [array for _, array in contents.optimizer_weights]
        try:
            names = weights.names_in_file(contents, model.layers, prepared.variables)
            arrays, steps = contents.dialect.optimizer_arrays(
                found, training["optimizer_config"], optimizer.get_weights(), names
            )
            optimizer.set_weights(arrays)
        except ValueError as error:
            warn(
                "Error in loading the saved optimizer state. As a result, your model is starting with a freshly "
                f"initialized optimizer. ({error})"
            )
            return
    steps = contents.state.get("iterations", steps)
    if steps is not None:
        if type(steps) is not int or not 0 <= steps < 2**63:
            raise ModelFileError(path, f"iterations: expected a number of steps, found {steps!r}")
        optimizer.iterations.assign(steps)
    if "random" in contents.state:
        if not isinstance(contents.state["random"], dict):
            raise ModelFileError(path, "the state of the random stream is not an object")
        prepared.stream.set_state(contents.state["random"])
    if "callbacks" in contents.state:
        prepared.session.loaded = _callback_state(contents, path)


def _callback_state(contents: Contents, path: str) -> dict[str, Any]:
    try:
        state: dict[str, Any] = tree.unflatten(contents.state["callbacks"], dict(contents.state_arrays))
        fits = type(state["epoch"]) is int and isinstance(state["logs"], dict)
        for entry in state["callbacks"]:
            fits = fits and isinstance(entry["state"], dict) and {"class", "arguments"} <= entry.keys()
            fits = fits and type(entry["waits"]) is bool and type(entry["stops"]) is bool
    except (ValueError, *WRONG) as error:
        raise ModelFileError(path, f"the state of the callbacks is damaged ({error!r})") from error
    if not fits:
        raise ModelFileError(path, "the state of the callbacks is damaged")
    return state
