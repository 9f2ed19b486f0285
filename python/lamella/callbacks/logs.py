"""Logs: the dict that callbacks share. In it 'acc' and 'accuracy' are the same name."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

V = TypeVar("V")


class Logs(dict[str, V], Generic[V]):
    """A dict with the names of Keras 2. A look-up of 'val_accuracy' finds 'val_acc', and the reverse.

    The dict has one entry for both names, so that History and CSV files have one column.
    """

    def __missing__(self, key: str) -> V:
        other = _other(key)
        if other is not None and dict.__contains__(self, other):
            return dict.__getitem__(self, other)
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        if dict.__contains__(self, key):
            return True
        other = _other(key)
        return other is not None and dict.__contains__(self, other)

    def get(self, key: str, default: Any = None) -> Any:  # Any: dict.get's overloads add nothing here
        return self[key] if key in self else default  # noqa: SIM401 - this is get


def _other(key: object) -> str | None:
    """The other spelling of a name whose last word is acc or accuracy; None for other names."""
    if not isinstance(key, str):
        return None
    head, _, last = key.rpartition("_")
    word = {"acc": "accuracy", "accuracy": "acc"}.get(last)
    if word is None:
        return None
    return f"{head}_{word}" if head else word
