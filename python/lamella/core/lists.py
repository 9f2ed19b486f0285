"""One thing or a list of things, as Keras's arguments and results are. Source: Keras 2.2.5 keras/utils/generic_utils.py."""

from __future__ import annotations

from typing import Any


def to_list(x: Any, allow_tuple: bool = False) -> list[Any]:
    """x itself if it is a list; list(x) if it is a tuple and allow_tuple is set; else [x].

    Without allow_tuple a tuple is one thing: a shape.
    """
    if isinstance(x, list):
        return x
    return list(x) if allow_tuple and isinstance(x, tuple) else [x]


def unpack_singleton(x: Any) -> Any:
    """The entry of a list or tuple that has only one; else x itself."""
    return x[0] if len(x) == 1 else x
