"""Old data files are pickles. What they hold is read as data: lists, tuples, dicts, numbers, texts, bytes and arrays of these.

A pickle is a program that may call anything. So its instructions are checked before the first of them runs: those that make
other objects are refused, and so are numbers that would make the reader take much more memory than the file has bytes. The few
names that arrays need become placeholders instead of what they name; arrays are made from these afterwards.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from typing import Any

import numpy as np

from lamella.core.types import Array

# Instructions of a fixed length. A place in the memo is below 2^20: data sets have some 10^5 lists, and the reader makes room for
# the largest place that is named.
_FIXED = re.compile(rb"(?s:K.|M..|J....|G.{8}|[]})(aetuNRsb\x85-\x89\x93\x94]|[qh].|[rj]..[\x00-\x0f]\x00|\x80.|\x95.{8})*+")
# Texts, bytes and long integers: so many bytes say the length.
_SIZED = {b"X": 4, b"U": 1, b"T": 4, b"B": 4, b"C": 1, b"\x8a": 1, b"\x8c": 1, b"\x8d": 8, b"\x8e": 8}
_GLOBAL = re.compile(rb"c[^\n]*\n[^\n]*\n")
_ARRAYS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("_codecs", "encode"),
}
_DTYPE = re.compile(r"[<>=|]?([iu][1248]|f[248]|b1)")


def read(data: bytes) -> Any:
    """What a pickle of protocols 2 to 5 holds: an array, a dict with arrays, or plain data. An array of objects becomes a list of
    them. Texts of Python 2 are bytes.

    Raises:
        ValueError: For instructions that data do not need, and for arrays that do not fit their sizes; reading what is damaged
            raises other errors, too.
    """
    _check(data)
    held = _Reader(io.BytesIO(data), encoding="bytes").load()
    if isinstance(held, dict):
        return {key: _array(value, len(data)) if isinstance(value, _Placeholder) else value for key, value in held.items()}
    return _array(held, len(data)) if isinstance(held, _Placeholder) else held


def _check(data: bytes) -> None:
    """Goes from instruction to instruction, as the reader will, up to the end."""
    at = 0
    while at < len(data):
        run = _FIXED.match(data, at)
        at = run.end() if run else at
        code = data[at : at + 1]
        if code in (b".", b""):
            return
        if code in _SIZED:
            start = at + 1 + _SIZED[code]
            at = start + int.from_bytes(data[at + 1 : start], "little")
        elif named := _GLOBAL.match(data, at):
            at = named.end()
        else:
            raise ValueError(f"a pickle with the instruction {code!r} at byte {at}, which data do not need")


class _Placeholder:
    """Stands for a name in a pickle, or for the result of a call of it; nothing is called."""

    def __init__(self, name: tuple[str, str], args: tuple[Any, ...] = ()) -> None:
        self.name, self.args, self.state = name, args, None

    def __call__(self, *args: Any) -> _Placeholder | bytes:
        if self.name != ("_codecs", "encode"):
            return _Placeholder(self.name, args)
        # Python 3 writes bytes as a text for readers of Python 2, with a call that turns it back.
        return str(args[0]).encode("latin1")

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ARRAYS:
            raise ValueError(f"a pickle that names {module}.{name}, which is no data")
        return _Placeholder((module, name))


def _array(placeholder: _Placeholder, size: int) -> Array | list[Any]:
    """size: bytes of the pickle."""
    if placeholder.name[1] != "_reconstruct":
        raise ValueError(f"a pickle of {'.'.join(placeholder.name)}, where an array was expected")
    state: Any = placeholder.state
    _, shape, dtype, by_columns, items = state
    count = math.prod(shape)
    kind, order = _text(dtype.args[0]), _text(dtype.state[1])
    if kind in ("O", "O4", "O8"):
        if not isinstance(items, list) or shape != (len(items),):
            raise ValueError(f"an array of {shape} objects with other items")
        # A list may stand in it any number of times, at a few bytes each.
        if sum(len(item) for item in items) > size:
            raise ValueError("an array of lists that are longer than the file")
        return items
    if not _DTYPE.fullmatch(kind):
        raise ValueError(f"an array of dtype {kind}")
    if not isinstance(items, bytes):
        raise ValueError(f"numbers of an array as {type(items).__name__}")
    made = np.frombuffer(items, np.dtype(kind).newbyteorder(">" if order == ">" else "<"))
    if made.size != count:
        raise ValueError(f"an array of shape {shape} with {made.size} numbers")
    return made.reshape(shape, order="F" if by_columns else "C").astype(made.dtype.newbyteorder("="))


def _text(x: Any) -> str:
    return x.decode("ascii") if isinstance(x, bytes) else str(x)
