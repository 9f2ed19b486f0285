"""Reads old data files, which are pickles, as data: lists, tuples, dicts, numbers, texts, bytes and arrays of these.

A pickle is a program that can call any function. So its instructions are checked before the first one runs. Instructions that
make other objects are refused, and also numbers for which the reader would need much more memory than the file has bytes. The
few names that arrays need are replaced by placeholders, from which the arrays are made afterwards.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from typing import Any

import numpy as np

from lamella.core.types import Array

# Instructions of a fixed length. An index of the memo must be below 2^20: data sets have about 10^5 lists, and the reader
# allocates memory up to the largest index.
_FIXED = re.compile(rb"(?s:K.|M..|J....|G.{8}|[]})(aetuNRsb\x85-\x89\x93\x94]|[qh].|[rj]..[\x00-\x0f]\x00|\x80.|\x95.{8})*+")
# The instructions for texts, bytes and long integers, with the number of bytes of their length.
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
    """The contents of a pickle of protocols 2 to 5: an array, a dict with arrays, or plain data.

    An array of objects becomes a list of them. Texts of Python 2 are bytes.

    Raises:
        ValueError: The pickle has instructions that data do not need, or arrays that do not fit their sizes. Damage can raise
            other errors, too.
    """
    _check(data)
    contents = _Reader(io.BytesIO(data), encoding="bytes").load()
    if isinstance(contents, dict):
        return {key: _array(value, len(data)) if isinstance(value, _Placeholder) else value for key, value in contents.items()}
    return _array(contents, len(data)) if isinstance(contents, _Placeholder) else contents


def _check(data: bytes) -> None:
    """Check all instructions, in the order in which the reader will run them."""
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
            raise ValueError(f"the pickle has the instruction {code!r} at byte {at}, which data do not need")


class _Placeholder:
    """Replaces a name in a pickle, and the result of a call of it. Nothing is called."""

    def __init__(self, name: tuple[str, str], args: tuple[Any, ...] = ()) -> None:
        self.name, self.args, self.state = name, args, None

    def __call__(self, *args: Any) -> _Placeholder | bytes:
        if self.name != ("_codecs", "encode"):
            return _Placeholder(self.name, args)
        # In protocol 2, Python 3 writes bytes as a text and a call that encodes it.
        return str(args[0]).encode("latin1")

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ARRAYS:
            raise ValueError(f"the pickle names {module}.{name}, which is not data")
        return _Placeholder((module, name))


def _array(placeholder: _Placeholder, size: int) -> Array | list[Any]:
    """The array, or the list of objects, that a placeholder describes. `size` is the number of bytes of the pickle."""
    if placeholder.name[1] != "_reconstruct":
        raise ValueError(f"expected an array, found {'.'.join(placeholder.name)}")
    state: Any = placeholder.state
    _, shape, dtype, by_columns, items = state
    count = math.prod(shape)
    kind, order = _text(dtype.args[0]), _text(dtype.state[1])
    if kind in ("O", "O4", "O8"):
        if not isinstance(items, list) or shape != (len(items),):
            raise ValueError(f"an array of objects does not fit its shape {shape}")
        # The items may be the same list many times, which takes only a few bytes for each item.
        if sum(len(item) for item in items) > size:
            raise ValueError("the lists of an array are longer than the file")
        return items
    if not _DTYPE.fullmatch(kind):
        raise ValueError(f"an array has the dtype {kind}")
    if not isinstance(items, bytes):
        raise ValueError(f"expected the numbers of an array as bytes, found {type(items).__name__}")
    numbers = np.frombuffer(items, np.dtype(kind).newbyteorder(">" if order == ">" else "<"))
    if numbers.size != count:
        raise ValueError(f"an array of shape {shape} has {numbers.size} numbers")
    return numbers.reshape(shape, order="F" if by_columns else "C").astype(numbers.dtype.newbyteorder("="))


def _text(x: Any) -> str:
    return x.decode("ascii") if isinstance(x, bytes) else str(x)
