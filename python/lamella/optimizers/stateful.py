"""The state that an optimizer keeps between steps, for each list of parameters, and how it is saved."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from operator import is_, setitem
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamella.core.atomic import Call, commit
from lamella.core.configurable import Configurable
from lamella.core.types import Array
from lamella.core.variable import Variable
from lamella.optimizers import arrays, memory
from lamella.optimizers.state import State, assign, shared, wrong_number

S = TypeVar("S", bound="Stateful")

_NONE = State([], np.dtype(np.float64), [], [])


class Stateful(Configurable):
    """Base of Optimizer. Several models may share one optimizer: each list of parameters has its own state, `iterations` is common.

    A state belongs to the memory of its parameters, so each step may pass new views of this memory. A copy (copy.copy,
    deepcopy, pickle, joblib) has its own states, which do not yet belong to parameters. A model that is copied with its
    optimizer connects them. Otherwise a state gets the parameters of the first step with the same shapes.
    """

    slots: tuple[str, ...] = ()
    lists_iterations = True  # whether Keras 2.2.5 saves `iterations` with the weights
    _every: int | None = None
    _listed_weights: Sequence[Variable] = ()

    def __init__(self) -> None:
        if not isinstance(getattr(type(self), "iterations", None), property):  # some rules count by those of another optimizer
            self.iterations = Variable(np.int64(0), "iterations:0", trainable=False)
        self._states: dict[arrays.Places, State] = {}
        self._waiting: list[State] = []  # states of a copy that have no parameters yet
        self._given: State | None = None  # the state that set_weights or set_state made before there was one
        self._params: Sequence[Array] | None = None  # the list that was bound with names; its owner never changes it
        self._state = _NONE
        self._roots: frozenset[int] = frozenset()

    def bind(
        self, params: Sequence[Array], names: Sequence[str] | None = None, then: Callable[[State], Call] | None = None
    ) -> State:
        """Make a new state, all zeros, for `params`. `iterations` does not change.

        If set_weights or set_state was called before there was a state, the state that it made is used instead.

        Args:
            params: The parameters, as in `step`.
            names: Names of the parameters, for messages. A caller that gives names must never change the list `params`: a step
                with this list does not check its arrays again.
            then: Returns for the new state a call of a C function. It is made in one commit with the binding, so that no
                interrupt can come between them.

        Returns:
            The state.

        Raises:
            TypeError, ValueError: As in `step`; or the state from set_weights or set_state does not fit.
        """
        arrays.check_params(type(self).__name__, params, names)
        state = self._given
        if state is None:
            state = self._zeros([p.shape for p in params], params[0].dtype)
        elif not state.fits(params):
            raise self._wrong_arrays(state, params, names)
        state.names = list(names or [])
        self._select(params, state, then=[] if then is None else [then(state)])
        return state

    @property
    def gradient_accumulation_steps(self) -> int | None:
        """The constructor's argument. It cannot be changed, because the arrays of the state depend on it."""
        return self._every

    @property
    def was_given_state(self) -> bool:
        """Whether set_weights or set_state made a state that is not yet bound to parameters."""
        return self._given is not None

    @property
    def weights(self) -> list[Variable]:
        """The arrays of the state in the order in which Keras saves them; empty before the first step, `bind` or `set_weights`.

        An optimizer that makes a part of another one's steps lists what its last get_updates used.
        """
        self._apply_deferred(self._state)
        return self._all_listed(self._state) or list(self._listed_weights)

    @weights.setter
    def weights(self, weights: Sequence[Variable]) -> None:
        self._listed_weights = list(weights)

    def state_of(self, slot: str) -> list[Array]:
        """The arrays of one slot, a name of `slots`, one for each parameter."""
        return self._state.slots[self.slots.index(slot)]

    def get_weights(self) -> list[NDArray[np.generic]]:
        """Copies of `weights`: iterations, then slot by slot; empty before the first step, as in Keras."""
        return [w.numpy() for w in self.weights]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set the state.

        Before the first step, where Keras 2.2.5 has no weights to set, the shapes of the state are those of `weights`. The first
        step then raises ValueError if its parameters have other shapes.

        Args:
            weights: Arrays in the order of `weights`. A list of Keras 2.3, which begins with iterations for every optimizer, is
                accepted too.

        Raises:
            ValueError: Numbers or shapes differ. Nothing is set.
        """
        counted = len(weights) > 0 and np.shape(weights[0]) == () and np.asarray(weights[0]).dtype.kind in "iu"
        if self._state is _NONE and (self.slots or not counted):
            number = self._count(len(weights) - counted)
            if number is None or (self.lists_iterations and not counted):
                raise wrong_number(len(weights), 0)
            state = self._like(weights[counted:], number)
        else:
            state = self._state
        self._apply_deferred(state)
        listed = self._all_listed(state)
        if counted and not self.lists_iterations:
            listed = [self.iterations, *listed]
        elif state is _NONE:
            listed = [self.iterations]
        self._assign(state, listed, weights)

    def get_state(self) -> dict[str, NDArray[np.generic]]:
        """Copies of everything that a bit-identical resume needs, by name, also the arrays that are not in Keras's weights."""
        return {w.name: w.numpy() for w in self._everything(self._state, self.weights)}

    def set_state(self, state: Mapping[str, ArrayLike]) -> None:
        """Set the state that `get_state` returned. Before the first step the same as `set_weights`.

        Raises:
            ValueError: Names or shapes differ. Nothing is set.
        """
        into = self._state
        if into is _NONE and self.slots:
            number = sum(name.rpartition("_")[0] == self.slots[0] for name in state)
            into = self._like([state.get(f"{slot}_{i}:0", 0.0) for slot in self.slots for i in range(number)], number)
        self._apply_deferred(into)
        variables = self._everything(into, self._all_listed(into))
        names = [v.name for v in variables]
        if set(names) != set(state):
            raise ValueError(f"{type(self).__name__}: expected a state of {names}, got {list(state)}")
        self._assign(into, variables, [state[name] for name in names])

    def select_state(self, params: Sequence[Array], state: State | None = None) -> None:
        """Make the state of these arrays the current one, to which `weights`, get_state and set_state refer.

        The arrays may be new views of the same memory. For the first list of arrays a new state is made.

        Args:
            params: The parameters.
            state: Their state, which `bind` returned, or its copy. None to find it.

        Raises:
            TypeError, ValueError: An array cannot be updated in place, or no state belongs to the arrays. The message names the
                array at fault.
        """
        bound = self._state.params
        if bound is not None and state in (None, self._state) and len(params) == len(bound) and all(map(is_, params, bound)):
            self._params = params if self._state.names else None
            return
        who = type(self).__name__
        try:
            places = arrays.places(params)
        except (AttributeError, TypeError):
            arrays.check_params(who, params)
            raise
        if state is None:
            state = self._states.get(places)
        if state is None:
            if self._given is not None or not (self._states or self._waiting):
                self.bind(params)
                return
            fitting = [waiting for waiting in self._waiting if waiting.fits(params)]
            if len(fitting) != 1:
                arrays.check_params(who, params)
                if fitting:
                    raise ValueError(
                        f"{who}: {len(fitting)} states of this copy fit these {len(params)} arrays, and it is unknown which "
                        "is theirs; copy an optimizer of several lists of parameters with its models, or make one for each"
                    )
                raise self._wrong_arrays(self._state, params)
            (state,) = fitting
        if state.params is None:
            arrays.check_params(who, params)
        self._select(params, state, places)

    def state_for(self, params: Sequence[Array]) -> State | None:
        """The state of these arrays, or None if no step was made with them."""
        return self._states.get(arrays.places(params))

    def move_state(self, params: Sequence[Any]) -> None:
        """Let the current state go on with other arrays, found by their places in the list.

        A step finds the state by the memory of the parameters, and refuses other arrays, because they may be those of another
        model: nothing but the program knows. After this call the state belongs to `params`, and no longer to the arrays before.

        Args:
            params: As many arrays as before, in the same order, with the same shapes. float64 and float32 may change.

        Raises:
            TypeError, ValueError: There is no state yet, an array is not accepted, or the arrays have a state of their own.
                Nothing is changed.
        """
        who, state = type(self).__name__, self._state
        params = list(memory.arrays_over(who, "parameter", params))
        arrays.check_params(who, params)
        if state is _NONE:
            raise ValueError(f"{who}.move_state: there is no state yet; it is made by the first step")
        if not state.fits(params):
            raise self._wrong_arrays(state, params)
        places = arrays.places(params)
        if self._states.get(places, state) is not state:
            raise ValueError(f"{who}.move_state: these arrays already have a state of their own")
        self._apply_deferred(state)
        left = [key for key, owned in self._states.items() if owned is state and key != places]
        state.names = []
        self._select(params, state, places, [(self._states.pop, (key,)) for key in left])

    def _select(
        self, params: Sequence[Array], state: State, places: arrays.Places | None = None, then: Sequence[Call] = ()
    ) -> None:
        """Select `params` and `state` in one commit, so that no interrupt can combine arrays with the state of others."""
        state.convert(params[0].dtype)
        used = {
            "_params": params if state.names else None,
            "_state": state,
            "_roots": arrays.roots(params, *state.slots, state.sums),
            "_waiting": [waiting for waiting in self._waiting if waiting is not state],
            "_given": None if self._given is state else self._given,
        }
        commit(
            [
                (setitem, (self._states, places or arrays.places(params), state)),
                (vars(self).update, (used,)),
                (setattr, (state, "params", list(params))),
                *then,
            ]
        )

    def _assign(self, state: State, variables: list[Variable], weights: Sequence[ArrayLike]) -> None:
        assign(variables, weights)
        if state is not self._state:
            vars(self).update(_given=state, _state=state)

    def _zeros(self, shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any]) -> State:
        """The initial state for parameters of these shapes."""
        return State.zeros(shapes, dtype, len(self.slots), accumulates=(self._every or 1) > 1)

    def _like(self, weights: Sequence[ArrayLike], number: int) -> State:
        """Zeros for the parameters to which saved weights belong. float64 unless the first slot is float32; see State.convert.

        Args:
            weights: The arrays of the slots, slot by slot.
            number: The number of parameters.
        """
        dtypes = {np.asarray(w).dtype for w in weights[:number]}
        single = dtypes == {np.dtype(np.float32)}
        return self._zeros(self._shapes_of(weights, number), np.dtype(np.float32 if single else np.float64))

    def _shapes_of(self, weights: Sequence[ArrayLike], number: int) -> list[tuple[int, ...]]:
        """The shapes of the parameters, with the arguments of `_like`."""
        return [np.shape(w) for w in weights[:number]]

    def _count(self, weights: int) -> int | None:
        """The number of parameters to which a list of so many weights belongs, or None if there is no such number.

        Args:
            weights: The number of weights, without iterations.
        """
        accumulates = (self._every or 1) > 1
        each = len(self._listed(self._zeros([()], np.dtype(np.float64)))) - self.lists_iterations + accumulates
        number, rest = divmod(weights - accumulates, each) if each else (0, 1)
        return number if number > 0 and not rest else None

    def _wrong_arrays(self, state: State, params: Sequence[Array], names: Sequence[str] | None = None) -> ValueError:
        """The error for parameters that are not those of `state`."""
        who = f"{type(self).__name__}: the state belongs to the arrays given first"
        if len(params) != len(state.shapes):
            return ValueError(f"{who}, which were {len(state.shapes)}, got {len(params)}")
        for i, (shape, p) in enumerate(zip(state.shapes, params)):
            if p.shape != shape:
                return ValueError(f"{who}: expected {arrays.called(names, i)} of shape {shape}, got {p.shape}")
        bound = arrays.places(state.params) if state.params else ()
        i = next((i for i, (a, b) in enumerate(zip(bound, arrays.places(params))) if a != b), 0)
        return ValueError(
            f"{who}, and {arrays.called(names, i)} is another array; step on those arrays or on views of them. For other arrays "
            "make another optimizer; set_state(get_state()) copies the state to it, "
            "and move_state(params) lets this one go on with them"
        )

    def _apply_deferred(self, state: State) -> None:
        """Apply the deferred part of a step to the slots, if any."""

    def _listed(self, state: State) -> list[Variable]:
        """The arrays that Keras saves, in its order."""
        listed = [self.iterations] if self.lists_iterations else []
        for name, slot in zip(self.slots, state.slots):
            listed += shared(slot, name)
        return listed

    def _all_listed(self, state: State) -> list[Variable]:
        """The arrays of `_listed` and those of gradient accumulation; none if there is no state."""
        if state is _NONE:
            return []
        sums = [state.accumulated, *shared(state.sums, "gradient_sums")] if state.sums else []
        return self._listed(state) + sums

    def _everything(self, state: State, listed: list[Variable]) -> list[Variable]:
        """`listed`, and iterations if it is not in Keras's list."""
        return listed if self.lists_iterations and state is not _NONE else [self.iterations, *listed]

    def __getstate__(self) -> dict[str, Any]:
        waiting = [*{id(state): state for state in (*self._states.values(), *self._waiting)}.values()]
        return vars(self) | {
            "_states": {},
            "_waiting": waiting,
            "_params": None,
            "_state": None if self._state is _NONE else self._state,
            "_roots": frozenset(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self._state is None:
            self._state = _NONE

    def __copy__(self: S) -> S:
        """An independent copy, because two optimizers cannot share a state."""
        return copy.deepcopy(self)
