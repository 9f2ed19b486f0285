"""Optimizer: one in-place update of a list of arrays, in one kernel call, with the state that belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamella import _kernels
from lamella.core.configurable import Config, Configurable
from lamella.core.variable import Variable
from lamella.optimizers import arrays
from lamella.optimizers.arguments import bound, steps
from lamella.optimizers.arrays import Array
from lamella.optimizers.state import Reading, State, assign, shared

_BOUNDS = ("clipnorm", "clipnorm_per_tensor", "clipvalue")


class Optimizer(Configurable):
    """Base of all optimizers. It stands alone: `opt.step(params, grads)` needs no model.

    A subclass names its `slots`, one zero array per parameter each, and writes `update`: one kernel call.
    Numbers such as lr are Variables, so K.set_value(opt.lr, 0.1) and opt.lr = 0.1 both work; float64, so that
    a float64 step loses nothing.

    Args:  clipnorm: the gradients' global norm is brought down to it (Keras 2; not a norm per array).
        clipnorm_per_tensor: the norm of each array's gradient is brought down to it, after clipnorm.
        clipvalue: every element is clipped to [-clipvalue, clipvalue], after both. None and 0 turn a bound off.
        gradient_accumulation_steps: n makes n calls of `step` one: weights and `iterations` move in every n-th, along
        the mean of the n gradients, which is what is clipped. Sums that wait for a step survive the end of an epoch; they
        stand behind Keras's weights in `weights`.
    Raises:  TypeError for any other keyword.
    Source:  Keras 2.2.5; clipnorm_per_tensor and gradient_accumulation_steps are lamella's own.
    """

    slots: tuple[str, ...] = ()
    lists_iterations = True  # whether Keras 2.2.5 saves `iterations` with the weights

    def __init__(self, **kwargs: float | None) -> None:
        for name in kwargs:
            if name not in (*_BOUNDS, "gradient_accumulation_steps"):
                raise TypeError(f"Unexpected keyword argument passed to optimizer: {name}")
        self.clipnorm = bound("clipnorm", kwargs.get("clipnorm"))
        self.clipnorm_per_tensor = bound("clipnorm_per_tensor", kwargs.get("clipnorm_per_tensor"))
        self.clipvalue = bound("clipvalue", kwargs.get("clipvalue"))
        self._every = steps(kwargs.get("gradient_accumulation_steps"))
        self.iterations = Variable(np.int64(0), "iterations:0", trainable=False)
        # Several models may share one optimizer, so each list of parameters keeps its own state.
        self._states: dict[tuple[int, ...], State] = {}
        self._params: Sequence[Array] | None = None
        self._state = State([], [], [])
        self._weights: list[Variable] = []
        self._roots: frozenset[int] = frozenset()
        self._round: Callable[[float], float] = float
        self._rounded: dict[float, float] = {}

    def __setattr__(self, name: str, value: Any) -> None:  # Any: as object.__setattr__
        held = self.__dict__.get(name)
        if isinstance(held, Variable) and not isinstance(value, Variable):
            held.assign(value)
        else:
            object.__setattr__(self, name, value)

    @property
    def gradient_accumulation_steps(self) -> int | None:
        """As given to the constructor: the state's arrays follow from it, so it stays."""
        return self._every

    @property
    def weights(self) -> list[Variable]:
        """The state in the order in which Keras saves it; empty before the first step or `bind`."""
        self._settle(self._state)
        return self._weights

    def number(self, name: str, value: float) -> Variable:
        """A hyperparameter. Raises TypeError for what is no number, ValueError for NaN and infinity."""
        if isinstance(value, Variable):
            value = float(value)
        if isinstance(value, (str, bytes)) or np.ndim(value) != 0:
            raise TypeError(f"{type(self).__name__}: expected a number for {name}, got {value!r}")
        if not np.isfinite(value):
            raise ValueError(f"{type(self).__name__}: expected a finite {name}, got {value!r}")
        return Variable(np.float64(value), f"{name}:0", trainable=False)

    def bind(self, params: Sequence[Array]) -> None:
        """Start a new state, all zeros, for `params`; `iterations` goes on. Raises as `step` does."""
        arrays.check_params(type(self).__name__, params)
        state = State.zeros(params, len(self.slots), accumulates=(self._every or 1) > 1)
        self._states[tuple(map(id, params))] = state
        self._use(params, state)

    def step(self, params: Sequence[Array], grads: Sequence[Array]) -> bool:
        """Update `params` in place by one step along `grads`.

        Args:  params: arrays, all float32 or all float64, C-contiguous and writable; the state belongs to the
            arrays of the first call (see `bind`).  grads: as many arrays of the same shapes and dtype, read only.
        Returns:  True, or False where the gradients were only added up (see gradient_accumulation_steps).
        Raises:  TypeError, ValueError naming the array at fault; nothing is modified then.
        """
        if params is not self._params:
            self._find(params)
        if type(grads) is not list:
            grads = list(grads)
        try:
            if arrays.may_alias(grads, self._roots):
                grads = self._clean(params, grads)
            return self._step(params, grads)
        except (TypeError, ValueError, AttributeError):
            # The kernels refuse before they write. Say which array is at fault, or straighten a gradient's layout.
            return self._step(list(params), self._clean(params, grads))

    def update(self, params: Sequence[Array], grads: Sequence[Array], iterations: int, reading: Reading) -> None:
        """One kernel call; `iterations` counts the steps before this one, `reading` is handed on to the kernel."""
        raise NotImplementedError

    def rounded(self, number: Variable) -> float:
        """A hyperparameter in the parameters' dtype: 1 - float32(0.999) is 1.3e-5 off 0.001, in Keras as here."""
        value: float = number.value.item()
        found = self._rounded.get(value)
        if found is None:
            if len(self._rounded) > 8:
                self._rounded = {}  # a schedule may set another value each step
            found = self._rounded[value] = self._round(value)
        return found

    lr: Variable
    decay: Variable
    initial_decay: float

    def decayed(self, iterations: int) -> float:
        """lr / (1 + decay * iterations): the first step is undecayed. Active only if the constructor's decay was."""
        lr: float = self.lr.value.item()
        return lr / (1.0 + float(self.decay) * iterations) if self.initial_decay > 0 else lr

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

    def get_config(self) -> Config:
        config = super().get_config()
        for name in (*_BOUNDS, "gradient_accumulation_steps"):
            if getattr(self, name) is not None:
                config[name] = getattr(self, name)
        return config

    def _step(self, params: Sequence[Array], grads: Sequence[Array]) -> bool:
        every = self._every or 1
        if every > 1:
            accumulated = self._state.accumulated.value
            before = accumulated.item()
            if before + 1 < every:
                _kernels.accumulate_gradients(self._state.sums, grads, int(before == 0))
                accumulated[()] = before + 1
                return False
        iterations = self.iterations.value
        number = iterations.item()
        bounds = self.clipnorm or 0.0, self.clipnorm_per_tensor or 0.0, self.clipvalue or 0.0
        self.update(params, grads, number, (self._state.sums, 1.0 / every, *bounds))
        iterations[()] = number + 1
        if every > 1:
            accumulated[()] = 0
        return True

    def _settle(self, state: State) -> None:
        """Bring slots up to date whose share of a step was put off."""

    def _clean(self, params: Sequence[Array], grads: Sequence[Array]) -> list[Array]:
        return arrays.clean_grads(type(self).__name__, params, grads, [*self._state.slots, self._state.sums])

    def _find(self, params: Sequence[Array]) -> None:
        """The state of these very arrays, whatever list they come in; a new one if this is the first list."""
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
        self._round = float if params[0].dtype == np.float64 else _round32
        self._rounded = {}
        self._params = params
        self._state = state
        self._roots = arrays.roots(params, *state.slots, state.sums)
        self._weights = self._listed(state)
        if state.sums:
            self._weights += [state.accumulated, *shared(state.sums, "gradient_sums")]

    def _listed(self, state: State) -> list[Variable]:
        """What Keras saves, in its order."""
        listed = [self.iterations] if self.lists_iterations else []
        for name, slot in zip(self.slots, state.slots):
            listed += shared(slot, name)
        return listed

    def _everything(self) -> list[Variable]:
        """`weights` and what Keras's list leaves out, each once."""
        return self.weights if self.lists_iterations else [self.iterations, *self.weights]


def _round32(value: float) -> float:
    return float(np.float32(value))
