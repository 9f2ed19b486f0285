"""Makes data of a model, in the layout of Keras 2, and the reverse. Names come from the registry; nothing is executed."""

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
    """The description of a network: {"name", "layers", "input_layers", "output_layers"}.

    Nodes are numbered within the network.

    Raises:
        NotImplementedError: An input of the network is the output of a layer.
    """
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
        # Layers before an input are not part of the model.
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
    """The config of a layer inside a model. A frozen model gets "trainable", which Keras 2.2.5 neither writes nor reads."""
    config = layer.get_config()
    return {**config, "trainable": False} if "layers" in config and not layer.trainable else config


def _arguments(node: Node, place: Callable[[Symbolic], list[Any]]) -> Config:
    """The arguments of a call. A tensor among them is written as its place, as in tf.keras; Keras 2.2.5 does not write it."""
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
    """A call that rebuild has to make.

    Attributes:
        inputs: Number of its tensors that are inputs; the others are among the arguments.
        places: The places of its tensors.
        found: The tensors that exist so far.
    """

    inputs: int
    places: list[Any]
    arguments: Template
    found: list[Symbolic] = field(default_factory=list)


def _call(entry: list[Any], names: Container[str]) -> _Call:
    """The call of a node that `describe` wrote. `names`: the names of the layers."""
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
    """The network of a description by `describe`.

    Args:
        cls: The class of the network.
        config: The description.
        custom_objects: Classes and functions by name.

    Raises:
        ValueError: A class is unknown, or a call cannot be made.
    """
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

    # Each layer waits for the layer whose tensor it needs next. So each tensor is looked up once, in any order of layers.
    waiting: dict[str, list[str]] = {}
    ready = deque(layers)
    while ready:
        name = ready.popleft()
        # The calls of a layer are made in order, because their numbers follow from it.
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
    """The architecture of a model as JSON, without weights.

    Args:
        model: The model.
        **kwargs: The arguments of json.dumps.
    """
    description = {
        "class_name": type(model).__name__,
        "config": model.get_config(),
        "keras_version": KERAS_VERSION,
        "backend": BACKEND,
    }
    return json.dumps(description, **{"default": plain, **kwargs})


def to_yaml(model: Any, **kwargs: Any) -> str:
    """The architecture of a model as YAML, without weights.

    Args:
        model: The model.
        **kwargs: The arguments of yaml.safe_dump.
    """
    from lamella.saving.guards import text

    dumped: str = text.yaml_library("to_yaml").safe_dump(json.loads(to_json(model)), **kwargs)
    return dumped


def model_from_config(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model of a description, with new weights.

    Args:
        config: {"class_name": ..., "config": ...}.
        custom_objects: Classes and functions by name.

    Raises:
        TypeError: config is a list.
        ValueError: A class is unknown ("Unknown layer: Foo"); the weights need more than 2 GiB, or than
            config.max_file_bytes() if it is set; or a function of the graph does not say the shape that it returns.
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
    """The model of a JSON text, with new weights.

    Args:
        json_string: The text that `to_json` of lamella, Keras 2, tf.keras or Keras 3 wrote.
        custom_objects: Classes and functions by name.

    Raises:
        ValueError: The text is not a description of a model, or it needs more memory than `model_from_config` allows.
    """
    from lamella.saving.guards import text  # imported late: only descriptions from files need it

    return model_from_text(
        text.parse_json(json_string, "the description", "model_from_json"), "model_from_json", custom_objects
    )


def model_from_yaml(yaml_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model of a YAML text, with new weights.

    Args:
        yaml_string: The text that `to_yaml` of lamella or Keras 2 wrote.
        custom_objects: Classes and functions by name.

    Raises:
        ImportError: PyYAML is not installed. The message names the extra.
        ValueError: As in `model_from_json`.
    """
    from lamella.saving.guards import text

    return model_from_text(
        text.parse_yaml(yaml_string, "the description", "model_from_yaml"), "model_from_yaml", custom_objects
    )


def model_from_text(config: Config, who: str, custom_objects: Mapping[str, Any] | None) -> Any:
    """The same as `model_from_config`, for the contents of a text: every error in it is a ValueError."""
    from lamella.saving.dialects import dialect_of_description
    from lamella.saving.errors import refusing

    with refusing(who, "no description of a model"):
        return model_from_config(dialect_of_description(config).model(config), custom_objects)
