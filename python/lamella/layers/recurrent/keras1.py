"""Keras-1 arguments of recurrent layers. Source: Keras 2.2.5 keras/legacy/interfaces.py."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from lamella.core.warn import warn
from lamella.layers.keras1 import keras1_names

T = TypeVar("T", bound=type)

_RENAMED = {
    "output_dim": "units",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "U_regularizer": "recurrent_regularizer",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "consume_less": "implementation",
}
_IMPLEMENTATIONS = {"cpu": 0, "mem": 1, "gpu": 2}


def keras1_recurrent(kernel_axes: tuple[str, ...] = (), **renamed: str) -> Callable[[T], T]:
    """As keras1_names, with the names of recurrent layers, too."""

    def decorate(cls: T) -> T:
        cls = keras1_names(kernel_axes, sequence=False, dropped=(), **_RENAMED, **renamed)(cls)
        new_init = cls.__init__  # type: ignore[misc]

        @functools.wraps(new_init)
        def __init__(self: object, *args: Any, **kwargs: Any) -> None:
            new_init(self, *args, **_values(kwargs))

        cls.__init__ = __init__  # type: ignore[misc]
        return cls

    return decorate


def _values(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments whose values change, too."""
    if "consume_less" in kwargs:
        given = kwargs["consume_less"]
        kwargs["consume_less"] = _IMPLEMENTATIONS.get(given, given)
    if "forget_bias_init" in kwargs:
        if kwargs.pop("forget_bias_init") == "one":
            kwargs["unit_forget_bias"] = True
            warn("`forget_bias_init` is `unit_forget_bias` in the Keras 2 API.")
        else:
            warn(
                "The `forget_bias_init` argument has been ignored. Use `unit_forget_bias=True` instead to initialize with ones."
            )
    if "input_dim" in kwargs:
        kwargs["input_shape"] = (kwargs.pop("input_length", None), kwargs.pop("input_dim"))
        warn("The `input_dim` and `input_length` arguments in recurrent layers are deprecated. Use `input_shape` instead.")
    return kwargs
