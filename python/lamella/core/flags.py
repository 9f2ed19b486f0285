"""Checks of boolean arguments of constructors: Python treats strings such as "no" and "False" as true."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np


def check_flags(cls: type) -> None:
    """Make the class's own constructor check its arguments that have the annotation bool and a default of True or False.

    Accepted are True, False, NumPy's bools, 0, 1, and None, which scripts for Keras use as false. For anything else the
    constructor then raises TypeError, which names the argument. Without annotations nothing is checked.
    """
    if "__init__" in vars(cls):
        setattr(cls, "__init__", _checking(vars(cls)["__init__"]))


def _checking(constructor: Callable[..., None]) -> Callable[..., None]:
    code = getattr(constructor, "__code__", None)
    if code is None:  # a C function, or an object with __call__: it has no annotations
        return constructor
    positional = code.co_varnames[1 : code.co_argcount]
    annotated = constructor.__annotations__
    given = constructor.__defaults__ or ()
    defaults = dict(zip(positional[len(positional) - len(given) :], given)) | (constructor.__kwdefaults__ or {})
    flags = {name for name, default in defaults.items() if type(default) is bool and annotated.get(name) in (bool, "bool")}
    if not flags:
        return constructor

    @functools.wraps(constructor)
    def construct(self: Any, *arguments: Any, **named: Any) -> None:
        for name, value in [*zip(positional, arguments), *named.items()]:
            if name in flags and not _is_flag(value):
                own = named.get("name")
                who = f"{type(self).__name__} {own!r}" if isinstance(own, str) else type(self).__name__
                raise TypeError(f"{who}: expected {name} to be True or False, got {value!r}")
        constructor(self, *arguments, **named)

    return construct


def _is_flag(value: object) -> bool:
    return value is None or isinstance(value, (bool, np.bool_)) or (isinstance(value, (int, np.integer)) and value in (0, 1))
