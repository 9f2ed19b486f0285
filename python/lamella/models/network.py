"""Network: a graph of layers that is itself a layer. Source: Keras 2.2.5 keras/engine/network.py."""

from __future__ import annotations

import copy
import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from lamella.core import budget
from lamella.core.atomic import Scope
from lamella.core.checks import as_array
from lamella.core.configurable import Config
from lamella.core.names import unique_name
from lamella.core.phase import current, phase
from lamella.core.pool import empty_pool
from lamella.core.shapes import Shape
from lamella.core.types import Array, Value
from lamella.core.updates import Updates
from lamella.core.updates import current as pending
from lamella.core.variable import Variable
from lamella.graph.input import Input, value_held
from lamella.graph.layer import Layer, takes_mask
from lamella.graph.losses_and_updates import Update
from lamella.graph.masked_plan import MaskedPlan, Outputs, plan_kind
from lamella.graph.plan import Plan
from lamella.graph.run_losses import RunLosses
from lamella.graph.symbolic import Node, Symbolic, masks_of_nodes
from lamella.graph.trace import Graph, check_ends, trace, unique_names, walk
from lamella.graph.weights import unique
from lamella.models import architecture
from lamella.models.graph_parts import GraphParts
from lamella.models.stored import Stored
from lamella.models.summary import print_summary
from lamella.ops.tape import value_of

T = TypeVar("T")


