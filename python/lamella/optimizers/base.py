"""Optimizer: one in-place update of a list of arrays, in one kernel call, with the state that belongs to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from lamella import _kernels
from lamella.core.atomic import Call, commit, write
from lamella.core.configurable import Config
from lamella.core.graphs import GraphUpdate
from lamella.core.rows_gradient import RowsGradient, dense
from lamella.core.types import Array
from lamella.core.variable import Variable
from lamella.optimizers import arrays, by_updates, in_graphs
from lamella.optimizers.arguments import bound, steps
from lamella.optimizers.schedules import LearningRate, LearningRateSchedule, deserialize
from lamella.optimizers.state import Bounds
from lamella.optimizers.stateful import Stateful

Rule = TypeVar("Rule", bound="Optimizer")

_LARGEST = float(np.finfo(np.float32).max)
_BOUNDS = ("clipnorm", "clipnorm_per_tensor", "clipvalue")


class Optimizer(Stateful):
    """Base of all optimizers. It stands alone: `opt.step(params, grads)` needs no model.

    A subclass names its `slots`, one zero array per parameter each, and writes `update`: one kernel call, or NumPy. Or it is
    written for Keras 2, with a `get_updates` (optimizers/by_updates.py).
    Numbers such as lr are Variables, so K.set_value(opt.lr, 0.1) and opt.lr = 0.1 both work; float64, so that
    a float64 step loses nothing.

    A K.variable as a hyperparameter gives its value of now, as in Keras 2.2.5; `opt.lr = variable` makes it the learning rate,
    whose value counts in each step.

    Args:
        clipnorm: The gradients' global norm is brought down to it (Keras 2; not a norm per array).
        clipnorm_per_tensor: The norm of each array's gradient is brought down to it, after clipnorm.
        clipvalue: Every element is clipped to [-clipvalue, clipvalue], after both. None and 0 turn a bound off.
        gradient_accumulation_steps: N makes n calls of `step` one: weights and `iterations` move in every n-th, along the mean
            of the n gradients, which is what is clipped. Sums that wait for a step survive the end of an epoch; they stand
            behind Keras's weights in `weights`.

    Raises:
        TypeError: For any other keyword.

    Source: Keras 2.2.5; clipnorm_per_tensor and gradient_accumulation_steps are lamella's own.
    """

    def __init__(self, **kwargs: float | None) -> None:
        super().__init__()
        for name in kwargs:
            if name not in (*_BOUNDS, "gradient_accumulation_steps"):
                raise TypeError(f"Unexpected keyword argument passed to optimizer: {name}")
        self.clipnorm = bound("clipnorm", kwargs.get("clipnorm"))
        self.clipnorm_per_tensor = bound("clipnorm_per_tensor", kwargs.get("clipnorm_per_tensor"))
        self.clipvalue = bound("clipvalue", kwargs.get("clipvalue"))
        self._every = steps(kwargs.get("gradient_accumulation_steps"))
        self._rounded: dict[tuple[float, bool], float] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "get_updates" in vars(cls) and not {"update", "calls", "step"} & set(vars(cls)):
            by_updates.follow(cls)
        # A rule that changes another one's does not keep what that one promised.
        if ("calls" in vars(cls) or "update" in vars(cls)) and "skips_zeros" not in vars(cls):
            cls.skips_zeros = Optimizer.skips_zeros  # type: ignore[method-assign]

    def __setattr__(self, name: str, value: Any) -> None:  # Any: as object.__setattr__
        held = self.__dict__.get(name)
        if isinstance(value, LearningRateSchedule) or isinstance(held, LearningRateSchedule):
            object.__setattr__(self, name, self.rate(value))
        elif isinstance(held, Variable) and not isinstance(value, Variable):
            held.assign(value)
        else:
            object.__setattr__(self, name, value)

    def rate(self, value: LearningRate | Mapping[str, Any]) -> Variable:
        """The learning rate: a number, or a schedule or its config, which is returned as a schedule. Raises as `number`."""
        if isinstance(value, Mapping):
            value = deserialize(dict(value))
        if isinstance(value, LearningRateSchedule):
            return cast(Variable, value)  # only `decayed` tells them apart
        return self.number("lr", value)

    def number(self, name: str, value: float) -> Variable:
        """A hyperparameter. Raises TypeError for what is no number, ValueError for NaN and infinity."""
        if isinstance(value, Variable):
            value = float(value)
        if isinstance(value, (str, bytes)) or np.ndim(value) != 0:
            raise TypeError(f"{type(self).__name__}: expected a number for {name}, got {value!r}")
        if not np.isfinite(value):
            raise ValueError(f"{type(self).__name__}: expected a finite {name}, got {value!r}")
        return Variable(np.float64(value), f"{name}:0", trainable=False)

    def step(self, params: Sequence[Array], grads: Sequence[Array]) -> bool:
        """Update `params` in place by one step along `grads`.

        Args:
            params: arrays, all float32 or all float64, C-contiguous and writable; the state belongs to the memory of those of
                the first call, so later calls may bring other views of it (see `bind`).
            grads: As many arrays of the same shapes and dtype, read only; or a RowsGradient for one of few rows.

        Returns:
            True, or False where the gradients were only added up (see gradient_accumulation_steps).

        Raises:
            TypeError or ValueError: Naming the array at fault; nothing is modified then.
        """
        return self.step_and(params, grads)

    @property
    def commits(self) -> bool:
        """Whether `step` is this class's, so that `step_and` does what it does."""
        return type(self).step is Optimizer.step

    def step_and(
        self, params: Sequence[Array], grads: Sequence[Array], then: Sequence[Call] = (), projections: Sequence[Call] = ()
    ) -> bool:
        """`step`, and what belongs to it, in one piece: Ctrl-C, or an error, leaves all of it done or nothing.

        Args:
            then: Calls of C functions, also made where gradients are only added up.
            projections: Calls that change params after the update; they may be of Python, at the price of a copy of parameters
                and state.
        """
        if params is not self._params:
            self.turn_to(params)
        if type(grads) is not list:
            grads = list(grads)
        if RowsGradient in map(type, grads) and not self._steps_by_rows():
            grads = dense(grads)
        try:
            if arrays.may_alias(grads, self._roots):
                grads = self._clean(params, grads)
            return self._step(params, grads, then, projections)
        except (TypeError, ValueError, AttributeError):
            # The kernels refuse before they write. Say which array is at fault, or straighten a gradient's layout.
            clean = self._clean(params, grads)
            if type(params) is list and all(c is g for c, g in zip(clean, grads)):
                raise  # nothing to mend: the error is of a user's own update
            return self._step(list(params), clean, then, projections)

    def get_gradients(self, loss: Any, params: Any) -> list[Any]:
        """The gradients of a symbolic loss by Variables, bounded by clipnorm and clipvalue, as symbolic tensors.

        Raises:
            TypeError: The loss is no tensor of a graph, or a parameter no Variable.
            ValueError: The loss does not depend on a parameter.
        """
        found = in_graphs.gradients_of(loss, params, f"{type(self).__name__}.get_gradients")[1]
        return in_graphs.clipped(found, self.clipnorm, self.clipnorm_per_tensor, self.clipvalue)

    def get_updates(self, loss: Any, params: Any) -> list[GraphUpdate]:
        """One step along the gradients of a symbolic loss, for K.function's updates.

        As in Keras, K.function(inputs, outputs, updates=optimizer.get_updates(loss, params)) trains: in each call, after the
        outputs.

        Raises:
            TypeError: The loss is no tensor of a graph, or a parameter no Variable.
            ValueError: The loss does not depend on a parameter.
        """
        return [in_graphs.Step(self, *in_graphs.gradients_of(loss, params, f"{type(self).__name__}.get_updates"))]

    def update(self, params: Sequence[Array], grads: Sequence[Array], iterations: int, bounds: Bounds) -> None:
        """Change the parameters; `iterations` counts the steps before this one, `bounds` is handed on to the kernel.

        An update written in NumPy changes params[i] and self.state_of(slot)[i] in place along `self.read(grads, bounds)`.
        If it does not come to its end, they are put back from copies.
        """
        commit(self.calls(params, grads, iterations, bounds))

    def skips_zeros(self) -> bool:
        """Whether a gradient of 0 changes neither its weight nor state, at a usual lr. Then `calls` takes gradients in rows.

        Weights below the smallest normal number are the exception: whole arrays turn them into 0.
        """
        return False

    def _steps_by_rows(self) -> bool:
        """Whether a step by rows has the bits of one by whole arrays."""
        # Sums of squares are added in an order that depends on the places of all rows.
        bounded = self.clipnorm or self.clipnorm_per_tensor or (self._every or 1) > 1
        # 0 times a negative rate is -0.0, and NaN times one that float32 does not hold.
        return not bounded and self.skips_zeros() and 0 <= self.decayed(int(self.iterations)) <= _LARGEST

    def calls(self, params: Sequence[Array], grads: Sequence[Array], iterations: int, bounds: Bounds) -> list[Call]:
        """What `update` does, as calls of C functions: a kernel first, which refuses before it writes, and what goes with it."""
        raise NotImplementedError(
            f"{type(self).__name__}: an optimizer writes update(params, grads, iterations, bounds), which changes the "
            "arrays in place, or Keras's get_updates(loss, params)"
        )

    def read(self, grads: Sequence[Array], bounds: Bounds) -> list[Array]:
        """Copies of the gradients as the kernels read them: their mean, where they are accumulated, and bounded."""
        read = [np.zeros(g.shape, g.dtype) for g in grads]
        _kernels.sgd_update(read, list(grads), [], -1.0, 0.0, 0, bounds)  # 0 + g
        return read

    def rounded(self, number: Variable) -> float:
        """A hyperparameter in the parameters' dtype: 1 - float32(0.999) is 1.3e-5 off 0.001, in Keras as here."""
        value: float = number.value.item()
        single = self._state.dtype.char == "f"
        key = value, single
        found = self._rounded.get(key)
        if found is None:
            if len(self._rounded) > 8:
                self._rounded = {}  # a schedule may set another value each step
            found = self._rounded[key] = float(np.float32(value)) if single else value
        return found

    # Or a LearningRateSchedule, which takes no new value: assign a number to opt.lr to end it.
    lr: Variable

    @property
    def learning_rate(self) -> Variable:
        """`lr` by its name of Keras 2.3."""
        return self.lr

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self.lr = value  # type: ignore[assignment]

    decay: Variable
    initial_decay: float

    def rate_of(self, iterations: int) -> float:
        """The learning rate of a step, or the schedule's number."""
        rate: Any = self.lr
        lr: float = rate.value.item() if type(rate) is Variable else rate(iterations)
        return lr

    def decayed(self, iterations: int) -> float:
        """lr / (1 + decay * iterations): the first step is undecayed. Active only if the constructor's decay was."""
        lr = self.rate_of(iterations)
        return lr / (1.0 + float(self.decay) * iterations) if self.initial_decay > 0 else lr

    @classmethod
    def from_config(cls: type[Rule], config: Config) -> Rule:
        """From a config of Keras 2.2, or of 2.3, which says learning_rate for lr."""
        named = {"lr" if name == "learning_rate" else name: value for name, value in config.items()}
        return super().from_config(named)

    def get_config(self) -> Config:
        config = super().get_config()
        for name in (*_BOUNDS, "gradient_accumulation_steps"):
            if getattr(self, name) is not None:
                config[name] = getattr(self, name)
        return config

    def _step(self, params: Sequence[Array], grads: Sequence[Array], then: Sequence[Call], projections: Sequence[Call]) -> bool:
        state, every = self._state, self._every or 1
        accumulated = state.accumulated.value
        if every > 1:
            before = accumulated.item()
            if before + 1 < every:
                add = _kernels.accumulate_gradients, (state.sums, grads, int(before == 0))
                commit([add, write(accumulated, before + 1), *then])
                return False
        iterations = self.iterations.value
        number = iterations.item()
        clips = self.clipnorm or 0.0, self.clipnorm_per_tensor or 0.0, self.clipvalue or 0.0
        arguments = params, grads, number, (state.sums, 1.0 / every, *clips)
        written_in_python = type(self).update is not Optimizer.update
        calls: list[Call] = [(self.update, arguments)] if written_in_python else self.calls(*arguments)
        calls = [*calls, *projections, write(iterations, number + 1), *then]
        if every > 1:
            calls.append(write(accumulated, 0))
        commit(calls, self._undo(params) if written_in_python or projections else [])
        return True

    def _undo(self, params: Sequence[Array]) -> list[Call]:
        """What puts the parameters and their state back."""
        state = self._state
        held = [*params, *(array for slot in state.slots for array in slot), *state.sums]
        held += [self.iterations.value, state.accumulated.value]
        return [*(write(array, array.copy()) for array in held), (setattr, (state, "late", state.late))]

    def _clean(self, params: Sequence[Array], grads: Sequence[Array]) -> list[Array]:
        return arrays.clean_grads(type(self).__name__, params, grads, [*self._state.slots, self._state.sums], self._state.names)
