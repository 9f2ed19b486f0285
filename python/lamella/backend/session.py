"""K: defaults, names, the learning phase, and what was a session."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from lamella.core import config, phase
from lamella.core.config import epsilon, floatx, image_data_format
from lamella.core.names import next_uid as get_uid
from lamella.core.names import reset_uids
from lamella.core.phase import current, free_learning_phase, learning_phase
from lamella.core.pool import empty_pool
from lamella.core.types import Value
from lamella.graph.checked import checked
from lamella.graph.connect import in_graphs
from lamella.graph.symbolic import Symbolic

__all__ = [
    "backend", "clear_session", "epsilon", "floatx", "get_session", "get_uid", "image_data_format", "image_dim_ordering",
    "in_test_phase", "in_train_phase", "learning_phase", "manual_variable_initialization", "name_scope",
    "normalize_data_format", "reset_uids", "set_epsilon", "set_floatx", "set_image_data_format", "set_image_dim_ordering",
    "set_learning_phase", "set_session",
]  # fmt: skip


set_epsilon, set_floatx = checked(config.set_epsilon), checked(config.set_floatx)
normalize_data_format = checked(config.normalize_data_format)
set_image_data_format, set_learning_phase = checked(config.set_image_data_format), checked(phase.set_learning_phase)

_ORDERINGS = {"tf": "channels_last", "th": "channels_first"}


def backend() -> str:
    """ "lamella". Files of models name "tensorflow", whose layouts they have, so that Keras reads them as they are."""
    return "lamella"


def clear_session() -> None:
    """Count default names from 1 again, free the learning phase, and give memory that steps left free back to the system.

    Models live on: there is no graph to throw away.
    """
    reset_uids()
    free_learning_phase()
    empty_pool()


def manual_variable_initialization(value: bool) -> None:
    """Raises NotImplementedError for True: variables have their values from the start."""
    if value:
        raise NotImplementedError("K.manual_variable_initialization: variables have their values as soon as they are made")


def image_dim_ordering() -> str:
    """Keras 1's name of the image data format: "tf" or "th"."""
    return "th" if image_data_format() == "channels_first" else "tf"


@checked
def set_image_dim_ordering(dim_ordering: str) -> None:
    if dim_ordering not in _ORDERINGS:
        raise ValueError(f"Unknown dim_ordering: {dim_ordering}")
    set_image_data_format(_ORDERINGS[dim_ordering])


@contextlib.contextmanager
def name_scope(name: str) -> Iterator[str]:
    """Does nothing in its block: names of tensors are those of their layers."""
    yield f"{name}/"


def get_session() -> NoReturn:
    """Raises RuntimeError: values are computed at once."""
    raise RuntimeError("K.get_session: lamella has no session; K.get_value and K.eval read values, K.function runs a graph")


def set_session(session: object) -> NoReturn:
    """Raises RuntimeError: values are computed at once."""
    raise RuntimeError(
        "K.set_session: lamella has no session; lamella.config.set_num_threads sets the number of threads, and memory is taken as "
        "it is needed"
    )


@in_graphs
def in_train_phase(x: Value, alt: Value, training: bool | int | None = None) -> Value:
    """x in training, alt otherwise; either may be a function without arguments, called only if it is chosen."""
    return _chosen(x if (current.training if training is None else training) else alt)


@in_graphs
def in_test_phase(x: Value, alt: Value, training: bool | int | None = None) -> Value:
    return _chosen(alt if (current.training if training is None else training) else x)


def _chosen(value: Callable[[], Any] | Any) -> Any:
    chosen = value() if callable(value) else value
    if isinstance(chosen, Symbolic):
        # Today's phase would stand in the graph for ever.
        raise TypeError(
            f"{chosen!r} is symbolic: it has no value to choose now; give the tensors, not functions that return them"
        )
    return chosen