class Network(GraphParts, Stored, Layer, self_contained=True):
    """The layers between `inputs` and `outputs`, which run in the order of a plan that is made once.

    Args:
        inputs: A symbolic tensor, or a list of them.
        outputs: A symbolic tensor, or a list of them.

    Raises:
        ValueError: An output does not come from a layer, or depends on more than `inputs`; or two layers have the same name.
    """

    first_node = 1
    _traced: Graph | None = None
    _plan: Plan | None = None
    # Symbolic tensors of add_loss, and their values in the last run.
    _loss_tensors: tuple[Symbolic, ...] = ()
    _loss_values: RunLosses
    # The inputs that have their own value, by their indices in `inputs`.
    _held: Mapping[int, Array | Variable] = {}
    # The error of summary() for a model that is not built.
    unbuilt_message = (
        "This model has never been called, thus its weights have not yet been created, so no summary can be displayed. "
        "Build the model first (e.g. by calling it on some data)."
    )

    def __init__(
        self,
        inputs: Symbolic | Sequence[Symbolic],
        outputs: Symbolic | Sequence[Symbolic],
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name=name, trainable=trainable)
        self._set_ends(_listed(inputs), _listed(outputs))
        self._traced = trace(self.inputs, self.outputs)

    def _set_ends(self, inputs: list[Symbolic], outputs: list[Symbolic]) -> None:
        check_ends(inputs, outputs)
        self.inputs, self.outputs = inputs, outputs
        self.input_names = [x._keras_history[0].name for x in inputs]
        self.output_names = unique_names([x._keras_history[0].name for x in outputs])
        self._held = {i: value for i, x in enumerate(inputs) if (value := value_held(x)) is not None}
        self._plans: dict[tuple[bool, bool], Plan] = {}
        self._plan = None
        self._traced = None
        self._loss_lists: list[RunLosses] = []
        self._inbound_nodes[: self.first_node] = [Node(self, inputs, outputs, len(inputs) == 1, own=True)]
        self.built = True

    def __del__(self, empty: Callable[[], object] = empty_pool) -> None:
        # Blocks of its steps in the pool have other sizes than those of other models. `empty` is an argument, because globals
        # may be gone while the interpreter ends.
        empty()

    def __copy__(self) -> Any:
        """A deep copy: a model that shares layers with another cannot be trained independently."""
        return copy.deepcopy(self)

    # The graph -------------------------------------------------------------------------------------------

    @property
    def _graph(self) -> Graph:
        # Traced at the first use: each layer that is added to a Sequential changes its outputs.
        if self._traced is None:
            self._traced = trace(self.inputs, self.outputs)
        return self._traced

    @property
    def layers(self) -> list[Layer]:
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
        return [x.shape for x in self.outputs]

    @property
    def input_shape(self) -> Any:
        return self.input_shapes[0] if len(self.inputs) == 1 else self.input_shapes

    @property
    def output_shape(self) -> Any:
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

    # Running ---------------------------------------------------------------------------------------------

    def run(self, inputs: Sequence[Value], training: bool = False, updates: Updates | None = None) -> list[Value]:
        """Run the plan.

        Args:
            inputs: An array for each input that needs values, of floatx or the input's dtype.
            training: The learning phase.
            updates: Collects the new values of the layers' states, which the caller applies. With None no state changes.

        Returns:
            A value for each output.
        """
        plan = self._plan if self.trainable else self._planned(frozen=True)
        if plan is None:
            plan = self._plan = self._planned(frozen=False)
        if self._loss_lists:
            self.forget_losses()
        if self._held:
            inputs = self._with_held(inputs)
        scope = Scope((current, "training", training), (pending, "updates", Updates() if updates is None else updates))
        values = scope.run(plan, inputs, training)
        return self._without_losses(values) if self._loss_tensors else values

    def run_inside(self, inputs: Sequence[Value]) -> dict[str, Value]:
        """Run the plan in the inference phase.

        Args:
            inputs: As in `run`.

        Returns:
            A dict from the name of each layer that is called once and has one output, to this output.
        """
        nodes = self._graph.nodes
        calls = Counter(id(node.layer) for node in nodes)
        shown = [node for node in nodes if calls[id(node.layer)] == 1 and len(node.outputs) == 1]
        plan = plan_kind(nodes, masked=self.makes_masks)(nodes, self.inputs, [node.outputs[0] for node in shown])
        values = Scope((current, "training", False), (pending, "updates", Updates())).run(plan, self._with_held(inputs), False)
        return {node.layer.name: value for node, value in zip(shown, values)}

    def fed(self, of_inputs: Sequence[T]) -> list[T]:
        """Of a list with one entry for each input those of the inputs that fit, evaluate and predict take values for."""
        return [each for i, each in enumerate(of_inputs) if i not in self._held]

    def _with_held(self, fed: Sequence[Value]) -> list[Value]:
        """The values of all inputs."""
        values = iter(fed)
        return [value_of(self._held[i]) if i in self._held else next(values) for i in range(len(self.inputs))]

    def forget_losses(self) -> None:
        for losses in self._loss_lists:
            losses.values.clear()

    def build_from(self, inputs: Sequence[Value]) -> None:
        """Build a model without input shape from the shapes of data. A graph has its shapes already."""

    def call(self, inputs: Value, mask: Any = None, training: bool | None = None) -> Value:
        """Run the model as a layer of another model, or on arrays.

        Args:
            inputs: An array or Tensor, or a list of them.
            mask: The mask of the input, or a list with a mask or None for each input. It takes the place of the masks that
                come with the inputs. As in Keras 2.2.5, the masks of the outputs still follow from the latter.
            training: The learning phase; None for the current one.

        Raises:
            ValueError: The number of masks is not that of the inputs.
        """
        return self._call(inputs, mask, training, frozen=not self.trainable)

    def call_frozen(self, inputs: Value, mask: Any = None, training: bool | None = None) -> Value:
        """`call` inside a model that is itself frozen."""
        return self._call(inputs, mask, training, frozen=True)

    def _call(self, inputs: Value, mask: Any, training: bool | None, *, frozen: bool) -> Value:
        values = inputs if isinstance(inputs, list) else [inputs]
        if mask is not None:
            masks = self._masks_given(mask, len(values), "call")
            own_phase = bool(current.training if training is None else training)
            return self.call_masked(inputs, masks if isinstance(inputs, list) else masks[0], own_phase, frozen=frozen)[0]
        plan = self._planned(frozen=frozen)
        if training is None or training == current.training:
            outputs = plan(values, current.training)
        else:
            outputs = phase(training).run(plan, values, training)
        if self._loss_tensors:
            outputs = self._without_losses(outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def call_masked(self, inputs: Value, mask: Any, training: bool, *, frozen: bool) -> tuple[Value, Any]:
        """Run the model as a layer of a model with masks. Returns the outputs and their masks."""
        listed = isinstance(inputs, list)
        plan = self._planned(frozen=frozen or not self.trainable, masked=True)
        assert isinstance(plan, MaskedPlan)
        values, masks = (inputs, mask) if listed else ([inputs], [mask])
        outputs = phase(training).run(plan.run, values, masks, training)
        if self._loss_tensors:
            self._without_losses(outputs)
        return (outputs[0], outputs.masks[0]) if len(outputs) == 1 else (outputs, outputs.masks)

    def compute_mask(self, inputs: Value, mask: Any = None) -> Any:
        """The masks of the outputs: one, or a list for several outputs.

        Args:
            inputs: An array or a symbolic tensor, or a list of them. Arrays are run in the inference phase.
            mask: The inputs' masks in the same form; None for none.

        Raises:
            ValueError: The number of inputs, or of masks, is not the model's.
        """
        listed = isinstance(inputs, list)
        given = inputs if listed else [inputs]
        if len(given) != len(self.inputs):
            raise ValueError(f"Model {self.name}: compute_mask expects {len(self.inputs)} inputs, got {len(given)}")
        masks = [None] * len(given) if mask is None else self._masks_given(mask, len(given), "compute_mask")
        if any(isinstance(x, Symbolic) for x in given):
            made = self._symbolic_masks(given, masks)
            return made[0] if len(made) == 1 else made
        if not self.makes_masks and all(m is None for m in masks):
            return None if len(self.outputs) == 1 else [None] * len(self.outputs)
        arrays = [as_array(value_of(x), like.dtype, self.name) for x, like in zip(given, self.inputs)]
        # This run is for the masks alone: it neither changes states nor adds losses.
        added = [(losses, len(losses.values)) for losses in self._collected(nested=True)]
        try:
            return Scope((pending, "updates", Updates())).run(functools.partial(self._masks_of_run, arrays, masks))
        finally:
            for losses, count in added:
                del losses.values[count:]

    def _masks_of_run(self, inputs: list[Value], masks: list[Any]) -> Any:
        return self.call_masked(inputs, masks, False, frozen=False)[1]

    def _masks_given(self, mask: Any, count: int, who: str) -> list[Any]:
        """The masks that a caller of the method `who` gave, one for each of `count` inputs."""
        masks = list(mask) if isinstance(mask, (list, tuple)) else [mask]
        if len(masks) != count:
            raise ValueError(f"Model {self.name}: {who} expects {count} masks, got {len(masks)}")
        return [np.asarray(m) if isinstance(m, (list, tuple)) else m for m in masks]

    def _symbolic_masks(self, inputs: list[Symbolic], masks: list[Any]) -> list[Any]:
        """The masks of the outputs, by a network of the same layers from these inputs and masks to them."""
        # A name is given, so that asking for masks does not shift the default names of the user's models and inputs.
        name = unique_name(f"{self.name}_masks")
        places: list[Any] = [
            None if mask is None else Input(batch_shape=mask.shape, dtype="bool", name=f"{name}_{i}")
            for i, mask in enumerate(masks)
        ]
        found = masks_of_nodes(self._graph.nodes, dict(zip(self.inputs, places, strict=True)))
        made = [found[x] for x in self.outputs]
        # For an output that is an input, the mask is that of the input.
        straight = {place: mask for place, mask in zip(places, masks) if place is not None}
        wanted = list(dict.fromkeys(mask for mask in made if mask is not None and mask not in straight))
        if wanted:
            network = Network([*self.inputs, *straight], wanted, name=name, trainable=self.trainable)
            values = network([*inputs, *straight.values()] if straight or len(inputs) > 1 else inputs[0])
            straight.update(zip(wanted, values if isinstance(values, list) else [values], strict=True))
        return [None if mask is None else straight[mask] for mask in made]

    def run_internal_graph(self, inputs: Any, masks: Any = None) -> tuple[list[Value], list[Any], list[Shape]]:
        """Run the layers on other inputs, in the current learning phase.

        Args:
            inputs: An array or symbolic tensor, or a list of them.
            masks: Their masks in the same form; None for none.

        Returns:
            Three lists: the outputs, their masks (None without a mask) and their shapes.

        Source: Keras 2.2.5 keras/engine/network.py.
        """
        listed = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        if any(isinstance(x, Symbolic) for x in listed):
            # Where no layer inside takes a mask, the outputs do not depend on it.
            kinds: list[type] = [type(layer) for layer in self.layers]
            uses = masks is not None and any(map(takes_mask, kinds))
            given_masks = {"mask": masks} if uses else {}
            made = self(listed if len(listed) > 1 else listed[0], **given_masks)
            outputs = list(made) if isinstance(made, list) else [made]
            came = self.compute_mask(listed, masks)
            found: list[Any] = list(came) if isinstance(came, list) else [came]
        else:
            arrays = [as_array(x, like.dtype, self.name) for x, like in zip(listed, self.inputs, strict=True)]
            given = list(masks) if isinstance(masks, (list, tuple)) else [masks] * len(arrays)
            values, came = self.call_masked(arrays, given, bool(current.training), frozen=False)
            outputs = list(values) if isinstance(values, list) else [values]
            found = list(came) if isinstance(came, list) else [came]
        return outputs, found, [x.shape for x in outputs]

    @property
    def makes_masks(self) -> bool:
        return any(layer.makes_masks for layer in self.layers)

    def _planned(self, *, frozen: bool, masked: bool = False) -> Plan:
        if not self.built:
            raise RuntimeError(f"Model '{self.name}' has no input shape yet: call build(input_shape) or fit first")
        plan = self._plans.get((frozen, masked))
        if plan is None:
            ends = [*self.outputs, *self._loss_tensors]
            nodes = trace(self.inputs, ends).nodes if self._loss_tensors else self._graph.nodes
            kind = plan_kind(nodes, masked=masked or self.makes_masks)
            plan = self._plans[frozen, masked] = kind(nodes, self.inputs, ends, frozen=frozen)
            self._loss_lists = self._collected(nested=True)
        return plan

    def compute_output_shape(self, input_shape: Any) -> Any:
        given = input_shape if isinstance(input_shape, list) else [input_shape]
        shapes = {id(x): shape for x, shape in zip(self.inputs, given)}
        for node in self._graph.nodes:
            if not node.inputs or all(id(x) in shapes for x in node.outputs):
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

    @property
    def uses_learning_phase(self) -> bool:
        """Whether training and inference differ. They do not if every call that depends on the phase has a fixed phase."""
        return any(node.training is None and node.layer.uses_learning_phase for node in self._graph.nodes)

    @property
    def updates(self) -> list[Update]:
        """The updates of the layers' calls in this graph, see Layer.updates. A frozen model has only those of stateful layers."""
        if not (self.trainable or self.stateful):
            return []
        return [update for node in self._graph.nodes if node.inputs for update in node.layer.updates_of(node)]

    def updates_of(self, node: Node) -> list[Update]:
        return [Update(update.variable, node.inputs) for update in self.updates]

    @property
    def state_updates(self) -> list[Update]:
        """The updates of stateful layers, which also happen in predict and evaluate."""
        nodes = [node for node in self._graph.nodes if node.inputs and node.layer.stateful]
        return [update for node in nodes for update in node.layer.updates_of(node)]

    # Weights and penalties -------------------------------------------------------------------------------

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
        return self.trainable_weights

    def variables_behind(self, outputs: Sequence[int]) -> list[Variable]:
        """The trainable variables on which the loss of some outputs can depend.

        Variables of layers that only other outputs use are not among them, unless a regularizer or add_loss may use them.

        Args:
            outputs: Indices of the outputs that have a loss.
        """
        if len(outputs) == len(self.outputs):
            return self.trainable_variables
        wanted, apart = self._behind(outputs)
        wanted |= {
            id(v) for layer in apart for v in layer.trainable_weights if v.regularizer is not None or _losses_of_calls([layer])
        }
        return [v for v in self.trainable_variables if id(v) in wanted]

    def variables_behind_calls(self, outputs: Sequence[int]) -> list[Variable]:
        """Those of `variables_behind` that get a gradient only if a layer calls add_loss in its `call`.

        Args:
            outputs: Indices of the outputs that have a loss.
        """
        if len(outputs) == len(self.outputs):
            return []
        wanted, apart = self._behind(outputs)
        return [
            v
            for v in unique([v for layer in apart if _losses_of_calls([layer]) for v in layer.trainable_weights])
            if id(v) not in wanted and v.regularizer is None
        ]

    def _behind(self, outputs: Sequence[int]) -> tuple[set[int], list[Layer]]:
        """The ids of the trainable weights of layers on which these outputs and the tensors of add_loss depend; other layers."""
        reached = walk(self.inputs, [*(self.outputs[i] for i in outputs), *self._loss_tensors])[1]
        read = [inner for layer in reached for inner in layer.layers_read]
        wanted = {id(v) for layer in (*reached, *read) for v in layer.trainable_weights}
        return wanted, [layer for layer in self.layers if layer not in reached]

    def weights_by_kind(self) -> tuple[list[Variable], list[Variable]]:
        """The weights of all layers that were made trainable, and the other weights of all layers."""
        kinds = [layer.weights_by_kind() for layer in self.layers]
        return [w for trained, _ in kinds for w in trained], [w for _, others in kinds for w in others]

    def _by_layer(self) -> list[Variable]:
        """The weights in the order of get_weights and set_weights: layer by layer."""
        return [w for layer in self.layers for kind in layer.weights_by_kind() for w in kind]

    def add_loss(self, losses: Any, inputs: object = None) -> None:
        """Add losses, before compile. They are evaluated in each step.

        As in Keras 2, they are not saved, and weights on which only they depend are not trained: these are not weights of the
        model.

        Args:
            losses: A loss or a list of losses. A loss is a scalar tensor of the graph, such as K.mean(...), or a function
                without arguments.
            inputs: Ignored; Keras has it.

        Raises:
            ValueError: A tensor is not a scalar, or depends on more than the model's inputs.
            RuntimeError: The model was already called as a layer of another model.
        """
        listed = losses if isinstance(losses, (list, tuple)) else [losses]
        tensors = [loss for loss in listed if isinstance(loss, Symbolic)]
        for loss in tensors:
            if loss.shape != ():
                raise ValueError(f"{self.name}: add_loss expects a scalar, such as K.mean(x) is, got {loss!r}")
        if tensors and len(self._inbound_nodes) > self.first_node:
            raise RuntimeError(f"{self.name}: add_loss of a tensor comes before the model is called as a part of another")
        trace(self.inputs, [*self.outputs, *tensors])
        super().add_loss([loss for loss in listed if not isinstance(loss, Symbolic)])
        if tensors:
            if not self._loss_tensors:
                self._loss_values = RunLosses()  # never replaced: a compiled model refers to it
            self._loss_tensors += tuple(tensors)
            self._plans, self._plan = {}, None

    def _without_losses(self, values: list[Value]) -> list[Value]:
        """The values of the outputs. The values of add_loss's tensors, which follow them, are stored for `penalties`."""
        count = len(self.outputs)
        self._loss_values.values += values[count:]
        del values[count:]
        if isinstance(values, Outputs):
            del values.masks[count:]
        return values

    @property
    def penalties(self) -> list[Callable[[], Value]]:
        """Functions that give the penalties: regularizers, tensors of add_loss, and losses that layers added in the last run."""
        fixed = [penalty for layer in self.layers for penalty in layer.penalties]
        return fixed + self._penalties + [functools.partial(_total, losses) for losses in self._collected(nested=False)]

    def _collected(self, *, nested: bool) -> list[RunLosses]:
        """The lists of losses that a run fills: of custom layers, of layers with an activity regularizer, and of the tensors of
        add_loss.
        """
        own = [self._loss_values] if self._loss_tensors else []
        return own + _losses_of_calls(self.layers, nested=nested)

    # Description -----------------------------------------------------------------------------------------

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], object] | None = None,
    ) -> None:
        """Print name, output shape and number of parameters of each layer.

        Args:
            line_length: Characters of a line.
            positions: Ends of the columns, as fractions of the line or in characters.
            print_fn: Function that is called with each line; None for print.

        Raises:
            ValueError: The model is not built.
        """
        if not self.built:
            raise ValueError(self.unbuilt_message)
        warn_if_stale = getattr(self, "warn_if_stale", None)
        if warn_if_stale is not None:
            warn_if_stale()
        print_summary(self, line_length, positions, print_fn)

    def get_config(self) -> Config:
        return architecture.describe(self)

    @classmethod
    def from_config(cls, config: Config, custom_objects: dict[str, Any] | None = None) -> Any:
        return architecture.rebuild(cls, config, custom_objects)


def _losses_of_calls(layers: Sequence[Layer], *, nested: bool = True) -> list[RunLosses]:
    """The lists of losses that calls of these layers may fill. `nested`: also those of models among them."""
    found: list[RunLosses] = []
    for layer in (member for outer in layers for member in outer.members()):
        if isinstance(layer, Network):
            found += layer._collected(nested=True) if nested else []
        elif layer.activity_regularizer is not None or not layer.self_contained:
            found.append(layer.call_losses)
    return found


def _total(losses: RunLosses) -> Value:
    return sum(losses.values)


def _listed(tensors: Symbolic | Sequence[Symbolic]) -> list[Symbolic]:
    return list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]  # type: ignore[list-item]
