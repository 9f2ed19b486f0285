"""An object in its own process, so that contenders share neither thread pools nor allocators."""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any


class Remote:
    """Builds make(*arguments) in a new process and calls its methods there.

    Raises:
        RuntimeError: With the traceback of an error in the process.
    """

    def __init__(self, make: Callable[..., object], *arguments: object) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, make, arguments), daemon=True)
        self._process.start()
        other.close()
        self._answer()

    def call(self, method: str, *arguments: object) -> Any:  # Any: the type of the method's result
        self._connection.send((method, arguments))
        return self._answer()

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._connection.close()
        self._process.join()

    def _answer(self) -> Any:
        result, failure = self._connection.recv()
        if failure is not None:
            raise RuntimeError(failure)
        return result


def _serve(connection: Connection, make: Callable[..., object], arguments: tuple[object, ...]) -> None:
    try:
        served = make(*arguments)
        connection.send((None, None))
        while True:
            method, arguments = connection.recv()
            connection.send((getattr(served, method)(*arguments), None))
    except EOFError:
        return  # the owner has closed the pipe
    except Exception:
        connection.send((None, traceback.format_exc()))
