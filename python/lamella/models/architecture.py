"""A model as data, in Keras 2's layout, and back. Names are looked up in the registry; nothing is ever executed."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lamella.core.configurable import Config, deserialize, plain
from lamella.core.registry import custom_object_scope
from lamella.core.release import BACKEND, KERAS_VERSION
from lamella.layers.base import Layer
from lamella.layers.input import InputLayer
from lamella.layers.symbolic import Node, Symbolic

if TYPE_CHECKING:
    from lamella.models.network import Network

def describe(network: Network) -> Config:
    """{"name", "layers", "input_layers", "output_layers"}; nodes are numbered within this network."""
    for x in network.inputs:
        if not isinstance(x._keras_history[0], InputLayer):
            raise NotImplementedError(f"Model '{network.name}': its input {x} is the output of a layer; no config")
    inside = set(network._graph.nodes)
    numbers: dict[Node, int] = {}
    for layer in network.layers:
        kept = [node for node in layer._inbound_nodes if node in inside]
        numbers.update((node, i + layer.first_node) for i, node in enumerate(kept))

    def place(x: Symbolic) -> list[Any]:
        layer, node_index, tensor_index = x._keras_history
        return [layer.name, numbers[layer._inbound_nodes[node_index]], tensor_index]

    layers = []
    for layer in network.layers:
        calls = [node for node in layer._inbound_nodes if node in inside and node.inputs]
        layers.append(
            {
                "name": layer.name,
                "class_name": type(layer).__name__,
                "config": config_of(layer),
                "inbound_nodes": [[[*place(x), _arguments(node)] for x in node.inputs] for node in calls],
            }
        )
    return {
        "name": network.name,
        "layers": layers,
        "input_layers": [place(x) for x in network.inputs],
        "output_layers": [place(x) for x in network.outputs],
    }


def config_of(layer: Layer) -> Config:
    """Its config within a model's: a frozen model's with "trainable", which Keras 2.2.5 does not write, and ignores."""
    config = layer.get_config()
    return {**config, "trainable": False} if "layers" in config and not layer.trainable else config


def _arguments(node: Node) -> Config:
    try:
        arguments = {key: plain(value) for key, value in node.arguments.items()}
        json.dumps(arguments)
    except (TypeError, ValueError):
        warnings.warn(
            f"Layer {node.layer.name} was passed non-serializable keyword arguments: {node.arguments}. They will not be "
            f"included in the serialized model (and thus will be missing at deserialization time).",
            stacklevel=2,
        )
        return {}
    return arguments


def rebuild(cls: type[Network], config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Network:
    """The network that `describe` described. Raises ValueError for unknown classes and for calls that cannot be made."""
    layers: dict[str, Layer] = {}
    waiting: list[tuple[Layer, list[Any]]] = []
    for entry in config["layers"]:
        layer: Layer = deserialize("layers", entry, custom_objects)
        layers[entry["name"]] = layer
        waiting += [(layer, call) for call in entry["inbound_nodes"]]

    def find(place: list[Any]) -> Symbolic | None:
        name, node_index, tensor_index = place[:3]
        if name not in layers:
            raise ValueError(f"Model '{config.get('name')}': no layer is called {name!r}")
        nodes = layers[name]._inbound_nodes
        index = node_index - layers[name].first_node
        return nodes[index].outputs[tensor_index] if 0 <= index < len(nodes) else None

    while waiting:
        later: list[tuple[Layer, list[Any]]] = []
        blocked: set[int] = set()
        for layer, call in waiting:
            inputs = [find(place) for place in call]
            # A layer's calls keep their order, or their numbers would change.
            if id(layer) in blocked or None in inputs:
                blocked.add(id(layer))
                later.append((layer, call))
                continue
            arguments = call[0][3] if len(call[0]) > 3 else {}
            layer(inputs[0] if len(inputs) == 1 else inputs, **arguments)
        if len(later) == len(waiting):
            raise ValueError(f"Model '{config.get('name')}': the inputs of {later[0][0].name} are never made: {later[0][1]}")
        waiting = later
    inputs = [find(place) for place in config["input_layers"]]
    outputs = [find(place) for place in config["output_layers"]]
    network = cls(inputs=inputs, outputs=outputs, name=config.get("name"))  # type: ignore[arg-type]
    network.trainable = bool(config.get("trainable", True))
    return network


def to_json(model: Any, **kwargs: Any) -> str:
    """Architecture without weights; kwargs go to json.dumps."""
    description = {
        "class_name": type(model).__name__,
        "config": model.get_config(),
        "keras_version": KERAS_VERSION,
        "backend": BACKEND,
    }
    return json.dumps(description, **kwargs)


def model_from_config(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model of a {"class_name", "config"}. Raises TypeError for a list, ValueError "Unknown layer: Foo"."""
    if isinstance(config, list):
        raise TypeError(
            "`model_from_config` expects a dictionary, not a list. "
            "Maybe you meant to use `Sequential.from_config(config)`?"
        )
    with custom_object_scope(custom_objects or {}):
        return deserialize("layers", config)


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model that `to_json` described, here, in Keras 2, tf.keras or Keras 3, with new weights.

    Raises:  ValueError for what is no such description.
    """
    try:
        return model_from_config(_in_keras_2(json.loads(json_string)), custom_objects)
    except RecursionError:
        raise ValueError("model_from_json: the description is nested too deeply") from None


def _in_keras_2(config: Any) -> Any:
    """Keras 3 does not say its version, but where its classes are from."""
    if not isinstance(config, dict) or not {"keras_version", "module"} & set(config):
        return config
    from lamella.saving import dialects  # loaded with the first description from elsewhere

    version = str(config.get("keras_version", "3.0"))
    try:
        return config if dialects.is_keras_2(version) else dialects.in_keras_2(config, version)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"Improper config format: no description of a model by Keras {version} ({error!r})") from error
