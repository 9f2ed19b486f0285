"""What a description from a stranger may ask for while a model is built from it, so that it cannot fill the memory or compute
without end: elements of weights, and calls of layers inside layers.
"""

from __future__ import annotations

import threading

from lamella.core.atomic import Scope

# Bytes of the weights that a description alone may ask for; VGG19, of the largest usual networks, has 0.6e9.
DESCRIPTION_BYTES = 2**31
# Elements of what stateful layers carry over from batch to batch, which no file holds: as many as weights of float32.
_CARRIED = DESCRIPTION_BYTES // 4
# Calls of layers in models that are parts of models: each doubles what it holds by calling it twice, and 40 of them in
# each other are 2^40 calls. Real networks have some thousand.
_CALLS = 2**17


class _Budget(threading.local):
    left: int | None = None
    calls: int = 0
    carried: int = 0
    source: str = ""
    filled: bool = False


_budget = _Budget()


def limit(elements: int, source: str, *, filled: bool) -> Scope:
    """Within the block, layers of this thread may make weights of that many elements together; a limit inside another is none.

    Args:
        source: Who sets the limit, for messages: "m.h5 holds".
        filled: The weights' values come later, from a file.
    """
    if _budget.left is not None:
        return Scope()
    limits = {"left": elements, "calls": _CALLS, "carried": _CARRIED, "source": source, "filled": filled}
    return Scope(*((_budget, name, value) for name, value in limits.items()))


def limited() -> bool:
    """True while a model is built from data: nothing is tried out to see what it returns."""
    return _budget.left is not None


def filled_later() -> bool:
    """True while a model is built from a file: its weights come from there, so initializers need not run."""
    return _budget.left is not None and _budget.filled


def spend(elements: int, who: str) -> None:
    """Raises ValueError where the weights exceed the limit."""
    if _budget.left is None:
        return
    if elements > _budget.left:
        raise ValueError(
            f"{who}: the description asks for {elements} more elements of weights, and {_budget.source} only {_budget.left} more"
        )
    _budget.left -= elements


def spend_carried(elements: int, who: str) -> None:
    """Raises ValueError where the states of stateful layers exceed what weights may take."""
    if _budget.left is None:
        return
    if elements > _budget.carried:
        raise ValueError(f"{who}: the description asks for {elements} more elements of states, of {_CARRIED} in all")
    _budget.carried -= elements


def spend_call(who: str) -> None:
    """Raises ValueError where layers inside layers are called more often than any network needs."""
    if _budget.left is None:
        return
    _budget.calls -= 1
    if _budget.calls < 0:
        raise ValueError(f"{who}: the description calls layers inside models more than {_CALLS} times")
