"""Products of two batches of matrices, a [B, M, K] times b [B, K, N], in the order of both factors and with each one transposed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.harness import Case, Contender, Plan
from bench.kernels.reference import Array, after, numbers, unwritten
from bench.machine import fma_peak
from lamella import _kernels

# (B, M, K, N). Attention of 4 heads over 64 and of 8 over 128 positions, forward: queries times keys, weights times values. One
# query for each sample. The dot products of two embeddings, and their gradient. Large products.
SHAPES = [
    (64, 64, 32, 64),
    (64, 64, 64, 32),
    (128, 128, 64, 128),
    (128, 128, 128, 64),
    (64, 1, 100, 64),
    (256, 1, 64, 1),
    (256, 1, 1, 64),
    (8, 512, 512, 512),
]
ORDERS = {"a b": (0, 0), "a b^T": (0, 1), "a^T b": (1, 0)}


def cases(plan: Plan) -> Iterator[Case]:
    for shape in SHAPES[:1] if plan.quick else SHAPES:
        for order in ORDERS:
            if plan.wants(name(shape, order)):
                yield case(shape, order, plan)


def case(shape: tuple[int, int, int, int], order: str, plan: Plan) -> Case:
    batch, m, k, n = shape
    of_a, of_b = ORDERS[order]
    a, b = numbers((batch, k, m) if of_a else (batch, m, k), 1), numbers((batch, n, k) if of_b else (batch, k, n), 2)
    left, right = a.swapaxes(1, 2) if of_a else a, b.swapaxes(1, 2) if of_b else b
    wanted, flops = left.astype(np.float64) @ right.astype(np.float64), 2.0 * batch * m * n * k
    out, numpys = unwritten(wanted.shape), unwritten(wanted.shape)

    def ours() -> None:
        _kernels.matmul(a, b, of_a, of_b, out)

    def numpy() -> Array:
        return np.matmul(left, right, out=numpys)

    contenders = [Contender("lamella", "ours", ours, flops, lambda: after(ours, out, wanted))]
    if plan.torch:
        from bench.peers import torch_peer

        contenders += torch_peer.multiply(left, right, wanted, flops)
    contenders.append(Contender("numpy", "peer", numpy, flops, lambda: after(numpy, numpys, wanted)))
    contenders.append(fma_peak(plan.threads))
    return Case(name(shape, order), "GFLOP/s", contenders)


def name(shape: tuple[int, int, int, int], order: str) -> str:
    return "{} of {}x{}x{} ".format(*shape) + order
