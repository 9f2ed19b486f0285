"""Tensors of a parameter group that one call of a kernel updates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from lamella import _kernels
from lamella.core.types import Array
from lamella.torch.tensors import Span, flat, ordered_like, span


class Bucket:
    """Parameters of one dtype which have made the same number of steps, with their state.

    One array holds the counts of steps, and each state["step"] is a view of it: a step adds 1 to all of them at once.

    Args:
        params: The parameters.
        states: Their dicts of state.
        slots: The names of the tensors in these dicts that the kernel updates, in its order; "" for one that it does not use.
        places: What messages call the parameters.
        indices: Where the parameters are among those that have a gradient.
        of_group: The slots of their group; those of one parameter may be others.
        counted: Whether the states count steps.
        fresh: Whether the tensors of `slots` are new.
    """

    def __init__(
        self,
        params: list[Any],
        states: list[dict[str, Any]],
        slots: Sequence[str],
        places: list[str],
        indices: list[int],
        of_group: tuple[str, ...],
        *,
        counted: bool,
        fresh: bool,
    ) -> None:
        self.params, self.states, self.places, self.of_group, self.fresh = params, states, places, of_group, fresh
        # The tensors of each slot; an empty list for one that this step does not use.
        self.slots: list[list[Any]] = [[state[name] for state in states] if name else [] for name in slots]
        self._names, self._indices = list(filter(None, slots)), indices
        self.plan, self.norm_plan = _kernels.Plan(), _kernels.Plan()
        # Whether a kernel takes the parameters as they are. Those of inference mode are checked in each step.
        self.plain = all(p.is_contiguous() and p.ndim <= 8 and not p.is_inference() for p in params)
        self.single = [k for k, p in enumerate(params) if p.numel() == 1]
        self.checked: str | None = None  # for Narrow: the storage that the slots were checked to have
        # Of the last step: the number of steps that all had made before it, and the numbers of its kernel.
        self.made, self.numbers = 0.0, tuple[Any, ...]()
        self.counts: Array | None = None
        names, tensors = [*self._names], [*filter(None, self.slots)]
        if counted:
            counts = torch.stack([state["step"] for state in states])
            self.counts = counts.numpy()
            names.append("step")
            tensors.append(list(counts.unbind()))
            for state, step in zip(states, tensors[-1]):
                state["step"] = step
        # The arguments of common_count: a state that has other tensors needs a new bucket.
        self.held = states, names, tensors, self.counts

    def negative(self, grads: list[Any]) -> bool:
        """Whether the gradient of a parameter with a single element has the negative of its number in memory.

        The imaginary part of a conjugate, which backward through complex numbers computes, does. DLPack does not tell. The
        elements of larger ones lie apart from each other, so kernels refuse them.

        Args:
            grads: A gradient for each parameter.
        """
        return any(grads[k].is_neg() for k in self.single)

    def own(self, grads: list[Any]) -> list[Any]:
        """The gradients of these parameters.

        Args:
            grads: Those of all parameters that have one.
        """
        return [grads[k] for k in self._indices]

    def spans(self, grads: list[Any]) -> list[Span]:
        """The memory of parameters, slots and gradients. A gradient that is not contiguous is left out, because it is copied.

        Args:
            grads: A gradient for each parameter.
        """
        found: list[Span] = []
        for p, g, state, place in zip(self.params, grads, self.states, self.places):
            found.append((*span(p), True, place))
            found += [(*span(state[name]), True, f"the state of {place}") for name in self._names]
            if g.is_contiguous():
                found.append((*span(g), False, f"the gradient of {place}"))
        return found

    def order_slots(self) -> None:
        """Give the slots their parameters' order of memory, which `model.to(memory_format=...)` changes."""
        for name, slot in zip(self._names, filter(None, self.slots)):
            for i, (p, state) in enumerate(zip(self.params, self.states)):
                if slot[i].shape == p.shape:  # rows of bytes are in the order of contiguous parameters only
                    slot[i] = state[name] = ordered_like(slot[i], p)

    def flat(self, grads: list[Any]) -> tuple[list[Any], list[Any], list[list[Any]]]:
        """Parameters, gradients and slots as arrays of one axis, in the order of the parameters' memory.

        Args:
            grads: A gradient for each parameter.
        """
        self.order_slots()
        slots = [[*map(flat, slot)] for slot in self.slots]
        return [*map(flat, self.params)], [flat(ordered_like(g, p)) for g, p in zip(grads, self.params)], slots
