"""The machine's limits: multiply-adds per second, the stream with Adam's memory traffic, the cost of a parallel region."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import DTypeLike

from bench.harness import Case, Contender, Plan
from lamella import _kernels

# cpp/table/measure.def: flops of one round of measure_fma.
ROUND_FLOPS = 768
# Memory accesses for each parameter.
STREAM_ACCESSES = 7


def fma_peak(threads: int, dtype: DTypeLike = np.float32) -> Contender:
    """The limit of matrix products, on the target and the threads in use."""
    sums, rounds = np.zeros(threads, dtype), 20_000
    return Contender("FMA peak", "limit", lambda: _kernels.measure_fma(rounds, sums), float(ROUND_FLOPS * rounds * threads))


def stream(parameters: int) -> Contender:
    """The limit of optimizers, in bytes, over arrays of the same size."""
    a, b, c, g = (np.ones(parameters, np.float32) for _ in range(4))
    return Contender(
        "stream", "limit", lambda: _kernels.measure_stream(a, b, c, g), float(STREAM_ACCESSES * a.itemsize * parameters)
    )


def cases(plan: Plan) -> Iterator[Case]:
    return (case for case in _cases(plan) if plan.wants(case.name))


def _cases(plan: Plan) -> Iterator[Case]:
    counts = range(1, plan.threads + 1)
    ends = sorted({1, plan.threads})
    yield Case("FMA", "GFLOP/s", list(_fma(ends)))
    sizes = {"1e3": 1_000, "1e4": 10_000, "1e6": 1_000_000, "6.4e7": 64_000_000}
    for name in list(sizes)[:2] if plan.quick else sizes:
        yield Case(f"4R3W stream, {name}", "ns/parameter", [_on(n, stream(sizes[name])) for n in ends])
    yield Case("empty region", "us/region", [_on(n, _region(n)) for n in counts])
    one = np.zeros(1, np.float32)
    call = Contender("1 thread", "ours", lambda: _kernels.relu_forward(one, 0.0, 0.0, 0.0, one), 1.0)
    yield Case("call from Python", "us", [call])


def _fma(thread_counts: list[int]) -> Iterator[Contender]:
    now = _kernels.target()
    for target in _kernels.targets():
        for dtype in ("float32", "float64"):
            for threads in thread_counts:
                peak = _on(threads, fma_peak(threads, dtype))
                name = f"{target} {dtype}, {peak.name}"
                yield Contender(name, "ours", _at_target(target, now, peak.run), peak.amount)


def _region(threads: int) -> Contender:
    regions = 100
    return Contender("region", "ours", lambda: _kernels.measure_region(regions, 2 * threads), float(regions))


def _on(threads: int, contender: Contender) -> Contender:
    """The same contender with another number of threads, which is its name."""

    def run() -> None:
        _kernels.set_num_threads(threads)
        contender.run()

    return Contender(f"{threads} thread{'s' * (threads > 1)}", "ours", run, contender.amount)


def _at_target(target: str, afterwards: str, run: Callable[[], object]) -> Callable[[], object]:
    def selected() -> None:
        _kernels.select(target)
        run()
        _kernels.select(afterwards)

    return selected
