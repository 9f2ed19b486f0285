"""The value that a callback monitors: how it is found, and in which direction it improves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from lamella.callbacks.base import Callback
from lamella.callbacks.logs import Logs
from lamella.core.warn import warn

Direction = Literal["min", "max"]


# Whether the first value is better than the second one.
Better = Callable[[Any, Any], Any]


class Monitor(Callback):
    """A callback that compares a monitored value with its best one."""

    _sign: float  # larger is better once multiplied by it
    _given_op: Better | None = None

    @property
    def monitor_op(self) -> Better:
        """How values are compared; np.less or np.greater by the direction. A script may set it.

        Raises:
            TypeError: It is set to something that cannot be called.

        Source: Keras 2.2.5.
        """
        return self._given_op or self._op_by_direction()

    @monitor_op.setter
    def monitor_op(self, op: Better) -> None:
        if not callable(op):
            raise TypeError(f"{type(self).__name__}: expected a function of two values as monitor_op, got {op!r}")
        self._given_op = op

    def _op_by_direction(self) -> Better:
        return np.greater if self._sign > 0 else np.less

    def _sign_by(self, direction: Direction) -> float:
        """1 where larger values are better, otherwise -1: by monitor_op if a script set it, otherwise by the direction."""
        if self._given_op is None:
            return 1.0 if direction == "max" else -1.0
        return -1.0 if self._given_op(0.0, np.inf) else 1.0


def checked_mode(mode: str, who: str) -> str:
    """The mode, checked. Any other than "auto", "min" and "max" warns and becomes "auto", as in Keras 2.2.5."""
    if mode in ("auto", "min", "max"):
        return mode
    warn(f"{who} mode {mode} is unknown, fallback to auto mode.", RuntimeWarning)
    return "auto"


def direction_of(callback: Callback, monitor: str, mode: str) -> Direction:
    """The direction in which `monitor` improves.

    `mode` decides if it is "min" or "max". Otherwise the metric object decides if the model has one of this name. Otherwise
    the name decides, as in Keras 2: a name with "acc" in it means "max", all others "min".
    """
    if mode == "min" or mode == "max":
        return mode  # type: ignore[return-value]
    return declared_direction(callback, monitor) or ("max" if "acc" in monitor else "min")


def declared_direction(callback: Callback, monitor: str) -> Direction | None:
    """The direction that the metric object of a column of the logs declares; None if there is no such object."""
    found: Direction | None = getattr(callback.model, "metric_direction", lambda name: None)(monitor)
    return found


def monitored(logs: Logs[Any] | None, monitor: str, what: str) -> Any:
    """The monitored value. If it is missing: None, with a warning that lists the available names."""
    logs = Logs(logs or {})
    value = logs.get(monitor)
    if value is None:
        warn(
            f"{what} conditioned on metric `{monitor}` which is not available. Available metrics are: {','.join(logs)}",
            RuntimeWarning,
        )
    return value
