"""Writes the kernel calls of these tests into a file, which tests/cpp/calls.h replays without Python.

A test of this folder compares a kernel with its oracle. The same call, with its arguments and results, is then checked with
sanitizers and on other machines, so each case is written once. `LAMELLA_CALLS=FILE pytest tests/kernels` writes the file.
The format, in the machine's byte order, without padding: for each call
    kernel's name (uint8 length, text), element ('f' or 'd'), outcome (see below), its arguments in the table's order, 'E';
    a bundle is written as its fields;
    Int: int64. Real: float64. Window: int64 axes, then sizes, strides, dilations and zeros before, 3 int64 each.
    An array: int64 rank, shape; its contents before the call if the kernel reads it, and after it if the kernel writes it.
    A list: int64 count, its arrays.
"""

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from lamella import _kernels
from tests.kernels.cases import MEASURES, arrays
from tests.kernels.signatures import fields, spread

# How a call ended: its results are compared, the kernel refused it, or it only has to run.
COMPARED, REFUSED, RUN = b"C", b"R", b"M"
READ = ("In", "InBytes", "Labels", "Reals", "InList", "InBytesList")
CHANGED = ("List", "BytesList")  # read and written in place
# Limit of the calls that differ only in their values (other draws, special values), and of the large calls of a kernel.
ALIKE = 2
# Calls with more bytes test threads. In float64 they are written only if the kernel has no shorter call.
LARGE = 1 << 18
# Calls with more bytes would take most of the time with a sanitizer. They are not written.
TOO_LARGE = 1 << 22
FLOATS = ("In", "Out", "InPlace", "InList", "List")

_without_results = False


@contextmanager
def results_not_compared() -> Iterator[None]:
    """A block for calls whose results the kernel's contract does not define. They are replayed without a comparison."""
    global _without_results
    _without_results = True
    try:
        yield
    finally:
        _without_results = False


class Recording:
    """A `with` block in which the functions of `_kernels` also write their calls into the file at `path`."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.originals = {name: getattr(_kernels, name) for name in _kernels.KERNELS}
        self.counts: dict[tuple[str, bytes, bytes, str], int] = {}
        self.lock = threading.Lock()

    def __enter__(self) -> "Recording":
        self.file = self.path.open("wb")
        for name in self.originals:
            setattr(_kernels, name, self.recorded(name))
        return self

    def __exit__(self, *_: object) -> None:
        for name, function in self.originals.items():
            setattr(_kernels, name, function)
        self.file.close()

    def complete(self):
        """Check that each kernel of the table was compared in float32 and float64; a measure only has to run."""
        found = {(name, element) for name, element, outcome, _ in self.counts if outcome == COMPARED or name in MEASURES}
        wanted = {(name, element) for name in set(self.originals) - MEASURES for element in (b"f", b"d")}
        missing = (wanted | {(name, b"f") for name in MEASURES}) - found
        assert not missing, f"no test calls these kernels: {sorted(missing)}"

    def recorded(self, name):
        original, kinds = self.originals[name], [kind for kind, _ in fields(name)]

        def call(*arguments, **named):
            if named:
                original(*arguments, **named)  # raises an error, because kernels take no keyword arguments
            values = None
            try:
                values = spread(name, arguments)
                before = [packed_before(kind, value) for kind, value in zip(kinds, values, strict=True)]
            except (
                TypeError,
                ValueError,
                AttributeError,
                struct.error,
            ):  # an argument of a wrong type, which the caster refuses
                values = None
            try:
                original(*arguments)
            except ValueError as refusal:
                # The file does not record which arrays share memory.
                if values is not None and ": requires " in str(refusal) and ".data" not in str(refusal):
                    self.keep(name, REFUSED, kinds, values, before)
                raise
            if values is not None:
                self.keep(name, RUN if name in MEASURES or _without_results else COMPARED, kinds, values, before)

        return call

    def keep(self, name, outcome, kinds, values, before):
        floats = arrays([value for kind, value in zip(kinds, values, strict=True) if kind in FLOATS])
        element = b"d" if floats and floats[0].dtype == np.float64 else b"f"
        size = sum(a.nbytes for a in arrays(values))
        if size > TOO_LARGE:
            return
        if size > LARGE:
            key = (name, element, outcome, "large")
        else:
            shapes = [[a.shape for a in arrays([v])] if isinstance(v, (list, np.ndarray)) else v for v in values]
            key = (name, element, outcome, repr(shapes))
        with self.lock:
            count = self.counts.get(key, 0)
            if count == ALIKE or (size > LARGE and element == b"d" and any(known[:2] == key[:2] for known in self.counts)):
                return
            self.counts[key] = count + 1
            self.file.write(struct.pack("=B", len(name)) + name.encode() + element + outcome)
            for kind, value, packed in zip(kinds, values, before, strict=True):
                self.file.write(packed if packed is not None else packed_array(kind, value))
                if kind in CHANGED:
                    self.file.write(b"".join(a.tobytes() for a in value))
            self.file.write(b"E")


def packed_before(kind, value):
    """The bytes of an argument in the file; None for an array that is only written, whose contents after the call are stored."""
    if kind == "Int":
        return struct.pack("=q", value)
    if kind == "Real":
        return struct.pack("=d", value)
    if kind == "Window":
        axes = len(value[0])
        return struct.pack(
            "=13q", axes, *(n for part, fill in zip(value, (1, 1, 1, 0), strict=True) for n in widened(part, fill))
        )
    if kind in READ or kind in CHANGED:
        return packed_array(kind, value)
    return None


def widened(part, fill):
    return [fill] * (3 - len(part)) + list(part)


def packed_array(kind, value):
    if kind.endswith("List"):
        return struct.pack("=q", len(value)) + b"".join(packed_array("", a) for a in value)
    return struct.pack(f"={1 + value.ndim}q", value.ndim, *value.shape) + value.tobytes()
