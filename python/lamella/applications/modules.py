"""The modules that keras.applications passes to keras_applications: backend, layers, models, utils."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from lamella import backend, layers, models, utils

_MODULES = {"backend": backend, "layers": layers, "models": models, "utils": utils}


def check_modules(function: str, kwargs: Mapping[str, object]) -> None:
    """Check the keywords of keras_applications.

    Raises:
        TypeError: A keyword has another name.
        ValueError: A module is neither lamella's nor None.
    """
    for name, module in kwargs.items():
        if name not in _MODULES:
            raise TypeError(f"{function}: Invalid keyword argument: {name}")
        if module is not None and module is not _MODULES[name]:
            raise ValueError(f"{function}: expected {name}=lamella.{name}, from which networks are built, got {module!r}")


def keras_modules_injection(base_fun: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that passes lamella's backend, layers, models and utils to a function by these names.

    Args:
        base_fun: A function with the keyword arguments backend, layers, models and utils.

    Source: Keras 2.2.5.
    """

    @functools.wraps(base_fun)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return base_fun(*args, **{**kwargs, **_MODULES})

    return wrapper
