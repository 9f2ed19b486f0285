"""The learning phase of the current thread: 1 in training, 0 otherwise."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class _Phase(threading.local):
    training: bool = False


current = _Phase()


def learning_phase() -> int:
    return int(current.training)


def set_learning_phase(value: int | bool) -> None:
    """Raises ValueError for anything but 0 and 1."""
    if value not in (0, 1):
        raise ValueError(f"Expected learning phase to be 0 or 1, got {value!r}.")
    current.training = bool(value)


@contextlib.contextmanager
def phase(training: bool) -> Iterator[None]:
    """Within the block layers called without `training` behave as given."""
    before = current.training
    current.training = training
    try:
        yield
    finally:
        current.training = before
