"""A Lambda as data, as Keras 2.2.5 lays it out, with names in the place of code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lamella.core import registry
from lamella.core.configurable import Config, InProcess
from lamella.core.release import KERAS_VERSION
from lamella.core.shapes import Shape
from lamella.graph.arguments import number_dtype

if TYPE_CHECKING:
    from lamella.layers.core.lambda_layer import Lambda

# What tf.keras says of where a function is from. Here a name is enough, and no module is imported for a file.
_PLACES = ("module", "output_shape_module", "mask_module")


def is_ours(function: object) -> bool:
    """Whether it is one of the functions of K that graphs are made of, and none of the user's."""
    return registry.name_of("functions", function) is not None


def described(layer: Lambda, output_shape: Any, found: Shape | None) -> Config:
    """The part of the config that is a Lambda's own.

    Args:
        output_shape: As it was given.
        found: The shape of the output without the batch, of all calls.
    """
    config = {"function": _written(layer, "function", layer.function), "function_type": "function"}
    if not callable(output_shape):
        shape, kind = found if output_shape is None else output_shape, "raw"
    elif found is not None and _name(layer, "output_shape", output_shape) is None:
        shape, kind = found, "raw"
    else:
        shape, kind = _written(layer, "output_shape", output_shape), "function"
    config |= {"output_shape": shape, "output_shape_type": kind}
    config["arguments"] = {key: _argument(layer, f"the argument {key!r}", value) for key, value in layer.arguments.items()}
    mask = layer.mask
    config["mask"] = _written(layer, "mask", mask) if callable(mask) else _argument(layer, "the mask", mask)
    return config


def _name(layer: Lambda, argument: str, function: Callable[..., Any]) -> str | None:
    """The name under which a file may hold the function."""
    return registry.custom_name_of(function) or layer.read_under.get(argument) or registry.name_of("functions", function)


def _written(layer: Lambda, argument: str, function: Callable[..., Any]) -> Any:
    name = _name(layer, argument, function)
    if name is not None and _known(name) is function:
        return name
    shown = getattr(function, "__name__", type(function).__name__)
    return InProcess(
        function,
        name,
        f"Layer {layer.name}: {argument} {shown!r} has no name that a file could hold; register it, "
        f"get_custom_objects()['a_name'] = {argument}, or save the weights alone (save_weights)",
    )


def _known(name: str) -> Any:
    found = registry.find_custom(name)
    return registry.find("functions", name) if found is None else found


def _argument(layer: Lambda, what: str, value: Any) -> Any:
    """Data of JSON; an array as the dict that Keras reads as one."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return {"type": "ndarray", "value": value.tolist(), "dtype": value.dtype.name}
    if isinstance(value, (list, tuple)):
        return type(value)(_argument(layer, what, v) for v in value)
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _argument(layer, what, v) for key, v in value.items()}
    reason = f"Layer {layer.name}: {what}, {value!r}, cannot be saved; save the weights alone (save_weights)"
    return InProcess(value, None, reason)


def read(config: Config) -> tuple[Config, dict[str, str]]:
    """The constructor's arguments, and the names under which those that are functions stood in the config.

    Raises:
        ValueError: Naming the layer, for a function that is neither a custom object nor one of K's, and for marshalled code.
    """
    config = {key: value for key, value in config.items() if key not in _PLACES}
    layer, names = config.get("name") or "Lambda", dict[str, str]()
    kind = config.pop("function_type", "function")
    config["function"] = _function(config.get("function"), kind, layer, "function", names)
    kind = config.pop("output_shape_type", "raw")
    if kind == "lambda":
        config["output_shape"] = None  # it is found by calling the function
    elif kind == "function":
        config["output_shape"] = _function(config.get("output_shape"), kind, layer, "output_shape", names)
    kind = config.pop("mask_type", "function")
    mask = config.get("mask")
    is_function = isinstance(mask, str) or kind == "lambda"
    config["mask"] = _function(mask, kind, layer, "mask", names) if is_function else _value(mask, layer)
    config["arguments"] = _value(config.get("arguments") or {}, layer)
    return config, names


def _function(given: Any, kind: str, layer: str, argument: str, names: dict[str, str]) -> Any:
    if isinstance(given, InProcess):
        if given.name is not None:
            names[argument] = given.name
        return given.value
    if callable(given):
        return given
    if isinstance(given, Mapping):  # of Keras 3
        kind = "lambda" if given.get("class_name") == "__lambda__" else kind
        given = given.get("config")
    if kind not in ("function", "lambda"):
        raise ValueError(f"Layer {layer}: Unknown function type: {kind}")
    by_name = kind == "function" and isinstance(given, str)
    candidates = [given, layer] if by_name else [layer]
    for name in candidates:
        found = registry.find_custom(name)
        if found is not None and callable(found) and not isinstance(found, type):
            names[argument] = name
            return found
    offer = f"custom_objects={{{layer!r}: function}}"
    if not by_name:
        raise ValueError(
            f"Layer {layer}: its {argument} stands in the description as marshalled code of Python, which Keras "
            f"{KERAS_VERSION} would run, whoever wrote it; it is not run here. Pass the {argument} yourself, by the layer's "
            f"name: {offer}"
        )
    found = registry.find("functions", given)
    if found is None:
        raise ValueError(
            f"Layer {layer}: Unknown {argument} in Lambda layer: {given}. Pass it: custom_objects={{{given!r}: function}}"
        )
    return found


def _value(value: Any, layer: str) -> Any:
    if isinstance(value, InProcess):
        return value.value
    if isinstance(value, Mapping):
        if value.get("type") == "ndarray" and "value" in value:
            try:
                return np.array(value["value"], number_dtype(value["dtype"]) if "dtype" in value else None)
            except (ValueError, TypeError, OverflowError) as error:
                raise ValueError(f"Layer {layer}: expected an array among the arguments, got {value!r}: {error}") from None
        return {key: _value(v, layer) for key, v in value.items()}
    return [_value(v, layer) for v in value] if isinstance(value, list) else value
