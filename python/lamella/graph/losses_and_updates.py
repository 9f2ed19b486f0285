"""LossesAndUpdates: what a layer adds to a training step, beside its output. Source: Keras 2.2.5 keras/engine/base_layer.py."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamella.core import config, registry
from lamella.core.graphs import Assignment
from lamella.core.lists import to_list
from lamella.core.types import Value
from lamella.core.updates import computing, note
from lamella.core.updates import current as pending
from lamella.core.user_array import of_lamella
from lamella.core.variable import Variable
from lamella.graph.calls import CallHistory
from lamella.graph.layer_trials import losses_added, moved_variables
from lamella.graph.penalty_tensors import value_or_tensor
from lamella.graph.run_losses import RunLosses
from lamella.graph.symbolic import Node, Symbolic
from lamella.graph.weights import Weighted
from lamella.ops.reduce import sum as sum_of
from lamella.ops.tape import Tensor, value_of


class Update(NamedTuple):
    """A call of a layer that updates a variable in each training step."""

    variable: Variable
    inputs: list[Symbolic]  # of the call


class LossesAndUpdates(Weighted, CallHistory):
    """Base of Layer: penalties of weights, losses that `call` adds, and updates of Variables that are not trained."""

    stateful = False
    activity_regularizer: Callable[..., Value] | None = None
    call_losses: RunLosses  # the losses that call() passed to add_loss
    _penalties: list[Callable[[], Value]]
    # Symbolic updates that were added outside of a run, and the inputs with which they were added.
    _added_updates: tuple[tuple[Assignment, Any], ...] = ()
    calls_around: tuple[Node, ...] = ()  # the calls of wrappers, in which this layer runs

    def members(self) -> Sequence[LossesAndUpdates]:
        """This layer and the layers inside it, each once."""
        raise NotImplementedError

    @property
    def penalties(self) -> list[Callable[[], Value]]:
        """Functions that return scalars to add to the loss. They must be called inside the tape."""
        found = [functools.partial(w.regularizer, w) for w in self.weights if w.regularizer] + self._penalties
        if not self.self_contained and not self._lists_itself():
            # The regularizers of weights of layers inside are included: these weights are this layer's too.
            known = {id(w) for w in self.weights}
            for layer in self.members()[1:]:
                more = layer.penalties if layer._lists_itself() else layer._penalties
                found += [p for p in more if not (isinstance(p, functools.partial) and p.args and id(p.args[0]) in known)]
        return found

    @property
    def losses(self) -> list[Value]:
        """The penalties, and the losses that calls added.

        In a run they are values of this run. Outside of a run they are tensors of the graph, which K.gradients and K.function
        accept and which convert to numbers, the values of the last run. Those of a layer that was called on arrays only are values.
        """
        penalties = [value_or_tensor(penalty) for penalty in self.penalties]
        nodes = [] if computing() else self._nodes_of_calls()
        around = () if computing() else self.calls_around
        return penalties + (self._losses_of_calls(nodes, around) if nodes or around else self.call_losses.values)

    def _losses_of_calls(self, nodes: Sequence[Node], around: Sequence[Node] = ()) -> list[Value]:
        """The losses of these calls as tensors of the graph, and those of this layer in calls of layers around it."""
        from lamella.graph.added_losses import tensors_of  # which imports Layer

        own = [tensor for node in around for tensor in tensors_of(node, self.call_losses)]
        # Two calls of a model on the same tensors have the same.
        return list(dict.fromkeys([*(tensor for node in nodes for tensor in tensors_of(node)), *own]))

    def add_loss(self, losses: Any, inputs: object = None) -> None:
        """Add losses.

        Args:
            losses: A loss or a list of losses. In call() a loss is a scalar. Outside of it, for example in build(), it is a
                tensor of Variables, such as K.sum(w), or a function without arguments, which each step evaluates; a Variable, or
                a constant number.
            inputs: Outside of call(), the symbolic tensors for which `get_losses_for` finds the loss; in it ignored.

        Raises:
            TypeError: A loss is something else, for example a NumPy array, which would never change.
        """
        outside = pending.updates is None
        for loss in to_list(losses, allow_tuple=True):
            if isinstance(loss, Symbolic) and not outside:
                loss = loss.compute()
            elif isinstance(loss, Symbolic) and not loss.lives:
                raise TypeError(f"{self.name}: add_loss expects a value made inside call() or a function, got {loss!r}")
            elif isinstance(loss, Variable) and outside:
                loss = _evaluated(loss)  # one tensor, which `losses` returns each time
            if callable(loss) or (outside and (isinstance(loss, (Symbolic, Variable)) or type(loss) in (int, float))):
                self._penalties.append(functools.partial(_evaluated, loss=loss, inputs=inputs))
            elif not outside or isinstance(loss, Tensor):
                self.call_losses.add([_evaluated(loss)])
            else:
                raise TypeError(
                    f"Layer {self.name}: add_loss outside of call() expects a tensor of the graph, a function, a Variable or a "
                    f"number, got the value {loss}, which would not change with the weights; pass a function instead, for example "
                    "add_loss(lambda: K.sum(K.square(w)))"
                )

    def forget_losses(self) -> None:
        """Remove the losses that call() added in the last run."""
        self.call_losses.clear()

    def add_activity_losses(self, outputs: Value) -> None:
        """Add the activity regularizer's penalties on the outputs; in the dialect of tf.keras, divided by the batch size."""
        assert self.activity_regularizer is not None
        for y in to_list(outputs):
            penalty = self.activity_regularizer(y)
            self.call_losses.add([penalty / y.shape[0] if config.dialect() == "tf" else penalty])

    def add_update(self, updates: Any, inputs: object = None) -> None:
        """Update Variables at the end of the training step. For a stateful layer also after each batch of evaluate and predict.

        The state of a frozen layer does not change, unless the layer is stateful. Outside of a run, an update to a symbolic tensor
        is made in each step of models that contain the layer; any other is immediate.

        Args:
            updates: A pair (variable, new value), the result of K.update or a related function, or a list of these.
            inputs: Outside of a run, the symbolic inputs of the call to which the update belongs: models without this call do not
                make it. None for all models. In a run ignored.

        Raises:
            TypeError: An update is of another kind.
            ValueError: A new value does not have its variable's shape.
        """
        outside = pending.updates is None
        for update in to_list(updates):  # a pair is one update
            if isinstance(update, tuple) and len(update) == 2 and isinstance(update[1], Symbolic):
                update = Assignment(*update)
            if isinstance(update, Assignment) and outside:
                self._added_updates += ((update, inputs),)
                continue
            if not (self.trainable or self.stateful):
                continue
            if isinstance(update, Assignment):
                update = (update.variable, update.tensors[0].compute())
            new = value_of(update[1]) if isinstance(update, tuple) and len(update) == 2 else None
            if new is not None and isinstance(update[0], Variable):
                # Copied, because the Variable may change before its value is written.
                note(update[0], new.copy() if isinstance(update[1], Variable) else new)
            elif not isinstance(update, (np.ndarray, Variable, Tensor)):  # K.update has recorded these already
                raise TypeError(
                    f"Layer {self.name}: add_update expects (variable, new value) or what K.update returns, got {update!r}"
                )

    @property
    def updates(self) -> list[Update | Assignment]:
        """The updates that the calls of this layer in graphs make, and symbolic ones of add_update. Empty if the layer is frozen
        and not stateful.

        fit applies them. If the layer is not self-contained, it is called on small arrays to find them. A layer inside a wrapper
        has those updates of the wrapper's calls that are of its own weights.
        """
        made = [update for node in self._nodes_of_calls() for update in self.updates_of(node)]
        known = {id(w) for w in self.weights} if self.calls_around else set()
        around = [
            update for node in self.calls_around for update in node.layer.updates_of(node) if id(update.variable) in known
        ]
        added = [update for layer, update, _ in self.all_added_updates() if layer.trainable or layer.stateful]
        return [*made, *around, *added]

    def _nodes_of_calls(self, inputs: Any = None) -> list[Node]:
        """The calls of this layer, those on the given inputs only unless they are None. A model's own graph is not among them."""
        return [n for n in self._inbound_nodes if not n.own and (inputs is None or _reads(n.inputs, inputs))]

    def all_added_updates(self) -> list[tuple[LossesAndUpdates, Assignment, Any]]:
        """The symbolic updates of add_update of this layer and of the layers inside it: (layer, update, inputs). The layer is this
        one if it is frozen.
        """
        members = [self] if self.self_contained else self.members()
        adding = [layer for layer in members if layer._added_updates]
        return [(layer if self.trainable else self, *added) for layer in adding for added in layer._added_updates]

    def updates_of(self, node: Node) -> list[Update]:
        """The updates of one call, the node."""
        if not (self.trainable or self.stateful):
            return []
        return [update_in(node, variable) for variable in self.moved_by(node)]

    def moved_by(self, node: Node) -> list[Variable]:
        """The Variables that a call, the node, updates in training, found by a trial on ones."""
        if self.self_contained or not node.inputs:
            return []
        return moved_variables(self, node)

    def get_updates_for(self, inputs: Any) -> list[Update | Assignment]:
        """The updates of the calls on these symbolic inputs, and those of add_update with them. For None those without inputs."""
        nodes = [] if inputs is None else self._nodes_of_calls(inputs)
        # Two calls of a model on the same tensors have the same.
        made = {id(update): update for node in nodes for update in self.updates_of(node)}
        added = [(layer, update) for layer, update, own in self.all_added_updates() if _belong(own, inputs)]
        return [*made.values(), *(update for layer, update in added if layer.trainable or layer.stateful)]

    def updates_added_for(self, nodes: Sequence[Node]) -> list[tuple[LossesAndUpdates, Assignment]]:
        """The symbolic updates of add_update for some calls, and those without inputs, with the layers that add them.

        Args:
            nodes: The calls.
        """
        given = [None, *(node.input_tensors for node in nodes)]
        return [(by, update) for by, update, own in self.all_added_updates() if any(_belong(own, inputs) for inputs in given)]

    def get_losses_for(self, inputs: Any) -> list[Value]:
        """For None the penalties and losses without inputs; for a call's symbolic inputs those with these inputs, and those that
        this call adds, as tensors of the graph.
        """
        found = [value_or_tensor(penalty) for penalty in self.penalties if depends_on(penalty, inputs)]
        return found + self._losses_of_calls([] if inputs is None else self._nodes_of_calls(inputs))

    def lists_of_losses(self, *, nested: bool) -> list[RunLosses]:
        """The lists to which calls of this layer, without the layers inside it, may add losses. `nested`: if it is a model, those
        of its layers.
        """
        # Wrappers and other layers of lamella add none to their own list.
        may_add = self.activity_regularizer is not None or not (self.self_contained or of_lamella(type(self)))
        return [self.call_losses] if may_add else []

    def losses_of(self, node: Node) -> dict[RunLosses, int | None]:
        """The lists to which a call of this layer, the node, adds losses, and how many; None if that is not known."""
        lists, found = list(dict.fromkeys(lists_of_losses([self]))), dict[RunLosses, int | None]()
        if any(losses is not self.call_losses for losses in lists) or not (self.self_contained or of_lamella(type(self))):
            known = losses_added(self, node, lists)
            found = dict.fromkeys(lists) if known is None else dict(zip(lists, known))
        if self.activity_regularizer is not None:
            add_counts(found, {self.call_losses: len(node.outputs)})
        return {losses: count for losses, count in found.items() if count != 0}


