"""A training step of a model with a large Embedding: mostly its gradient, and the optimizer on the table's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bench.harness import Case, Contender, Plan, Role
from lamella import layers, models, optimizers
from lamella.core.types import Array

# The sizes of imdb_lstm: 20,000 words of 128 numbers, 80 words in each of 32 samples. With ten times as many rows one sees
# which costs depend on the table, and which on the rows that a batch reads.
ROWS, COLUMNS, BATCH, WORDS = 20_000, 128, 32, 80
RULES: dict[str, Callable[[], optimizers.Optimizer]] = {
    "SGD": lambda: optimizers.SGD(0.01),
    "Adagrad": lambda: optimizers.Adagrad(0.01),
    "Adam": lambda: optimizers.Adam(0.001),
}


def cases(plan: Plan) -> Iterator[Case]:
    for rows in (200,) if plan.quick else (ROWS, 10 * ROWS):
        for rule, make in RULES.items():
            if plan.wants(f"{rule} {rows}"):
                yield Case(f"{rule} {rows} x {COLUMNS}", "samples/s", contenders(rule, make(), rows, plan))


def contenders(rule: str, optimizer: optimizers.Optimizer, rows: int, plan: Plan) -> list[Contender]:
    x, y, weights = data(rows)
    wanted = first_loss(x, y, weights)

    def contender(name: str, role: Role, run: Callable[[], float]) -> Contender:
        return Contender(name, role, run, BATCH, lambda: abs(run() / wanted - 1))

    found = [contender("lamella", "ours", step(optimizer, x, y, weights))]
    if plan.torch:
        from bench.peers.torch_embedding import steps

        found += [contender(name, "peer", run) for name, run in steps(rule, x, y, weights)]
    return found


def step(optimizer: optimizers.Optimizer, x: Array, y: Array, weights: list[Array]) -> Callable[[], float]:
    table = layers.Embedding(*weights[0].shape, input_length=WORDS)
    model = models.Sequential([table, layers.GlobalAveragePooling1D(), layers.Dense(1)])
    model.set_weights(weights)
    model.compile(optimizer, "mse")
    return lambda: float(np.asarray(model.train_on_batch(x, y)))


def data(rows: int) -> tuple[Array, Array, list[Array]]:
    """Words, values to predict, and weights: the table, and a dense layer that predicts from the mean of the rows."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape).astype("float32") for shape in ((rows, COLUMNS), (COLUMNS, 1), (1,))]
    return rng.integers(0, rows, (BATCH, WORDS)), rng.normal(size=(BATCH, 1)).astype("float32"), weights


def first_loss(x: Array, y: Array, weights: list[Array]) -> float:
    table, kernel, bias = (w.astype("float64") for w in weights)
    return float(np.mean((table[x].mean(1) @ kernel + bias - y) ** 2))
