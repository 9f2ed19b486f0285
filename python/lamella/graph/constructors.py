"""Errors of constructors name the layer, whichever check below found the argument wrong."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def naming_layer(constructor: Callable[..., None]) -> Callable[..., None]:
    """`constructor`, whose ValueErrors and TypeErrors begin with the layer's name unless they name it already."""

    @functools.wraps(constructor)
    def construct(self: Any, *arguments: Any, **named: Any) -> None:
        try:
            constructor(self, *arguments, **named)
        except (ValueError, TypeError) as error:
            text, name = str(error), vars(self).get("name")
            if (
                type(error) not in (ValueError, TypeError)
                or name is None
                or text.startswith("Layer ")
                or type(self).__name__ in text
            ):
                raise
            raise type(error)(f"Layer {name}: {text}") from error

    return construct
