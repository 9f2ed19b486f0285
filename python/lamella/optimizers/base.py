"""Optimizer: one in-place update of a list of arrays, in one kernel call, with the state that belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamella import _kernels
from lamella.core.configurable import Config, Configurable
from lamella.core.variable import Variable
from lamella.optimizers import arrays
from lamella.optimizers.arrays import Array


class Optimizer(Configurable):
    """Base of all optimizers. It stands alone: `opt.step(params, grads)` needs no model.

    A subclass names its `slots`, one zero array per parameter each, and writes `update`: one kernel call.
    Numbers such as lr are Variables, so K.set_value(opt.lr, 0.1) and opt.lr = 0.1 both work; float64, so that
    a float64 step loses nothing.

    Args:  clipnorm: the gradients' global norm is brought down to it (Keras 2; not a norm per array).
        clipvalue: every element is clipped to [-clipvalue, clipvalue], after clipnorm.
    Raises:  TypeError for any other keyword.
    Source:  Keras 2.2.5.
    """

    slots: tuple[str, ...] = ()

    def __init__(self, **kwargs: float | None) -> None:
        for name in kwargs:
            if name not in ("clipnorm", "clipvalue"):
                raise TypeError(f"Unexpected keyword argument passed to optimizer: {name}")
        self.clipnorm = _bound("clipnorm", kwargs.get("clipnorm"))
        self.clipvalue = _bound("clipvalue", kwargs.get("clipvalue"))
        self.iterations = Variable(np.int64(0), "iterations:0", trainable=False)
        self.weights: list[Variable] = []
        # Several models may share one optimizer, so each list of parameters keeps its own state.
        self._states: dict[tuple[int, ...], tuple[list[Array], list[list[Array]]]] = {}
        self._params: Sequence[Array] | None = None
        self._state: list[list[Array]] = []
        self._roots: frozenset[int] = frozenset()
        self._norm: Array = np.zeros(1, np.float32)
        self._round: Callable[[float], float] = float
        self._rounded: dict[float, float] = {}

    def __setattr__(self, name: str, value: Any) -> None:  # Any: as object.__setattr__
        held = self.__dict__.get(name)
        if isinstance(held, Variable) and not isinstance(value, Variable):
            held.assign(value)
        else:
            object.__setattr__(self, name, value)

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
        who = type(self).__name__
        arrays.check_params(who, params)
        state = [[np.zeros_like(p) for p in params] for _ in self.slots]
        self._states[tuple(map(id, params))] = list(params), state
        self._use(params, state)

    def step(self, params: Sequence[Array], grads: Sequence[Array]) -> None:
        """Update `params` in place by one step along `grads`.

        Args:  params: arrays, all float32 or all float64, C-contiguous and writable; the state belongs to the
            arrays of the first call (see `bind`).  grads: as many arrays of the same shapes and dtype, read only.
        Raises:  TypeError, ValueError naming the array at fault; nothing is modified then.
        """
        if params is not self._params:
            self._find(params)
        if type(grads) is not list:
            grads = list(grads)
        try:
            if arrays.may_alias(grads, self._roots):
                grads = arrays.clean_grads(type(self).__name__, params, grads, self._state)
            self._step(params, grads)
        except (TypeError, ValueError, AttributeError):
            # The kernels refuse before they write. Say which array is at fault, or straighten a gradient's layout.
            self._step(list(params), arrays.clean_grads(type(self).__name__, params, grads, self._state))

    def update(
        self, params: Sequence[Array], grads: Sequence[Array], iterations: int, scale: float, clip: float
    ) -> None:
        """One kernel call; `iterations` counts the steps before this one, gradients are read as clip(g * scale)."""
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
        """Raises ValueError, with nothing set, if numbers or shapes differ; call `bind(params)` before."""
        if len(weights) != len(self.weights):
            raise ValueError(
                f"Length of the specified weight list ({len(weights)}) does not match the number of weights of the "
                f"optimizer ({len(self.weights)})"
                + ("" if self.weights else "; it has none before bind(params) or the first step")
            )
        new = [np.asarray(w) for w in weights]
        for variable, array in zip(self.weights, new):
            if variable.shape != array.shape:
                raise ValueError(
                    f"Optimizer weight shape {variable.shape} not compatible with provided weight shape {array.shape}"
                )
        for variable, array in zip(self.weights, new):
            variable.value[...] = array

    def get_config(self) -> Config:
        config = super().get_config()
        for name in ("clipnorm", "clipvalue"):
            if getattr(self, name) is not None:
                config[name] = getattr(self, name)
        return config

    def _step(self, params: Sequence[Array], grads: Sequence[Array]) -> None:
        scale = 1.0
        clipnorm = self.clipnorm
        if clipnorm:
            _kernels.global_norm(grads, self._norm)
            norm = self._norm.item()
            if norm >= clipnorm:
                scale = clipnorm / norm
        iterations = self.iterations.value
        before = iterations.item()
        self.update(params, grads, before, scale, self.clipvalue or 0.0)
        iterations[()] = before + 1

    def _find(self, params: Sequence[Array]) -> None:
        """The state of these very arrays, whatever list they come in; a new one if this is the first list."""
        known = self._states.get(tuple(map(id, params)))
        if known is not None and known[1] is self._state:
            self._params = params  # another list of the same arrays
        elif known is not None:
            self._use(params, known[1])
        elif not self._states:
            self.bind(params)
        else:
            raise ValueError(
                f"{type(self).__name__}: the state belongs to the arrays given first, and these {len(params)} are "
                "others; call bind(params) to start a state for them"
            )

    def _use(self, params: Sequence[Array], state: list[list[Array]]) -> None:
        dtype = params[0].dtype
        self._round = float if dtype == np.float64 else _round32
        self._rounded = {}
        self._norm = np.zeros(1, dtype)
        self._params = params
        self._state = state
        self._roots = arrays.roots(params, *state)
        self.weights = self._listed(params, state)

    def _listed(self, params: Sequence[Array], state: list[list[Array]]) -> list[Variable]:
        """The state in the order in which Keras saves it."""
        named = zip(self.slots, state)
        return [self.iterations] + [share(a, f"{name}_{i}:0") for name, slot in named for i, a in enumerate(slot)]


def share(array: Array, name: str) -> Variable:
    """A Variable over the array itself, not over a copy."""
    variable = Variable(0.0, name, trainable=False)
    variable.value = array
    return variable


def _round32(value: float) -> float:
    return float(np.float32(value))


def _bound(name: str, value: float | None) -> float | None:
    if value is None:
        return None
    if isinstance(value, str) or np.ndim(value) != 0 or not value >= 0:
        raise ValueError(f"expected {name} to be a number >= 0, got {value!r}")
    return float(value)
