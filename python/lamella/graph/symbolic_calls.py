"""`layer.call(x)` of a symbolic tensor outside of a run: a call of the layer, because its `call` computes with values."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

from lamella.core.types import Value
from lamella.graph.symbolic import Symbolic


def taking_symbols(call: Callable[..., Value]) -> Callable[..., Value]:
    """The `call` of a class of lamella, which on symbolic tensors calls the layer.

    A subclass may call it by super(): then there is no call of the layer, which would run the subclass's code twice.
    """

    @functools.wraps(call)
    def either(self: Any, inputs: Any, *arguments: Any, **named: Any) -> Value:
        if _is_symbolic(inputs) and type(self).call is either:
            bound = inspect.signature(call).bind(self, inputs, *arguments, **named).arguments
            value: Value = self(inputs, **dict(list(bound.items())[2:]))
            return value
        return call(self, inputs, *arguments, **named)

    setattr(either, "on_values", call)
    call.__qualname__ += ".on_values"  # cloudpickle finds it by this name, which a bound method in a plan needs
    return either


def on_values(call: Callable[..., Value]) -> Callable[..., Value]:
    """The same bound method without the question for symbolic tensors, for plans, which have values."""
    plain = getattr(getattr(call, "__func__", None), "on_values", None)
    return call if plain is None else types.MethodType(plain, call.__self__)  # type: ignore[attr-defined]


def _is_symbolic(inputs: Any) -> bool:
    return isinstance(inputs, Symbolic) or (type(inputs) is list and any(isinstance(x, Symbolic) for x in inputs))
