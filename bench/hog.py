"""mnist_mlp through fit, undisturbed and beside a process of the lowest priority that uses all the CPU time it gets.

That process gets 1.5 % of one CPU. If a side loses more than that, its threads lose the time by waiting for each other.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType

from bench.harness import Case, Contender, Plan, Result, Timing
from bench.models import SETTLE
from bench.nets import NETS, Net
from bench.remote import Remote
from bench.trainer import LamellaTrainer
from lamella import _kernels

# Passes over the data in one call, about 0.6 s: long compared with the scheduler's slices of milliseconds.
PASSES = 3
QUIET, HOGGED = "undisturbed", "beside a hog"

HOG = """
import os
os.nice(19)
print("ready", flush=True)
while os.getppid() == {parent}:
    for _ in range(100_000):
        pass
"""


class Hog:
    """A process that is stopped, except within `with hog:`."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", HOG.format(parent=os.getpid())]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._process.stdout.readline()
        self._process.send_signal(signal.SIGSTOP)

    def __enter__(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def cases(plan: Plan) -> Iterator[Case]:
    net = next(net for net in NETS if net.name == "mnist_mlp")
    with ExitStack() as open_sides:
        hog = Hog()
        open_sides.callback(hog.end)
        contenders = []
        for name, make, options in sides(net, plan):
            if plan.wants(name):
                side = open_sides.enter_context(Remote(make, *options))
                contenders += both(name, side, net, hog)
        if contenders:
            yield Case(net.name, "samples/s", contenders)


def sides(net: Net, plan: Plan) -> Iterator[tuple[str, Callable[..., object], tuple[object, ...]]]:
    for backend in _kernels.thread_backends():
        yield backend, lamella_on, (backend, net, plan.threads)
    if plan.torch:
        from bench.peers.torch_models import TorchTrainer

        yield "torch", TorchTrainer, (net, plan.threads, "float32", False)
    # JAX uses all CPUs that it may use, so it is a peer only if the others do the same.
    if importlib.util.find_spec("jax") is not None and plan.threads == len(os.sched_getaffinity(0)):
        from bench.peers.jax_models import JaxTrainer

        yield "jax", JaxTrainer, (net,)


def lamella_on(backend: str, net: Net, threads: int) -> LamellaTrainer:
    _kernels.select_thread_backend(backend)
    return LamellaTrainer(net, threads, "float32")


def both(name: str, side: Remote, net: Net, hog: Hog) -> Iterator[Contender]:
    def undisturbed() -> None:
        for _ in range(PASSES):
            side.call("epoch")

    def hogged() -> None:
        with hog:
            undisturbed()

    amount = net.samples * PASSES
    yield Contender(f"{name}, {QUIET}", "limit", undisturbed, amount, settle=SETTLE)
    yield Contender(f"{name}, {HOGGED}", "ours", hogged, amount, settle=SETTLE)


def split(result: Result) -> Iterator[Result]:
    """A row for each side: its rate beside the hog, with its undisturbed rate as the limit."""
    for name, timing in result.timings.items():
        side, condition = name.split(", ")
        if condition == HOGGED:
            timings: dict[str, Timing] = {HOGGED: timing, QUIET: result.timings[f"{side}, {QUIET}"]}
            yield Result(f"{result.case}, {side}", result.unit, timings)
