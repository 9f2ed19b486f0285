"""Converts between channels_first and channels_last. Kernels take only channels_last."""

from __future__ import annotations

from lamella.core.types import Value
from lamella.ops.shape import transpose


def to_last(x: Value) -> Value:
    """[N, C, ...] -> [N, ..., C]."""
    return transpose(x, axes=(0, *range(2, len(x.shape)), 1))


def to_first(x: Value) -> Value:
    """[N, ..., C] -> [N, C, ...]."""
    return transpose(x, axes=(0, len(x.shape) - 1, *range(1, len(x.shape) - 1)))
