"""Default names: dense_1, conv2d_2 and so on, with one counter for each prefix."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from lamella.core import config

# As in Keras: MaxPooling2D -> max_pooling2d, LSTMCell -> lstm_cell, ReLU -> re_lu.
_BOUNDARY = re.compile(r"(?<=.)(?=[A-Z][a-z0-9])|(?<=[a-z])(?=[A-Z])")

_counts: dict[str, itertools.count[int]] = {}


def snake_case(name: str) -> str:
    """The default prefix for the name of a class, as in Keras."""
    text = _BOUNDARY.sub("_", name).lower()
    return "private" + text if text.startswith("_") else text


_to_snake_case = snake_case  # its name in Keras


def next_uid(prefix: str = "") -> int:
    """1, 2, 3 and so on, for each prefix. Two threads never get the same number."""
    return next(_counts.setdefault(prefix, itertools.count(1)))


def unique_name(class_name: str) -> str:
    """dense_1, dense_2 and so on; in the dialect of tf.keras dense, dense_1 and so on."""
    prefix = snake_case(class_name)
    uid = next_uid(prefix)
    if config.dialect() == "tf":
        return f"{prefix}_{uid - 1}" if uid > 1 else prefix
    return f"{prefix}_{uid}"


def for_all_calls(given: Any, names: Sequence[str], layers: Sequence[str]) -> Any:
    """A user's argument with entries by output; of a dict, the entry of a layer counts for the outputs of all its calls.

    Keras gives all outputs of a layer one name; lamella calls them d, d_1, d_2.

    Args:
        given: The argument.
        names: The names of the outputs.
        layers: The names of their layers.
    """
    if not isinstance(given, Mapping) or names == layers:
        return given
    more = {n: given[d] for n, d in zip(names, layers) if n not in given and d in given}
    return {key: value for key, value in given.items() if key in names or key not in layers} | more


def reset_uids() -> None:
    """Start all counters at 1 again."""
    _counts.clear()
