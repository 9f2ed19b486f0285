"""What an optimizer remembers from step to step, for each list of parameters, and how it is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamella.core.configurable import Configurable
from lamella.core.variable import Variable
from lamella.optimizers import arrays
from lamella.optimizers.arrays import Array
from lamella.optimizers.state import State, assign, shared


class Stateful(Configurable):
    """Several models may share one optimizer, so each list of parameters keeps its own state; `iterations` is common."""

    slots: tuple[str, ...] = ()
    lists_iterations = True  # whether Keras 2.2.5 saves `iterations` with the weights
    _every: int | None = None

    def __init__(self) -> None:
        self.iterations = Variable(np.int64(0), "iterations:0", trainable=False)
        self._states: dict[tuple[int, ...], State] = {}
        self._params: Sequence[Array] | None = None  # and what belongs to them:
        self._state = State([], [], [])
        self._weights: list[Variable] = []
        self._roots: frozenset[int] = frozenset()
        self._single = False  # whether they are float32

    def bind(self, params: Sequence[Array]) -> None:
        """Start a new state, all zeros, for `params`; `iterations` goes on. Raises as `step` does."""
        arrays.check_params(type(self).__name__, params)
        state = State.zeros(params, len(self.slots), accumulates=(self._every or 1) > 1)
        self._states[tuple(map(id, params))] = state
        self._use(params, state)

    @property
    def gradient_accumulation_steps(self) -> int | None:
        """As given to the constructor: the state's arrays follow from it, so it stays."""
        return self._every

    @property
    def weights(self) -> list[Variable]:
        """The state in the order in which Keras saves it; empty before the first step or `bind`."""
        self._settle(self._state)
        return self._weights

    def state_of(self, slot: str) -> list[Array]:
        """The arrays of one of `slots`, one for each parameter of the step."""
        return self._state.slots[self.slots.index(slot)]

    def get_weights(self) -> list[NDArray[np.generic]]:
        """Copies: iterations, then slot by slot; empty before the first step, as in Keras."""
        return [w.numpy() for w in self.weights]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Raises ValueError, with nothing set, if numbers or shapes differ; call `bind(params)` before.

        A list of Keras 2.3, which begins with iterations for every optimizer, is taken as well.
        """
        variables = self.weights
        if not self.lists_iterations and len(weights) == len(variables) + 1:
            variables = [self.iterations, *variables]
        assign(variables, weights)

    def get_state(self) -> dict[str, NDArray[np.generic]]:
        """Copies of all that a bit-identical resume needs, by name: also what Keras's list of weights leaves out."""
        return {w.name: w.numpy() for w in self._everything()}

    def set_state(self, state: Mapping[str, ArrayLike]) -> None:
        """Raises ValueError, with nothing set, if names or shapes differ; call `bind(params)` before."""
        variables = self._everything()
        names = [v.name for v in variables]
        if set(names) != set(state):
            raise ValueError(f"{type(self).__name__}: expected a state of {names}, got {list(state)}")
        assign(variables, [state[name] for name in names])

    def turn_to(self, params: Sequence[Array]) -> None:
        """Take up the state of these very arrays, whatever list they come in; a new one if this is the first list.

        That state is then the one that `weights`, get_state and set_state mean. Raises ValueError for unknown arrays.
        """
        known = self._states.get(tuple(map(id, params)))
        if known is not None and known is self._state:
            self._params = params  # another list of the same arrays
        elif known is not None:
            self._use(params, known)
        elif not self._states:
            self.bind(params)
        else:
            raise ValueError(
                f"{type(self).__name__}: the state belongs to the arrays given first, and these {len(params)} are "
                "others; call bind(params) to start a state for them"
            )

    def _use(self, params: Sequence[Array], state: State) -> None:
        self._single = params[0].dtype == np.float32
        self._params = params
        self._state = state
        self._roots = arrays.roots(params, *state.slots, state.sums)
        self._weights = self._listed(state)
        if state.sums:
            self._weights += [state.accumulated, *shared(state.sums, "gradient_sums")]

    def _settle(self, state: State) -> None:
        """Bring slots up to date whose share of a step was put off."""

    def _listed(self, state: State) -> list[Variable]:
        """What Keras saves, in its order."""
        listed = [self.iterations] if self.lists_iterations else []
        for name, slot in zip(self.slots, state.slots):
            listed += shared(slot, name)
        return listed

    def _everything(self) -> list[Variable]:
        """`weights` and what Keras's list leaves out, each once."""
        return self.weights if self.lists_iterations else [self.iterations, *self.weights]
