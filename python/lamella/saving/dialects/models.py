"""Translates descriptions of models by tf.keras and Keras 3 to the form of Keras 2.2.5."""

from __future__ import annotations

from typing import Any

from lamella.core.configurable import Config
from lamella.core.warn import warn

# Entries that later releases added to configs, with the values that change nothing. They are removed. An entry with another
# value is kept, and the layer refuses it by name.
_INERT: dict[str, Any] = {
    "groups": 1,
    "ragged": False,
    "optional": False,
    "synchronized": False,
    "renorm": False,
    "renorm_clipping": None,
    "renorm_momentum": 0.99,
    "keepdims": False,
    "quantization_config": None,
    "input_axes": None,
    "output_axes": None,
    "time_major": False,
    "use_cudnn": "auto",
    "seed": None,
    "sparse": False,
    "lora_rank": None,
}
_MODELS = ("Model", "Sequential")
_RENAMED = {"Functional": "Model"}
# class: (scale, mode, distribution) of VarianceScaling, which Keras 2 writes for all of them.
_SCALED = {
    "GlorotUniform": (1.0, "fan_avg", "uniform"),
    "GlorotNormal": (1.0, "fan_avg", "normal"),
    "HeUniform": (2.0, "fan_in", "uniform"),
    "HeNormal": (2.0, "fan_in", "normal"),
    "LecunUniform": (1.0, "fan_in", "uniform"),
    "LecunNormal": (1.0, "fan_in", "normal"),
}


def in_keras_2(config: Config, *, first_node: int) -> Config:
    """The description of a model in the form of Keras 2.2.5.

    Warns if a Bidirectional may get a mask: at masked steps later releases return zeros, and Keras 2.2.5 repeats the last
    output.

    Args:
        config: The file's description.
        first_node: The index of a nested model's first call in a file of Keras 2, minus the index in this file.

    Raises:
        KeyError, TypeError, ValueError: It is not a description of a model.
    """
    if _holds(config, "zero_output_for_mask", True) and (
        _holds(config, "mask_zero", True) or _holds(config, "class_name", "Masking")
    ):
        warn(
            "the description of a model is by a later Keras, whose Bidirectional returns zeros at masked steps; here, as in Keras "
            "2.2.5, each direction repeats its output there"
        )
    return _layer(config, first_node)


def _layer(entry: Config, first_node: int) -> Config:
    name = class_name(entry)
    config: Any = _plain(entry["config"])
    if name in _MODELS and isinstance(config, dict):
        _model(config, entry["config"], first_node)
    elif isinstance(config, dict):
        if "batch_shape" in config:
            config["batch_input_shape"] = config.pop("batch_shape")
        # Keras 2 makes the backward layer itself, as a copy of the layer.
        config.pop("backward_layer", None)
        if name == "LeakyReLU" and "negative_slope" in config:
            config["alpha"] = config.pop("negative_slope")
        if name == "UpSampling2D" and config.get("interpolation") == "bilinear":
            config["half_pixel_centers"] = True
        if name == "BatchNormalization" and isinstance(config.get("axis"), list) and len(config["axis"]) == 1:
            config["axis"] = config["axis"][0]
    described: Config = {"class_name": name, "config": config}
    for key in ("name", "inbound_nodes"):
        if key in entry:
            described[key] = entry[key]
    return described


def _model(config: Config, before: Config, first_node: int) -> None:
    """Translate in place the layers of a model, and the calls of a graph."""
    config["layers"] = [_layer(entry, first_node) for entry in before["layers"]]
    config.pop("dtype", None)
    config.pop("trainable", None)
    if "input_layers" not in config:
        return
    # The first call of a nested model has index 0 in Keras 3, and 1 in Keras 2.
    shifts = {entry["name"]: first_node for entry in config["layers"] if entry["class_name"] in _MODELS}
    for entry in config["layers"]:
        entry["inbound_nodes"] = [_call(call, shifts) for call in entry["inbound_nodes"]]
    for ends in ("input_layers", "output_layers"):
        places = before[ends]
        single = bool(places) and isinstance(places[0], str)
        config[ends] = [_place(place, shifts) for place in ([places] if single else places)]


def _call(call: Any, shifts: dict[str, int]) -> list[Any]:
    """[[layer, node, tensor, arguments], ...]; Keras 3 writes {"args", "kwargs"} with the tensors in them."""
    if isinstance(call, list):
        return [[*_place(place, shifts), *(_given(argument) for argument in place[3:])] for place in call]
    tensors: list[Any] = []
    for argument in call["args"]:
        tensors += argument if isinstance(argument, list) else [argument]
    arguments = _given(call["kwargs"])
    # Keras 2 lists initial states after the input.
    states = arguments.get("initial_state")
    if _holds(states, "class_name", "__keras_tensor__"):
        del arguments["initial_state"]
        tensors += states if isinstance(states, list) else [states]
    return [[*_place(tensor["config"]["keras_history"], shifts), arguments] for tensor in tensors]


def _place(place: list[Any], shifts: dict[str, int]) -> list[Any]:
    name, node, tensor = place[:3]
    return [name, node + shifts.get(name, 0), tensor]


def _given(arguments: Config) -> Config:
    """The arguments without mask=None and training=None, which Keras 3 writes if they were not given."""
    return {key: value for key, value in arguments.items() if value is not None}


def class_name(entry: Config) -> str:
    """The name of a class, without the package in "Custom>Foo", which tf.keras writes for registered classes."""
    name = str(entry["class_name"]).rpartition(">")[2]
    return _RENAMED.get(name, name)


def _plain(value: Any) -> Any:
    """Configs of initializers, regularizers and dtypes, at any depth, in the form of Keras 2."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if not isinstance(value, dict):
        return value
    if "class_name" in value and isinstance(value.get("config"), dict) and not {"name", "inbound_nodes"} & set(value):
        return _object(str(value["class_name"]), value["config"], value)
    inert = {k for k, v in value.items() if k == "zero_output_for_mask" or (k in _INERT and _INERT[k] == v)}
    return {k: _plain(v) for k, v in value.items() if k not in inert}


def _holds(value: Any, name: str, wanted: object) -> bool:
    """Whether a dict anywhere in `value` has this entry."""
    if isinstance(value, dict):
        return (name in value and value[name] == wanted) or any(_holds(v, name, wanted) for v in value.values())
    return isinstance(value, list) and any(_holds(v, name, wanted) for v in value)


def _object(name: str, config: Config, before: Config) -> Any:
    if name in ("DTypePolicy", "Policy"):
        return config["name"]
    if name in _SCALED:
        scale, mode, distribution = _SCALED[name]
        config = {"scale": scale, "mode": mode, "distribution": distribution, "seed": config.get("seed")}
        return {"class_name": "VarianceScaling", "config": config}
    if name in ("L1", "L2"):
        key = name.lower()
        return {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.0, key: config[key]}}
    config = _plain(config)
    if name == "VarianceScaling" and config.get("distribution") == "truncated_normal":
        config["distribution"] = "normal"
    return {"class_name": name.rpartition(">")[2], "config": config}
