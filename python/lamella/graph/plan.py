"""Plan: a graph as a list of calls on numbered slots. It is made once and run by a simple loop."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from lamella.core.atomic import Scope
from lamella.core.graphs import SymbolOutside
from lamella.core.lists import to_list
from lamella.core.phase import current, phase
from lamella.core.shapes import Shape
from lamella.core.types import Value
from lamella.core.updates import call_of
from lamella.core.updates import current as pending
from lamella.core.user_array import for_user, from_user, of_lamella
from lamella.graph.arguments import Template, fill, placed
from lamella.graph.inner_gradients import call_asking, with_inputs_again
from lamella.graph.layer import Layer, takes_training
from lamella.graph.run_losses import call_within
from lamella.graph.set_in_calls import storing
from lamella.graph.symbolic import Node, Symbolic, node_of
from lamella.graph.values_at_calls import of_node

# (call, passes training, input slots, output slots). A single slot is an int, which saves a list in each call.
Step = tuple[Callable[..., Value], bool, int | tuple[int, ...], int | tuple[int, ...]]
# A node, what it reads, and its call with whether that passes training.
Call = tuple[Node, Sequence[Symbolic], tuple[Callable[..., Value], bool]]


class Plan:
    """Runs the nodes between `inputs` and `outputs`.

    A slot is reused after its last reader, so that activations are released while the plan runs.

    Args:
        nodes: The nodes, in an order that can be run.
        inputs: The symbolic inputs.
        outputs: The symbolic outputs.
        frozen: Whether the model, or one that contains it, has trainable=False: BatchNormalization then uses moving averages.
    """

    # Whether two layers may become one call.
    joins = True

    def __init__(
        self, nodes: Sequence[Node], inputs: Sequence[Symbolic], outputs: Sequence[Symbolic], *, frozen: bool = False
    ) -> None:
        sources = {id(x) for x in inputs}
        self.nodes = nodes = [n for n in nodes if n.is_computed and not any(id(x) in sources for x in n.outputs)]
        readers: dict[int, int] = {}
        for x in [*outputs, *(x for node in nodes for x in node.reads)]:
            readers[id(x)] = readers.get(id(x), 0) + 1

        calls: list[Call] = [(node, node.reads, _bind(node, frozen)) for node in nodes]
        if self.joins:
            calls = _joined(calls, readers, frozen)
        self._called = [(node, reads) for node, reads, _ in calls]  # of each step, for messages
        slots = {id(x): i for i, x in enumerate(inputs)}
        count, free = len(inputs), [slots[id(x)] for x in inputs if id(x) not in readers]
        self.steps: list[Step] = []
        for node, reads, (call, passes) in calls:
            source = [slots[id(x)] for x in reads]
            for x in reads:
                readers[id(x)] -= 1
                if not readers[id(x)]:
                    free.append(slots[id(x)])
            target = []
            for x in node.outputs:
                if not free:
                    free.append(count)
                    count += 1
                slots[id(x)] = free.pop()
                target.append(slots[id(x)])
            # The slot of an output without readers is free immediately.
            free += [slots[id(x)] for x in node.outputs if id(x) not in readers]
            self.steps.append(
                (
                    call,
                    passes,
                    source[0] if node.single and not node.beside and not node.outside else tuple(source),
                    target[0] if len(target) == 1 else tuple(target),
                )
            )
        self.outputs = [slots[id(x)] for x in outputs]
        self._spare: list[Value] = [None] * (count - len(inputs))

    def __call__(self, inputs: Sequence[Value], training: bool) -> list[Value]:
        values = [*inputs, *self._spare]
        x: Any = None
        try:
            for call, passes, source, target in self.steps:
                x = values[source] if type(source) is int else [values[i] for i in source]  # type: ignore[union-attr]
                y = call(x, training=training) if passes else call(x)
                if type(target) is int:
                    values[target] = y
                else:
                    for i, value in zip(target, y):  # type: ignore[arg-type]
                        values[i] = value
        except Exception as error:
            if x is not None:  # else the caller gave no input
                self._say_where(error, call, x)
            raise
        return [values[i] for i in self.outputs]

    def _say_where(self, error: Exception, called: Callable[..., Value], x: Value) -> None:
        """Add the layer and the shapes of its inputs to an error that does not name the layer: those of ops and of users' code."""
        node, reads = next(found for found, step in zip(self._called, self.steps) if step[0] is called)
        # Of two layers in one call, `reads` are the inputs of the first.
        joined = [] if [*reads] == node.reads else [node_of(y).layer for y in node.inputs]
        layers = [*joined, node.layer]
        if isinstance(error, SymbolOutside) or any(layer.name in str(error) for layer in layers):
            return
        who = " and ".join(f"'{layer.name}' ({type(layer).__name__})" for layer in layers)
        shapes = ", ".join(str(getattr(value, "shape", value)) for value in to_list(x))
        error.add_note(f"in the call of layer {who} on values of shape {shapes}")


