"""LambdaCallback: hooks given as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella.callbacks.base import Callback

Hook = Callable[..., Any]


class LambdaCallback(Callback):
    """Calls the given functions as its hooks.

    Args:
        on_epoch_begin: Function of (epoch, logs).
        on_epoch_end: Function of (epoch, logs).
        on_batch_begin: Function of (batch, logs).
        on_batch_end: Function of (batch, logs).
        on_train_begin: Function of (logs).
        on_train_end: Function of (logs).
        **hooks: Any other hook of Callback, such as on_test_batch_end.

    Raises:
        TypeError: A name is not a hook. Keras accepts such a name and never calls the function.

    Source: Keras 2.2.5.
    """

    def __init__(
        self,
        on_epoch_begin: Hook | None = None,
        on_epoch_end: Hook | None = None,
        on_batch_begin: Hook | None = None,
        on_batch_end: Hook | None = None,
        on_train_begin: Hook | None = None,
        on_train_end: Hook | None = None,
        **hooks: Hook,
    ) -> None:
        super().__init__()
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_batch_begin": on_batch_begin,
            "on_batch_end": on_batch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            **hooks,
        }
        for name, hook in given.items():
            if not (name.startswith("on_") and hasattr(Callback, name)):
                raise TypeError(f"LambdaCallback: {name!r} is not a hook of Callback")
            if hook is not None:
                setattr(self, name, hook)
