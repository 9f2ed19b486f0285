"""Peers in the environments of other Python interpreters: frameworks that need not be installed beside lamella."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bench.harness import Contender
from bench.kernels.reference import Array, Reference, distance

FRAMEWORKS = ("jax", "tensorflow")
FIND = f"import importlib.util as u; print(*(n for n in {FRAMEWORKS!r} if u.find_spec(n)))"
RECURRENT = Path(__file__).parent / "peers" / "recurrent_elsewhere.py"


def frameworks(python: str) -> list[str]:
    """The members of FRAMEWORKS that are installed for an interpreter."""
    return subprocess.run([python, "-c", FIND], capture_output=True, text=True, check=True).stdout.split()


class Elsewhere:
    """A framework in a process of another interpreter.

    Args:
        python: The interpreter.
        framework: One of FRAMEWORKS.
        threads: CPUs that the process may use.
    """

    def __init__(self, python: str, framework: str, threads: int) -> None:
        self.name = {"tensorflow": "Keras, TensorFlow", "jax": "JAX"}[framework]
        self._connection, theirs = Pipe()
        command = [python, str(RECURRENT), framework, str(threads), str(theirs.fileno())]
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()

    def contender(
        self, kind: str, direction: str, arrays: Sequence[Array], dy: Array, wanted: Reference, amount: float
    ) -> Contender:
        """A contender that runs this work in the process. It replaces the work of earlier calls.

        Args:
            kind: "LSTM" or "GRU".
            direction: "forward", or "both" for all gradients.
            arrays: x [N, T, F], the layer's kernel, recurrent kernel and bias.
            dy: [N, T, U], the gradient of the outputs.
            wanted: The expected outputs, or the expected gradient of the kernel.
            amount: See Contender.

        Raises:
            EOFError: The process has ended; it has written the reason to stderr.
        """
        self._ask((kind, direction, list(arrays), dy))

        def error() -> float:
            made: list[NDArray[Any]] = self._ask("result")
            return distance(made[0 if direction == "forward" else 1], wanted)

        return Contender(
            self.name, "peer", lambda: self._ask("run"), amount, error, cpu_clock=partial(cpu_seconds, self._process.pid)
        )

    def end(self) -> None:
        self._connection.close()
        self._process.wait()

    def _ask(self, what: object) -> Any:
        self._connection.send(what)
        return self._connection.recv()


def cpu_seconds(pid: int) -> float:
    """The CPU time of all threads of a process, from Linux's clock of the process: clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


def opened(pythons: Sequence[str], threads: int) -> Iterator[Elsewhere]:
    """A process for each framework of each interpreter."""
    for python in pythons:
        for framework in frameworks(python):
            yield Elsewhere(python, framework, threads)
