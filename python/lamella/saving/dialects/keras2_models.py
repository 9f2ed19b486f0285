"""Translates descriptions of models by Keras 2.0 and 2.1 to the form of Keras 2.2.5, which reads them in part.

Source: Keras 2.0.5, 2.0.9, 2.1.6.
"""

from __future__ import annotations

from typing import Any

from lamella.core.configurable import Config


def in_keras_2_2(config: Config) -> Config:
    """The description of a model in the form of Keras 2.2.5.

    Raises:
        KeyError, TypeError: It is not a description of a model.
    """
    name, described = config["class_name"], config["config"]
    if isinstance(described, list):  # a Sequential
        described = [in_keras_2_2(layer) for layer in described]
        if "name" in config:  # of a model inside a model; the list has no name
            described = {"name": config["name"], "layers": described}
    elif name == "Flatten":
        # In Keras 2.2 the default follows image_data_format. Before, it was channels_last.
        described = {"data_format": "channels_last", **described}
    elif name != "Lambda":  # which reads arrays among its arguments itself
        if name in ("SimpleRNN", "ConvLSTM2D"):  # they have only one since 2.1
            described = {key: value for key, value in described.items() if key != "implementation"}
        described = {key: _argument(value) for key, value in described.items()}
    return {**config, "config": described}


def _argument(value: Any) -> Any:
    """The value of an argument: layers inside, a number that was an array without axes, or data."""
    if isinstance(value, list):
        return [_argument(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"type", "value"} and value["type"] == "ndarray":
        return value["value"]
    return in_keras_2_2(value) if {"class_name", "config"} <= set(value) else value
