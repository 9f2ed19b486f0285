"""Updates: new values for state that layers move. They wait for the end of a run, so that a run that fails moves nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lamella.core.atomic import Call, Scope, commit, write
from lamella.core.variable import Variable

T = TypeVar("T")


class Updates(dict[Variable, NDArray[Any]]):
    """The new value of each variable, of its shape and dtype. Whoever runs a model applies them, or drops them.

    Attributes:
        allowed: Whether new values are taken now. At the start of evaluate's and predict's runs they are not: `call_of` lets
            those of stateful layers pass.
        frozen: Whether the layer that is being called, or one that holds it, is frozen.
    """

    allowed = True
    frozen = False

    def note(self, variable: Variable, value: NDArray[Any]) -> None:
        """`value` replaces what was noted before. Where layers may note nothing, it is dropped.

        Raises:
            ValueError: The value's shape is not the variable's.
        """
        if self.allowed:
            self[variable] = _fitting(variable, value)

    def calls(self) -> list[Call]:
        """What writes the new values, for `commit`."""
        return [write(variable.value, value) for variable, value in self.items()]

    def apply(self) -> None:
        """Write the new values, all at once."""
        commit(self.calls())


class Made:
    """The Variables that a function makes which is run again and again: its n-th is the same in every run."""

    def __init__(self, variables: list[Variable]) -> None:
        self._variables, self._next = variables, 0

    def one(self, make: Callable[[], Variable]) -> Variable:
        if self._next == len(self._variables):
            self._variables.append(make())
        self._next += 1
        return self._variables[self._next - 1]


class _Current(threading.local):
    updates: Updates | None = None
    made: Made | None = None


# Of the run that goes on in this thread; None outside of one.
current = _Current()


def latest(variable: Variable) -> NDArray[Any]:
    """What `variable` will be after the run, as far as noted: a layer called twice moves its average twice."""
    pending = current.updates
    return variable.value if pending is None else pending.get(variable, variable.value)


def note(variable: Variable, value: NDArray[Any]) -> None:
    """Give `variable` a new value at the end of the run, or at once outside of one.

    Raises:
        ValueError: The value's shape is not the variable's.
    """
    if current.updates is None:
        variable.value[...] = _fitting(variable, value)
    else:
        current.updates.note(variable, value)


def _fitting(variable: Variable, value: NDArray[Any]) -> NDArray[Any]:
    array = np.asarray(value, variable.value.dtype)
    if array.shape != variable.value.shape:
        raise ValueError(f"update of '{variable.name}': expected shape {variable.value.shape}, got {array.shape}")
    return array


def call_of(call: Callable[[], T], *, trainable: bool, stateful: bool, training: bool) -> T:
    """call(), of a layer that may move its state if it is stateful, or if it is trainable and the run trains.

    Outside of a run the call is one: what was noted is applied at its end. Layers that are called in it are held to be frozen
    where this one is.
    """
    pending = current.updates
    if pending is not None:
        allowed, frozen = stateful or (trainable and pending.allowed), pending.frozen or not trainable
        return Scope((pending, "allowed", allowed), (pending, "frozen", frozen)).run(call)
    own = Updates()
    own.allowed, own.frozen = stateful or (trainable and training), not trainable
    result = Scope((current, "updates", own)).run(call)
    own.apply()
    return result
