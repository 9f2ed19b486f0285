"""TerminateOnNaN: ends training at the first loss that is not finite."""

from __future__ import annotations

import math
from typing import Any

from lamella.callbacks.base import Callback
from lamella.callbacks.logs import Logs


class TerminateOnNaN(Callback):
    """Sets model.stop_training after a batch whose loss is NaN or infinite.

    Source: Keras 2.2.5.
    """

    def on_batch_end(self, batch: int, logs: Logs[Any] | None = None) -> None:
        loss = Logs(logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            print(f"Batch {batch}: Invalid loss, terminating training")
            self.model.stop_training = True
