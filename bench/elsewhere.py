"""Peers in the environments of other Python interpreters: frameworks that need not be installed beside lamella."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from multiprocessing import Pipe
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from bench.harness import Contender
from bench.kernels.reference import Array, Reference, distance
from bench.nets import Net

FRAMEWORKS = ("jax", "tensorflow")
VERSION_OF_KERAS = "import importlib.metadata as m; print(*(d.version for d in m.distributions(name='keras')))"
FIND = "import importlib.util as u; print(*(n for n in {!r} if u.find_spec(n)))"
PEERS = Path(__file__).parent / "peers"


def frameworks(python: str) -> list[str]:
    """The members of FRAMEWORKS that are installed for an interpreter."""
    return printed(python, FIND.format(FRAMEWORKS))


def printed(python: str, program: str) -> list[str]:
    """The words that a program prints in an interpreter."""
    return subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.split()


class Elsewhere:
    """A framework in a process of another interpreter.

    Args:
        script: The file in bench/peers that runs there.
        python: The interpreter.
        framework: One of FRAMEWORKS, or "keras2" where the script knows it.
        threads: CPUs that the process may use.
    """

    def __init__(self, script: str, python: str, framework: str, threads: int) -> None:
        self._connection, theirs = Pipe()
        command = [python, str(PEERS / script), framework, str(threads), str(theirs.fileno())]
        path = os.pathsep.join([str(PEERS.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])  # for `bench`
        self._process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": path}
        )
        theirs.close()

    def ask(self, what: object) -> Any:
        """The answer of the process.

        Raises:
            EOFError: The process has ended; it has written the reason to stderr.
        """
        self._connection.send(what)
        return self._connection.recv()

    def cpu_clock(self) -> float:
        """The CPU seconds of the process."""
        return cpu_seconds(self._process.pid)

    def end(self) -> None:
        self._connection.close()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self.end()


class RecurrentElsewhere(Elsewhere):
    """LSTM and GRU of a framework, see Elsewhere."""

    def __init__(self, python: str, framework: str, threads: int) -> None:
        super().__init__("recurrent_elsewhere.py", python, framework, threads)
        self.name = {"tensorflow": "Keras, TensorFlow", "jax": "JAX"}[framework]

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
        """
        self.ask((kind, direction, list(arrays), dy))

        def error() -> float:
            made: list[NDArray[Any]] = self.ask("result")
            return distance(made[0 if direction == "forward" else 1], wanted)

        return Contender(self.name, "peer", lambda: self.ask("run"), amount, error, cpu_clock=self.cpu_clock)


def cpu_seconds(pid: int) -> float:
    """The CPU time of all threads of a process, from Linux's clock of the process: clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


def recurrent(pythons: Sequence[str], threads: int) -> Iterator[RecurrentElsewhere]:
    """A process for each framework of each interpreter."""
    for python in pythons:
        for framework in frameworks(python):
            yield RecurrentElsewhere(python, framework, threads)


class ModelElsewhere(Elsewhere):
    """A net of bench/nets.py in Keras over a framework, see Elsewhere, keras_over and peers/keras_models.py."""

    def __init__(self, python: str, framework: str, threads: int, net: Net) -> None:
        super().__init__("keras_models.py", python, framework, threads)
        self.ask(net)

    def call(self, method: str, *arguments: object) -> Any:
        """As Remote.call.

        Args:
            method: A method of bench.trainer.Trainer.
            *arguments: Its arguments.
        """
        return self.ask((method, arguments))


def keras_over(pythons: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each interpreter that has Keras, with each framework that it has below Keras 3; "keras2" is Keras 2.2.5 on TensorFlow."""
    for python in pythons:
        versions = printed(python, VERSION_OF_KERAS)
        if versions:
            yield from ((python, framework) for framework in (["keras2"] if versions[0] == "2.2.5" else frameworks(python)))
