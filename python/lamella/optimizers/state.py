"""The arrays that an optimizer keeps for one list of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from lamella.core.rows_gradient import RowsGradient, dense
from lamella.core.types import Array
from lamella.core.variable import Variable, owned

# How a kernel reads the gradients: sums, scale, norm, norm_each, clip; cpp/table/bundles.def says what they mean. A plain tuple,
# since each step makes one and a named one takes 3,000 instructions more.
Bounds: TypeAlias = tuple[list[Array], float, float, float, float]


@dataclass(eq=False)
class State:
    """shapes, dtype: of the parameters.  slots: for each of the optimizer's slots a list of arrays like the parameters.

    params: what is updated; None for the state of a copy, or one that was set, until the first step shows what it is for.
    names: of the parameters, for messages; empty where they have none.
    sums, accumulated: the gradients that wait for a step, added up, and their number; no sums without accumulation.
    late: gradients, lr and bounds of a step that the slots have not seen yet; the optimizer settles it before it reads them.
    """

    shapes: list[tuple[int, ...]]
    dtype: np.dtype[Any]
    slots: list[list[Array]]
    sums: list[Array]
    params: list[Array] | None = None
    names: list[str] = field(default_factory=list)
    accumulated: Variable = field(default_factory=lambda: Variable(np.int64(0), "accumulated_gradients:0", trainable=False))
    late: tuple[list[Array | RowsGradient], float, Bounds] | None = None
    # What Keras saves beside the slots, and no kernel reads.
    placeholders: list[Array] = field(default_factory=list)
    # What a user's get_updates makes, in this order.
    variables: list[Variable] = field(default_factory=list)

    @classmethod
    def zeros(cls, shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any], slots: int, *, accumulates: bool) -> State:
        # np.zeros leaves large arrays to the system until they are touched; zeros_like writes the zeros.
        like = [[np.zeros(shape, dtype) for shape in shapes] for _ in range(slots + accumulates)]
        return cls(list(shapes), dtype, like[:slots], like[-1] if accumulates else [])

    def fits(self, params: Sequence[Array]) -> bool:
        return self.shapes == [p.shape for p in params]

    def convert(self, dtype: np.dtype[Any]) -> None:
        """To the parameters' dtype: a state that was set may come from lists, or from a run in the other precision."""
        if self.dtype != dtype:
            vars(self).update(
                slots=[[array.astype(dtype) for array in slot] for slot in self.slots],
                sums=[array.astype(dtype) for array in self.sums],
                placeholders=[array.astype(dtype) for array in self.placeholders],
                dtype=dtype,
            )

    def __getstate__(self) -> dict[str, Any]:
        late = self.late and (dense(self.late[0]), *self.late[1:])
        return vars(self) | {"params": None, "late": late}  # whoever copies the parameters does so on its own

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.slots = [[owned(array) for array in slot] for slot in self.slots]
        self.sums = [owned(array) for array in self.sums]
        self.placeholders = [owned(array) for array in self.placeholders]
        if self.late is not None:
            self.late = [owned(array) for array in dense(self.late[0])], *self.late[1:]


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
        raise wrong_number(len(weights), len(variables))
    new = [np.asarray(w) for w in weights]
    for variable, array in zip(variables, new):
        if variable.shape != array.shape:
            raise ValueError(f"Optimizer weight shape {variable.shape} not compatible with provided weight shape {array.shape}")
    for variable, array in zip(variables, new):
        variable.value[...] = array


def wrong_number(given: int, wanted: int) -> ValueError:
    return ValueError(
        f"Length of the specified weight list ({given}) does not match the number of weights of the optimizer ({wanted})"
    )
