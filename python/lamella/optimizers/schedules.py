"""Learning rates as functions of the step: `SGD(lr=ExponentialDecay(0.1, 1000, 0.5))`. Source: tf.keras 2.10."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from lamella.core import configurable
from lamella.core.configurable import Config, Configurable
from lamella.core.registry import register

ROOM = "schedules"


class LearningRateSchedule(Configurable):
    """Base of schedules. A subclass defines `__call__(step)`, which returns the learning rate of a step; the first step is 0.

    An optimizer accepts a schedule instead of a number. Its number of steps is saved, so a training that continues from a file
    continues with the same learning rates.
    """

    def __call__(self, step: int) -> float:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(step), the learning rate of a step")

    def __float__(self) -> float:
        raise TypeError(
            f"the learning rate is a schedule, {type(self).__name__}, not a number; callbacks that read or set it need an "
            "optimizer with a number, as in SGD(lr=0.01)"
        )


# The learning rates that an optimizer accepts.
LearningRate: TypeAlias = float | LearningRateSchedule


class _Decay(LearningRateSchedule):
    """Base of schedules that decrease with step / decay_steps.

    Args:
        initial_learning_rate: The learning rate of the first step.
        decay_steps: Number of steps, above 0.
        decay_rate: The decay for each decay_steps.
        staircase: Whether step / decay_steps is rounded down.
        name: Name of the schedule; not used.

    Raises:
        ValueError: decay_steps is not above 0.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _steps(decay_steps, "decay_steps", self)
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def passed(self, step: int) -> float:
        """step / decay_steps, rounded down with staircase."""
        quotient = step / self.decay_steps
        return math.floor(quotient) if self.staircase else quotient


@register(ROOM)
class ExponentialDecay(_Decay):
    """initial_learning_rate * decay_rate ** (step / decay_steps); with staircase the quotient is rounded down."""

    def __call__(self, step: int) -> float:
        return float(self.initial_learning_rate * self.decay_rate ** self.passed(step))


@register(ROOM)
class InverseTimeDecay(_Decay):
    """initial_learning_rate / (1 + decay_rate * step / decay_steps); with staircase the quotient is rounded down."""

    def __call__(self, step: int) -> float:
        return float(self.initial_learning_rate / (1 + self.decay_rate * self.passed(step)))


@register(ROOM)
class PiecewiseConstantDecay(LearningRateSchedule):
    """values[i] up to step boundaries[i], that step included; values[-1] after the last boundary.

    Args:
        boundaries: Steps in ascending order.
        values: Learning rates, one more than boundaries.
        name: Name of the schedule; not used.

    Raises:
        ValueError: There is not one value more than boundaries.
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str | None = None) -> None:
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                f"PiecewiseConstantDecay: expected one value more than boundaries, got {len(values)} and {len(boundaries)}"
            )
        self.boundaries = list(boundaries)
        self.values = list(values)
        self.name = name

    def __call__(self, step: int) -> float:
        return float(next((value for last, value in zip(self.boundaries, self.values) if step <= last), self.values[-1]))


@register(ROOM)
class PolynomialDecay(LearningRateSchedule):
    """(initial - end) * (1 - step / decay_steps) ** power + end; `end_learning_rate` after decay_steps.

    Args:
        initial_learning_rate: The learning rate of the first step.
        decay_steps: Number of steps of the decay, above 0.
        end_learning_rate: The learning rate after the decay.
        power: Exponent of the decay.
        cycle: Whether the learning rate rises again after decay_steps. In the formula decay_steps is then multiplied by 2, then
            by 3 and so on, so that it is never below step.
        name: Name of the schedule; not used.

    Raises:
        ValueError: decay_steps is not above 0.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str | None = None,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _steps(decay_steps, "decay_steps", self)
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name

    def __call__(self, step: int) -> float:
        length = self.decay_steps
        if self.cycle:
            length *= max(1, math.ceil(step / length))
        passed = min(step, length) / length
        return float(
            (self.initial_learning_rate - self.end_learning_rate) * (1 - passed) ** self.power + self.end_learning_rate
        )


