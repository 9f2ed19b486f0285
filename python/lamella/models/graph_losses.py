"""GraphLosses: the losses of a model that do not come from `compile`, and the weights on which its losses can depend."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella.core.lists import to_list
from lamella.core.phase import current
from lamella.core.types import Value
from lamella.core.updates import call_of, computing
from lamella.core.variable import Variable
from lamella.graph.added_losses import AddedLoss, tensors_of
from lamella.graph.layer import Layer
from lamella.graph.losses_and_updates import add_counts, depends_on, identity_of, lists_of_losses
from lamella.graph.masked_plan import Outputs
from lamella.graph.penalty_tensors import value_or_tensor
from lamella.graph.run_losses import RunLosses
from lamella.graph.symbolic import Node, Symbolic, node_of
from lamella.graph.trace import held_values, trace, walk
from lamella.graph.weights import unique
from lamella.models.layer_graph import LayerGraph
from lamella.ops.tape import value_of


class GraphLosses(LayerGraph):
    """Base of Network: penalties of weights, losses that layers add in `call`, and tensors of `add_loss`."""

    # Symbolic tensors of add_loss, and their values in the last run.
    _loss_tensors: tuple[Symbolic, ...] = ()
    _loss_values: RunLosses
    _losses_of_targets: tuple[Symbolic, ...] = ()

    def add_loss(self, losses: Any, inputs: object = None) -> None:
        """Add losses, before compile. They are evaluated in each step.

        As in Keras 2, they are not saved, and weights on which only they depend are not trained: these are not weights of the
        model.

        Args:
            losses: A loss or a list of losses. A loss is a scalar tensor of the graph, such as K.mean(...), also with axes of
                size 1 as K.mean(..., keepdims=True) has, or a function without arguments. The tensor may read placeholders
                that are compile's target_tensors; then it counts in fit and evaluate.
            inputs: Ignored; Keras has it.

        Raises:
            ValueError: A tensor is not a scalar, or depends on a layer's output without its inputs.
            RuntimeError: The model was already called as a layer of another model.
        """
        listed = [_scalar(loss) for loss in to_list(losses, allow_tuple=True)]
        tensors = [loss for loss in listed if isinstance(loss, Symbolic)]
        for loss in tensors:
            if loss.shape != ():
                raise ValueError(f"{self.name}: add_loss expects a scalar, such as K.mean(x) is, got {loss!r}")
        if tensors and len(self._inbound_nodes) > self.first_node:
            raise RuntimeError(f"{self.name}: add_loss of a tensor comes before the model is called as a part of another")
        places = {loss: self._placeholders_of(loss) for loss in tensors}
        for loss in tensors:
            trace([*self.inputs, *places[loss]], [*self.outputs, loss])
        super().add_loss([loss for loss in listed if not isinstance(loss, Symbolic)])
        self._losses_of_targets += tuple(loss for loss in tensors if places[loss])
        tensors = [loss for loss in tensors if not places[loss]]
        if tensors:
            if not self._loss_tensors:
                self._loss_values = RunLosses()  # never replaced: a compiled model refers to it
            self._loss_tensors += tuple(tensors)
            self._plans, self._plan = {}, None

    def _placeholders_of(self, loss: Symbolic) -> list[Symbolic]:
        """The placeholders that are not the model's inputs, on which the tensor depends."""
        nodes = walk(self.inputs, [loss])[0]
        known = [*self.inputs, *held_values(nodes)]
        fed = [x for node in nodes if not node.is_computed for x in node.outputs]
        return [x for x in fed if all(x is not other for other in known)]

    @property
    def losses_of_targets(self) -> list[Symbolic]:
        """The tensors of add_loss that read other placeholders than the inputs; those of models inside, too."""
        inside = [x for layer in self.layers if isinstance(layer, GraphLosses) for x in layer.losses_of_targets]
        return list(dict.fromkeys([*self._losses_of_targets, *inside]))

    @property
    def losses_of_steps(self) -> list[Symbolic]:
        """`losses_of_targets`, and the tensors that only the `losses` of a subclass has, as for virtual adversarial training."""
        found = self.losses_of_targets
        if type(self).losses is GraphLosses.losses:
            return found
        known = {id(x) for x in GraphLosses.losses.__get__(self)}
        return [*found, *(x for x in self.losses if isinstance(x, Symbolic) and id(x) not in known)]

    def share_losses(self, other: GraphLosses) -> None:
        """Compute the tensors of the add_loss of `other`, a model, and store their values where that model reads them. Make the
        symbolic updates of its add_update, too.
        """
        self._added_updates = other._added_updates
        if other._loss_tensors:
            self._loss_tensors, self._loss_values = other._loss_tensors, other._loss_values

    def _without_more(self, values: list[Value], *, frozen: bool) -> list[Value]:
        """The values of the outputs. After them follow the values of add_loss's tensors, which are stored for `penalties`, and new
        values of symbolic updates.
        """
        count, added = len(self.outputs), len(self.outputs) + len(self._loss_tensors)
        if added > count:
            self._loss_values.add(values[count:added])
        for (layer, update), value in zip(self._planned_updates, values[added:], strict=True):
            apply = functools.partial(update.apply, [np.array(value_of(value))])
            trainable = layer.trainable and not frozen
            call_of(apply, trainable=trainable, stateful=layer.stateful, training=current.training)
        del values[count:]
        if isinstance(values, Outputs):
            del values.masks[count:]
        return values

    @property
    def penalties(self) -> list[Callable[[], Value]]:
        """Functions that give the penalties: regularizers, tensors of add_loss, and losses that layers added in the last run."""
        fixed = [penalty for layer in self.layers for penalty in layer.penalties]
        found = fixed + self._penalties + [functools.partial(_total, losses) for losses in self._collected(nested=False)]
        # Models inside may share layers, whose penalties count once.
        return list({identity_of(penalty): penalty for penalty in found}.values())

    @property
    def losses(self) -> list[Value]:
        """The penalties, the tensors of add_loss and the losses that layers add.

        In a run they are values of this run. Outside of a run they are tensors of the graph: for K.function, for K.gradients,
        and they convert to numbers, the values of the last run.
        """
        if computing() or not self.built:
            return super().losses
        found = [value_or_tensor(penalty) for penalty in self.penalties if not _is_total(penalty)]
        found += [*self._tensors_of_add_loss(), *self.losses_of_targets]
        return found + [tensor for node in self._graph.nodes for tensor in tensors_of(node)]

    def _tensors_of_add_loss(self) -> list[Value]:
        found = []
        for i, x in enumerate(self._loss_tensors):
            added, key = node_of(x).added, (self._loss_values, i)
            if key not in added:
                added[key] = AddedLoss(self._loss_values, i)(x)
            found.append(added[key])
        return found

    def get_losses_for(self, inputs: Any) -> list[Value]:
        """See Layer.get_losses_for. For None, as in Keras, those of add_loss; and after a call of the model the penalties of its
        layers, too.
        """
        if inputs is not None or not self.built:
            return super().get_losses_for(inputs)
        penalties = [p for p in (self.penalties if self._nodes_of_calls() else self._penalties) if not _is_total(p)]
        return [value_or_tensor(p) for p in penalties if depends_on(p, None)] + self._tensors_of_add_loss()

    def lists_of_losses(self, *, nested: bool) -> list[RunLosses]:
        return self._collected(nested=True) if nested else []

    def losses_of(self, node: Node) -> dict[RunLosses, int | None]:
        found = dict[RunLosses, int | None]()
        for inside in self._graph.nodes:
            if inside.is_computed:
                add_counts(found, inside.layer.losses_of(inside))
        if self._loss_tensors:
            add_counts(found, {self._loss_values: len(self._loss_tensors)})
        return found

    def _collected(self, *, nested: bool) -> list[RunLosses]:
        """The lists of losses that a run fills: of custom layers, of layers with an activity regularizer, and of the tensors of
        add_loss.
        """
        own = [self._loss_values] if self._loss_tensors else []
        return own + lists_of_losses(self.layers, nested=nested)

    def forget_losses(self) -> None:
        for losses in self._loss_lists:
            losses.clear()

    def variables_behind(self, outputs: Sequence[int], read: Sequence[Symbolic] = ()) -> list[Variable]:
        """The trainable variables on which the loss of some outputs can depend.

        Variables of layers that only other outputs use are not among them, unless a regularizer or add_loss may use them.

        Args:
            outputs: Indices of the outputs that have a loss.
            read: Further tensors that losses read.
        """
        if len(outputs) == len(self.outputs):
            return self.trainable_variables
        wanted, apart = self._behind(outputs, read)
        wanted |= {id(v) for layer in apart for v in layer.trainable_weights if v.regularizer is not None}
        wanted |= {id(v) for layer in self._before_added_losses() for v in layer.trainable_weights}
        return [v for v in self.trainable_variables if id(v) in wanted]

    def variables_behind_calls(self, outputs: Sequence[int]) -> list[Variable]:
        """Those of `variables_behind` that get a gradient only if a layer calls add_loss in its `call`.

        Args:
            outputs: Indices of the outputs that have a loss.
        """
        if len(outputs) == len(self.outputs):
            return []
        wanted = self._behind(outputs)[0]
        return [
            v
            for v in unique([v for layer in self._before_added_losses() for v in layer.trainable_weights])
            if id(v) not in wanted and v.regularizer is None
        ]

    def _before_added_losses(self) -> list[Layer]:
        """The layers whose calls may add losses, and the layers on which their inputs depend."""
        ends = [x for node in self._graph.nodes if lists_of_losses([node.layer]) for x in node.outputs]
        return list(walk(self.inputs, ends)[1])

    def _behind(self, outputs: Sequence[int], read: Sequence[Symbolic] = ()) -> tuple[set[int], list[Layer]]:
        """The ids of the trainable weights of layers on which these outputs and the tensors of add_loss depend; other layers."""
        ends = [*(self.outputs[i] for i in outputs), *read, *self._loss_tensors, *self._losses_of_targets]
        reached = walk(self.inputs, ends)[1]
        inside = [inner for layer in reached for inner in layer.layers_read]
        wanted = {id(v) for layer in (*reached, *inside) for v in layer.trainable_weights}
        return wanted, [layer for layer in self.layers if layer not in reached]


def _is_total(penalty: Callable[[], Value]) -> bool:
    return isinstance(penalty, functools.partial) and penalty.func is _total


def _total(losses: RunLosses) -> Value:
    return sum(losses.values)


def _scalar(loss: Any) -> Any:
    """A tensor of one number, as scripts that write K.mean(x, keepdims=True) add, without its axes of size 1."""
    ones = isinstance(loss, Symbolic) and all(size == 1 for size in loss.shape)
    return loss[(0,) * len(loss.shape)] if ones and loss.shape else loss
