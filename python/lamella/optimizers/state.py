"""The arrays that an optimizer keeps for one list of parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from lamella.core.variable import Variable
from lamella.optimizers.arrays import Array


@dataclass
class State:
    """params: what is updated.  slots: a list of arrays like `params` for each of the optimizer's slots.

    sums, accumulated: the gradients that wait for a step, added up, and their number; no sums without accumulation.
    late: work on the slots that was put off until someone reads them.
    """

    params: list[Array]
    slots: list[list[Array]]
    sums: list[Array]
    accumulated: Variable = field(
        default_factory=lambda: Variable(np.int64(0), "accumulated_gradients:0", trainable=False)
    )
    late: Callable[[], None] | None = None

    @classmethod
    def zeros(cls, params: Sequence[Array], slots: int, *, accumulates: bool) -> State:
        # np.zeros leaves large arrays to the system until they are touched; zeros_like writes the zeros.
        like = [[np.zeros(p.shape, p.dtype) for p in params] for _ in range(slots + accumulates)]
        return cls(list(params), like[:slots], like[-1] if accumulates else [])

    def settle(self) -> None:
        """Do what was put off."""
        if self.late is not None:
            self.late()
            self.late = None


def share(array: Array, name: str) -> Variable:
    """A Variable over the array itself, not over a copy."""
    variable = Variable(0.0, name, trainable=False)
    variable.value = array
    return variable


def shared(arrays: Sequence[Array], name: str) -> list[Variable]:
    return [share(a, f"{name}_{i}:0") for i, a in enumerate(arrays)]