@register(ROOM)
class CosineDecay(LearningRateSchedule):
    """Half a cosine from initial_learning_rate down to alpha * initial_learning_rate, after an optional linear warm-up.

    Args:
        initial_learning_rate: The learning rate of the first step.
        decay_steps: Number of steps of the decay, above 0.
        alpha: The last learning rate, as a fraction of the highest one.
        name: Name of the schedule; not used.
        warmup_target: The learning rate at the end of the warm-up, where the decay begins; None for no warm-up.
        warmup_steps: Number of steps of the warm-up.

    Raises:
        ValueError: decay_steps is not above 0.

    Source: Loshchilov & Hutter 2017; the warm-up is that of TensorFlow 2.13.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str | None = None,
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _steps(decay_steps, "decay_steps", self)
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def __call__(self, step: int) -> float:
        top = self.initial_learning_rate
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return float(top + (self.warmup_target - top) * step / self.warmup_steps)
            top, step = self.warmup_target, step - int(self.warmup_steps)
        return float(top * _cosine(min(step / self.decay_steps, 1.0), self.alpha))


@register(ROOM)
class CosineDecayRestarts(LearningRateSchedule):
    """Repeated decays along half a cosine.

    Args:
        initial_learning_rate: The learning rate of the first step.
        first_decay_steps: Number of steps of the first decay, above 0.
        t_mul: Length of each decay relative to the decay before it, above 0. Below 1 all decays together have a length, after which
            there is no learning rate.
        m_mul: Initial learning rate of each decay relative to the decay before it.
        alpha: The learning rate at the end of a decay, as a fraction of initial_learning_rate.
        name: Name of the schedule; not used.

    Raises:
        ValueError: first_decay_steps or t_mul is not above 0; in a step, it comes after all decays.

    Source: Loshchilov & Hutter 2017.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str | None = None,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = _steps(first_decay_steps, "first_decay_steps", self)
        self.t_mul = _steps(t_mul, "t_mul", self)
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name

    def __call__(self, step: int) -> float:
        begin, length, restarts = 0.0, self.first_decay_steps, 0
        if self.t_mul == 1:  # a step must not take longer the later it is
            restarts = int(step // length)
            begin = restarts * length
        while step >= begin + length:
            if begin + length == begin:
                raise ValueError(
                    f"CosineDecayRestarts: expected a step below {begin:g}, the end of all decays with t_mul={self.t_mul:g}, "
                    f"got {step}"
                )
            begin, length, restarts = begin + length, length * self.t_mul, restarts + 1
        passed = (step - begin) / length
        height = self.m_mul**restarts
        return float(self.initial_learning_rate * ((1 - self.alpha) * height * _cosine(passed, 0.0) + self.alpha))


def serialize(learning_rate_schedule: LearningRateSchedule) -> Config:
    """The description of a schedule: {"class_name": ..., "config": ...}."""
    described: Config = configurable.serialize(learning_rate_schedule)
    return described


def deserialize(config: Config, custom_objects: Mapping[str, Any] | None = None) -> LearningRateSchedule:
    """The schedule of a description by `serialize`.

    Args:
        config: {"class_name": ..., "config": ...}.
        custom_objects: Classes by name.

    Raises:
        ValueError: The class is unknown.
    """
    schedule: LearningRateSchedule = configurable.deserialize(ROOM, config, custom_objects)
    return schedule


def _cosine(passed: float, alpha: float) -> float:
    """Half a cosine from 1 to alpha, for `passed` from 0 to 1."""
    return (1 - alpha) * 0.5 * (1 + math.cos(math.pi * passed)) + alpha


def _steps(value: float, name: str, schedule: LearningRateSchedule) -> float:
    if not value > 0:
        raise ValueError(f"{type(schedule).__name__}: expected {name} above 0, got {value!r}")
    return value
