"""How many weights may be made while a model is built from a file: as many as the file holds, so that a description from
a stranger cannot fill the memory.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class _Budget(threading.local):
    left: int | None = None
    source: str = ""


_budget = _Budget()


@contextlib.contextmanager
def limit(elements: int, source: str) -> Iterator[None]:
    """Within the block, layers of this thread may make weights of that many elements together, all zeros."""
    before = _budget.left, _budget.source
    _budget.left, _budget.source = elements, source
    try:
        yield
    finally:
        _budget.left, _budget.source = before


def limited() -> bool:
    """True while a model is built from a file: its weights come from there, so initializers need not run."""
    return _budget.left is not None


def spend(elements: int, who: str) -> None:
    """Raises ValueError where the weights exceed what the file holds."""
    if _budget.left is None:
        return
    if elements > _budget.left:
        raise ValueError(
            f"{who}: the description asks for {elements} more elements of weights, and {_budget.source} holds only "
            f"{_budget.left} more"
        )
    _budget.left -= elements
