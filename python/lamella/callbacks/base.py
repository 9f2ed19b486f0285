"""Callback defines the hooks of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.callbacks.logs import Logs
from lamella.core.flags import check_flags

Params = Mapping[str, Any]  # batch_size, epochs, steps, samples, verbose, do_validation, metrics


class Callback:
    """Base class of callbacks. A subclass overrides the hooks that it needs.

    `logs` is one dict of the run. What a callback adds to it in on_epoch_end is visible to the callbacks after it and to
    History.

    Attributes:
        params: The options of the run, as in Keras: batch_size, epochs, steps, samples, verbose, do_validation, metrics.
        model: The model that is trained.
        validation_data: The user's own arrays, set by fit.
        state_names: Names of the attributes that a resumed run continues with, see BackupAndRestore.
        state_in_model_files: Whether model.save also writes the state, see load_model.

    Source: Keras 2.2.5. The state is an addition.
    """

    state_names: tuple[str, ...] = ()
    state_in_model_files = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        check_flags(cls)

    def __init__(self) -> None:
        self.validation_data: list[Any] | None = None
        self.model: Any = None  # Any: callbacks also work in loops of other trainers
        self.params: Params = {}

    def set_params(self, params: Params) -> None:
        """Store the options of the run, `params`, before on_train_begin."""
        self.params = params

    def set_model(self, model: object) -> None:
        """Store the model, before on_train_begin."""
        self.model = model

    def get_state(self) -> dict[str, Any]:
        """The values that change in this callback during a run: numbers, strings, arrays, and lists and dicts of these."""
        return {name: getattr(self, name) for name in self.state_names if hasattr(self, name)}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that get_state returned. It is called after on_train_begin."""
        for name in self.state_names:
            if name in state:
                setattr(self, name, state[name])

    def on_train_begin(self, logs: Logs[Any] | None = None) -> None:
        """Called when fit begins."""

    def on_train_end(self, logs: Logs[Any] | None = None) -> None:
        """Called when fit ends."""

    def on_test_begin(self, logs: Logs[Any] | None = None) -> None:
        """Called when evaluate, or the validation of an epoch, begins."""

    def on_test_end(self, logs: Logs[Any] | None = None) -> None:
        """Called when evaluate, or the validation of an epoch, ends."""

    def on_predict_begin(self, logs: Logs[Any] | None = None) -> None:
        """Called when predict begins."""

    def on_predict_end(self, logs: Logs[Any] | None = None) -> None:
        """Called when predict ends."""

    def on_epoch_begin(self, epoch: int, logs: Logs[Any] | None = None) -> None:
        """Called before the first batch of an epoch. Epochs count from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs[Any] | None = None) -> None:
        """Called after an epoch and its validation. `logs` has the losses and metrics, those of the validation as val_...."""

    def on_batch_begin(self, batch: int, logs: Logs[Any] | None = None) -> None:
        """Called by on_train_batch_begin: the name of Keras 2."""

    def on_batch_end(self, batch: int, logs: Logs[Any] | None = None) -> None:
        """Called by on_train_batch_end: the name of Keras 2."""

    def on_train_batch_begin(self, batch: int, logs: Logs[Any] | None = None) -> None:
        """Called before a batch of fit. Batches count from 0. `logs` has batch and size."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs[Any] | None = None) -> None:
        """Called after a batch of fit. `logs` has batch, size, loss and metrics."""
        self.on_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Logs[Any] | None = None) -> None:
        """Called before a batch of evaluate or of a validation. `logs` has batch and size."""

    def on_test_batch_end(self, batch: int, logs: Logs[Any] | None = None) -> None:
        """Called after a batch of evaluate or of a validation. `logs` has batch, size, loss and metrics."""

    def on_predict_batch_begin(self, batch: int, logs: Logs[Any] | None = None) -> None:
        """Called before a batch of predict. `logs` has batch and size."""

    def on_predict_batch_end(self, batch: int, logs: Logs[Any] | None = None) -> None:
        """Called after a batch of predict. `logs` has batch, size and outputs, a list of arrays."""
