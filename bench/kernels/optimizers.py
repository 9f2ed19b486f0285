"""One optimizer step over one array, or over the 161 of a ResNet-50: the kernel alone, and Optimizer.step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bench.harness import Case, Contender, Plan
from bench.kernels import rules
from bench.kernels.reference import Array, numbers
from bench.machine import stream
from lamella import _kernels, optimizers

Arrays = list[Array]


@dataclass(frozen=True)
class Rule:
    """A rule to time.

    Attributes:
        name: Its name in tables.
        make: Returns the optimizer.
        kernel: Calls its kernel on (parameters, gradients, slots).
        slots: Number of slots.
        traffic: Bytes of memory traffic for each parameter if the arrays are larger than the caches.
    """

    name: str
    make: Callable[[], optimizers.Optimizer]
    kernel: Callable[[Arrays, Arrays, list[Arrays]], None]
    slots: int
    traffic: int


# sums, scale, norm, norm_each, clip: the gradients are not changed.
PLAIN = ([], 1.0, 0.0, 0.0, 0.0)
MOMENTS = (0.9, 0.999, 1e-7)
# Below the norm of all SIZES' gradients.
NORM = 0.5

RULES = [
    Rule(
        "Adam",
        lambda: optimizers.Adam(),
        lambda p, g, s: _kernels.adam_update(p, g, *s, 1e-3, 0.0, MOMENTS, PLAIN),
        2,
        28,
    ),
    Rule(
        "SGD momentum",
        lambda: optimizers.SGD(momentum=0.9),
        lambda p, g, s: _kernels.sgd_update(p, g, *s, 1e-2, 0.9, 0, PLAIN),
        1,
        20,
    ),
    Rule(
        "SGD",
        lambda: optimizers.SGD(),
        lambda p, g, s: _kernels.sgd_update(p, g, [], 1e-2, 0.0, 0, PLAIN),
        0,
        12,
    ),
    Rule(
        "AMSGrad",
        lambda: optimizers.Adam(amsgrad=True),
        lambda p, g, s: _kernels.amsgrad_update(p, g, *s, 1e-3, 0.0, MOMENTS, PLAIN),
        3,
        36,
    ),
    Rule(
        "AdamW",
        lambda: optimizers.AdamW(),
        lambda p, g, s: _kernels.adam_update(p, g, *s, 1e-3, 1e-5, MOMENTS, PLAIN),
        2,
        28,
    ),
    Rule(  # reads the gradients once more
        "Adam, norm",
        lambda: optimizers.Adam(clipnorm=NORM),
        lambda p, g, s: _kernels.adam_update(p, g, *s, 1e-3, 0.0, MOMENTS, ([], 1.0, NORM, 0.0, 0.0)),
        2,
        32,
    ),
    Rule(
        "Adagrad",
        lambda: optimizers.Adagrad(),
        lambda p, g, s: _kernels.adagrad_update(p, g, *s, 1e-2, 1e-7, PLAIN),
        1,
        20,
    ),
    Rule(
        "RMSprop",
        lambda: optimizers.RMSprop(),
        lambda p, g, s: _kernels.rmsprop_update(p, g, *s, 1e-3, 0.9, 1e-7, PLAIN),
        1,
        20,
    ),
    Rule(
        "Adadelta",
        lambda: optimizers.Adadelta(),
        lambda p, g, s: _kernels.adadelta_update(p, g, *s, 1.0, 0.95, 1e-7, PLAIN),
        2,
        28,
    ),
    Rule(
        "Adamax",
        lambda: optimizers.Adamax(),
        lambda p, g, s: _kernels.adamax_update(p, g, *s, 2e-3, MOMENTS, PLAIN),
        2,
        28,
    ),
    Rule(
        "Nadam",
        lambda: optimizers.Nadam(),
        lambda p, g, s: _kernels.nadam_update(p, g, *s, 1e-3, 1e-3, 1.5, MOMENTS, PLAIN),
        2,
        28,
    ),
]
# From this number of parameters on, parameters and slots are larger than the caches, and memory is the limit.
STREAMED = 5_000_000


def resnet50(base: int) -> list[tuple[int, ...]]:
    """The 161 shapes of a ResNet-50 whose first convolution has `base` filters (64 in the paper)."""
    shapes: list[tuple[int, ...]] = [(7, 7, 3, base), (base,), (base,)]
    channels = base
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = base << stage
        for block in range(blocks):
            convolutions = [(1, channels, width), (3, width, width), (1, width, 4 * width)]
            if block == 0:
                convolutions.append((1, channels, 4 * width))
            for window, before, after in convolutions:
                shapes += [(window, window, before, after), (after,), (after,)]
            channels = 4 * width
    return shapes + [(channels, 1000), (1000,)]


# base 35: 8.2e6 parameters in total.
SIZES: dict[str, list[tuple[int, ...]]] = {
    "1e3": [(1_000,)],
    "1e5": [(100_000,)],
    "1e6": [(1_000_000,)],
    "161 arrays": resnet50(35),
    "6.4e7": [(64_000_000,)],
}


def cases(plan: Plan) -> Iterator[Case]:
    for rule in RULES[:1] if plan.quick else RULES:
        for name in list(SIZES)[:2] if plan.quick else SIZES:
            if plan.wants(f"{rule.name} {name}"):
                yield case(rule, name, plan)


def case(rule: Rule, size: str, plan: Plan) -> Case:
    shapes = SIZES[size]
    params = [0.1 * numbers(shape, i) for i, shape in enumerate(shapes)]
    grads = [numbers(shape, 1000 + i) for i, shape in enumerate(shapes)]
    total = sum(p.size for p in params)
    traffic = float(rule.traffic * total)
    slots = [[np.zeros_like(p) for p in params] for _ in range(rule.slots)]
    optimizer = rule.make()

    def step() -> None:
        optimizer.step(params, grads)

    contenders = [
        Contender("lamella step", "ours", step, traffic, lambda: rules.error(rule.name, "keras", step, params, grads, NORM)),
        # The step calls this kernel, so the check of the step also checks the kernel.
        Contender("lamella kernel", "ours", lambda: rule.kernel(params, grads, slots), traffic),
    ]
    if plan.torch:
        from bench.peers import torch_peer

        contenders += torch_peer.optimizers(rule.name, params, grads, traffic, NORM)
    if total >= STREAMED:
        contenders.append(stream(total))
    return Case(f"{rule.name} {size}", "us", contenders)
