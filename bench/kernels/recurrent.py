"""The ops of LSTM and GRU over all time steps: forward, and forward and backward with all gradients, as in a training step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.elsewhere import RecurrentElsewhere, recurrent
from bench.harness import Case, Contender, Plan
from bench.kernels.reference import Array, distance, numbers
from bench.machine import fma_peak
from lamella import ops
from lamella.core.pool import in_pool
from lamella.ops.tape import Tape, value_of

GATES = {"LSTM": 4, "GRU": 3}
PASSES = ("forward", "both")


@dataclass(frozen=True)
class Sequences:
    """batch x steps x features -> units, all outputs. GRU: reset after the product, as in torch."""

    kind: str
    batch: int
    steps: int
    features: int
    units: int

    @property
    def name(self) -> str:
        return f"{self.kind} {self.batch} x {self.steps} x {self.features} -> {self.units}"

    @property
    def flops(self) -> float:
        """Flops of the forward products; the backward products have twice as many."""
        return 2.0 * self.batch * self.steps * GATES[self.kind] * self.units * (self.features + self.units)

    def weights(self) -> list[Array]:
        """kernel, recurrent kernel, bias."""
        columns = GATES[self.kind] * self.units
        shapes = [(self.features, columns), (self.units, columns), (columns,) if self.kind == "LSTM" else (2, columns)]
        return [self.units**-0.5 * numbers(shape, i) for i, shape in enumerate(shapes)]


# The layers of Keras's examples imdb_lstm and lstm_text_generation, then smaller and larger units.
SIZES = [(32, 80, 128, 128), (128, 40, 57, 128), (128, 100, 64, 64), (32, 100, 256, 256)]


def cases(plan: Plan) -> Iterator[Case]:
    with ExitStack() as open_sides:
        others = [open_sides.enter_context(other) for other in recurrent(plan.others, plan.threads)]
        for kind in GATES:
            for size in SIZES[:1] if plan.quick else SIZES:
                sequences = Sequences(kind, *size)
                for direction in PASSES:
                    if plan.wants(f"{sequences.name} {direction}"):
                        yield case(sequences, direction, plan, others)


def case(sequences: Sequences, direction: str, plan: Plan, others: Sequence[RecurrentElsewhere] = ()) -> Case:
    x = numbers((sequences.batch, sequences.steps, sequences.features), 8)
    dy = numbers((sequences.batch, sequences.steps, sequences.units), 9)
    arrays = [x, *sequences.weights()]
    # The op in float64, which tests/kernels compares with the oracle.
    wanted = run(sequences.kind, direction, [a.astype(np.float64) for a in arrays], dy.astype(np.float64))
    amount = sequences.flops * (3 if direction == "both" else 1)

    def ours() -> NDArray[Any]:
        # With the memory pool, as in a step of fit.
        return in_pool(run, sequences.kind, direction, arrays, dy)

    contenders = [Contender("lamella", "ours", ours, amount, lambda: distance(ours(), wanted))]
    if plan.torch:
        from bench.peers import torch_recurrent

        contenders.append(torch_recurrent.contender(sequences, x, dy, wanted, direction, amount))
    contenders += [other.contender(sequences.kind, direction, arrays, dy, wanted, amount) for other in others]
    contenders.append(fma_peak(plan.threads))
    return Case(f"{sequences.name} {direction}", "GFLOP/s", contenders)


def run(kind: str, direction: str, arrays: list[NDArray[Any]], dy: NDArray[Any]) -> NDArray[Any]:
    """The outputs [batch, steps, units]; for the direction "both" the gradient of the kernel."""
    options: Any = {"reset_after": True} if kind == "GRU" else {}
    op = getattr(ops, kind.lower())
    if direction == "forward":
        outputs: NDArray[Any] = op(*arrays, recurrent_activation="sigmoid", **options)[0]
        return outputs
    with Tape() as tape:
        y, *_ = op(*[tape.watch(a) for a in arrays], recurrent_activation="sigmoid", **options)
    assert value_of(y) is not None
    gradient = tape.gradients([(y, dy)])[1]
    assert gradient is not None
    return gradient
