"""Calls of a layer on small arrays, which find what its class does not declare: shapes of outputs, and the Variables it updates."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamella.core.atomic import Scope
from lamella.core.graphs import SymbolOutside
from lamella.core.phase import phase
from lamella.core.types import Value
from lamella.core.updates import Updates
from lamella.core.updates import current as pending
from lamella.core.user_array import for_user, of_lamella
from lamella.core.variable import Variable
from lamella.core.warn import warn
from lamella.graph.arguments import fill, placed
from lamella.graph.inner_gradients import call_asking, with_inputs_again
from lamella.graph.run_losses import RunLosses
from lamella.graph.symbolic import Node, Symbolic, mask_of, node_of
from lamella.graph.trial import Specs, shapes_of, specs_of_call

# A call that only counts outputs gets at most so many numbers: on large images it would take seconds.
_LARGEST = 2**22

# Any for a layer: Layer imports this file.


@dataclass
class CallTrial:
    """A call of a layer on symbolic tensors, tried out on small arrays.

    Args:
        layer: The layer.
        tensors: The inputs of the call.
        single: Whether the call gets one tensor instead of a list.
        arguments: The other arguments of the call.
        beside: The symbolic tensors among these arguments.
        outside: A list to which symbolic tensors are added that the call reads otherwise.
        again: What computes inputs of the call again, or None.
    """

    layer: Any
    tensors: list[Symbolic]
    single: bool
    arguments: dict[str, Any]
    beside: list[Symbolic]
    outside: list[Symbolic]
    again: Any

    def output_shapes(self) -> Any:
        """The shape of the layer's output, or a list of shapes if `call` returns a list.

        The layer is called only if compute_output_shape does not give the shape, or if it contains layers that are not built: the
        call builds them.

        Returns:
            None if compute_output_shape gives the shape. This is also the answer if the trial fails: then the shape is assumed to
            be that of the input, as in Keras 2.2.5, and a run that finds another shape raises an error.
        """
        layer = self.layer
        unbuilt = [inner for inner in layer.members()[1:] if not inner.built]
        if layer.knows_its_shape and not unbuilt:
            return None
        listed = False
        called = self._call()

        def call(inputs: list[Value]) -> Value:
            nonlocal listed
            y = called(inputs)
            listed = isinstance(y, (list, tuple))
            return list(y) if listed else y

        outer, pending.updates = pending.updates, Updates()
        try:
            with phase(False):
                if unbuilt:
                    # Before the trials, whose random numbers are the same each time: initial weights must differ.
                    call([_filled(np.zeros, x) for x in self._reads])
                if layer.knows_its_shape:
                    return None
                specs = shapes_of(call, [(x.shape, x.dtype) for x in self._reads], f"Layer {layer.name}")
        except SymbolOutside as error:
            more = [x for x in error.tensors if all(x is not known for known in self.outside)]
            if not more:
                return None
            _end(layer, outer)
            self.outside += more
            return self.output_shapes()
        except Exception as error:  # of a user's code, which may be right for other values than zeros
            waiting = [inner.name for inner in unbuilt if not inner.built]
            if waiting:
                warn(
                    f"Layer {layer.name}: its layers {waiting} are not built, and their weights will not be trained, as call() "
                    f"cannot be tried out on zeros: {type(error).__name__}: {error}; build them in build()"
                )
            return None
        finally:
            _end(layer, outer)
        shapes = [shape for shape, _ in specs]
        return shapes if listed else shapes[0]

    def number_of_outputs(self) -> int | None:
        """How many tensors the `call` of a user's layer returns, found by a call on zeros.

        Returns:
            None for a layer of lamella, which returns as many as compute_output_shape says, and if the call fails or is too large.
        """
        if of_lamella(type(self.layer)) or sum(map(_size, self._reads)) > _LARGEST:
            return None
        outer, pending.updates = pending.updates, Updates()
        try:
            with phase(False):
                return len(specs_of_call(self._call(), [for_user(_filled(np.zeros, x)) for x in self._reads]))
        except Exception:  # of a user's code, which may be right for other values than zeros, or reads symbolic tensors
            return None
        finally:
            _end(self.layer, outer)

    def shapes_of_attributes(self, names: Sequence[str]) -> Specs | None:
        """Shape and dtype of attributes that `call` sets; None if a trial fails."""
        called = self._call()

        def call(inputs: list[Value]) -> list[Value]:
            called(inputs)
            return [getattr(self.layer, name) for name in names]

        outer, pending.updates = pending.updates, Updates()
        try:
            with phase(False):
                return shapes_of(call, [(x.shape, x.dtype) for x in self._reads], f"Layer {self.layer.name}")
        except Exception:  # of a user's code, which may be right for other values than zeros
            return None
        finally:
            _end(self.layer, outer)

    @property
    def _reads(self) -> list[Symbolic]:
        return [*self.tensors, *self.beside, *self.outside]

    def _call(self) -> Callable[[list[Value]], Value]:
        """A function of the values of all tensors that the call reads, the inputs first. Masks keep everything."""
        layer, count, outside = self.layer, len(self.tensors), list(self.outside)
        given = placed(self.arguments, self.beside)
        called = with_inputs_again(self.again, layer.call)
        axes_of_masks = _axes_of_masks(layer, self.tensors, self.arguments)

        def call(inputs: list[Value]) -> Value:
            own = inputs[0] if self.single else inputs[:count]
            named = fill(given, inputs[count:])
            if axes_of_masks:
                masks = [None if n is None else for_user(np.ones(x.shape[:n], bool)) for x, n in zip(inputs, axes_of_masks)]
                named["mask"] = masks[0] if self.single else masks
            read = dict(zip(outside, map(for_user, inputs[count + len(self.beside) :])))
            return Scope((pending, "outside", read), (pending, "trying", True)).run(
                functools.partial(call_asking, layer, called, own, **named)
            )

        return call


def _axes_of_masks(layer: Any, tensors: list[Symbolic], arguments: dict[str, Any]) -> list[int | None]:
    """The number of axes of each input's mask, None without one; an empty list if the call gets no mask."""
    takes = "mask" in inspect.signature(layer.call).parameters and "mask" not in arguments
    if not takes or not any(node_of(x).may_mask for x in tensors):
        return []
    try:
        masks = [mask_of(x) for x in tensors]
    except (TypeError, ValueError):  # a user's compute_mask needs values
        return []
    return [None if mask is None else len(mask.shape) for mask in masks] if any(m is not None for m in masks) else []


