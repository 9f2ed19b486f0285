"""Default names: dense_1, conv2d_2 ... one counter for each prefix."""

from __future__ import annotations

import itertools
import re

from lamella.core import config

# MaxPooling2D -> max_pooling2d, LSTMCell -> lstm_cell, ReLU -> re_lu: Keras's own spelling.
_BOUNDARY = re.compile(r"(?<=.)(?=[A-Z][a-z0-9])|(?<=[a-z])(?=[A-Z])")

_counts: dict[str, itertools.count[int]] = {}


def snake_case(name: str) -> str:
    text = _BOUNDARY.sub("_", name).lower()
    return "private" + text if text.startswith("_") else text


def next_uid(prefix: str = "") -> int:
    """1, 2, 3 ... for each prefix; no two threads get the same."""
    return next(_counts.setdefault(prefix, itertools.count(1)))


def unique_name(class_name: str) -> str:
    """dense_1, dense_2 ...; in the dialect of tf.keras dense, dense_1 ..."""
    prefix = snake_case(class_name)
    uid = next_uid(prefix)
    if config.dialect() == "tf":
        return f"{prefix}_{uid - 1}" if uid > 1 else prefix
    return f"{prefix}_{uid}"


def reset_uids() -> None:
    _counts.clear()
