"""The cost of a step of fit beyond its kernels: fit, compared with the same kernel calls alone, repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.harness import Case, Contender, Plan
from bench.nets import NETS, Net
from bench.trainer import LamellaTrainer
from lamella import _kernels

# A kernel and its arguments: arrays, lists of them, numbers.
Call = tuple[Callable[..., object], tuple[Any, ...]]


def cases(plan: Plan) -> Iterator[Case]:
    # If a kernel takes milliseconds, the cost around it is not visible.
    for net in NETS[:1]:
        if plan.wants(net.name):
            yield Case(net.name, "us/step", contenders(net, plan))


def contenders(net: Net, plan: Plan) -> list[Contender]:
    trainer = LamellaTrainer(net, plan.threads, "float32")
    calls = own_copies(recorded(trainer))

    def replay() -> None:
        for _ in range(net.batches):
            for kernel, arguments in calls:
                kernel(*arguments)

    return [
        Contender("fit", "ours", trainer.epoch, net.batches),
        Contender(f"its {len(calls)} kernel calls", "limit", replay, net.batches),
    ]


def recorded(trainer: LamellaTrainer) -> list[Call]:
    """The kernel calls of one step, in order."""
    calls: list[Call] = []

    def recording(kernel: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: Any) -> object:
            calls.append((kernel, arguments))
            return kernel(*arguments)

        return call

    batch = slice(0, trainer.net.batch)
    trainer.model.train_on_batch(trainer.x[batch], trainer.y[batch])  # makes the optimizer's state
    kernels = {name: getattr(_kernels, name) for name in _kernels.KERNELS}
    try:
        for name, kernel in kernels.items():
            setattr(_kernels, name, recording(kernel))
        trainer.model.train_on_batch(trainer.x[batch], trainer.y[batch])
    finally:
        for name, kernel in kernels.items():
            setattr(_kernels, name, kernel)
    return calls


def own_copies(calls: list[Call]) -> list[Call]:
    """The same calls on copies, one for each array, so that the model's weights do not change."""
    copies: dict[int, np.ndarray] = {}

    def copy(argument: Any) -> Any:
        if isinstance(argument, list):
            return [copy(a) for a in argument]
        if not isinstance(argument, np.ndarray):
            return argument
        return copies.setdefault(id(argument), argument.copy())

    return [(kernel, tuple(copy(a) for a in arguments)) for kernel, arguments in calls]
