"""Keras-1 argument names: accepted with a warning that shows the Keras-2 call."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from lamella.core.warn import warn

T = TypeVar("T", bound=type)

_DATA_FORMATS = {"tf": "channels_last", "th": "channels_first", "default": None}

# Names that mean the same in every layer that has the new one.
_COMMON = {
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
    "bias": "use_bias",
    "border_mode": "padding",
    "subsample": "strides",
    "dim_ordering": "data_format",
}


def keras1_names(square_kernel: bool = False, dropped: tuple[str, ...] = (), **renamed: str) -> Callable[[T], T]:
    """Class decorator: translate Keras-1 keywords (`renamed`: old="new", and the common ones) before __init__.

    square_kernel: Conv2D(filters, rows, cols) with ints, or nb_row and nb_col, mean kernel_size=(rows, cols).
    dropped: names that Keras 2 no longer has; ignored with a warning.
    """
    table = _COMMON | renamed

    def decorate(cls: T) -> T:
        new_init = cls.__init__  # type: ignore[misc]

        @functools.wraps(new_init)
        def __init__(self: object, *args: Any, **kwargs: Any) -> None:
            old = [k for k in kwargs if k in table or k in dropped or k in ("nb_row", "nb_col")]
            rows_cols = square_kernel and len(args) == 3 and isinstance(args[1], int) and isinstance(args[2], int)
            if old or rows_cols:
                args, kwargs = _translate(args, kwargs, table, dropped, rows_cols, cls.__name__)
                _warn(cls.__name__, args, kwargs)
            new_init(self, *args, **kwargs)

        cls.__init__ = __init__  # type: ignore[misc]
        return cls

    return decorate


def _translate(
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    table: Mapping[str, str],
    dropped: tuple[str, ...],
    rows_cols: bool,
    who: str,
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if rows_cols:
        args = (args[0], (args[1], args[2]))
    elif "nb_row" in kwargs or "nb_col" in kwargs:
        # Conv2D(32, 3, nb_col=3) gives the rows by position.
        rows = kwargs["nb_row"] if "nb_row" in kwargs else args[1]
        args = args[:1]
        kwargs = kwargs | {"kernel_size": (rows, kwargs.get("nb_col", rows))}
    new: dict[str, Any] = {}
    for key, value in kwargs.items():
        if key in dropped or key in ("nb_row", "nb_col"):
            continue
        if key == "dim_ordering":
            value = _DATA_FORMATS.get(value, value)
        name = table.get(key, key)
        if name in new or (name != key and name in kwargs):
            raise TypeError(
                f"{who}: For the `{name}` argument, the layer received both the legacy keyword argument `{key}` and the Keras 2 "
                f"keyword argument `{name}`. Stick to the latter!"
            )
        new[name] = value
    return args, new


def _warn(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    shown = [_show(a) for a in args] + [f"{k}={_show(v)}" for k, v in kwargs.items()]
    warn(f"Update your `{name}` call to the Keras 2 API: `{name}({', '.join(shown)})`")


def _show(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return repr(value) if isinstance(value, (bool, int, float, tuple, list, type(None))) else "<" + type(value).__name__ + ">"
