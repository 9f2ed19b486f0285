"""Wraps the constructors of self-contained layers: arguments are resolved, and errors name the layer."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any


def resolving(constructor: Callable[..., None]) -> Callable[..., None]:
    """A constructor after which the layer resolves the arguments that it stored.

    ValueErrors and TypeErrors begin with the layer's name, unless they already name it.
    """
    parameters = list(inspect.signature(constructor).parameters.values())[1:]
    names = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]

    @functools.wraps(constructor)
    def construct(self: Any, *arguments: Any, **named: Any) -> None:
        try:
            constructor(self, *arguments, **named)
            self.resolve(names)
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
