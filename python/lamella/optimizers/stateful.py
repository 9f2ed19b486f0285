"""What an optimizer remembers from step to step, for each list of parameters, and how it is saved."""

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
from lamella.optimizers import arrays
from lamella.optimizers.state import State, assign, shared, wrong_number

S = TypeVar("S", bound="Stateful")

_NONE = State([], np.dtype(np.float64), [], [])


class Stateful(Configurable):
    """Several models may share one optimizer, so each list of parameters keeps its own state; `iterations` is common.

    A state belongs to the memory of its parameters, so views that are made anew for each step go on with it. A copy
    (copy.copy, deepcopy, pickle, joblib) has states of its own, which wait for their parameters: a model that is copied along
    brings its own, else the first list of the same shapes takes its state up.
    """

    slots: tuple[str, ...] = ()
    lists_iterations = True  # whether Keras 2.2.5 saves `iterations` with the weights
    _every: int | None = None

    def __init__(self) -> None:
        self.iterations = Variable(np.int64(0), "iterations:0", trainable=False)
        self._states: dict[arrays.Places, State] = {}
        self._waiting: list[State] = []  # of a copy, without parameters
        self._given: State | None = None  # by set_weights or set_state, before there was any
        self._params: Sequence[Array] | None = None  # a list that never changes, of whoever binds with names
        self._state = _NONE
        self._roots: frozenset[int] = frozenset()

    def bind(
        self, params: Sequence[Array], names: Sequence[str] | None = None, then: Callable[[State], Call] | None = None
    ) -> State:
        """Start a new state, all zeros, for `params`; `iterations` goes on. Raises as `step` does.

        What set_weights or set_state was given before there was a state is taken up instead.

        Args:
            names: What messages call the parameters. Whoever gives them never changes the list, so that a step need not look at
                its arrays.
            then: Makes a call of the new state, of a C function, that happens with the binding: no interrupt comes between.
        """
        arrays.check_params(type(self).__name__, params, names)
        state = self._given
        if state is None:
            state = self._zeros([p.shape for p in params], params[0].dtype)
        elif not state.fits(params):
            raise self._others(state, params, names)
        state.names = list(names or [])
        self._use(params, state, then=[] if then is None else [then(state)])
        return state

    @property
    def gradient_accumulation_steps(self) -> int | None:
        """As given to the constructor: the state's arrays follow from it, so it stays."""
        return self._every

    @property
    def was_given_state(self) -> bool:
        """Whether set_weights or set_state gave it a state that no parameters have taken up yet."""
        return self._given is not None

    @property
    def weights(self) -> list[Variable]:
        """The state in the order in which Keras saves it; empty before the first step, `bind` or `set_weights`."""
        self._settle(self._state)
        return self._all_listed(self._state)

    def state_of(self, slot: str) -> list[Array]:
        """The arrays of one of `slots`, one for each parameter of the step."""
        return self._state.slots[self.slots.index(slot)]

    def get_weights(self) -> list[NDArray[np.generic]]:
        """Copies: iterations, then slot by slot; empty before the first step, as in Keras."""
        return [w.numpy() for w in self.weights]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Raises ValueError, with nothing set, if numbers or shapes differ.

        Before the first step the shapes are taken from `weights`; a first step with parameters of others is refused. Keras
        2.2.5 has no weights to set then. A list of Keras 2.3, which begins with iterations for every optimizer, is taken
        as well.
        """
        counted = len(weights) > 0 and np.shape(weights[0]) == () and np.asarray(weights[0]).dtype.kind in "iu"
        if self._state is _NONE and (self.slots or not counted):
            number = self._count(len(weights) - counted)
            if number is None or (self.lists_iterations and not counted):
                raise wrong_number(len(weights), 0)
            state = self._like(weights[counted : counted + number])
        else:
            state = self._state
        self._settle(state)
        listed = self._all_listed(state)
        if counted and not self.lists_iterations:
            listed = [self.iterations, *listed]
        elif state is _NONE:
            listed = [self.iterations]
        self._assign(state, listed, weights)

    def get_state(self) -> dict[str, NDArray[np.generic]]:
        """Copies of all that a bit-identical resume needs, by name: also what Keras's list of weights leaves out."""
        return {w.name: w.numpy() for w in self._everything(self._state, self.weights)}

    def set_state(self, state: Mapping[str, ArrayLike]) -> None:
        """Raises ValueError, with nothing set, if names or shapes differ. Before the first step as `set_weights`."""
        into = self._state
        if into is _NONE and self.slots:
            of_first = [name for name in state if name.rpartition("_")[0] == self.slots[0]]
            into = self._like([state.get(f"{self.slots[0]}_{i}:0", 0.0) for i in range(len(of_first))])
        self._settle(into)
        variables = self._everything(into, self._all_listed(into))
        names = [v.name for v in variables]
        if set(names) != set(state):
            raise ValueError(f"{type(self).__name__}: expected a state of {names}, got {list(state)}")
        self._assign(into, variables, [state[name] for name in names])

    def turn_to(self, params: Sequence[Array], state: State | None = None) -> None:
        """Take up the state of these arrays, whatever list and views of their memory they come in; a new one if this is
        the first list.

        That state is then the one that `weights`, get_state and set_state mean.

        Args:
            state: The one that `bind` returned for them, or its copy.

        Raises:
            ValueError: Which names the array at fault, for arrays that no state belongs to.
        """
        held = self._state.params
        if held is not None and state in (None, self._state) and len(params) == len(held) and all(map(is_, params, held)):
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
                        f"{who}: {len(fitting)} states of this copy fit these {len(params)} arrays, and nothing tells which "
                        "is theirs; copy an optimizer of several lists of parameters with its models, or make one for each"
                    )
                raise self._others(self._state, params)
            (state,) = fitting
        if state.params is None:
            arrays.check_params(who, params)
        self._use(params, state, places)

    def _use(
        self, params: Sequence[Array], state: State, places: arrays.Places | None = None, then: Sequence[Call] = ()
    ) -> None:
        """Turn to `params` and `state` in one piece: an interrupt must not pair arrays with the state of others."""
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
        return State.zeros(shapes, dtype, len(self.slots), accumulates=(self._every or 1) > 1)

    def _like(self, weights: Sequence[ArrayLike]) -> State:
        """Zeros for parameters of these shapes; float64 where that is not known, see State.convert."""
        dtypes = {np.asarray(w).dtype for w in weights}
        single = dtypes == {np.dtype(np.float32)}
        return self._zeros([np.shape(w) for w in weights], np.dtype(np.float32 if single else np.float64))

    def _count(self, weights: int) -> int | None:
        """Of how many parameters a list of so many weights is, iterations left out; None if of no number."""
        accumulates = (self._every or 1) > 1
        each = len(self._listed(self._zeros([()], np.dtype(np.float64)))) - self.lists_iterations + accumulates
        number, rest = divmod(weights - accumulates, each) if each else (0, 1)
        return number if number > 0 and not rest else None

    def _others(self, state: State, params: Sequence[Array], names: Sequence[str] | None = None) -> ValueError:
        """What is wrong with `params`, which are not those of `state`."""
        who = f"{type(self).__name__}: the state belongs to the arrays given first"
        if len(params) != len(state.shapes):
            return ValueError(f"{who}, which were {len(state.shapes)}, got {len(params)}")
        for i, (shape, p) in enumerate(zip(state.shapes, params)):
            if p.shape != shape:
                return ValueError(f"{who}: expected {arrays.called(names, i)} of shape {shape}, got {p.shape}")
        held = arrays.places(state.params) if state.params else ()
        i = next((i for i, (a, b) in enumerate(zip(held, arrays.places(params))) if a != b), 0)
        return ValueError(
            f"{who}, and {arrays.called(names, i)} is another; step on those arrays or on views of them. For other arrays "
            "make another optimizer; set_state(get_state()) hands the state on"
        )

    def _settle(self, state: State) -> None:
        """Bring slots up to date whose share of a step was put off."""

    def _listed(self, state: State) -> list[Variable]:
        """What Keras saves, in its order."""
        listed = [self.iterations] if self.lists_iterations else []
        for name, slot in zip(self.slots, state.slots):
            listed += shared(slot, name)
        return listed

    def _all_listed(self, state: State) -> list[Variable]:
        """As `_listed`, and what accumulation adds; nothing where there is no state."""
        if state is _NONE:
            return []
        sums = [state.accumulated, *shared(state.sums, "gradient_sums")] if state.sums else []
        return self._listed(state) + sums

    def _everything(self, state: State, listed: list[Variable]) -> list[Variable]:
        """`listed` and what Keras's list leaves out, each once."""
        return listed if self.lists_iterations and state is not _NONE else [self.iterations, *listed]

    # Copies ----------------------------------------------------------------------------------------------

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
        """Independent: two optimizers cannot share a state and step on their own."""
        return copy.deepcopy(self)
