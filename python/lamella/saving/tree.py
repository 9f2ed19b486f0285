"""Writes a tree of dicts, lists, numbers, strings and arrays as an .npz file: the arrays, and JSON for the tree.

The file is only data, without pickles. A checksum at its end finds damage; NumPy ignores it.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from lamella.saving.errors import ModelFileError
from lamella.saving.guards import checksum
from lamella.saving.guards.text import LIMIT, parse_json

_TREE = "tree"
# A list of numbers of this length is stored as an array: as text it has up to 25 bytes for each number.
_LONG = 1024


def to_bytes(tree: Any) -> memoryview:
    """The bytes of an .npz file. Tuples become lists.

    Args:
        tree: Dicts with string keys, lists, tuples, None, booleans, numbers, strings and arrays.

    Raises:
        TypeError: Something else is in the tree. The message names its place.
        ValueError: Its text is too large to be read again. The message names the place.
    """
    plain, arrays = flatten(tree)
    text = json.dumps(plain)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{_TREE: np.frombuffer(text.encode(), np.uint8)}, **arrays)
    return checksum.with_checksum(buffer)


def from_bytes(data: bytes | memoryview, name: str) -> Any:
    """The tree that to_bytes was given.

    Args:
        data: The bytes.
        name: Name of the file, for messages.

    Raises:
        ModelFileError: The data is damaged.
    """
    if not checksum.fits(io.BytesIO(data)):
        raise ModelFileError(name, "the file is damaged: its checksum does not fit")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        return unflatten(parse_json(arrays.pop(_TREE).tobytes(), "the tree", name), arrays)
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(name, f"not a tree of arrays ({error})") from error


def flatten(tree: Any) -> tuple[Any, dict[str, Any]]:
    """The tree as JSON, and the arrays to which the JSON refers.

    Raises:
        TypeError: As in to_bytes.
        ValueError: As in to_bytes.
    """
    arrays: dict[str, Any] = {}
    plain = _plain(tree, arrays, "")
    size = len(json.dumps(plain))
    if size > LIMIT:
        raise ValueError(f"{_largest(plain)} has too much text: {size} bytes, more than the limit of {LIMIT}; use arrays")
    return plain, arrays


def _largest(plain: Any) -> str:
    """The place of the value that has most of the text."""
    place = ""
    while isinstance(plain, dict) and plain.get("dict"):
        name, plain = max(plain["dict"].items(), key=lambda entry: len(json.dumps(entry[1])))
        place += f"/{name}"
    return place or "the tree"


def _plain(value: Any, arrays: dict[str, Any], place: str) -> Any:
    """JSON with {"array": i}, {"scalar": i} for NumPy's values, {"dict": ...} for dicts, {"numbers": i} for long lists."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):  # also np.float64, which is read back as a float with the same bits
        return float(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"expected names as the keys of {place or 'the tree'}, got {list(value)}")
        return {"dict": {key: _plain(v, arrays, f"{place}/{key}") for key, v in value.items()}}
    if isinstance(value, (list, tuple)):
        if len(value) >= _LONG and _are_numbers(value):
            key = f"a{len(arrays)}"
            arrays[key] = np.array(value)
            return {"numbers": key}
        return [_plain(v, arrays, f"{place}/{i}") for i, v in enumerate(value)]
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biuf":
        key = f"a{len(arrays)}"
        arrays[key] = value
        return {"array" if isinstance(value, np.ndarray) else "scalar": key}
    raise TypeError(f"expected numbers, strings and arrays, got {type(value).__name__} at {place or 'the top'}")


def _are_numbers(values: list[Any] | tuple[Any, ...]) -> bool:
    """Whether all are floats, or all are ints of 64 bits, which an array holds without a change."""
    kinds = set(map(type, values))
    return kinds == {float} or (kinds == {int} and min(values) >= -(2**63) and max(values) < 2**63)


def unflatten(value: Any, arrays: Mapping[str, Any]) -> Any:
    """The tree that `flatten` was given.

    Raises:
        KeyError, TypeError, ValueError: The value was not made by `flatten`.
    """
    if isinstance(value, list):
        return [unflatten(v, arrays) for v in value]
    if isinstance(value, dict):
        ((kind, content),) = value.items()
        if kind == "dict":
            return {key: unflatten(v, arrays) for key, v in content.items()}
        array = arrays[content]
        if kind == "numbers":
            return array.tolist()
        return array[()] if kind == "scalar" else array
    return value
