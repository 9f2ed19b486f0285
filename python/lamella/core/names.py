"""Default names: dense_1, conv2d_2 ... one counter for each prefix."""

from __future__ import annotations

import re
from collections import Counter

# MaxPooling2D -> max_pooling2d, LSTMCell -> lstm_cell, ReLU -> re_lu: Keras's own spelling.
_BOUNDARY = re.compile(r"(?<=.)(?=[A-Z][a-z0-9])|(?<=[a-z])(?=[A-Z])")

_counts: Counter[str] = Counter()


def snake_case(name: str) -> str:
    text = _BOUNDARY.sub("_", name).lower()
    return "private" + text if text.startswith("_") else text


def next_uid(prefix: str = "") -> int:
    """1, 2, 3 ... for each prefix."""
    _counts[prefix] += 1
    return _counts[prefix]


def unique_name(class_name: str) -> str:
    prefix = snake_case(class_name)
    return f"{prefix}_{next_uid(prefix)}"


def reset_uids() -> None:
    _counts.clear()
