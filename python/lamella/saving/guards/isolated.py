"""Reads HDF5 in an isolated process.

A damaged or malicious file can make the HDF5 library loop without end, crash, or request all memory. None of this may affect
the program that loads the file.

The child gets the open file as its standard input and writes the contents to a temporary file: a line of JSON, then the bytes
of the arrays. The parent does not trust them: it checks sizes and dtypes again.
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lamella.core.shapes import as_shape, count
from lamella.saving.contents import TEXTS, Contents, Entry, Named
from lamella.saving.errors import ModelFileError
from lamella.saving.guards.hdf5 import MayUnpackLarge
from lamella.saving.guards.text import parse_json

# Bytes for names and descriptions, in addition to the arrays.
_TEXT_BYTES = 2**26
# Bytes of memory in addition to Python, NumPy and h5py, and the arrays of the file.
_SPARE_BYTES = 2**28
_START = "import sys; sys.path[:] = {path!r}; from lamella.saving.guards import isolated; isolated.serve({limit}, {seconds})"
# Linux's sizes of this process, in pages. Without it, as on macOS, the size of the address space is not known.
_SIZES = Path("/proc/self/statm")


def read(file: BinaryIO, path: str, timeout: float) -> Contents:
    """The contents of an open file, as `read_here` of `formats/_hdf5.py` returns them.

    Args:
        file: The file, open for reading bytes.
        path: Its path, for messages.
        timeout: Limit in seconds.

    Raises:
        ModelFileError: As in read_here; also if the child crashes or takes more than `timeout` seconds.
    """
    limit = 4 * file.seek(0, 2) + _TEXT_BYTES
    file.seek(0)
    code = _START.format(path=sys.path, limit=limit, seconds=math.ceil(timeout) + 1)
    with tempfile.TemporaryFile() as out:
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-c", code], stdin=file, stdout=out, stderr=subprocess.PIPE, timeout=timeout
            )
        except subprocess.TimeoutExpired:
            raise ModelFileError(path, f"HDF5 had not read it after {timeout} s: the file is damaged") from None
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise ModelFileError(path, f"HDF5 could not read it: {last or f'signal {-done.returncode}'}")
        out.seek(0)
        return _received(out, path)


def serve(limit: int, seconds: int) -> None:
    """The child: reads the file from standard input and writes the contents to standard output.

    Args:
        limit: Limit of the output in bytes.
        seconds: Limit of processor time. The parent stops the child earlier; this limit is for a child without a parent.
    """
    size = sys.stdin.buffer.seek(0, 2)
    here = _address_space()
    limits = [(resource.RLIMIT_FSIZE, limit), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)]
    if here is not None:
        limits.append((resource.RLIMIT_AS, here + 8 * size + _SPARE_BYTES))
    for kind, most in limits:
        _lower(kind, most)
    from lamella.saving.formats import _hdf5

    try:
        contents = _hdf5.read_here(sys.stdin.buffer, "the file", limited=here is not None)
    except ModelFileError as error:
        sys.exit(error.reason)
    except MayUnpackLarge:
        sys.exit(
            "a list of names may need more memory than the size of the file suggests, and this system cannot limit the memory of "
            "a process; if you trust the file, open it with h5py.File and pass this instead of its path"
        )
    _send(contents, sys.stdout.buffer)


def _address_space() -> int | None:
    """The bytes of addresses that this process uses; None if the system does not say."""
    try:
        return int(_SIZES.read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return None


def _lower(kind: int, most: int) -> None:
    """Limit a resource of this process. A lower limit that is set already stays: only the administrator may raise it."""
    set_already = resource.getrlimit(kind)[1]
    if set_already != resource.RLIM_INFINITY:
        most = min(most, set_already)
    resource.setrlimit(kind, (most, most))


def _send(contents: Contents, out: BinaryIO) -> None:
    arrays: list[Any] = []

    def described(named: list[Named]) -> list[Any]:
        arrays.extend(array for _, array in named)
        return [[name, array.dtype.newbyteorder("<").str, list(array.shape)] for name, array in named]

    header = {
        "layers": [[entry.name, described(entry.weights), entry.order, entry.place] for entry in contents.layers],
        "optimizer_weights": described(contents.optimizer_weights),
        "state_arrays": described(contents.state_arrays),
        "texts": {name: getattr(contents, name) for name in TEXTS},
    }
    out.write(json.dumps(header).encode() + b"\n")
    for array in arrays:
        out.write(np.asarray(array, array.dtype.newbyteorder("<")).tobytes())
    out.flush()


def _received(out: BinaryIO, path: str) -> Contents:
    header = parse_json(out.readline(_TEXT_BYTES), "what the reader sent", path, limit=_TEXT_BYTES)

    try:
        return _contents(header, out, path)
    except ModelFileError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(path, f"what the reader sent is not a model ({error})") from error


def _contents(header: dict[str, Any], out: BinaryIO, path: str) -> Contents:
    def arrays(described: list[Any]) -> list[Named]:
        return [(str(name), _array(out, dtype, shape, path)) for name, dtype, shape in described]

    layers = [
        Entry(
            str(name),
            arrays(described),
            None if order is None else [str(part) for part in order],
            None if place is None else str(place),
        )
        for name, described, order, place in header["layers"]
    ]
    optimizer_weights = arrays(header["optimizer_weights"])
    state_arrays = arrays(header["state_arrays"])
    texts = {name: header["texts"][name] for name in TEXTS}
    return Contents(layers, optimizer_weights=optimizer_weights, state_arrays=state_arrays, **texts)


def _array(out: BinaryIO, dtype: str, shape: list[int], path: str) -> Any:
    kind = np.dtype(dtype)
    if kind.kind not in "biuf":
        raise ModelFileError(path, f"the reader sent an array of dtype {kind}")
    sizes: Any = as_shape(shape)
    data = out.read(count(sizes) * kind.itemsize)
    if len(data) != count(sizes) * kind.itemsize:
        raise ModelFileError(path, "the reader stopped early")
    return np.frombuffer(data, kind).reshape(sizes)
