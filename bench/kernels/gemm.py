"""Matrix products of dense layers: y = x w, dx = dy w^T, dw = x^T dy. x [M, K], w [K, N]."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.harness import Case, Contender, Plan
from bench.kernels.reference import Array, Reference, after, numbers, unwritten
from bench.machine import fma_peak
from lamella import _kernels

# (M, N, K). First the range of convolutions and dense layers, then a large one, then the layers of bench/models.py.
SHAPES = [
    (126, 128, 512),
    (126, 512, 2304),
    (252, 256, 1152),
    (504, 128, 2304),
    (504, 512, 512),
    (504, 512, 2304),
    (1008, 1024, 1024),
    (128, 512, 784),
    (128, 512, 512),
    (128, 128, 9216),
    (32, 512, 2304),
    (128, 10, 512),
    (32, 64, 30),
]
PASSES = ("forward", "dx", "dw")
# Idle threads of NumPy's OpenBLAS spin for 2^26 cycles before they sleep.
BLAS_SETTLE = 0.05


def cases(plan: Plan) -> Iterator[Case]:
    for shape in SHAPES[:2] if plan.quick else SHAPES:
        for direction in PASSES:
            if plan.wants(name(shape, direction)):
                yield case(shape, direction, plan)


def case(shape: tuple[int, int, int], direction: str, plan: Plan) -> Case:
    m, n, k = shape
    x, w, dy = numbers((m, k), 1), numbers((k, n), 2), numbers((m, n), 3)
    left, right = {"forward": (x, w), "dx": (dy, w.T), "dw": (x.T, dy)}[direction]
    wanted = left.astype(np.float64) @ right.astype(np.float64)
    none, out = np.empty(0, np.float32), unwritten(wanted.shape)

    def ours() -> None:
        if direction == "forward":
            _kernels.dense_forward(x, w, none, 0, out)
        elif direction == "dx":
            _kernels.dense_backward(x, w, none, dy, none, out, none, none)
        else:
            _kernels.dense_backward(x, w, none, dy, none, none, out, none)

    contenders = [Contender("lamella", "ours", ours, flops(shape), lambda: after(ours, out, wanted))]
    if plan.torch:
        from bench.peers import torch_peer

        contenders += torch_peer.multiply(left, right, wanted, flops(shape))
    contenders.append(_numpy(left, right, wanted, flops(shape), BLAS_SETTLE if plan.threads > 1 else 0.0))
    contenders.append(fma_peak(plan.threads))
    return Case(name(shape, direction), "GFLOP/s", contenders)


def name(shape: tuple[int, int, int], direction: str) -> str:
    return "{}x{}x{} ".format(*shape) + direction


def flops(shape: tuple[int, int, int]) -> float:
    m, n, k = shape
    return 2.0 * m * n * k


def _numpy(left: Array, right: Array, wanted: Reference, amount: float, settle: float) -> Contender:
    out = unwritten(wanted.shape)

    def run() -> None:
        np.matmul(left, right, out=out)

    return Contender("numpy", "peer", run, amount, lambda: after(run, out, wanted), settle)
