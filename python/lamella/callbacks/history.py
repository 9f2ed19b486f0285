"""BaseLogger averages the batches of an epoch; History keeps the logs of all epochs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lamella.callbacks.base import Callback
from lamella.callbacks.logs import Logs


class BaseLogger(Callback):
    """Writes the sample-weighted mean of each batch value into the epoch's logs. It is the first callback of every run.

    The training loop calls `add` for each batch. In other loops the batch hook does so, from its logs.

    Args:
        stateful_metrics: Names of which the last value counts instead of the mean.

    Source: Keras 2.2.5.
    """

    state_names = ("seen", "totals")

    def __init__(self, stateful_metrics: Iterable[str] | None = None) -> None:
        super().__init__()
        self.stateful_metrics = set(stateful_metrics or ())
        self.seen = 0
        self.totals: dict[str, Any] = {}

    def on_epoch_begin(self, epoch: int, logs: Logs[Any] | None = None) -> None:
        self.seen = 0
        self.totals = {}

    def on_batch_end(self, batch: int, logs: Logs[Any] | None = None) -> None:
        logs = logs or Logs()
        values = {name: value for name, value in logs.items() if name not in ("batch", "size")}
        self.add(list(values), list(values.values()), logs.get("size", 0))

    def add(self, names: Sequence[str], values: Sequence[Any], size: int) -> None:
        """Add one batch to the means.

        Args:
            names: Names of the values.
            values: Means over the samples of the batch. Those of stateful metrics may be late numbers, see `compute`.
            size: Number of samples.
        """
        self.seen += size
        totals = self.totals
        for name, value in zip(names, values):
            totals[name] = value if name in self.stateful_metrics else totals.get(name, 0.0) + value * size

    def compute(self) -> None:
        """Compute the late numbers: the last values of stateful metrics, before their state changes."""
        for name in self.stateful_metrics & self.totals.keys():
            self.totals[name] = float(self.totals[name])

    def on_epoch_end(self, epoch: int, logs: Logs[Any] | None = None) -> None:
        if logs is None:
            return
        for name in self.params.get("metrics", ()):
            if name in self.totals:
                stateful = name in self.stateful_metrics
                logs[name] = np.float64(self.totals[name] if stateful else self.totals[name] / self.seen)


class History(Callback):
    """Records the logs of each epoch. It is part of every run, and fit returns it.

    Attributes:
        epoch: Indices of the epochs that were run.
        history: For each name in the logs its values, one for each epoch, as np.float64.

    Source: Keras 2.2.5.
    """

    state_names = ("epoch", "history")

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: Logs[list[Any]] = Logs()

    def __getstate__(self) -> dict[str, Any]:
        """The validation data is left out of pickles and copies."""
        return vars(self) | {"validation_data": None}

    def on_train_begin(self, logs: Logs[Any] | None = None) -> None:
        self.epoch = []
        self.history = Logs()

    def on_epoch_end(self, epoch: int, logs: Logs[Any] | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def set_state(self, state: Mapping[str, Any]) -> None:
        self.epoch = state["epoch"]
        # Files hold plain floats instead of np.float64.
        self.history = Logs({name: [_number(v) for v in values] for name, values in state["history"].items()})


def _number(value: Any) -> Any:
    return np.float64(value) if type(value) is float else value
