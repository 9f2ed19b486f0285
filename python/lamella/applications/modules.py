"""The modules that keras.applications hands to keras_applications: backend, layers, models, utils."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from lamella import backend, layers, models, utils

_MODULES = {"backend": backend, "layers": layers, "models": models, "utils": utils}


def check_modules(function: str, kwargs: Mapping[str, object]) -> None:
    """Raises TypeError for a keyword of another name, ValueError for a module that is neither lamella's nor None."""
    for name, module in kwargs.items():
        if name not in _MODULES:
            raise TypeError(f"{function}: Invalid keyword argument: {name}")
        if module is not None and module is not _MODULES[name]:
            raise ValueError(f"{function}: expected {name}=lamella.{name}, which networks are made of, got {module!r}")


def keras_modules_injection(base_fun: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: call the function with lamella's backend, layers, models and utils under these names. Source: Keras 2.2.5."""

    @functools.wraps(base_fun)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return base_fun(*args, **{**kwargs, **_MODULES})

    return wrapper
