"""A tree of dicts, lists, numbers, strings and arrays as an .npz file: JSON for the tree, beside it the arrays.

Data only: no pickle. A checksum at the end finds damage; NumPy reads past it.
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
from lamella.saving.guards.text import parse_json

_TREE = "tree"


def to_bytes(tree: Any) -> bytes:
    """Raises TypeError, with the place in the tree, for anything else; tuples become lists."""
    plain, arrays = flatten(tree)
    text = json.dumps(plain)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{_TREE: np.frombuffer(text.encode(), np.uint8)}, **arrays)
    return checksum.with_checksum(buffer.getvalue())


def from_bytes(data: bytes, name: str) -> Any:
    """What to_bytes was given. Raises ModelFileError, which names the file, for damaged data."""
    if not checksum.fits(io.BytesIO(data)):
        raise ModelFileError(name, "the file is damaged: its checksum does not fit")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        return unflatten(parse_json(arrays.pop(_TREE).tobytes(), "the tree", name), arrays)
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(name, f"no tree of arrays ({error})") from error


def flatten(tree: Any) -> tuple[Any, dict[str, Any]]:
    """As JSON, and the arrays that it refers to. Raises as to_bytes."""
    arrays: dict[str, Any] = {}
    return _plain(tree, arrays, ""), arrays


def _plain(value: Any, arrays: dict[str, Any], place: str) -> Any:
    """JSON, in which {"array": i} and {"scalar": i} stand for NumPy's values and {"dict": ...} for dicts."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):  # np.float64 is one, and comes back as one of Python's: it holds the same bits
        return float(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"expected names as the keys of {place or 'the tree'}, got {list(value)}")
        return {"dict": {key: _plain(v, arrays, f"{place}/{key}") for key, v in value.items()}}
    if isinstance(value, (list, tuple)):
        return [_plain(v, arrays, f"{place}/{i}") for i, v in enumerate(value)]
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biuf":
        key = f"a{len(arrays)}"
        arrays[key] = value
        return {"array" if isinstance(value, np.ndarray) else "scalar": key}
    raise TypeError(f"expected numbers, strings and arrays, got {type(value).__name__} at {place or 'the top'}")


def unflatten(value: Any, arrays: Mapping[str, Any]) -> Any:
    """What `flatten` was given. Raises KeyError, TypeError, ValueError for anything else."""
    if isinstance(value, list):
        return [unflatten(v, arrays) for v in value]
    if isinstance(value, dict):
        ((kind, content),) = value.items()
        if kind == "dict":
            return {key: unflatten(v, arrays) for key, v in content.items()}
        array = arrays[content]
        return array[()] if kind == "scalar" else array
    return value
