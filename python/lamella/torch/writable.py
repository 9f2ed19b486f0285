"""Refuses memory that the process may only read, such as a file that is mapped with mode "r": a write would end the process."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any


def refuse_read_only(who: str, tensors: Iterable[tuple[str, Any]]) -> None:
    """Refuse tensors whose memory cannot be written.

    torch and NumPy's flags do not tell: a tensor over a read-only array counts as writable. Linux lists the memory that it
    protects; elsewhere nothing is checked. An array whose flag alone is read-only is written, as torch writes it.

    Args:
        who: The optimizer, for messages.
        tensors: What messages call each tensor, and a dense CPU tensor.

    Raises:
        ValueError: The message names the first tensor that cannot be written.
    """
    # torch can resize the memory that it has allocated itself, which is always writable.
    foreign = [(place, t) for place, t in tensors if t.numel() and not t.untyped_storage().resizable()]
    if not foreign:
        return
    spans = _read_only_spans()
    for place, t in foreign:
        begin = t.data_ptr()
        before = bisect_left(spans, (begin + t.numel() * t.element_size(), 0))
        if before and spans[before - 1][1] > begin:
            raise ValueError(
                f"{who}: expected {place} in memory that can be written, got memory that is mapped for reading only"
            )


def _read_only_spans() -> list[tuple[int, int]]:
    """The addresses of what cannot be written, in increasing order."""
    try:
        with open("/proc/self/maps", encoding="ascii", errors="replace") as file:
            rows = [line.split(maxsplit=2)[:2] for line in file]
    except OSError:
        return []
    spans = []
    for addresses, allowed in rows:
        if "w" not in allowed:
            first, _, last = addresses.partition("-")
            spans.append((int(first, 16), int(last, 16)))
    return spans
