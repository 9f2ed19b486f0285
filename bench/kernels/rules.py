"""The optimizers' formulas in float64. Keras's and torch's conventions differ, so each library is compared with its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from bench.kernels.reference import Array, Reference, distance

Convention = Literal["keras", "torch"]
STEPS = 3
# Number of elements of each array that are checked.
CHECKED = 10_000


def error(
    rule: str,
    convention: Convention,
    step: Callable[[], object],
    params: Sequence[Array],
    grads: Sequence[Array],
    norm: float,
) -> float:
    """The largest distance, over all arrays, of the change of the parameters after the first STEPS steps.

    norm: the bound on the gradients' global norm, for the rule that has one.
    """
    before = [p.reshape(-1)[:CHECKED].astype(np.float64) for p in params]
    read = [g.reshape(-1)[:CHECKED].astype(np.float64) for g in grads]
    if rule == "Adam, norm":
        factor = norm / np.sqrt(sum(np.square(g, dtype=np.float64).sum() for g in grads))
        read = [factor * g for g in read]
    for _ in range(STEPS):
        step()
    worst = 0.0
    for p, start, g in zip(params, before, read, strict=True):
        worst = max(worst, distance(p.reshape(-1)[:CHECKED] - start, change(rule, convention, start, g)))
    return worst


def change(rule: str, convention: Convention, start: Reference, g: Reference) -> Reference:
    """The change of `start` by STEPS steps with the same gradient, with the rates of bench/kernels/optimizers.py and
    bench/peers/torch_peer.py.
    """
    total, m, v = np.zeros_like(g), np.zeros_like(g), np.zeros_like(g)
    product = 1.0
    for t in range(1, STEPS + 1):
        if rule in ("SGD", "SGD momentum"):
            # v = mu*v - lr*g and buf = mu*buf + g, p -= lr*buf agree as long as lr does not change.
            m = (0.9 if rule == "SGD momentum" else 0.0) * m - 1e-2 * g
            total += m
        elif rule == "Adagrad":
            v = v + g * g
            total -= 1e-2 * g / (np.sqrt(v) + (1e-7 if convention == "keras" else 1e-10))
        elif rule == "RMSprop":
            v = 0.9 * v + 0.1 * g * g
            total -= 1e-3 * g / (np.sqrt(v) + 1e-7)
        elif rule == "Adadelta":
            v = 0.95 * v + 0.05 * g * g
            u = g * np.sqrt(m + 1e-7) / np.sqrt(v + 1e-7)
            m = 0.95 * m + 0.05 * u * u
            total -= u
        elif rule == "Adamax":
            # u is |g| from the first step on.
            m = 0.9 * m + 0.1 * g
            total -= 2e-3 / (1 - 0.9**t) * m / (np.abs(g) + 1e-7)
        elif rule == "Nadam":
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            mu, following = (0.9 * (1 - 0.5 * 0.96 ** (i * 0.004)) for i in (t, t + 1))
            product *= mu
            along = (1 - mu) / (1 - product) * g + following / (1 - product * following) * m
            total -= 2e-3 * along / (np.sqrt(v / (1 - 0.999**t)) + 1e-7)
        else:
            if rule == "AdamW":
                total -= 1e-3 * 0.01 * (start + total)
            # AMSGrad's maximum is v itself while v grows, and it grows while the gradient does not change.
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            first, second = 1 - 0.9**t, 1 - 0.999**t
            if convention == "keras":
                total -= 1e-3 * np.sqrt(second) / first * m / (np.sqrt(v) + 1e-7)
            else:
                total -= 1e-3 / first * m / (np.sqrt(v / second) + 1e-8)
    return total
