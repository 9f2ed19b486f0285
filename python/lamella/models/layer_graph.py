"""LayerGraph: the graph of a model: its layers, their weights and updates. Source: Keras 2.2.5 keras/engine/network.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from lamella.core import budget
from lamella.core.graphs import Assignment
from lamella.core.lists import to_list
from lamella.core.shapes import Shape
from lamella.core.types import Array
from lamella.core.variable import Variable
from lamella.graph.input import tensor_held, value_held
from lamella.graph.layer import Layer
from lamella.graph.losses_and_updates import LossesAndUpdates, Update, update_in
from lamella.graph.plan import Plan
from lamella.graph.run import GraphRun
from lamella.graph.run_losses import RunLosses
from lamella.graph.symbolic import Node, Symbolic
from lamella.graph.trace import Graph, check_ends, trace, unique_names
from lamella.graph.weights import unique
from lamella.models.graph_parts import GraphParts

T = TypeVar("T")


class LayerGraph(GraphParts, Layer):
    """Base of Network: the layers between `inputs` and `outputs`."""

    first_node = 1
    internal = False  # made by lamella for a run: inputs may be of K.placeholder, and layers may have the same name
    _traced: Graph | None = None
    # The inputs that have their own value or are computed from other inputs, by their indices in `inputs`.
    _held: Mapping[int, Array | Variable | GraphRun] = {}
    # The plans that run this graph, by (frozen, masked); _plan is that of (False, False). Each is made at its first use.
    _plans: dict[tuple[bool, bool], Plan]
    _plan: Plan | None = None
    # The lists of losses that a run of the plans fills.
    _loss_lists: list[RunLosses]
    # The calls of the model as it is now: a layer that is added to a Sequential makes it another one.
    _calls: tuple[Node, ...] = ()
    # The symbolic updates that the plans compute, with their layers.
    _planned_updates: list[tuple[LossesAndUpdates, Assignment]]

    def _set_ends(self, inputs: list[Symbolic], outputs: list[Symbolic]) -> None:
        check_ends(inputs, outputs, placeholders=self.internal)
        self.inputs, self.outputs = inputs, outputs
        self.input_names = [x._keras_history[0].name for x in inputs]
        self.output_names = unique_names([x._keras_history[0].name for x in outputs])
        self._held = _not_fed(inputs)
        self._plans = {}
        self._plan = None
        self._traced = None
        self._calls = ()
        self._loss_lists = []
        self._planned_updates = []
        self._inbound_nodes[: self.first_node] = [Node(self, inputs, outputs, len(inputs) == 1, own=True)]
        self.built = True

    def __getstate__(self) -> dict[str, Any]:
        """The attributes, the graph first: pickle and deepcopy then find each node after those that it reads.

        Otherwise they would go from the last layer to the first in one recursion, and Python's limit would be that of a model of 50
        layers. What two calls of one layer have between them is still one recursion.
        """
        state = {"_traced": None, **vars(self)}
        return state if not self.outputs else {**state, "_traced": self._graph}

    @property
    def _graph(self) -> Graph:
        # Traced at the first use: each layer that is added to a Sequential changes its outputs.
        if self._traced is None:
            self._traced = trace(self.inputs, self.outputs, equal_names=self.internal, outside=False)
        return self._traced

    @property
    def layers(self) -> list[Layer]:
        """The layers of the graph, also those of the inputs."""
        return self._graph.layers

    @property
    def input(self) -> Any:
        return self.inputs[0] if len(self.inputs) == 1 else self.inputs

    @property
    def output(self) -> Any:
        return self.outputs[0] if len(self.outputs) == 1 else self.outputs

    @property
    def input_shapes(self) -> list[Shape]:
        """The shapes of the inputs, the batch axis included; None allows any length."""
        return [x.shape for x in self.inputs]

    @property
    def input_dtypes(self) -> list[str]:
        """The dtypes to which the inputs' arrays are converted: floatx, or the dtype of the Input."""
        return [x.dtype for x in self.inputs]

    @property
    def output_shapes(self) -> list[Shape]:
        """The shapes of the outputs, the batch axis included; None allows any length."""
        return [x.shape for x in self.outputs]

    @property
    def input_shape(self) -> Any:
        """The shape of the input, or a list of shapes."""
        return self.input_shapes[0] if len(self.inputs) == 1 else self.input_shapes

    @property
    def output_shape(self) -> Any:
        """The shape of the output, or a list of shapes."""
        return self.output_shapes[0] if len(self.outputs) == 1 else self.output_shapes

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer, by name or by index.

        Args:
            name: Name of the layer.
            index: Index in `layers`; it is used if both are given.

        Raises:
            ValueError: There is no such layer, or neither is given.
        """
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"Was asked to retrieve layer at index {index} but model only has {len(self.layers)} layers.")
            return self.layers[index]
        if not name:
            raise ValueError("Provide either a layer name or layer index.")
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"No such layer: {name}")

    def fed(self, of_inputs: Sequence[T]) -> list[T]:
        """The entries of `of_inputs`, one for each input, of those inputs that fit, evaluate and predict take values for."""
        return [each for i, each in enumerate(of_inputs) if i not in self._held]

    @property
    def makes_masks(self) -> bool:
        return any(layer.makes_masks for layer in self.layers)

    def compute_output_shape(self, input_shape: Any) -> Any:
        given = to_list(input_shape)
        shapes = {id(x): shape for x, shape in zip(self.inputs, given)}
        for node in self._graph.nodes:
            if not node.is_computed or all(id(x) in shapes for x in node.outputs):
                continue
            budget.spend_call(self.name)
            came = [shapes[id(x)] for x in node.inputs]
            made = node.layer.compute_output_shape(came[0] if node.single else came)
            shapes.update(zip(map(id, node.outputs), made if isinstance(made, list) else [made]))
        out = [shapes[id(x)] for x in self.outputs]
        return out[0] if len(out) == 1 else out

    @property
    def stateful(self) -> bool:  # type: ignore[override]  # the layers' own: there is nothing to set
        """Whether a layer keeps a state from batch to batch."""
        return any(layer.stateful for layer in self.layers)

    def reset_states(self) -> None:
        """Reset the states of stateful layers."""
        for layer in self.layers:
            if layer.stateful and hasattr(layer, "reset_states"):
                layer.reset_states()

    @property  # type: ignore[misc]
    def uses_learning_phase(self) -> bool:
        """Whether training and inference differ. They do not if every call that depends on the phase has a fixed phase."""
        return any(node.training is None and node.layer.uses_learning_phase for node in self._graph.nodes)

    @property
    def updates(self) -> list[Update | Assignment]:
        """The updates of the layers' calls in this graph, see Layer.updates. A frozen model has only those of stateful layers."""
        if not (self.trainable or self.stateful):
            return []
        made = [update for node in self._graph.nodes if node.inputs for update in node.layer.updates_of(node)]
        return [*made, *(update for layer, update in self.symbolic_updates() if layer.trainable or layer.stateful)]

    def symbolic_updates(self) -> list[tuple[LossesAndUpdates, Assignment]]:
        """The symbolic updates of add_update that a run of this graph computes, with their layers."""
        found: list[tuple[LossesAndUpdates, Assignment]] = [(self, update) for update, _ in self._added_updates]
        for layer in self.layers:
            if isinstance(layer, LayerGraph) or not layer.all_added_updates():
                continue
            nodes = [node for node in self._graph.nodes if node.layer is layer]
            # A model inside computes its own updates.
            found += [pair for pair in layer.updates_added_for(nodes) if not isinstance(pair[0], LayerGraph)]
        return found

    def notice_updates(self) -> None:
        """Let the next runs make the updates that were added since plans were made, as Keras does at compile."""
        for layer in self.layers:
            if isinstance(layer, LayerGraph):
                layer.notice_updates()
        if self._plans and self._planned_updates != self.symbolic_updates():
            self._plans, self._plan = {}, None

    def updates_of(self, node: Node) -> list[Update]:
        return [update_in(node, update.variable) for update in self.updates]

    @property
    def state_updates(self) -> list[Update | Assignment]:
        """The updates of stateful layers, which also happen in predict and evaluate."""
        nodes = [node for node in self._graph.nodes if node.inputs and node.layer.stateful]
        made = [update for node in nodes for update in node.layer.updates_of(node)]
        return [*made, *(update for layer, update in self.symbolic_updates() if layer.stateful)]

    # The weights are those of the layers: there is nothing to set.
    @property  # type: ignore[misc]
    def trainable_weights(self) -> list[Variable]:
        return unique([w for layer in self.layers for w in layer.trainable_weights]) if self.trainable else []

    @property  # type: ignore[misc]
    def non_trainable_weights(self) -> list[Variable]:
        rest = [w for layer in self.layers for w in layer.non_trainable_weights]
        return rest if self.trainable else [w for layer in self.layers for w in layer.trainable_weights] + rest

    @property
    def trainable_variables(self) -> list[Variable]:
        """The name of tf.keras for trainable_weights."""
        return self.trainable_weights

    def weights_by_kind(self) -> tuple[list[Variable], list[Variable]]:
        """The weights of all layers that were made trainable, and the other weights of all layers."""
        kinds = [layer.weights_by_kind() for layer in self.layers]
        return [w for trained, _ in kinds for w in trained], [w for _, others in kinds for w in others]

    def _by_layer(self) -> list[Variable]:
        """The weights in the order of get_weights and set_weights: layer by layer."""
        return [w for layer in self.layers for kind in layer.weights_by_kind() for w in kind]


def _not_fed(inputs: Sequence[Symbolic]) -> dict[int, Array | Variable | GraphRun]:
    """What gives the values of the inputs for which fit, evaluate and predict take none, by their indices."""
    found: dict[int, Array | Variable | GraphRun] = {}
    standing: dict[int, Symbolic] = {}
    for i, x in enumerate(inputs):
        value, tensor = value_held(x), tensor_held(x)
        if value is not None:
            found[i] = value
        elif tensor is not None:
            standing[i] = tensor
    fed = [x for i, x in enumerate(inputs) if i not in found and i not in standing]
    for i, tensor in standing.items():
        try:
            found[i] = GraphRun(fed, [tensor])
        except ValueError:  # it depends on a tensor that is no input of the model
            return {i: each for i, each in found.items() if not isinstance(each, GraphRun)}
    return found
