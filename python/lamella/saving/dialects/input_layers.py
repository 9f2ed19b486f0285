"""Adds an InputLayer at the start of each Sequential, for Keras 3.

Keras 3 reads the batch_input_shape of a first layer as the shape of one sample, also in files of Keras 2. Keras 2 and
tf.keras build the same model with the InputLayer and without it.
"""

from __future__ import annotations

from typing import Any

from lamella.core.configurable import Config


def explicit(config: Any) -> Any:
    """A copy of a model's description with these InputLayers, also in nested models."""
    if isinstance(config, list):
        return [explicit(value) for value in config]
    if not isinstance(config, dict):
        return config
    found = {key: explicit(value) for key, value in config.items()}
    if found.get("class_name") == "Sequential" and isinstance(found.get("config"), dict):
        layers = found["config"].get("layers")
        layer = _input_of(layers[0]) if isinstance(layers, list) and layers else None
        if layer is not None and all(layer["config"]["name"] != other["config"].get("name") for other in layers):
            layers.insert(0, layer)
    return found


def _input_of(first: Config) -> Config | None:
    """The config of the InputLayer that Keras 2 makes for a first layer, which may be a model."""
    inner = first
    while inner["class_name"] in ("Sequential", "Model") and inner["config"].get("layers"):
        inner = inner["config"]["layers"][0]
    shape = inner["config"].get("batch_input_shape")
    if shape is None or first["class_name"] == "InputLayer":
        return None
    config = {"batch_input_shape": shape, "dtype": inner["config"].get("dtype", "float32"), "sparse": False}
    return {"class_name": "InputLayer", "config": {**config, "name": f"{first['config']['name']}_input"}}
