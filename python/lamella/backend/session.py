"""K: defaults, names, the learning phase, and what was a session."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import NoReturn

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
    """ "tensorflow": scripts ask for it to choose a branch, and the layouts here are those of that branch, in files, too.

    `lamella.config` and the module's name, `lamella.backend`, say what computes.
    """
    return "tensorflow"


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


def _in_train_phase(x: Value, alt: Value, training: bool | int | None = None) -> Value:
    return _chosen(x if (current.training if training is None else training) else alt)


def _in_test_phase(x: Value, alt: Value, training: bool | int | None = None) -> Value:
    return _chosen(alt if (current.training if training is None else training) else x)


def _chosen(value: Value) -> Value:
    return value() if callable(value) else value


_of_training, _of_inference = in_graphs(_in_train_phase, "in_train_phase"), in_graphs(_in_test_phase, "in_test_phase")


@functools.wraps(_of_training)
def in_train_phase(x: Value, alt: Value, training: bool | int | None = None) -> Value:
    """x in training, alt otherwise; either may be a function without arguments, called only if it is chosen.

    Where one is symbolic, or returns a symbolic tensor, both functions are called once, when the graph is made.
    """
    return _branch(_of_training, x, alt, training)


@functools.wraps(_of_inference)
def in_test_phase(x: Value, alt: Value, training: bool | int | None = None) -> Value:
    """alt in training, x otherwise; see in_train_phase."""
    return _branch(_of_inference, x, alt, training)


def _branch(choose: Callable[..., Value], x: Value, alt: Value, training: bool | int | None) -> Value:
    if not isinstance(x, Symbolic) and not isinstance(alt, Symbolic):
        value = choose(x, alt, training)
        if not isinstance(value, Symbolic):
            return value
    return choose(_chosen(x), _chosen(alt), training)
