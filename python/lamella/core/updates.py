"""Updates: new values for the state of layers. They are applied at the end of a run, so that a failed run changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lamella import _kernels
from lamella.core.atomic import Call, Scope, commit, write
from lamella.core.variable import Variable

T = TypeVar("T")


class Updates(dict[Variable, NDArray[Any]]):
    """The new value of each Variable, with its shape and dtype. The code that runs a model applies or drops them.

    Attributes:
        allowed: Whether new values are accepted now. In runs of evaluate and predict they are not, except during the calls of
            stateful layers (`call_of`).
        frozen: Whether the layer that is being called, or a layer that contains it, is frozen.
        stored: What calls have set in attributes in this run, by their nodes, see graph/set_in_calls.py.
        drawn: The random numbers of tensors of the graph in this run, by the layers that draw them.
        positions: The numbers of the last objects of each call and kind, see `Made`; None before the first.
        unmoved: The ids of Variables that get no new values; None for no ids.
    """

    allowed = True
    frozen = False
    positions: dict[Any, int] | None = None
    unmoved: set[int] | None = None
    drawn: dict[Any, Any]
    stored: dict[Any, dict[str, Any]]

    def __init__(self, drawn: dict[Any, Any] | None = None) -> None:
        super().__init__()
        self.drawn = {} if drawn is None else drawn
        self.stored = {}

    def note(self, variable: Variable, value: NDArray[Any]) -> None:
        """Note a new value, which replaces an earlier one. If new values are not accepted now, it is dropped.

        Raises:
            ValueError: The value and the variable have different shapes.
        """
        if self.allowed and (self.unmoved is None or id(variable) not in self.unmoved):
            self[variable] = _fitting(variable, value)

    def clear(self) -> None:
        """Remove the new values, because the run starts again."""
        super().clear()
        self.positions, self.stored = None, {}

    def calls(self) -> list[Call]:
        """The calls that write the new values, for `commit`."""
        return [write(variable.value, value) for variable, value in self.items()]

    def apply(self) -> None:
        """Write the new values, in one commit."""
        commit(self.calls())


# A call that makes others in each run, such as for each batch size, keeps at most so many. ResNet152 has fewer weights.
_MOST_KEPT = 1024


class Made:
    """The objects with state, mostly Variables, that a repeatedly called function makes. The n-th of a kind is the same in
    every run.

    Args:
        objects: Those of earlier runs. New ones are added.
        run: What counts those of this run; None for this object.
        place: The calls in which the function runs, outermost first.

    Attributes:
        positions: As in Updates.
        replaced: The object, name and old value of each attribute that the run replaced and that its end restores. None if it
            restores none.
    """

    positions: dict[Any, int] | None = None
    replaced: list[tuple[object, str, Any]] | None = None

    def __init__(self, objects: dict[Any, Any], run: Updates | None = None, place: tuple[object, ...] = ()) -> None:
        self._objects, self._place = objects, place
        self._run: Made | Updates = self if run is None else run

    def one(self, make: Callable[[], T], kind: object = None) -> T:
        """The next object of this kind: that of an earlier run, or a new one from `make`."""
        if self._run.positions is None:
            self._run.positions = {}
        positions, counted = self._run.positions, (self._place, kind)
        number = positions[counted] = positions.get(counted, -1) + 1
        key = self._place[1:], kind, number  # the first call has `objects` of its own
        if key not in self._objects:
            made = make()
            if self.replaced is None and len(self._objects) >= _MOST_KEPT:
                return made
            self._objects.setdefault(key, made)
        found: T = self._objects[key]
        return found

    def restore(self) -> None:
        """Give the replaced attributes their old values."""
        for owner, name, value in reversed(self.replaced or ()):
            object.__setattr__(owner, name, value)


class _Current(threading.local):
    updates: Updates | None = None
    made: Made | None = None
    trying: bool = False  # whether a call only finds shapes, updates or losses, so that it must print nothing
    values: bool = False  # whether losses and metrics are computed, which need no `updates`
    # The values of symbolic tensors that the running call of a layer reads from outside.
    outside: Mapping[Any, Any] = {}


# For the current run of this thread; None outside of a run.
current = _Current()


def computing() -> bool:
    """Whether this thread runs a model, a loss or a tape. If not, functions of K make tensors of the graph from Variables."""
    return current.updates is not None or current.values or _kernels.recorded() is not None


def making(function: Callable[..., T], objects: dict[Any, Any]) -> Callable[..., T]:
    """A function whose Variables are the same in each call. `objects` keeps them."""
    return lambda *arguments: Scope((current, "made", Made(objects))).run(function, *arguments)


def looped(function: Callable[..., T]) -> Callable[..., T]:
    """The function of a loop, whose calls make the same Variables: Keras calls it once."""
    counting: Made | Updates | None = current.updates if current.made is None else current.made
    if counting is None:
        return function
    before = counting.positions

    def again(*arguments: Any) -> T:
        counting.positions = None if before is None else dict(before)
        return function(*arguments)

    return again


def latest(variable: Variable) -> NDArray[Any]:
    """The value of `variable` after the run, as noted so far. A layer that is called twice updates its average twice."""
    pending = current.updates
    return variable.value if pending is None else pending.get(variable, variable.value)


def note(variable: Variable, value: NDArray[Any]) -> None:
    """Give `variable` a new value at the end of the run, or at once outside of a run.

    Raises:
        ValueError: The value and the variable have different shapes.
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
    """call(), the call of a layer. It may change its state if it is stateful, or if it is trainable and the run trains.

    Outside of a run, the call is a run, at whose end the new values are applied. If the layer is frozen, the layers that are
    called in it are treated as frozen.

    Args:
        call: The call.
        trainable: Whether the layer is trainable.
        stateful: Whether the layer is stateful.
        training: Whether the call is in the training phase; used outside of a run.
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
