"""What belongs to a run, and not to the step that it takes again and again."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from lamella.callbacks.base import CallbackList
from lamella.callbacks.state import CallbackState, state_of
from lamella.training.exclusive import claim
from lamella.training.objective import Objective

if TYPE_CHECKING:
    from lamella.training.step import Steps


@dataclass
class Session:
    """What belongs to one fit. It stays after its end, as a file that is written then holds the state of its callbacks.

    Attributes:
        callback_state: Of the callbacks of the last fit that has ended.
        loaded: Of a file; the next fit may continue with it.
        callbacks: While the fit runs.
        objective: While the model is trained: the one whose metrics count the batches, see `Run`.
        warned: Of a loss that is not finite, once a fit.
    """

    callback_state: CallbackState | None = None
    loaded: CallbackState | None = None
    callbacks: CallbackList | None = None
    objective: Objective | None = None
    warned: bool = False

    def following(self) -> Session:
        """That of the next fit."""
        return Session(self.callback_state, self.loaded)

    def current_state(self) -> CallbackState | None:
        """Of the callbacks of the running fit, else of the last one, or of the file of a loaded model."""
        return self.loaded or self.callback_state if self.callbacks is None else state_of(self.callbacks)

    def end(self) -> None:
        """The fit is over; the state of its callbacks stays, for the next file."""
        if self.callbacks is not None:
            self.callback_state = state_of(self.callbacks)
            self.callbacks = self.loaded = None

    def __getstate__(self) -> dict[str, Any]:
        """The current run stays with the original; a copy may continue with the state of its callbacks, as a file may."""
        loaded = self.loaded if self.callbacks is None else self.current_state()
        return vars(self) | {"loaded": loaded, "callbacks": None, "objective": None}


class Run:
    """A run of the loop, or a batch on its own: a `with` block that gives the objective to use.

    The first block gets the one that was compiled, with the metrics that the user may hold. One that begins within it (a
    callback's evaluate within fit) or beside it in another thread gets metrics of its own, so that the numbers of each
    are its own.
    """

    def __init__(self, steps: Steps, *, training: bool = False) -> None:
        self.steps = steps
        self.session = steps.session
        self.training = training

    def __enter__(self) -> Objective:
        steps = self.steps
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
