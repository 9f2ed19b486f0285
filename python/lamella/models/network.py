"""Network: a graph of layers that is itself a layer. Source: Keras 2.2.5 keras/engine/network.py."""

from __future__ import annotations

import copy
import functools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella.core.atomic import Scope
from lamella.core.checks import as_array
from lamella.core.configurable import Config
from lamella.core.graphs import SymbolOutside
from lamella.core.lists import to_list
from lamella.core.names import unique_name
from lamella.core.phase import current, phase
from lamella.core.shapes import Shape
from lamella.core.types import Value
from lamella.core.updates import Updates
from lamella.core.updates import current as pending
from lamella.graph.input import Input
from lamella.graph.layer import MaskNotSupported, symbolic_masks, takes_mask
from lamella.graph.masked_plan import MaskedPlan, plan_kind
from lamella.graph.plan import Plan
from lamella.graph.run import GraphRun
from lamella.graph.run_losses import running
from lamella.graph.symbolic import Node, Symbolic, masks_of_nodes
from lamella.graph.trace import trace
from lamella.graph.weights import Weighted
from lamella.models import architecture
from lamella.models.graph_losses import GraphLosses
from lamella.models.stored import Stored
from lamella.models.summary import print_summary
from lamella.ops.tape import value_of


class Network(Stored, GraphLosses, self_contained=True):
    """The layers between `inputs` and `outputs`, which run in the order of a plan that is made once.

    Args:
        inputs: A symbolic tensor, or a list of them.
        outputs: A symbolic tensor, or a list of them.

    Raises:
        ValueError: An output does not come from a layer, or depends on more than `inputs`; or two layers have the same name.
    """

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
        self._set_ends([*to_list(inputs, allow_tuple=True)], [*to_list(outputs, allow_tuple=True)])
        self._traced = trace(self.inputs, self.outputs, equal_names=self.internal, outside=False)

    def __copy__(self) -> Any:
        """A deep copy: a model that shares layers with another cannot be trained independently."""
        return copy.deepcopy(self)

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
        given = self._with_held(inputs, training) if self._held else inputs
        noted = Updates() if updates is None else updates
        scope = Scope((current, "training", training), (pending, "updates", noted), (running, "calls", ()))
        try:
            values = scope.run(plan, given, training)
        except SymbolOutside as error:
            self._plan_outside(error)
            if updates is not None:
                updates.clear()
            return self.run(inputs, training, updates)
        if len(values) == len(self.outputs):
            return values
        return scope.run(functools.partial(self._without_more, values, frozen=not self.trainable))

    def _plan_outside(self, error: SymbolOutside) -> None:
        """Let the next plan give a call the tensors that it reads from outside. Raises the error if it did so already."""
        node: Node | None = error.node
        if node is None or node not in self._graph.nodes or not node.reads_more(error.tensors):
            raise error
        self._plans, self._plan = {}, None

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
        values = Scope((current, "training", False), (pending, "updates", Updates())).run(
            plan, self._with_held(inputs, False), False
        )
        return {node.layer.name: value for node, value in zip(shown, values)}

    def _with_held(self, fed: Sequence[Value], training: bool) -> list[Value]:
        """The values of all inputs."""
        values, found = iter(fed), list[Value]()
        for i in range(len(self.inputs)):
            held = self._held.get(i)
            found.append(
                next(values) if held is None else held(fed, training)[0] if isinstance(held, GraphRun) else value_of(held)
            )
        return found

    def _layers_inside(self) -> list[Weighted]:
        return [*self.layers]

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
        if len(outputs) > len(self.outputs):
            outputs = self._without_more(outputs, frozen=frozen)
        return outputs[0] if len(outputs) == 1 else outputs

    def call_masked(self, inputs: Value, mask: Any, training: bool, *, frozen: bool) -> tuple[Value, Any]:
        """Run the model as a layer of a model with masks.

        Args:
            inputs: The values, one or a list.
            mask: Their mask, or a list of masks.
            training: Whether it is training.
            frozen: Whether the model is inside a frozen model.

        Returns:
            The outputs and their masks.
        """
        listed = isinstance(inputs, list)
        plan = self._planned(frozen=frozen or not self.trainable, masked=True)
        assert isinstance(plan, MaskedPlan)
        values, masks = (inputs, mask) if listed else ([inputs], [mask])
        outputs = phase(training).run(plan.run, values, masks, training)
        if len(outputs) > len(self.outputs):
            self._without_more(outputs, frozen=frozen or not self.trainable)
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
        kept = [(losses, "entries", list(losses.entries)) for losses in self._collected(nested=True)]
        return Scope((pending, "updates", Updates()), *kept).run(self._masks_of_run, arrays, masks)

    def _masks_of_run(self, inputs: list[Value], masks: list[Any]) -> Any:
        return self.call_masked(inputs, masks, False, frozen=False)[1]

    def _masks_given(self, mask: Any, count: int, who: str) -> list[Any]:
        """The masks that a caller of the method `who` gave, one for each of `count` inputs."""
        masks = to_list(mask, allow_tuple=True)
        if len(masks) != count:
            raise ValueError(f"Model {self.name}: {who} expects {count} masks, got {len(masks)}")
        return [np.asarray(m) if isinstance(m, (list, tuple)) else m for m in masks]

    def _symbolic_masks(self, inputs: list[Symbolic], masks: list[Any]) -> list[Any]:
        """The masks of the outputs, by a network of the same layers from these inputs and masks to them."""
        # A name is given, so that asking for masks does not shift the default names of the user's models and inputs.
        name = unique_name(f"{self.name}_masks")
        places, found = self._masks_inside(name, masks)
        made = [found[x] for x in self.outputs]
        # For an output that is an input, the mask is that of the input.
        straight = {place: mask for place, mask in zip(places, masks) if place is not None}
        wanted = list(dict.fromkeys(mask for mask in made if mask is not None and mask not in straight))
        if wanted:
            network = Network([*self.inputs, *straight], wanted, name=name, trainable=self.trainable)
            values = network([*inputs, *straight.values()] if straight or len(inputs) > 1 else inputs[0])
            straight.update(zip(wanted, to_list(values), strict=True))
        return [None if mask is None else straight[mask] for mask in made]

    def _masks_inside(self, name: str, masks: list[Any]) -> tuple[list[Any], dict[Symbolic, Any]]:
        """Inputs that stand for masks of the model's inputs, and with them the masks of all tensors inside."""
        places: list[Any] = [
            None if mask is None else Input(batch_shape=mask.shape, dtype="bool", name=f"{name}_{i}")
            for i, mask in enumerate(masks)
        ]
        return places, masks_of_nodes(self._graph.nodes, dict(zip(self.inputs, places, strict=True)))

    def check_masks(self, tensors: list[Symbolic], single: bool) -> None:
        """Raise TypeError if a layer inside gets a mask that it does not support."""
        masks = symbolic_masks(tensors)
        if masks is None or all(mask is None for mask in masks) or len(masks) != len(self.inputs):
            return
        try:
            self._masks_inside(unique_name(f"{self.name}_masks"), masks)
        except MaskNotSupported:
            raise
        except (TypeError, ValueError):
            return  # a user's compute_mask needs values: the first run checks the masks

    def run_internal_graph(self, inputs: Any, masks: Any = None) -> tuple[list[Value], list[Any], list[Shape]]:
        """Run the layers on other inputs, in the current learning phase.

        Args:
            inputs: An array or symbolic tensor, or a list of them.
            masks: Their masks in the same form; None for none.

        Returns:
            Three lists: the outputs, their masks (None without a mask) and their shapes.

        Source: Keras 2.2.5 keras/engine/network.py.
        """
        listed = to_list(inputs, allow_tuple=True)
        if any(isinstance(x, Symbolic) for x in listed):
            # Where no layer inside takes a mask, the outputs do not depend on it.
            kinds: list[type] = [type(layer) for layer in self.layers]
            uses = masks is not None and any(map(takes_mask, kinds))
            given_masks = {"mask": masks} if uses else {}
            made = self(listed if len(listed) > 1 else listed[0], **given_masks)
            outputs = to_list(made)
            came = self.compute_mask(listed, masks)
            found = to_list(came)
        else:
            arrays = [as_array(x, like.dtype, self.name) for x, like in zip(listed, self.inputs, strict=True)]
            given = list(masks) if isinstance(masks, (list, tuple)) else [masks] * len(arrays)
            values, came = self.call_masked(arrays, given, bool(current.training), frozen=False)
            outputs = to_list(values)
            found = to_list(came)
        return outputs, found, [x.shape for x in outputs]

    def _planned(self, *, frozen: bool, masked: bool = False) -> Plan:
        if not self.built:
            raise RuntimeError(f"Model '{self.name}' has no input shape yet: call build(input_shape) or fit first")
        plan = self._plans.get((frozen, masked))
        if plan is None:
            if not self._plans:
                self._planned_updates = self.symbolic_updates()
            ends = [*self.outputs, *self._loss_tensors, *(x for _, update in self._planned_updates for x in update.tensors)]
            # Tensors that calls read from outside may need more nodes, or another order.
            apart = len(ends) > len(self.outputs) or any(node.outside for node in self._graph.nodes)
            nodes = trace(self.inputs, ends, equal_names=self.internal).nodes if apart else self._graph.nodes
            kind = plan_kind(nodes, masked=masked or self.makes_masks)
            plan = self._plans[frozen, masked] = kind(nodes, self.inputs, ends, frozen=frozen)
            self._loss_lists = self._collected(nested=True)
        return plan

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
        """A model from what `get_config` returned.

        Args:
            config: The description.
            custom_objects: Classes and functions by name.
        """
        return architecture.rebuild(cls, config, custom_objects)
