"""Tensors of a parameter group that one call of a kernel updates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from lamella import _kernels
from lamella.torch.tensors import Span, flat, ordered_like, span


class Bucket:
    """Parameters of one dtype which have made the same number of steps, with their state.

    One array holds the counts of steps, and each state["step"] is a view of it: a step adds 1 to all of them at once.

    Args:
        params: The parameters.
        states: Their dicts of state.
        slots: The names of the tensors in these dicts that the kernel updates, in its order; "" for one that it does not use.
        places: What messages call the parameters.
        counted: Whether the states count steps.
        fresh: Whether the tensors of `slots` are new.
    """

    def __init__(
        self,
        params: list[Any],
        states: list[dict[str, Any]],
        slots: Sequence[str],
        places: list[str],
        *,
        counted: bool,
        fresh: bool,
    ) -> None:
        self.params, self.states, self.places, self.fresh = params, states, places, fresh
        self._names = slots
        self._slots: list[list[Any]] = [[] for _ in slots]
        self.plan, self.norm_plan = _kernels.Plan(), _kernels.Plan()
        self.plain = all(p.is_contiguous() and p.ndim <= 8 for p in params)
        # For Narrow: the storage of the slots, and the slots that were checked to have it.
        self.checked: tuple[str, list[list[Any]]] | None = None
        self.of_inference = any(p.is_inference() for p in params)
        self._steps: list[Any] = []
        self.made: float | None = None  # what `steps` returned last
        if counted:
            counts = torch.stack([state["step"] for state in states])
            self._steps = list(counts.unbind())
            self._counts = counts.numpy()
            for state, step in zip(states, self._steps):
                state["step"] = step

    def steps(self) -> float | None:
        """The number of steps that all have made; None if they differ, or if a state has another tensor now."""
        if not self._steps:
            self.made = 0.0
        elif not _kernels.have(self.states, "step", self._steps):
            self.made = None
        else:
            self.made = _kernels.common_count(self._counts)
        return self.made

    def count(self) -> None:
        """Add 1 to the number of steps."""
        if self._steps:
            _kernels.count_up(self._counts)

    def slots(self) -> list[list[Any]]:
        """The tensors of each slot; an empty list for one that this step does not use."""
        for i, name in enumerate(self._names):
            if name and not _kernels.have(self.states, name, self._slots[i]):
                self._slots[i] = [state[name] for state in self.states]
        return self._slots

    def spans(self, grads: list[Any]) -> list[Span]:
        """The memory of parameters, slots and gradients. A gradient that is not contiguous is left out, because it is copied.

        Args:
            grads: A gradient for each parameter.
        """
        found: list[Span] = []
        for p, g, state, place in zip(self.params, grads, self.states, self.places):
            found.append((*span(p), True, place))
            found += [(*span(state[name]), True, f"the state of {place}") for name in self._names if name]
            if g.is_contiguous():
                found.append((*span(g), False, f"the gradient of {place}"))
        return found

    def flat(self, grads: list[Any]) -> tuple[list[Any], list[Any], list[list[Any]]]:
        """Parameters, gradients and slots as arrays of one axis, in the order of the parameters' memory.

        Args:
            grads: A gradient for each parameter.
        """
        slots = [[*map(flat, slot)] for slot in self.slots()]
        return [*map(flat, self.params)], [flat(ordered_like(g, p)) for g, p in zip(grads, self.params)], slots
