"""The arrays that an optimizer keeps for one list of parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from lamella._kernels import Plan
from lamella.core.rows_gradient import RowsGradient, dense
from lamella.core.types import Array
from lamella.core.variable import Variable, owned

# How a kernel reads the gradients: sums, scale, norm, norm_each, clip. cpp/table/bundles.def explains them. A plain tuple,
# because each step makes one, and a named tuple takes 3,000 instructions more.
Bounds: TypeAlias = tuple[list[Array], float, float, float, float]


@dataclass(eq=False)
class State:
    """The arrays of one list of parameters.

    Attributes:
        shapes: The shapes of the parameters.
        dtype: The dtype of the parameters.
        slots: For each of the optimizer's slots a list of arrays with the shapes of the parameters.
        sums: The sums of the gradients that are accumulated for the next update; empty without accumulation.
        params: The parameters. None in a state that was copied or set, until the first step with its parameters.
        names: The names of the parameters, for messages; empty if they have none.
        accumulated: The number of gradients in `sums`.
        deferred: Gradients, lr and bounds of a step that is not yet applied to the slots. The optimizer applies it before it
            reads them.
        placeholders: Arrays that Keras saves with the slots, and that no kernel reads.
        variables: The Variables that a user's get_updates makes, see `Made`.
        plan: What the kernels have checked of the arrays in the last step.
    """

    shapes: list[tuple[int, ...]]
    dtype: np.dtype[Any]
    slots: list[list[Array]]
    sums: list[Array]
    params: list[Array] | None = None
    names: list[str] = field(default_factory=list)
    accumulated: Variable = field(default_factory=lambda: Variable(np.int64(0), "accumulated_gradients:0", trainable=False))
    deferred: tuple[list[Array | RowsGradient], float, Bounds] | None = None
    placeholders: list[Array] = field(default_factory=list)
    variables: dict[Any, Any] = field(default_factory=dict)
    plan: Plan = field(default_factory=Plan)

    @classmethod
    def zeros(cls, shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any], slots: int, *, accumulates: bool) -> State:
        """A state for parameters of these shapes. All arrays are zero."""
        # The system fills the pages of np.zeros when they are first used; zeros_like writes the zeros at once.
        like = [[np.zeros(shape, dtype) for shape in shapes] for _ in range(slots + accumulates)]
        return cls(list(shapes), dtype, like[:slots], like[-1] if accumulates else [])

    def fits(self, params: Sequence[Array]) -> bool:
        """Whether the parameters have the shapes of this state."""
        return self.shapes == [p.shape for p in params]

    def convert(self, dtype: np.dtype[Any]) -> None:
        """Convert the arrays to the parameters' dtype. A state that was set may come from lists or from the other precision."""
        if self.dtype != dtype:
            vars(self).update(
                slots=[[array.astype(dtype) for array in slot] for slot in self.slots],
                sums=[array.astype(dtype) for array in self.sums],
                placeholders=[array.astype(dtype) for array in self.placeholders],
                dtype=dtype,
            )

    def __getstate__(self) -> dict[str, Any]:
        deferred = self.deferred and (dense(self.deferred[0]), *self.deferred[1:])
        kept = {name: value for name, value in vars(self).items() if name != "plan"}
        return kept | {"params": None, "deferred": deferred}  # the parameters belong to the model, which copies them

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({"deferred" if name == "late" else name: value for name, value in state.items()})  # pickles of 0.1
        self.plan = Plan()
        self.slots = [[owned(array) for array in slot] for slot in self.slots]
        self.sums = [owned(array) for array in self.sums]
        self.placeholders = [owned(array) for array in self.placeholders]
        if self.deferred is not None:
            self.deferred = [owned(array) for array in dense(self.deferred[0])], *self.deferred[1:]


def share(array: Array, name: str, constraint: Callable[[Array], Array] | None = None) -> Variable:
    """A Variable that holds the array itself, not a copy."""
    variable = Variable(0.0, name, trainable=False, constraint=constraint)
    variable.value = array
    return variable


def shared(arrays: Sequence[Array], name: str) -> list[Variable]:
    """A Variable for each array, named name_0:0, name_1:0 and so on; see `share`."""
    return [share(a, f"{name}_{i}:0") for i, a in enumerate(arrays)]


def assign(variables: Sequence[Variable], weights: Sequence[ArrayLike]) -> None:
    """Write `weights` into `variables`.

    Raises:
        ValueError: Numbers or shapes differ, or a weight is not of numbers. Nothing is written.
    """
    if len(weights) != len(variables):
        raise wrong_number(len(weights), len(variables))
    new = [np.asarray(w) for w in weights]
    for variable, array in zip(variables, new):
        if variable.shape != array.shape:
            raise ValueError(f"Optimizer weight shape {variable.shape} not compatible with provided weight shape {array.shape}")
    new = [array.astype(variable.dtype) for variable, array in zip(variables, new)]
    for variable, array in zip(variables, new):
        variable.value[...] = array


def wrong_number(given: int, wanted: int) -> ValueError:
    """The error of Keras 2.2.5 for a list of weights of a wrong length."""
    return ValueError(
        f"Length of the specified weight list ({given}) does not match the number of weights of the optimizer ({wanted})"
    )
