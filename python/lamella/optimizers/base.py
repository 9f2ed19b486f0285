"""Optimizer: updates a list of arrays in place by one kernel call, and keeps the state for it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar, cast

import numpy as np

from lamella import _kernels
from lamella.core.atomic import Call, commit, write
from lamella.core.configurable import Config
from lamella.core.graphs import GraphUpdate
from lamella.core.rows_gradient import RowsGradient, dense
from lamella.core.types import Array
from lamella.core.updates import current as pending
from lamella.core.variable import Variable
from lamella.optimizers import arrays, by_updates, in_graphs, memory, nested
from lamella.optimizers.arguments import Hyperparameter, bound, steps
from lamella.optimizers.schedules import LearningRate, LearningRateSchedule, deserialize
from lamella.optimizers.state import Bounds
from lamella.optimizers.stateful import Stateful

Rule = TypeVar("Rule", bound="Optimizer")

_LARGEST = float(np.finfo(np.float32).max)
_KERNELS = frozenset(getattr(_kernels, name) for name in _kernels.KERNELS)
_BOUNDS = ("clipnorm", "clipnorm_per_tensor", "clipvalue")


class Optimizer(Stateful):
    """Base of all optimizers. `opt.step(params, grads)` works without a model.

    A subclass lists its `slots`; each is one zero array per parameter. It defines `update`, by one kernel call or in NumPy. A
    subclass written for Keras 2 defines `get_updates` instead (optimizers/by_updates.py).

    Numbers such as lr are Variables, so K.set_value(opt.lr, 0.1) and opt.lr = 0.1 both work. They are float64, so that a
    float64 step has full precision.

    If a hyperparameter is a K.variable, the constructor uses its current value, as Keras 2.2.5 does. After `opt.lr = variable`
    each step uses the value that the variable then has.

    Args:
        clipnorm: Bound of the global norm of all gradients together, as in Keras 2; larger gradients are scaled down to it.
        clipnorm_per_tensor: Bound of the norm of each array's gradient, applied after clipnorm.
        clipvalue: Every element is clipped to [-clipvalue, clipvalue], after both. None and 0 turn a bound off.
        gradient_accumulation_steps: With n, weights and `iterations` change only in every n-th call of `step`, by the mean of
            the last n gradients, and this mean is clipped. The sums are kept at the end of an epoch. In `weights` they come
            after Keras's weights.

    Raises:
        TypeError: Another keyword was given.
        ValueError: A bound is not a number >= 0, or gradient_accumulation_steps is not an integer >= 1.

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
        if {"get_updates", "get_gradients"} & set(vars(cls)) and not {"update", "calls", "step"} & set(vars(cls)):
            by_updates.adapt(cls)
        # A subclass with another rule does not inherit skips_zeros, because the new rule may change weights with gradient 0.
        if ("calls" in vars(cls) or "update" in vars(cls)) and "skips_zeros" not in vars(cls):
            cls.skips_zeros = Optimizer.skips_zeros  # type: ignore[method-assign]

    def __setattr__(self, name: str, value: Any) -> None:  # Any: as object.__setattr__
        current = self.__dict__.get(name)
        if name in ("get_gradients", "get_updates"):
            object.__setattr__(self, "__class__", by_updates.with_own_rule(type(self)))
        replaced = None if pending.made is None else pending.made.replaced
        if replaced is not None and isinstance(current, Variable) and not isinstance(value, LearningRateSchedule):
            # In a get_updates. Keras runs it once, so the new value must not be the old one of the next step.
            replaced.append((self, name, current))
            object.__setattr__(self, name, value)
        elif isinstance(value, LearningRateSchedule) or isinstance(current, LearningRateSchedule):
            object.__setattr__(self, name, self.rate(value))
        elif isinstance(current, Variable) and not isinstance(value, Variable):
            if isinstance(value, (float, np.floating)) and not np.isfinite(value):
                raise ValueError(f"{type(self).__name__}: expected a finite {name}, got {value!r}")
            current.assign(value)
        else:
            object.__setattr__(self, name, value)

    def rate(self, value: LearningRate | Mapping[str, Any]) -> Variable:
        """The learning rate as a Variable, or as a schedule.

        Args:
            value: A number, a schedule, or the config of a schedule.

        Raises:
            TypeError, ValueError: As in `number`.
        """
        if isinstance(value, Mapping):
            value = deserialize(dict(value))
        if isinstance(value, LearningRateSchedule):
            return cast(Variable, value)  # only `rate_of` treats a schedule differently
        return self.number("lr", value)

    def number(self, name: str, value: float) -> Variable:
        """A hyperparameter as a float64 Variable.

        Args:
            name: Its name.
            value: A number, or a Variable, whose current value is used.

        Raises:
            TypeError: The value is not a number.
            ValueError: The value is NaN or infinite.
        """
        if isinstance(value, Variable):
            value = float(value)
        if isinstance(value, (str, bytes)) or np.ndim(value) != 0:
            raise TypeError(f"{type(self).__name__}: expected a number for {name}, got {value!r}")
        if not np.isfinite(value):
            raise ValueError(f"{type(self).__name__}: expected a finite {name}, got {value!r}")
        return Hyperparameter(np.float64(value), f"{name}:0", trainable=False)

    def step(self, params: Sequence[Array], grads: Sequence[Array], *, scale: float = 1.0) -> bool:
        """Update `params` in place by one step along `grads`.

        Args:
            params: Arrays, all float32 or all float64, C-contiguous and writable. The state belongs to the memory of the arrays
                of the first call; later calls may pass other views of this memory (see `bind`). Other objects whose memory NumPy
                can use in place are accepted too, by DLPack, `__array_interface__` or the buffer protocol: CPU tensors of
                torch, array.array, ctypes arrays.
            grads: One gradient for each parameter, of the same shape and dtype. They are only read. A RowsGradient stands for
                a gradient that is zero except for a few rows.
            scale: The gradients are multiplied by it before they are clipped, in the pass of the step, as by 1 / scale of a loss;
                a number >= 0.

        Returns:
            True, or False if the gradients were only accumulated (see gradient_accumulation_steps).

        Raises:
            TypeError, ValueError: An array is not accepted. The message names it, and nothing is modified.
        """
        return self.step_and(params, grads, scale=scale)

    @property
    def commits(self) -> bool:
        """Whether `step` is that of Optimizer, so that `step_and` does the same."""
        return type(self).step is Optimizer.step

    @property
    def applies_constraints(self) -> bool:
        """Whether `step` also takes the constraints of the parameters: that of a class with its own get_updates."""
        return False

    def step_and(
        self,
        params: Sequence[Array],
        grads: Sequence[Array],
        then: Sequence[Call] = (),
        projections: Sequence[Call] = (),
        scale: float = 1.0,
    ) -> bool:
        """`step` together with other calls, as one commit: after Ctrl-C or an error, either all of it was done or nothing.

        Args:
            params: As in `step`.
            grads: As in `step`.
            then: Calls of C functions, which are also made if gradients are only accumulated.
            projections: Calls that change params after the update. They may call Python functions; parameters and state are
                then copied first.
            scale: As in `step`.

        Returns:
            As `step`.

        Raises:
            TypeError, ValueError: As in `step`.
        """
        given = params = params if isinstance(params, (list, tuple)) else list(params)
        if scale != 1.0:
            self._check_scale(scale)
        if params is not self._params:
            params = memory.arrays_over(type(self).__name__, "parameter", params)
            self.select_state(params)
        if type(params) is not list:  # the kernels take lists
            params = list(params)
        grads = memory.arrays_over(type(self).__name__, "gradient", grads)
        if type(grads) is not list:
            grads = list(grads)
        if RowsGradient in map(type, grads) and not self._steps_by_rows():
            grads = dense(grads)
        try:
            if arrays.may_alias(grads, self._roots) and not self._isolated(params, grads):
                grads = self._clean(params, grads)
            stepped = self._step(params, grads, then, projections, scale)
        except (TypeError, ValueError, AttributeError):
            # Kernels check before they write. `_clean` names the array at fault, or copies gradients of another layout.
            clean = self._clean(params, grads)
            if all(c is g for c, g in zip(clean, grads)):
                raise  # the arrays are in order, so the error is from a custom update
            stepped = self._step(params, clean, then, projections, scale)
        if given is not params:
            memory.note_change(given)
        return stepped

    def get_gradients(self, loss: Any, params: Any) -> list[Any]:
        """The clipped gradients of a symbolic loss for Variables, as symbolic tensors.

        Args:
            loss: A scalar tensor of a graph of K.
            params: A list of Variables.

        Raises:
            TypeError: The loss is not a tensor of a graph, or a parameter is not a Variable.
            ValueError: The loss does not depend on a parameter.
        """
        return by_updates.clipped_gradients(self, loss, params)

    @in_graphs.in_either_order
    def get_updates(self, loss: Any, params: Any) -> list[GraphUpdate]:
        """One step by the gradients of a symbolic loss, for the updates of K.function.

        As in Keras, K.function(inputs, outputs, updates=optimizer.get_updates(loss, params)) makes one step in each call, after
        it has computed the outputs.

        Args:
            loss: A scalar tensor of a graph of K.
            params: A list of Variables.

        Raises:
            TypeError: The loss is not a tensor of a graph, or a parameter is not a Variable.
            ValueError: The loss does not depend on a parameter.
        """
        if isinstance(loss, by_updates.StepLoss) and not by_updates.is_whole_step(self, loss):
            return nested.updates_of(self, loss, params)
        return [in_graphs.Step(self, *in_graphs.gradients_of(loss, params, f"{type(self).__name__}.get_updates"))]

    def update(self, params: Sequence[Array], grads: Sequence[Array], iterations: int, bounds: Bounds) -> None:
        """Update the parameters and slots in place.

        An update written in NumPy changes params[i] and self.state_of(slot)[i] in place, with the gradients of
        `self.read(grads, bounds)`. If it is interrupted or fails, all arrays are restored from copies.

        Args:
            params: The parameters.
            grads: Their gradients, not yet clipped.
            iterations: The number of updates before this one.
            bounds: How the gradients are to be scaled and clipped, for the kernel.
        """
        commit(self.calls(params, grads, iterations, bounds))

    def skips_zeros(self) -> bool:
        """Whether a gradient of 0 changes neither its weight nor its slots, at a usual lr. Then `calls` accepts RowsGradient.

        There is one exception: a step on whole arrays sets weights below the smallest normal number to 0.
        """
        return False

    def _steps_by_rows(self) -> bool:
        """Whether a step on rows gives the same bits as a step on whole arrays."""
        # The order in which squares are summed for a norm depends on the places of all rows.
        bounded = self.clipnorm or self.clipnorm_per_tensor or (self._every or 1) > 1
        # 0 times a negative rate is -0.0, and 0 times a rate that overflows in float32 is NaN.
        return not bounded and self.skips_zeros() and 0 <= self.decayed(int(self.iterations)) <= _LARGEST

    def calls(self, params: Sequence[Array], grads: Sequence[Array], iterations: int, bounds: Bounds) -> list[Call]:
        """The update as a list of calls of C functions. The first one is a kernel, which checks its arguments before it writes.

        Args:
            params: The parameters.
            grads: Their gradients, not yet clipped.
            iterations: The number of updates before this one.
            bounds: How the kernel scales and clips the gradients.
        """
        raise NotImplementedError(
            f"{type(self).__name__}: an optimizer must define update(params, grads, iterations, bounds), which changes the "
            "arrays in place, or Keras's get_updates(loss, params)"
        )

    def read(self, grads: Sequence[Array], bounds: Bounds) -> list[Array]:
        """Copies of grads as the kernels use them: clipped by `bounds`, and with accumulation the mean."""
        read = [np.zeros(g.shape, g.dtype) for g in grads]
        _kernels.sgd_update(read, list(grads), [], -1.0, 0.0, 0, bounds)  # 0 + g
        return read

    def rounded(self, number: Variable) -> float:
        """The number of a hyperparameter, rounded to the parameters' dtype as in Keras.

        1 - float32(0.999) is 0.001 with an error of 1.3e-5.
        """
        value = number.value.item() if isinstance(number, Variable) else float(number)
        single = self._state.dtype.char == "f"
        key = value, single
        found = self._rounded.get(key)
        if found is None:
            if len(self._rounded) > 8:
                self._rounded = {}  # a callback may set another value in each step
            found = self._rounded[key] = float(np.float32(value)) if single else value
        return found

    # Arguments that Keras 2.2.5 does not have: a config has them only if they are set, so that Keras can read it.
    added: ClassVar[tuple[str, ...]] = ()

    # Or a LearningRateSchedule. A number that is assigned to opt.lr replaces it.
    lr: Variable

    @property
    def learning_rate(self) -> Variable:
        """The name of `lr` in Keras 2.3."""
        own: Variable | None = vars(self).get("learning_rate")
        return self.lr if own is None else own

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        if isinstance(getattr(type(self), "lr", None), property):  # a rule for Keras 2.3, whose lr returns learning_rate
            vars(self)["learning_rate"] = value
        else:
            self.lr = value  # type: ignore[assignment]

    decay: Variable
    initial_decay: float

    def rate_of(self, iterations: int) -> float:
        """The learning rate after `iterations` steps, before `decay`: the number lr, or the value of the schedule."""
        rate: Any = self.lr
        if isinstance(rate, Variable):  # first: this is in each step
            return float(rate.value.item())
        return float(rate(iterations) if callable(rate) else rate)

    def decayed(self, iterations: int) -> float:
        """lr / (1 + decay * iterations), so the first step uses lr. As in Keras, only if the constructor's decay was above 0."""
        lr = self.rate_of(iterations)
        return lr / (1.0 + float(self.decay) * iterations) if self.initial_decay > 0 else lr

    @classmethod
    def from_config(cls: type[Rule], config: Config) -> Rule:
        """An optimizer from a config of Keras 2.2 or 2.3. In 2.3 lr is named learning_rate, in some users' rules too."""
        if "learning_rate" in inspect.signature(cls).parameters:
            return super().from_config(config)
        named = {"lr" if name == "learning_rate" else name: value for name, value in config.items()}
        return super().from_config(named)

    def get_config(self) -> Config:
        config = {name: value for name, value in super().get_config().items() if value or name not in self.added}
        for name in (*_BOUNDS, "gradient_accumulation_steps"):
            if getattr(self, name) is not None:
                config[name] = getattr(self, name)
        return config

    def _check_scale(self, scale: float) -> None:
        who = type(self).__name__
        if not 0 <= scale < np.inf:
            raise ValueError(f"{who}: expected scale to be a finite number >= 0, got {scale!r}")
        if (self._every or 1) > 1:
            raise ValueError(
                f"{who}: expected no scale with gradient_accumulation_steps, got {scale!r}: the sum of the gradients has one scale"
            )

    def _step(
        self,
        params: Sequence[Array],
        grads: Sequence[Array],
        then: Sequence[Call],
        projections: Sequence[Call],
        scale: float,
    ) -> bool:
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
        arguments = params, grads, number, (state.sums, scale / every, *clips)
        written_in_python = type(self).update is not Optimizer.update
        calls: list[Call] = [(self.update, arguments)] if written_in_python else self.calls(*arguments)
        if not written_in_python and calls[0][0] in _KERNELS:
            calls = [(state.plan, (calls[0][0], *calls[0][1])), *calls[1:]]
        calls = [*calls, *projections, write(iterations, number + 1), *then]
        if every > 1:
            calls.append(write(accumulated, 0))
        commit(calls, self._undo(params) if written_in_python or projections else [])
        return True

    def _undo(self, params: Sequence[Array]) -> list[Call]:
        """Calls that restore the parameters and their state from copies."""
        state = self._state
        changed = [*params, *(array for slot in state.slots for array in slot), *state.sums]
        changed += [self.iterations.value, state.accumulated.value]
        return [*(write(array, array.copy()) for array in changed), (setattr, (state, "deferred", state.deferred))]

    def _isolated(self, params: Sequence[Array], grads: Sequence[Array]) -> bool:
        """Whether the gradients certainly share no memory with the parameters and their state, and a kernel can read them."""
        state = self._state
        return _kernels.lists_fit([[list(params), list(grads), *state.slots, state.sums]])

    def _clean(self, params: Sequence[Array], grads: Sequence[Array]) -> list[Array]:
        return arrays.clean_grads(type(self).__name__, params, grads, [*self._state.slots, self._state.sums], self._state.names)
