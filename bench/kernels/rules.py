"""The optimizers' formulas in float64, in Keras's book and in torch's: they differ, so each is held to its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from bench.kernels.reference import Array, Reference, distance

Book = Literal["keras", "torch"]
STEPS = 3
# As many elements of each array are checked.
CHECKED = 10_000


def error(rule: str, book: Book, step: Callable[[], object], params: Sequence[Array], grads: Sequence[Array]) -> float:
    """The largest distance of what `step` has moved after STEPS fresh steps, over all arrays."""
    before = [p.reshape(-1)[:CHECKED].astype(np.float64) for p in params]
    for _ in range(STEPS):
        step()
    worst = 0.0
    for p, start, g in zip(params, before, grads, strict=True):
        wanted = moved(rule, book, g.reshape(-1)[:CHECKED].astype(np.float64))
        worst = max(worst, distance(p.reshape(-1)[:CHECKED] - start, wanted))
    return worst


def moved(rule: str, book: Book, g: Reference) -> Reference:
    """The sum of STEPS steps along the same gradient, with the rates of optimizers.py and torch_peer.py."""
    total, m, v = np.zeros_like(g), np.zeros_like(g), np.zeros_like(g)
    for t in range(1, STEPS + 1):
        if rule == "SGD momentum":
            # v = mu*v - lr*g and buf = mu*buf + g, p -= lr*buf agree while lr stands.
            m = 0.9 * m - 1e-2 * g
            total += m
        elif rule == "Adagrad":
            v = v + g * g
            total -= 1e-2 * g / (np.sqrt(v) + (1e-7 if book == "keras" else 1e-10))
        else:
            # AMSGrad's maximum is v itself while v grows, as it does along one gradient.
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            first, second = 1 - 0.9**t, 1 - 0.999**t
            if book == "keras":
                total -= 1e-3 * np.sqrt(second) / first * m / (np.sqrt(v) + 1e-7)
            else:
                total -= 1e-3 / first * m / (np.sqrt(v / second) + 1e-8)
    return total
