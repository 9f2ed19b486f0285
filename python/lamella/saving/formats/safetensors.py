"""Contents as safetensors: a JSON header and plain bytes, with a checksum of everything in the header's metadata.

The names, descriptions and their order are one JSON text under one key, because the library does not keep the order of keys.
Source of the format: the README of huggingface/safetensors.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

from lamella.core.configurable import Config
from lamella.core.types import Array
from lamella.saving.contents import TEXTS, Contents, Entry, Named
from lamella.saving.errors import ModelFileError
from lamella.saving.formats import Format
from lamella.saving.guards.text import parse_json

_KEY = "lamella"
# A slow disk reads one in about a second.
_BLOCK_BYTES = 1 << 26


def to_bytes(contents: Contents) -> bytes:
    """The bytes of a file. The same contents give the same bytes.

    Raises:
        ImportError: safetensors is not installed. The message names the extra.
    """
    library = _library()
    arrays: dict[str, Array] = {}

    def stored(place: str, named: Sequence[Named]) -> list[str]:
        arrays.update((f"{place}/{name}", np.ascontiguousarray(a).reshape(a.shape)) for name, a in named)
        return [name for name, _ in named]

    text: Config = {name: getattr(contents, name) for name in TEXTS}
    text["layers"] = [[e.name, stored(f"model_weights/{e.name}", e.weights), e.order] for e in contents.layers]
    text["optimizer_weights"] = stored("optimizer_weights", contents.optimizer_weights)
    text["state_arrays"] = stored("state", contents.state_arrays)
    text["sha256"] = _digest(text, arrays)
    data: bytes = library.numpy.save(arrays, {_KEY: json.dumps(text)})
    return data


def read(file: BinaryIO, path: str, timeout: float | None = None) -> Contents:
    """The contents of an open file.

    Args:
        file: The file, open for reading bytes.
        path: Its path, for messages.
        timeout: Limit in seconds, or None. It is checked between the blocks of the file and between the arrays. No isolated
            process is needed: the library checks all lengths first, and its time is proportional to the size of the file.

    Raises:
        ModelFileError: The file is damaged, lamella did not write it, or it takes more than `timeout` seconds.
    """
    library = _library()
    end = None if timeout is None else time.monotonic() + timeout

    def check_time() -> None:
        if end is not None and time.monotonic() > end:
            raise ModelFileError(path, f"it was not read within {timeout} s")

    data = file.read() if timeout is None else b"".join(_blocks(file, check_time))
    try:
        arrays: Mapping[str, Array] = library.numpy.load(data)
        # The library gives only the arrays. It has already checked this header.
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    except (library.SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(path, f"the file is damaged or not a safetensors file ({error})") from error
    if _KEY not in metadata:
        raise ModelFileError(path, f"not a model file: its metadata has no key {_KEY!r}, only {sorted(metadata)}")
    text = parse_json(metadata[_KEY], "the description", path)
    if text.pop("sha256", None) != _digest(text, arrays, check_time):
        raise ModelFileError(path, "the file is damaged: its checksum does not fit")

    # Each array may be named once, so that the size of the model is bounded by the size of the file.
    rest = dict(arrays)

    def stored(place: str, names: list[str]) -> list[Named]:
        return [(name, rest.pop(f"{place}/{name}")) for name in names]

    try:
        layers = [
            Entry(name, stored(f"model_weights/{name}", names), *order)  # lamella 0.1.0 wrote no order
            for name, names, *order in text["layers"]
        ]
        optimizer_weights = stored("optimizer_weights", text["optimizer_weights"])
        state_arrays = stored("state", text["state_arrays"])
        texts = {name: text[name] for name in TEXTS}
        return Contents(layers, optimizer_weights=optimizer_weights, state_arrays=state_arrays, **texts)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(path, f"the description does not fit the file ({error!r})") from error


def _blocks(file: BinaryIO, check_time: Callable[[], None]) -> Iterator[bytes]:
    while block := file.read(_BLOCK_BYTES):
        check_time()
        yield block


def _digest(text: Config, arrays: Mapping[str, Array], check_time: Callable[[], None] = lambda: None) -> str:
    digest = hashlib.sha256(json.dumps(text, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
        check_time()
    return digest.hexdigest()


def _library() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "files called *.safetensors need the library safetensors: pip install 'lamella[safetensors]'"
        ) from error
    return safetensors


FORMAT = Format((".safetensors",), read=read, to_bytes=to_bytes)
