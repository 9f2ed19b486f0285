"""A model as data, in Keras 2's layout, and back. Names are looked up in the registry; nothing is ever executed."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lamella.core import budget
from lamella.core.config import floatx, max_file_bytes
from lamella.core.configurable import Config, deserialize, plain
from lamella.core.registry import custom_object_scope
from lamella.core.release import BACKEND, KERAS_VERSION
from lamella.core.warn import warn
from lamella.graph.arguments import Place, Template, fill, placed
from lamella.graph.input import InputLayer
from lamella.graph.layer import Layer
from lamella.graph.symbolic import Node, Symbolic

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
        # What lies before an input is not of the model.
        calls = [n for n in layer._inbound_nodes if n in inside and n.inputs and not isinstance(layer, InputLayer)]
        layers.append(
            {
                "name": layer.name,
                "class_name": type(layer).__name__,
                "config": config_of(layer),
                "inbound_nodes": [[[*place(x), _arguments(node, place)] for x in node.inputs] for node in calls],
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


def _arguments(node: Node, place: Callable[[Symbolic], list[Any]]) -> Config:
    """Those of the call; a tensor of the graph by its place, as tf.keras writes it. Keras 2.2.5 leaves such an argument out."""
    given = fill(placed(node.arguments, node.beside), [place(x) for x in node.beside])
    try:
        arguments = {key: plain(value) for key, value in given.items()}
        json.dumps(arguments)
    except (TypeError, ValueError):
        warn(
            f"Layer {node.layer.name} was passed non-serializable keyword arguments: {node.arguments}. They will not be "
            f"included in the serialized model (and thus will be missing at deserialization time)."
        )
        return {}
    return arguments


@dataclass
class _Call:
    """A call that is to be made.

    Attributes:
        inputs: How many of its tensors are inputs; the others stand among the arguments.
        places: Of its tensors.
        found: Those found so far.
    """

    inputs: int
    places: list[Any]
    arguments: Template
    found: list[Symbolic] = field(default_factory=list)


def _call(entry: list[Any], names: Container[str]) -> _Call:
    """What `describe` wrote of a node; names: of the layers."""
    places = list(entry)

    def read(value: Any) -> Template:
        match value:
            case [str(name), int(), int()] if name in names:
                places.append(value)
                return Place(len(places) - 1 - len(entry))
            case list():
                return [read(v) for v in value]
            case dict():
                return {key: read(v) for key, v in value.items()}
        return value

    arguments = read(entry[0][3]) if entry and len(entry[0]) > 3 else {}
    return _Call(len(entry), places, arguments)


def rebuild(cls: type[Network], config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Network:
    """The network that `describe` described. Raises ValueError for unknown classes and for calls that cannot be made."""
    layers: dict[str, Layer] = {}
    calls: dict[str, deque[_Call]] = {}
    for entry in config["layers"]:
        layers[entry["name"]] = deserialize("layers", entry, custom_objects)
    for entry in config["layers"]:
        calls[entry["name"]] = deque(_call(call, layers) for call in entry["inbound_nodes"])

    def find(place: list[Any]) -> Symbolic | None:
        name, node_index, tensor_index = place[:3]
        if name not in layers:
            raise ValueError(f"Model '{config.get('name')}': no layer is called {name!r}")
        nodes = layers[name]._inbound_nodes
        return nodes[node_index].outputs[tensor_index] if layers[name].first_node <= node_index < len(nodes) else None

    # Layers wait for the one whose tensor they need next, so however they are listed each tensor is looked up once.
    waiting: dict[str, list[str]] = {}
    ready = deque(layers)
    while ready:
        name = ready.popleft()
        # A layer's calls keep their order, or their numbers would change.
        while calls[name]:
            call = calls[name][0]
            while len(call.found) < len(call.places) and (tensor := find(call.places[len(call.found)])) is not None:
                call.found.append(tensor)
            if len(call.found) < len(call.places):
                waiting.setdefault(call.places[len(call.found)][0], []).append(name)
                break
            inputs, beside = call.found[: call.inputs], call.found[call.inputs :]
            layers[name](inputs[0] if len(inputs) == 1 else inputs, **fill(call.arguments, beside))
            calls[name].popleft()
            ready.extend(waiting.pop(name, ()))
    for name, rest in calls.items():
        if rest:
            raise ValueError(f"Model '{config.get('name')}': the inputs of {name} are never made: {rest[0].places}")
    ends = [[find(place) for place in config[key]] for key in ("input_layers", "output_layers")]
    network = cls(inputs=ends[0], outputs=ends[1], name=config.get("name"))  # type: ignore[arg-type]
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
    return json.dumps(description, **{"default": plain, **kwargs})


def to_yaml(model: Any, **kwargs: Any) -> str:
    """As `to_json`, in YAML; kwargs go to yaml.safe_dump."""
    from lamella.saving.guards import text

    dumped: str = text.yaml_library("to_yaml").safe_dump(json.loads(to_json(model)), **kwargs)
    return dumped


def model_from_config(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model of a {"class_name", "config"}, with new weights.

    Raises:
        TypeError: For a list.
        ValueError: "Unknown layer: Foo", and for weights of more than 2 GiB or, where it is set, config.max_file_bytes(), and
            for functions of a graph that do not say what they return.
    """
    if isinstance(config, list):
        raise TypeError(
            "`model_from_config` expects a dictionary, not a list. Maybe you meant to use `Sequential.from_config(config)`?"
        )
    elements = (max_file_bytes() or budget.DESCRIPTION_BYTES) // np.dtype(floatx()).itemsize
    allowed = "a description alone may, unless config.set_max_file_bytes says otherwise, ask for"
    with custom_object_scope(custom_objects or {}), budget.limit(elements, allowed, filled=False):
        return deserialize("layers", config)


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model that `to_json` described, here, in Keras 2, tf.keras or Keras 3, with new weights.

    Raises:
        ValueError: For what is no such description, or asks for more than `model_from_config` allows.
    """
    from lamella.saving.guards import text  # loaded with the first description from elsewhere

    return model_from_text(
        text.parse_json(json_string, "the description", "model_from_json"), "model_from_json", custom_objects
    )


def model_from_yaml(yaml_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """As `model_from_json`, for what `to_yaml` wrote, here or in Keras 2. Raises ImportError naming the extra, too."""
    from lamella.saving.guards import text

    return model_from_text(
        text.parse_yaml(yaml_string, "the description", "model_from_yaml"), "model_from_yaml", custom_objects
    )


def model_from_text(config: Config, who: str, custom_objects: Mapping[str, Any] | None) -> Any:
    """As `model_from_config`, for what a text held: whatever is wrong with it is a ValueError."""
    from lamella.saving.dialects import dialect_of_description
    from lamella.saving.errors import refusing

    with refusing(who, "no description of a model"):
        return model_from_config(dialect_of_description(config).model(config), custom_objects)
