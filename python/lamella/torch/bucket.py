"""Tensors of a parameter group that one call of a kernel updates."""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_, itemgetter
from typing import Any

import numpy as np
import torch

from lamella.torch.tensors import Span, flat, flat_like, span

_STEP = itemgetter("step")


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
        self._getters = [itemgetter(name) if name else None for name in slots]
        self.plain = all(p.is_contiguous() and p.ndim <= 8 for p in params)
        self._steps: list[Any] = []
        if counted:
            counts = torch.stack([state["step"] for state in states])
            self._steps = list(counts.unbind())
            self._counts = counts.numpy()
            for state, step in zip(states, self._steps):
                state["step"] = step

    def steps(self) -> float | None:
        """The number of steps that all have made; None if they differ, or if a state has another tensor now."""
        if not self._steps:
            return 0.0
        if not all(map(is_, map(_STEP, self.states), self._steps)):
            return None
        first: float = self._counts.item(0)
        return first if len(self._steps) == 1 or (self._counts == first).all() else None

    def count(self) -> None:
        """Add 1 to the number of steps."""
        if self._steps:
            np.add(self._counts, 1, out=self._counts)

    def slots(self) -> list[list[Any]]:
        """The tensors of each slot; an empty list for one that this step does not use."""
        return [[*map(get, self.states)] if get else [] for get in self._getters]

    def spans(self, grads: list[Any]) -> list[Span]:
        """The memory of parameters, slots and gradients. A gradient that is not contiguous is left out, because it is copied.

        Args:
            grads: A gradient for each parameter.
        """
        found: list[Span] = []
        for p, g, state, place in zip(self.params, grads, self.states, self.places):
            found.append((*span(p), True, place))
            found += [(*span(get(state)), True, f"the state of {place}") for get in self._getters if get]
            if g.is_contiguous():
                found.append((*span(g), False, f"the gradient of {place}"))
        return found

    def flat(self, grads: list[Any]) -> tuple[list[Any], list[Any], list[list[Any]]]:
        """Parameters, gradients and slots as arrays of one axis, in the order of the parameters' memory.

        Args:
            grads: A gradient for each parameter.
        """
        slots = [[*map(flat, slot)] for slot in self.slots()]
        return [*map(flat, self.params)], [flat_like(g, p) for g, p in zip(grads, self.params)], slots
