"""The value that a callback watches: where it is found, and which way it improves."""

from __future__ import annotations

from typing import Any, Literal

from lamella.callbacks.base import Callback
from lamella.callbacks.logs import Logs
from lamella.core.warn import warn

Direction = Literal["min", "max"]


def checked_mode(mode: str, who: str) -> str:
    """ "auto", "min" or "max"; any other warns and counts as "auto", as in Keras 2.2.5."""
    if mode in ("auto", "min", "max"):
        return mode
    warn(f"{who} mode {mode} is unknown, fallback to auto mode.", RuntimeWarning)
    return "auto"


def direction_of(callback: Callback, monitor: str, mode: str) -> Direction:
    """Which way `monitor` improves: by `mode`, by the metric object if the model knows it, else by name.

    The name rule is Keras 2's: "acc" in it means max, everything else min.
    """
    if mode == "min" or mode == "max":
        return mode  # type: ignore[return-value]
    return declared_direction(callback, monitor) or ("max" if "acc" in monitor else "min")


def declared_direction(callback: Callback, monitor: str) -> Direction | None:
    """What the metric object behind a column of the logs says; None where there is none."""
    found: Direction | None = getattr(callback.model, "metric_direction", lambda name: None)(monitor)
    return found


def monitored(logs: Logs[Any] | None, monitor: str, what: str) -> Any:
    """The watched value; None, with a warning that lists the names there are, if it is missing."""
    logs = Logs(logs or {})
    value = logs.get(monitor)
    if value is None:
        warn(
            f"{what} conditioned on metric `{monitor}` which is not available. Available metrics are: {','.join(logs)}",
            RuntimeWarning,
        )
    return value