def update_in(node: Node, variable: Variable) -> Update:
    """The update of the Variable by this call; the same object each time."""
    found: Update = node.added.setdefault(variable, Update(variable, node.inputs))
    return found


def lists_of_losses(layers: Iterable[LossesAndUpdates], *, nested: bool = True) -> list[RunLosses]:
    """The lists of losses that calls of these layers, and of the layers inside them, may fill. `nested`: also those of models."""
    members = [member for layer in layers for member in layer.members()]
    return [losses for member in members for losses in member.lists_of_losses(nested=nested)]


def add_counts(counts: dict[RunLosses, int | None], more: Mapping[RunLosses, int | None]) -> None:
    """Add numbers of losses; None, an unknown number, stays unknown."""
    for losses, count in more.items():
        before = counts.get(losses, 0)
        counts[losses] = None if before is None or count is None else before + count


def _evaluated(loss: Any, inputs: object = None) -> Value:
    """The value of a loss, which may be a function; for a Variable the result of an op, which the tape records.

    Outside of a run a tensor of the graph.

    Args:
        loss: The loss.
        inputs: What `depends_on` reads.
    """
    value = loss() if callable(loss) else loss
    if not computing():
        return registry.get("functions", "sum")(value) if isinstance(value, Variable) else value
    if isinstance(value, Symbolic):
        value = value.compute()
    return sum_of(value) if isinstance(value, Variable) else value


def depends_on(penalty: Callable[[], Value], inputs: Any) -> bool:
    """Whether the penalty was added with these inputs, or without any if they are None."""
    return _belong(penalty.keywords.get("inputs") if isinstance(penalty, functools.partial) else None, inputs)


def _belong(own: Any, inputs: Any) -> bool:
    return own is inputs if own is None or inputs is None else _reads(to_list(own, allow_tuple=True), inputs)


def identity_of(penalty: Callable[[], Value]) -> tuple[int, ...]:
    """Equal for two penalties only if they are the same function of the same weight or list, or the same entry of add_loss."""
    if isinstance(penalty, functools.partial) and penalty.func is not _evaluated:
        return tuple(id(part) for part in (penalty.func, *penalty.args))
    return (id(penalty),)


def _reads(inputs: Sequence[Symbolic], given: Any) -> bool:
    return [id(x) for x in inputs] == [id(x) for x in to_list(given, allow_tuple=True)]
