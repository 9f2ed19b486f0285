"""The state of one run, which its steps share: Session for a fit, Run for any use of the objective's metrics."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from lamella.callbacks.callback_list import CallbackList
from lamella.callbacks.state import CallbackState, state_of
from lamella.training.exclusive import claim
from lamella.training.objective import Objective

if TYPE_CHECKING:
    from lamella.training.step import Steps


@dataclass
class Session:
    """The state of one fit. It is kept after the end, because a model file that is written then holds the callbacks' state.

    Attributes:
        callback_state: State of the callbacks of the last fit that ended.
        loaded: State of callbacks from a model file, with which the next fit may continue.
        callbacks: The callbacks, while the fit runs.
        objective: While the model is trained: the objective whose metrics count the batches, see `Run`.
        warned: Whether this fit has warned about a loss that is not finite.
    """

    callback_state: CallbackState | None = None
    loaded: CallbackState | None = None
    callbacks: CallbackList | None = None
    objective: Objective | None = None
    warned: bool = False

    def following(self) -> Session:
        """The session of the next fit."""
        return Session(self.callback_state, self.loaded)

    def current_state(self) -> CallbackState | None:
        """The state of the callbacks of the running fit; without one, of the file of a loaded model, or of the last fit."""
        return self.loaded or self.callback_state if self.callbacks is None else state_of(self.callbacks)

    def end(self) -> None:
        """End the fit. The state of its callbacks is kept for the next file."""
        if self.callbacks is not None:
            self.callback_state = state_of(self.callbacks)
            self.callbacks = self.loaded = None

    def __getstate__(self) -> dict[str, Any]:
        """A copy does not contain the running fit. It may continue from the state of its callbacks, like a model file."""
        loaded = self.loaded if self.callbacks is None else self.current_state()
        return vars(self) | {"loaded": loaded, "callbacks": None, "objective": None}


class Run:
    """A run of the loop, or the work on one batch: a `with` block that gives the objective to use.

    The first block gets the compiled objective, with the metric objects that the user passed to compile. A block that begins
    inside it (evaluate in a callback of fit) or in another thread at the same time gets its own copies of stateful metrics,
    so that the runs do not change each other's numbers.

    Args:
        steps: The model's steps.
        training: Whether the model is trained in this run.
    """

    def __init__(self, steps: Steps, *, training: bool = False) -> None:
        self.steps = steps
        self.session = steps.session
        self.training = training

    def __enter__(self) -> Objective:
        steps = self.steps
        steps.notice_added()
        self._first = claim(steps, "used_by", sys._getframe(1)) is None
        objective = steps.objective if self._first else steps.objective.anew()
        if self.training:
            self._outer, self.session.objective = None if self._first else self.session.objective, objective
        return objective

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.training:
            self.session.objective = self._outer
        if self._first:
            self.steps.used_by = None
