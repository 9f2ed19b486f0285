"""K: defaults, names, the learning phase, and functions for sessions, which lamella does not have."""

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
from lamella.core.scopes import opened
from lamella.core.scopes import path as path_of_scopes
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
    """ "tensorflow", because scripts use it to choose a layout of arrays, and lamella has those of TensorFlow, also in files.

    The name of the module, `lamella.backend`, and `lamella.config` show that lamella computes.
    """
    return "tensorflow"


def clear_session() -> None:
    """Restart the numbers of default names, undo set_learning_phase, and return free memory of the pool to the system.

    Models remain usable: there is no global graph.
    """
    reset_uids()
    free_learning_phase()
    empty_pool()


def manual_variable_initialization(value: bool) -> None:
    """Has no effect, because Variables have their values as soon as they are made. Scripts call it before they load a model.

    Args:
        value: Ignored.
    """


def image_dim_ordering() -> str:
    """The image data format by its name in Keras 1: "tf" or "th"."""
    return "th" if image_data_format() == "channels_first" else "tf"


@checked
def set_image_dim_ordering(dim_ordering: str) -> None:
    """Set the image data format by its name in Keras 1.

    Args:
        dim_ordering: "tf" for channels_last, "th" for channels_first.

    Raises:
        ValueError: It is another name.
    """
    if dim_ordering not in _ORDERINGS:
        raise ValueError(f"Unknown dim_ordering: {dim_ordering}")
    set_image_data_format(_ORDERINGS[dim_ordering])


@contextlib.contextmanager
def name_scope(name: str | None) -> Iterator[str]:
    """A `with` block in which names of weights and Variables begin with `name`. It gives the names so far, with slashes. Tensors
    are named after their layers. A name that ends with a slash is the whole path; None and "" leave all scopes.
    """
    with opened(name):
        yield path_of_scopes()


def _get_available_gpus() -> list[str]:
    """The names of the GPUs: none. Scripts of Keras call this function of keras.backend.tensorflow_backend before they train."""
    return []


def get_session() -> NoReturn:
    """There are no sessions.

    Raises:
        RuntimeError: Always. The message names the functions to use instead.
    """
    raise RuntimeError("K.get_session: lamella has no session; K.get_value and K.eval read values, K.function runs a graph")


def set_session(session: object) -> NoReturn:
    """There are no sessions, so `session` is refused.

    Raises:
        RuntimeError: Always. The message names the functions to use instead.
    """
    raise RuntimeError(
        "K.set_session: lamella has no session; lamella.config.set_num_threads sets the number of threads, and memory is "
        "allocated as it is needed"
    )


def _in_train_phase(x: Value, alt: Value, training: bool | int | None = None) -> Value:
    """x in training, alt otherwise.

    If one is symbolic, or returns a symbolic tensor, both functions are called once, when the graph is made.

    Args:
        x: A value of any shape, or a function without arguments, which is called only if it is selected.
        alt: Likewise.
        training: Whether it is training; None is the phase of the run.
    """
    return _called(x if (current.training if training is None else training) else alt)


def _in_test_phase(x: Value, alt: Value, training: bool | int | None = None) -> Value:
    """alt in training, x otherwise; see `in_train_phase` for the arguments."""
    return _called(alt if (current.training if training is None else training) else x)


def _called(value: Value) -> Value:
    return value() if callable(value) else value


_by_training, _by_inference = in_graphs(_in_train_phase, "in_train_phase"), in_graphs(_in_test_phase, "in_test_phase")


@functools.wraps(_by_training)
def in_train_phase(x: Value, alt: Value, training: bool | int | None = None) -> Value:
    return _branch(_by_training, x, alt, training)


@functools.wraps(_by_inference)
def in_test_phase(x: Value, alt: Value, training: bool | int | None = None) -> Value:
    return _branch(_by_inference, x, alt, training)


def _branch(choose: Callable[..., Value], x: Value, alt: Value, training: bool | int | None) -> Value:
    if not isinstance(x, Symbolic) and not isinstance(alt, Symbolic):
        value = choose(x, alt, training)
        if not isinstance(value, Symbolic):
            return value
    return choose(_called(x), _called(alt), training)
