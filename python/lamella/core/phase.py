"""The learning phase of the current thread: 1 in training, 0 otherwise, unless the user has fixed it."""

from __future__ import annotations

import threading

from lamella.core.atomic import Scope


class _Phase(threading.local):
    training: bool = False
    fixed: bool | None = None  # by set_learning_phase: for the layers that are called from now on


current = _Phase()


def learning_phase() -> int:
    return int(current.training)


def set_learning_phase(value: int | bool) -> None:
    """Fix the phase of this thread's calls by hand, and that of each layer which is called on a symbolic tensor from now on.

    Such a call keeps the phase in fit, evaluate and predict, whichever model it becomes a part of; an argument `training` of
    the call goes first. Calls that were made before stay free. Files do not hold it, as in Keras 2.2.5.

    Raises:
        ValueError: value is neither 0 nor 1.
    """
    if value not in (0, 1):
        raise ValueError(f"Expected learning phase to be 0 or 1, got {value!r}.")
    current.training = current.fixed = bool(value)


def free_learning_phase() -> None:
    """Undo set_learning_phase: fit trains and predict infers again, in the layers that are called from now on."""
    current.training, current.fixed = False, None


def phase(training: bool) -> Scope:
    """Within the block layers called without `training` behave as given."""
    return Scope((current, "training", training))
