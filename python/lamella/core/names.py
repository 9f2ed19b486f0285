"""Default names: dense_1, conv2d_2 ... one counter for each prefix."""

from __future__ import annotations

import itertools
import re

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
    prefix = snake_case(class_name)
    return f"{prefix}_{next_uid(prefix)}"


def reset_uids() -> None:
    _counts.clear()
