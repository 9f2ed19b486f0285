"""Keras-1 argument names: accepted with a warning that shows the Keras-2 call."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from lamella.core import config
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


def keras1_names(
    kernel_axes: tuple[str, ...] = (), sequence: bool = False, dropped: tuple[str, ...] = (), **renamed: str | tuple[str, ...]
) -> Callable[[T], T]:
    """Class decorator: translate Keras-1 keywords before __init__.

    Args:
        kernel_axes: The names, ("nb_row", "nb_col") say, that stood for kernel_size; Conv2D(filters, rows, cols) with ints
            means kernel_size=(rows, cols), too: in Keras 2.2.5, and not in tf.keras, where the third is the strides. With a
            keyword of Keras 2 beside it that is refused, as in Keras 2.2.5. Deviation: further arguments may come by position.
        sequence: input_dim, with or without input_length, means input_shape=(input_length, input_dim).
        dropped: Names that Keras 2 no longer has; ignored with a warning, also a tuple by position after the kernel's axes.
        renamed: old="new", or old=("new", "new") for several arguments, beside the common ones.
    """
    table: dict[str, str | tuple[str, ...]] = {**_COMMON, **renamed}

    def decorate(cls: T) -> T:
        new_init = cls.__init__  # type: ignore[misc]

        @functools.wraps(new_init)
        def __init__(self: object, *args: Any, **kwargs: Any) -> None:
            old = [k for k in kwargs if k in table or k in dropped or k in kernel_axes or (sequence and k == "input_dim")]
            if dropped and len(args) == len(kernel_axes) + 2 and isinstance(args[-1], tuple) and config.dialect() != "tf":
                args = args[:-1]
            listed = 0 < len(kernel_axes) == len(args) - 1 and all(isinstance(a, int) for a in args[1:])
            listed = listed and config.dialect() != "tf"
            if listed and not {"padding", "strides", "data_format"}.isdisjoint(kwargs):
                raise ValueError(
                    f"{cls.__name__}: It seems that you are using the Keras 2 and you are passing both `kernel_size` and `strides` "
                    "as integer positional arguments. For safety reasons, this is disallowed. Pass `strides` as a keyword argument "
                    f"instead. Got {args}"
                )
            if old or listed:
                args, kwargs = _with_kernel_size(args, kwargs, kernel_axes, listed)
                if sequence and "input_dim" in kwargs:
                    kwargs = kwargs | {"input_shape": (kwargs.pop("input_length", None), kwargs.pop("input_dim"))}
                kwargs = _translate(kwargs, table, dropped, cls.__name__)
                _warn(cls.__name__, args, kwargs)
            new_init(self, *args, **kwargs)

        cls.__init__ = __init__  # type: ignore[misc]
        return cls

    return decorate


def _with_kernel_size(
    args: tuple[Any, ...], kwargs: dict[str, Any], axes: tuple[str, ...], listed: bool
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if listed:
        return (args[0], args[1:]), kwargs
    if not any(axis in kwargs for axis in axes):
        return args, kwargs
    # Conv2D(32, 3, nb_col=3) gives the rows by position.
    first = kwargs[axes[0]] if axes[0] in kwargs else args[1]
    sizes = (first, *(kwargs.get(axis, first) for axis in axes[1:]))
    rest = {key: value for key, value in kwargs.items() if key not in axes}
    return args[:1], rest | {"kernel_size": sizes}


def _translate(
    kwargs: dict[str, Any], table: Mapping[str, str | tuple[str, ...]], dropped: tuple[str, ...], who: str
) -> dict[str, Any]:
    new: dict[str, Any] = {}
    for key, value in kwargs.items():
        if key in dropped:
            continue
        if key == "dim_ordering":
            value = _DATA_FORMATS.get(value, value)
        names = table.get(key, key)
        for name in (names,) if isinstance(names, str) else names:
            if name in new or (name != key and name in kwargs):
                raise TypeError(
                    f"{who}: For the `{name}` argument, the layer received both the legacy keyword argument `{key}` and the Keras "
                    f"2 keyword argument `{name}`. Stick to the latter!"
                )
            new[name] = value
    return new


def _warn(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    shown = [_show(a) for a in args] + [f"{k}={_show(v)}" for k, v in kwargs.items()]
    warn(f"Update your `{name}` call to the Keras 2 API: `{name}({', '.join(shown)})`")


def _show(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return repr(value) if isinstance(value, (bool, int, float, tuple, list, type(None))) else "<" + type(value).__name__ + ">"
