"""The arrays that an optimizer keeps for one list of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from lamella.core.variable import Variable
from lamella.optimizers.arrays import Array

# How a kernel reads the gradients, its last arguments: sums, scale, norm, norm_each, clip of kernels.def.
Reading: TypeAlias = tuple[list[Array], float, float, float, float]


@dataclass
class State:
    """params: what is updated.  slots: a list of arrays like `params` for each of the optimizer's slots.

    sums, accumulated: the gradients that wait for a step, added up, and their number; no sums without accumulation.
    late: gradients, lr and reading of a step that the slots have not seen yet; the optimizer settles it before it reads them.
    """

    params: list[Array]
    slots: list[list[Array]]
    sums: list[Array]
    accumulated: Variable = field(
        default_factory=lambda: Variable(np.int64(0), "accumulated_gradients:0", trainable=False)
    )
    late: tuple[list[Array], float, Reading] | None = None

    @classmethod
    def zeros(cls, params: Sequence[Array], slots: int, *, accumulates: bool) -> State:
        # np.zeros leaves large arrays to the system until they are touched; zeros_like writes the zeros.
        like = [[np.zeros(p.shape, p.dtype) for p in params] for _ in range(slots + accumulates)]
        return cls(list(params), like[:slots], like[-1] if accumulates else [])


def share(array: Array, name: str) -> Variable:
    """A Variable over the array itself, not over a copy."""
    variable = Variable(0.0, name, trainable=False)
    variable.value = array
    return variable


def shared(arrays: Sequence[Array], name: str) -> list[Variable]:
    return [share(a, f"{name}_{i}:0") for i, a in enumerate(arrays)]


def assign(variables: Sequence[Variable], weights: Sequence[ArrayLike]) -> None:
    """Write `weights` into `variables`. Raises ValueError, with nothing written, if numbers or shapes differ."""
    if len(weights) != len(variables):
        raise ValueError(
            f"Length of the specified weight list ({len(weights)}) does not match the number of weights of the "
            f"optimizer ({len(variables)})"
            + ("" if variables else "; it has none before bind(params) or the first step")
        )
    new = [np.asarray(w) for w in weights]
    for variable, array in zip(variables, new):
        if variable.shape != array.shape:
            raise ValueError(
                f"Optimizer weight shape {variable.shape} not compatible with provided weight shape {array.shape}"
            )
    for variable, array in zip(variables, new):
        variable.value[...] = array
