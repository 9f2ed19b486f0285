"""K.gradients: the gradients of a tensor of the graph as tensors of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.core.atomic import Scope
from lamella.core.configurable import Config
from lamella.core.graphs import GraphTensor, SymbolOutside
from lamella.core.lists import to_list
from lamella.core.phase import current
from lamella.core.shapes import Shape
from lamella.core.updates import Updates, computing
from lamella.core.updates import current as pending
from lamella.core.variable import Variable
from lamella.graph.added_losses import emptied
from lamella.graph.arguments import read_by
from lamella.graph.connect import bases, call_alone
from lamella.graph.function import Function
from lamella.graph.inner_gradients import gradients_of_values, not_on_tape
from lamella.graph.input import InputLayer
from lamella.graph.inputs_again import InputsAgain as InputsAgain  # which makes K.gradients see how inputs depend on others
from lamella.graph.layer import Layer, symbolic_masks
from lamella.graph.masked_plan import RepeatingPlan
from lamella.graph.run_losses import running
from lamella.graph.symbolic import Node, Symbolic, node_of
from lamella.graph.trace import calls_between, held_values, walk
from lamella.ops.gradient_rules import gradients_on_tape, watch
from lamella.ops.tape import Tape, Tensor, recording, value_of

__all__ = ["gradients"]


def gradients(loss: Any, variables: Any) -> list[Any]:
    """d sum(loss) / d variable for each variable, for K.function or a Model.

    In one call of the function, Dropout and noise draw the same numbers for the loss and its gradients; the next call draws new
    numbers.

    Args:
        loss: A symbolic tensor of any shape, also a function of Variables alone; or in a layer's call or a Lambda's function a
            tensor that was computed there.
        variables: A symbolic tensor from which the loss is computed, such as a layer's output, a model's input or a placeholder;
            or a Variable, such as a layer's weight or one that functions of K read; or a list of these.

    Returns:
        A list of symbolic tensors with the variables' shapes and dtypes; None for a variable on which the loss does not depend.

    Raises:
        TypeError: An argument is something else. For values, whose computation is not recorded, use lamella.ops.tape.Tape.
        SymbolOutside: A TypeError: in a layer's call an argument is a symbolic tensor that was made outside of it.
        NotImplementedError: A variable is between the variables and the loss of another K.gradients, which computes this part
            again. Or in a run, for gradients of gradients or training through K.gradients: an op has no rule for them
            (ops/gradient_rules), for example products over axes and CTC.

    Source: Keras 2.2.5, TensorFlow backend.
    """
    wanted = [*to_list(variables, allow_tuple=True)]
    if not isinstance(loss, Symbolic) or not all(isinstance(v, (Symbolic, Variable)) for v in wanted):
        if isinstance(loss, GraphTensor) and not isinstance(loss, Symbolic):
            return list(loss.gradients(wanted))  # the loss of an optimizer's step
        outside = [x for x in (loss, *wanted) if isinstance(x, Symbolic)]
        if outside and computing():
            raise SymbolOutside(bases(outside))  # the function may make the others anew in each call
        return gradients_of_values(loss, wanted)
    groups = _groups(wanted)
    if len(groups) > 1:
        each = {id(v): slope for group in groups for v, slope in zip(group, gradients(loss, group))}
        return [each[id(v)] for v in wanted]
    tensors = [v for v in wanted if isinstance(v, Symbolic)]
    nodes, layers = walk(tensors, [loss])
    within = [each for layer in layers for each in (layer, *layer.layers_read) if isinstance(each, Gradients)]
    inside = {x for each in within for x in each.computed_again}
    for v in tensors:
        if v in inside:
            raise NotImplementedError(
                f"K.gradients: {v} is computed again by another K.gradients, because it is a part of its loss; use the variables "
                "of that K.gradients, or tensors before them"
            )
    read = {id(w) for layer in layers for w in _variables(layer)}
    reached = [v for v in wanted if (node_of(v) in nodes if isinstance(v, Symbolic) else id(v) in read)]
    if not reached:
        return [None] * len(wanted)
    layer = Gradients(loss, reached, nodes)
    slopes = layer([*layer.sources, *layer.masks]) if layer.sources else call_alone(layer)
    found = dict(zip(map(id, reached), slopes if isinstance(slopes, list) else [slopes]))
    return [found.get(id(v)) for v in wanted]


def _groups(wanted: Sequence[Symbolic | Variable]) -> list[list[Symbolic | Variable]]:
    """`wanted` in groups, in which no tensor depends on another tensor or Variable of the group.

    The computation of the loss starts at the tensors of a group, so it does not see dependencies between them.
    """
    made_of: dict[int, set[int]] = {}
    for v in wanted:
        made_of[id(v)] = set()
        if len(wanted) > 1 and isinstance(v, Symbolic) and node_of(v).is_computed:
            nodes, layers = walk([], [v])
            tensors = {id(x) for node in nodes for x in node.outputs} - {id(x) for x in node_of(v).outputs}
            made_of[id(v)] = tensors | {id(w) for layer in layers for w in _variables(layer)}
    groups: list[list[Symbolic | Variable]] = []
    for v in wanted:
        free = (g for g in groups if all(id(v) not in made_of[id(w)] and id(w) not in made_of[id(v)] for w in g))
        group = next(free, None)
        if group is None:
            groups.append([v])
        else:
            group.append(v)
    return groups


def _variables(layer: Layer) -> list[Variable]:
    """The Variables that a layer reads."""
    if isinstance(layer, Gradients):
        return [v for each in layer.layers_read if not isinstance(each, Gradients) for v in _variables(each)]
    if isinstance(layer, Function):
        return layer.variables
    if isinstance(layer, InputLayer):
        return [layer.source] if isinstance(layer.source, Variable) else []
    # A Lambda may read Variables that are no weights.
    return [*layer.weights, *read_by(getattr(layer, "function", None))]


class Gradients(Layer, self_contained=True):
    """A layer that computes the loss again from the variables, on the tape that records, or on its own tape if none does."""

    def __init__(self, loss: Symbolic, variables: Sequence[Symbolic | Variable], nodes: Sequence[Node]) -> None:
        super().__init__()
        self.variables = list(dict.fromkeys(v for v in variables if isinstance(v, Variable)))
        tensors = list(dict.fromkeys(v for v in variables if isinstance(v, Symbolic)))
        self.watched = len(tensors)
        ends = [x for node in nodes if not node.is_computed for x in node.outputs]
        self.sources = tensors + [x for x in ends if x not in tensors]
        self._order = [(self.variables + tensors).index(v) for v in variables]
        self._shapes: list[Shape] = [v.shape for v in variables]
        self._dtypes = [str(v.dtype) for v in variables]
        self._phase_counts = any(node.layer.uses_learning_phase for node in nodes)
        # Inputs that contain a Variable read it, so that the tape records it.
        held = held_values(nodes)
        self._held = {i: v for i, x in enumerate(self.sources) if isinstance(v := held.get(x), Variable)}
        between = calls_between(self.sources, [loss])
        self._plan = RepeatingPlan(between, self.sources, [loss], again=True)
        self.computed_again = {x for node in between for x in node.outputs} - set(self.sources)
        # The calls after a watched tensor get its mask; masks are further inputs of this layer.
        masks = dict(enumerate(symbolic_masks(tensors) or []))
        self._masked = [i for i, mask in masks.items() if mask is not None]
        self.masks = [masks[i] for i in self._masked]
        self.layers_read = [layer for node in between for layer in (node.layer, *node.layer.layers_read)]
        self._emptied = emptied(self.layers_read)
        # The tape must also record the variables of Gradients layers inside of this one.
        within = [v for layer in self.layers_read if isinstance(layer, Gradients) for v in layer.variables]
        self._recorded = list(dict.fromkeys([*self.variables, *within]))

    @property  # type: ignore[misc]
    def uses_learning_phase(self) -> bool:
        return self._phase_counts

    def get_config(self) -> Config:
        raise NotImplementedError(
            f"Layer {self.name}: a result of K.gradients cannot be saved with a graph; save the model from which it is computed"
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self._shapes if len(self._shapes) > 1 else self._shapes[0]

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """None: gradients have no mask."""

    def call(self, inputs: Any) -> Any:
        values = [*to_list(inputs)]
        tape = recording()
        found = self._on_own_tape(values) if tape is None else self._on_tape(tape, values)
        like = [*self.variables, *values[: self.watched]]
        slopes = [np.zeros(x.shape, x.dtype) if g is None else g for g, x in zip(found, like)]
        ordered = [slopes[i] for i in self._order]
        return ordered if len(ordered) > 1 else ordered[0]

    def _on_own_tape(self, values: list[Any]) -> list[Any]:
        with Tape(self._recorded) as tape:
            given = [x if x is None or i >= self.watched else tape.watch(x) for i, x in enumerate(map(value_of, values))]
            loss = self._loss(given)
        if not isinstance(loss, Tensor):  # it depends on them only through functions without gradients
            return [None] * (len(self.variables) + self.watched)
        found = tape.gradients([(loss, np.ones(loss.shape, loss.dtype))])
        return [*found[: len(self.variables)], *found[len(self._recorded) :]]

    def _on_tape(self, tape: Tape, values: list[Any]) -> list[Any]:
        """The gradients as Tensors, which have gradients themselves."""
        for variable in self.variables:
            if variable not in tape.places:
                raise not_on_tape(variable)
        watched = [watch(tape, x) for x in values[: self.watched]]
        given = [*watched, *values[self.watched :]]
        return gradients_on_tape(tape, lambda: self._loss(given), [*self.variables, *watched])

    def _loss(self, given: list[Any]) -> Any:
        for i, variable in self._held.items():
            given[i] = given[i] if i < self.watched else variable
        given, masks = given[: len(self.sources)], given[len(self.sources) :]
        each: list[Any] = [None] * len(given)
        for i, mask in zip(self._masked, masks, strict=True):
            each[i] = value_of(mask)
        # The state of layers changes only where the loss itself is computed, so these updates are dropped.
        drawn = None if pending.updates is None else pending.updates.drawn
        with Scope((pending, "updates", Updates(drawn)), (running, "calls", ()), *self._emptied()):
            return self._plan.run(given, each, current.training)[0]


setattr(Symbolic, "gradients", gradients)
