"""torch's side of bench/embedding.py: dense gradients with the fused optimizer, sparse ones where it supports them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from lamella.core.types import Array

FUSED: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.01, fused=True),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01, fused=True),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.001, fused=True),
}
# Without Adam, because SparseAdam is another rule.
SPARSE: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.01),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01),
}


def steps(rule: str, x: Array, y: Array, weights: list[Array]) -> Iterator[tuple[str, Callable[[], float]]]:
    yield "torch dense", step(FUSED[rule], x, y, weights, sparse=False)
    if rule in SPARSE:
        yield "torch sparse", step(SPARSE[rule], x, y, weights, sparse=True)


def step(
    make: Callable[..., torch.optim.Optimizer], x: Array, y: Array, weights: list[Array], *, sparse: bool
) -> Callable[[], float]:
    rows, kernel, bias = (torch.from_numpy(w.copy()) for w in weights)
    table, head = nn.Embedding.from_pretrained(rows, freeze=False, sparse=sparse), nn.Linear(len(kernel), 1)
    with torch.no_grad():
        head.weight.copy_(kernel.T)
        head.bias.copy_(bias)
    optimizer = make([*table.parameters(), *head.parameters()])
    words, wanted = torch.from_numpy(x), torch.from_numpy(y)

    def run() -> float:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(head(table(words).mean(1)), wanted)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    return run
