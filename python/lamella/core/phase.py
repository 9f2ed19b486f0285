"""The learning phase of the current thread: 1 in training and 0 otherwise, unless the user has set it."""

from __future__ import annotations

import threading

import numpy as np

from lamella.core.atomic import Scope


class _Phase(threading.local):
    training: bool = False
    fixed: bool | None = None  # the phase of set_learning_phase, for later calls of layers


current = _Phase()


def learning_phase() -> int:
    """1 in training, 0 otherwise. As in Keras it is an int only after set_learning_phase: scripts ask
    `isinstance(K.learning_phase(), int)` whether functions of a batch take it.
    """
    # int8: no product with floats gets another dtype.
    return int(current.training) if current.fixed is not None else np.int8(current.training)  # type: ignore[return-value]


def set_learning_phase(value: int | bool) -> None:
    """Set the phase of this thread, and of all calls of layers on symbolic tensors from now on.

    Such a call keeps this phase in fit, evaluate and predict, in every model that contains it. An argument `training` of the
    call overrides it. Earlier calls do not change. The phase is not saved in files, as in Keras 2.2.5.

    Raises:
        ValueError: value is neither 0 nor 1.
    """
    if value not in (0, 1):
        raise ValueError(f"Expected learning phase to be 0 or 1, got {value!r}.")
    current.training = current.fixed = bool(value)


def free_learning_phase() -> None:
    """Undo set_learning_phase for all calls of layers from now on: they follow the phase of fit and predict again."""
    current.training, current.fixed = False, None


def phase(training: bool) -> Scope:
    """A `with` block in which layers that are called without `training` use this phase."""
    return Scope((current, "training", training))
