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
    """Base: a subclass writes `__call__(step)`, the learning rate of the step; the first step is 0.

    An optimizer takes a schedule instead of a number. The number of steps that it counts by is saved with the optimizer, so a
    training that goes on from a file goes on along the schedule.
    """

    def __call__(self, step: int) -> float:
        raise NotImplementedError(f"{type(self).__name__} does not say the learning rate of a step: write __call__(step)")

    def __float__(self) -> float:
        raise TypeError(
            f"the learning rate is a schedule, {type(self).__name__}, and no number; callbacks that read or set it need an "
            "optimizer with a number, as in SGD(lr=0.01)"
        )


# What an optimizer takes as its learning rate.
LearningRate: TypeAlias = float | LearningRateSchedule


class _Falling(LearningRateSchedule):
    """What falls with step / decay_steps.

    Args:
        decay_steps: Steps, above 0.
        staircase: The quotient is rounded down.
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
        quotient = step / self.decay_steps
        return math.floor(quotient) if self.staircase else quotient


@register(ROOM)
class ExponentialDecay(_Falling):
    """initial_learning_rate * decay_rate ** (step / decay_steps); with staircase the quotient is rounded down."""

    def __call__(self, step: int) -> float:
        return float(self.initial_learning_rate * self.decay_rate ** self.passed(step))


@register(ROOM)
class InverseTimeDecay(_Falling):
    """initial_learning_rate / (1 + decay_rate * step / decay_steps); with staircase the quotient is rounded down."""

    def __call__(self, step: int) -> float:
        return float(self.initial_learning_rate / (1 + self.decay_rate * self.passed(step)))


@register(ROOM)
class PiecewiseConstantDecay(LearningRateSchedule):
    """values[i] up to and with step boundaries[i], values[-1] after the last boundary.

    Args:
        boundaries: Steps, ascending.
        values: One more than boundaries.

    Raises:
        ValueError: For another number of values.
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
        decay_steps: Steps, above 0.
        cycle: It starts again and takes twice, three times ... as long.
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
    """Half a cosine from initial_learning_rate down to alpha * initial_learning_rate, after an optional linear rise.

    Args:
        decay_steps: Steps of the fall, above 0.
        alpha: The share that is left in the end.
        warmup_target: Where the rise from initial_learning_rate ends, and the fall begins; None for no rise.
        warmup_steps: Steps of the rise.

    Source: Loshchilov & Hutter 2017; the rise is that of TensorFlow 2.13.
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
    """Falls along half a cosine, again and again; each fall is t_mul times as long and begins m_mul times as high.

    Args:
        first_decay_steps: Steps of the first fall, above 0.
        alpha: The share of initial_learning_rate that is left in the end of a fall.

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
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name

    def __call__(self, step: int) -> float:
        begin, length, restarts = 0.0, self.first_decay_steps, 0
        while step >= begin + length:
            begin, length, restarts = begin + length, length * self.t_mul, restarts + 1
        fall = (step - begin) / length
        height = self.m_mul**restarts
        return float(self.initial_learning_rate * ((1 - self.alpha) * height * _cosine(fall, 0.0) + self.alpha))


def serialize(learning_rate_schedule: LearningRateSchedule) -> Config:
    """{"class_name", "config"}."""
    described: Config = configurable.serialize(learning_rate_schedule)
    return described


def deserialize(config: Config, custom_objects: Mapping[str, Any] | None = None) -> LearningRateSchedule:
    """The schedule that `serialize` described. Raises ValueError for an unknown class."""
    schedule: LearningRateSchedule = configurable.deserialize(ROOM, config, custom_objects)
    return schedule


def _cosine(passed: float, alpha: float) -> float:
    return (1 - alpha) * 0.5 * (1 + math.cos(math.pi * passed)) + alpha


def _steps(value: float, name: str, schedule: LearningRateSchedule) -> float:
    if not value > 0:
        raise ValueError(f"{type(schedule).__name__}: expected {name} above 0, got {value!r}")
    return value
