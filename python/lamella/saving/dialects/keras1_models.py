"""Translates descriptions of models by Keras 1 to the form of Keras 2.2.5.

The constructors of layers accept Keras 1's names of arguments (`layers/keras1.py`). Here are the other differences: classes that
Keras 2 does not have, and the form of regularizers and constraints. Source: Keras 1.2.2.
"""

from __future__ import annotations

from typing import Any

from lamella.core.configurable import Config

_RECURRENT = ("SimpleRNN", "GRU", "LSTM", "ConvLSTM2D")
# Layers that are convolutions with a dilation_rate in Keras 2.
_DILATED = {"AtrousConvolution1D": "Conv1D", "AtrousConvolution2D": "Conv2D"}
# The layers of Keras 2 that compute a mode of Keras 1's Merge.
_MERGED = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum"}
# The classes that Keras 1 writes as {"name": class, argument: value}, and the arguments that have another name in Keras 2.
_UNNAMED: dict[str, tuple[str, dict[str, str]]] = {
    "L1L2Regularizer": ("L1L2", {}),
    "MaxNorm": ("MaxNorm", {"m": "max_value"}),
    "NonNeg": ("NonNeg", {}),
    "UnitNorm": ("UnitNorm", {}),
}


def in_keras_2(config: Config) -> Config:
    """The description of a model in the form of Keras 2.2.5.

    Raises:
        KeyError, TypeError: It is not a description of a model.
        ValueError: A layer has no counterpart in Keras 2.
    """
    return _layer(config)


def _layer(entry: Config) -> Config:
    """The description of a layer, or of a model, in the form of Keras 2.2.5."""
    name, config = str(entry["class_name"]), entry["config"]
    if isinstance(config, list):  # a Sequential
        if config and config[0]["class_name"] == "Merge":
            raise ValueError("a Sequential that begins with a Merge; build it with Model and the merging layers of Keras 2")
        described: Any = [_layer(layer) for layer in config]
        if "name" in entry:  # of a model inside a model; the list has no name
            described = {"name": entry["name"], "layers": described}
    else:
        described = {key: _argument(value) for key, value in config.items()}
        if "layers" in described and "input_layers" in described:
            described["layers"] = [_layer(layer) for layer in config["layers"]]
    if name == "Merge":
        name, described = _merge(described)
    elif name in _DILATED:
        name, described["dilation_rate"] = _DILATED[name], described.pop("atrous_rate")
    elif name == "InputLayer":
        described["dtype"] = described.pop("input_dtype", None) or described.get("dtype")
    elif name in _RECURRENT:
        _recurrent(described)
    elif name == "BatchNormalization" and described.get("mode", 0) != 0:
        raise ValueError(f"BatchNormalization '{described.get('name')}' with mode={described['mode']}; Keras 2 has mode 0 only")
    elif name == "Flatten":
        # Keras 1 flattens in the order of the axes. Keras 2.2.5 moves the channels to the end first, with channels_first.
        described["data_format"] = "channels_last"
    return {**entry, "class_name": name, "config": described}


def _recurrent(config: Config) -> None:
    """Change in place what constructors would warn about.

    The sizes follow from batch_input_shape or from the layer before; consume_less is about speed.
    """
    for name in ("consume_less", "input_dim", "input_length"):
        config.pop(name, None)
    if config.get("forget_bias_init") in ("one", "zero"):
        config["unit_forget_bias"] = config.pop("forget_bias_init") == "one"


def _argument(value: Any) -> Any:
    """The value of an argument: a layer inside a wrapper, a regularizer, a constraint, or data."""
    if isinstance(value, dict) and "class_name" in value and "config" in value:
        return _layer(value)
    if isinstance(value, dict) and value.get("name") in _UNNAMED:
        name, renamed = _UNNAMED[value["name"]]
        return {"class_name": name, "config": {renamed.get(k, k): v for k, v in value.items() if k != "name"}}
    return value


def _merge(config: Config) -> tuple[str, Config]:
    """The class and config in Keras 2 for the config of a Merge.

    Raises:
        ValueError: No layer of Keras 2 computes its mode.
    """
    mode = config.get("mode")
    kept: Config = {key: config[key] for key in ("name", "trainable") if key in config}
    if config.get("mode_type", "raw") == "raw":
        if mode in _MERGED:
            return _MERGED[mode], kept
        if mode == "concat":
            return "Concatenate", {**kept, "axis": config["concat_axis"]}
        if mode == "dot":
            return "Dot", {**kept, "axes": config["dot_axes"]}
    raise ValueError(f"Merge '{config.get('name')}' with mode={mode!r}, which no layer of Keras 2 computes")