def _joined(calls: list[Call], readers: dict[int, int], frozen: bool) -> list[Call]:
    """With one call where a layer can compute the one behind it as well, which alone reads its output."""
    kept: list[Call | None] = list(calls)
    places = {id(x): i for i, (node, _, _) in enumerate(calls) for x in node.outputs}
    for i, (node, reads, _) in enumerate(calls):
        before = places.get(id(reads[0])) if _is_plain(node) else None
        if before is None or readers[id(reads[0])] > 1 or not _is_plain(calls[before][0]) or kept[before] is not calls[before]:
            continue  # or the layer before is already one call with the one before it
        first = calls[before][0]
        call = first.layer.call_before(node.layer, frozen=frozen)
        if call is not None:
            kind: type = type(first.layer)
            kept[before], kept[i] = None, (node, first.reads, (call, takes_training(kind)))
    return [each for each in kept if each is not None]


def _is_plain(node: Node) -> bool:
    """One tensor in, one out, and nothing but what the layer's class says happens between."""
    layer = node.layer
    free = node.phase is None and not node.arguments and node.reads is node.inputs and "call" not in vars(layer)
    return free and node.single and len(node.outputs) == 1 and layer.self_contained and layer.activity_regularizer is None


def _bind(node: Node, frozen: bool) -> tuple[Callable[..., Value], bool]:
    layer, arguments = node.layer, dict(node.arguments)
    call = layer.call_in_plan(frozen=frozen)
    cls: type = type(layer)
    if not of_lamella(cls):
        call = functools.partial(_users, call)
    if node.stored is not None:
        call = functools.partial(storing, node, call)
    call = with_inputs_again(node.again, call)
    takes = takes_training(cls)
    if takes and node.phase is not None and arguments.get("training") is None:
        arguments["training"] = node.phase
    if node.beside:
        call = functools.partial(_filled, call, placed(arguments, node.beside), len(node.inputs), node.single)
    elif arguments:
        call = functools.partial(call, **arguments)
    if layer.activity_regularizer is not None:
        call = functools.partial(_regularized, layer, call)
    if not layer.self_contained:
        believed = None if layer.knows_its_shape or len(node.outputs) > 1 else node.outputs[0].shape
        call = functools.partial(_guarded, node, frozen, believed, call)
    notes_node = not layer.self_contained or layer.has_functions or hasattr(layer, "call_masked")
    if notes_node or layer.activity_regularizer is not None:
        call = functools.partial(call_within, node, call)
    if node.phase is not None:
        call = functools.partial(_in_phase, node.phase, call)
    if node.outside:
        call = functools.partial(_with_outside, call, node.outside, node.single and not node.beside)
    return call, takes and "training" not in arguments


def _filled(
    call: Callable[..., Value], arguments: Template, inputs: int, single: bool, values: list[Value], **kwargs: Any
) -> Value:
    """A call, with the last of `values` as its other arguments."""
    named = fill(arguments, values[inputs:])
    return call(values[0] if single else values[:inputs], **named, **kwargs)


def _users(call: Callable[..., Value], x: Value, **kwargs: Any) -> Value:
    """The call of a layer that a user wrote."""
    y: Value = from_user(call(for_user(x), **kwargs))
    return y[0] if type(y) in (list, tuple) and len(y) == 1 else y


def _in_phase(training: bool, call: Callable[..., Value], x: Value, **kwargs: Any) -> Value:
    """A call with a fixed learning phase, also for K.learning_phase and K.in_train_phase."""
    return phase(training).run(call, x, **kwargs)


def _with_outside(
    call: Callable[..., Value], tensors: list[Symbolic], single: bool, values: list[Value], **kwargs: Any
) -> Value:
    """A call that reads symbolic tensors, whose values are the last of `values`."""
    count = len(values) - len(tensors)
    scope = Scope((pending, "outside", dict(zip(tensors, map(for_user, values[count:])))))
    return scope.run(call, values[0] if single else values[:count], **kwargs)


def _guarded(node: Node, frozen: bool, believed: Shape | None, call: Callable[..., Value], x: Value, **kwargs: Any) -> Value:
    """A call of a layer that is not self-contained. It may call K.update, which does not know the layer whose state it changes.

    Raises:
        ValueError: It returns another shape than `believed`, for inputs of the shapes that the graph says. If a layer before it
            defines a wrong compute_output_shape, the shapes in the graph are wrong, too, which Keras does not check.
    """
    layer = node.layer
    try:
        y = call_of(
            of_node(node, call_asking, layer, call, x, **kwargs),
            trainable=layer.trainable and not frozen,
            stateful=layer.stateful,
            training=current.training,
        )
    except SymbolOutside as error:
        error.node = error.node or node
        raise
    if believed is not None and not _has_shape(y, believed):
        given = x if isinstance(x, (list, tuple)) else [x]
        if all(_has_shape(value, tensor.shape) for value, tensor in zip(given, node.inputs)):
            what = getattr(y, "shape", None) or type(y).__name__
            raise ValueError(
                f"Layer {layer.name}: call() returned {what}, where {believed} was found or taken for granted: define "
                "compute_output_shape"
            )
    return y


def _has_shape(value: Value, wanted: Shape) -> bool:
    shape = getattr(value, "shape", None)
    return shape is not None and len(shape) == len(wanted) and all(d in (None, s) for d, s in zip(wanted, shape))


def _regularized(layer: Layer, call: Callable[..., Value], x: Value, **kwargs: bool) -> Value:
    y = call(x, **kwargs)
    if layer.activity_regularizer is not None:
        layer.add_activity_losses(y)
    return y