def moved_variables(layer: Any, node: Node) -> list[Variable]:
    """The Variables that the layer updates in this call when it is trained, found by a call on ones.

    The layer is called once, and again only if layers in it were frozen, thawed or added.
    """
    state = [(member, member.trainable, member.stateful) for member in layer.members()]
    if node.added.get("state") == state:
        return list(node.added["moved"])
    noted = Updates()
    lists = [losses for member in layer.members() for losses in member.lists_of_losses(nested=True)]
    with Scope((pending, "updates", noted), *((losses, "entries", []) for losses in lists)):
        _call_on_ones(layer, node, training=True)
    node.added.update(state=state, moved=list(noted))
    return list(noted)


def losses_added(layer: Any, node: Node, lists: Sequence[RunLosses]) -> list[int] | None:
    """How many losses the layer adds to each of these lists in this call, found by calls on ones, in training and inference.

    None if such a call fails. The layer is called once for each phase, and again only if it contains other lists or a run has
    added more losses than these calls.
    """
    # Those of the layer's own activity regularizer are not made by `call`.
    own = 0 if layer.activity_regularizer is None else len(node.outputs)
    made = [len(losses.of(node)) - (own if losses is layer.call_losses else 0) for losses in lists]
    if node.added.get("lists") == lists:
        known: list[int] | None = node.added["counts"]
        if known is None or all(count >= seen for count, seen in zip(known, made)):
            return known
    node.added.update(lists=lists, counts=_losses_on_ones(layer, node, lists, made))
    return losses_added(layer, node, lists)


def _losses_on_ones(layer: Any, node: Node, lists: Sequence[RunLosses], made: list[int]) -> list[int] | None:
    counts = [max(count, 0) for count in made]
    for training in (True, False):
        try:
            with Scope((pending, "updates", Updates()), *((losses, "entries", []) for losses in lists)):
                _call_on_ones(layer, node, training=training)
                counts = [max(count, len(losses.entries)) for count, losses in zip(counts, lists)]
        except Exception:  # of a user's code, which may be right for other values than ones
            return None
    return counts


def _call_on_ones(layer: Any, node: Node, *, training: bool) -> None:
    from lamella.graph.set_in_calls import within  # which imports this file
    from lamella.graph.values_at_calls import of_node

    ones = [_filled(np.ones, x) for x in node.reads]
    count = len(node.inputs)
    arguments = fill(placed(node.arguments, node.beside), ones[count:])
    outside = dict(zip(node.outside, map(for_user, ones[count + len(node.beside) :])))
    with phase(training if node.phase is None else node.phase), Scope((pending, "outside", outside), (pending, "trying", True)):
        called = with_inputs_again(node.again, layer.call)
        run = of_node(node, call_asking, layer, called, ones[0] if node.single else ones[:count], **arguments)
        within(layer, node, run)


def _filled(make: Callable[..., Value], x: Symbolic) -> Value:
    """An array of x's shape, with size 1 for each unknown size."""
    return make([1 if d is None else d for d in x.shape], x.dtype)


def _size(x: Symbolic) -> int:
    return math.prod(d for d in x.shape if d is not None)


def _end(layer: Any, outer: Updates | None) -> None:
    """Restore the updates that were collected before the trial, and remove the losses of the trial."""
    pending.updates = outer
    for member in layer.members():
        member.forget_losses()
