"""Limits for building a model from a description of unknown source, so that it cannot use all memory or compute without end.

Limited are the elements of weights and states, and the calls of layers inside layers.
"""

from __future__ import annotations

import threading

from lamella.core.atomic import Scope

# Limit in bytes of the weights of a description without a file. VGG19, one of the largest common networks, has 0.6e9.
DESCRIPTION_BYTES = 2**31
# Limit of the elements of all states of stateful layers, which are not in files: the same number as for float32 weights.
_STATE_ELEMENTS = DESCRIPTION_BYTES // 4
# Limit of the calls of layers in nested models. A model that calls its inner model twice doubles the calls, so 40 nested models
# may make 2^40 calls. Real networks have some thousand.
_CALLS = 2**17


class _Budget(threading.local):
    left: int | None = None
    calls: int = 0
    states: int = 0
    source: str = ""
    filled: bool = False


_budget = _Budget()


def limit(elements: int, source: str, *, filled: bool) -> Scope:
    """A `with` block in which the weights that this thread makes may have this many elements together.

    Inside of another such block it changes nothing.

    Args:
        elements: The limit.
        source: The source of the limit with a verb, for messages: "m.h5 holds".
        filled: Whether a file gives the weights their values later.
    """
    if _budget.left is not None:
        return Scope()
    limits = {"left": elements, "calls": _CALLS, "states": _STATE_ELEMENTS, "source": source, "filled": filled}
    return Scope(*((_budget, name, value) for name, value in limits.items()))


def limited() -> bool:
    """True while a model is built from a description. Functions are then not called to find out what they return."""
    return _budget.left is not None


def filled_later() -> bool:
    """True while a model is built from a file, which gives the weights their values, so that initializers need not run."""
    return _budget.left is not None and _budget.filled


def spend(elements: int, who: str) -> None:
    """Count new weights.

    Args:
        elements: Their number of elements.
        who: The layer and weight, for the message.

    Raises:
        ValueError: The weights exceed the limit.
    """
    if _budget.left is None:
        return
    if elements > _budget.left:
        raise ValueError(
            f"{who}: the description asks for {elements} more elements of weights, and {_budget.source} only {_budget.left} more"
        )
    _budget.left -= elements


def spend_states(elements: int, who: str) -> None:
    """Count new states of a stateful layer.

    Args:
        elements: Their number of elements.
        who: The layer, for the message.

    Raises:
        ValueError: The states exceed the limit.
    """
    if _budget.left is None:
        return
    if elements > _budget.states:
        raise ValueError(f"{who}: the description asks for {elements} more elements of states, of {_STATE_ELEMENTS} in all")
    _budget.states -= elements


def spend_call(who: str) -> None:
    """Count one call of a layer inside of a nested model.

    Args:
        who: The layer, for the message.

    Raises:
        ValueError: There are more calls than the limit, which is far above what networks need.
    """
    if _budget.left is None:
        return
    _budget.calls -= 1
    if _budget.calls < 0:
        raise ValueError(f"{who}: the description calls layers inside models more than {_CALLS} times")
