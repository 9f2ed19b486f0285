"""The formats of model files. Each module of this folder that has a FORMAT is one. There is no other list."""

from __future__ import annotations

import os
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO

from lamella.saving.contents import Contents

if TYPE_CHECKING:
    from lamella.saving.guards.hdf5 import Reader


@dataclass(frozen=True)
class Format:
    """A format: how a file holds `Contents`.

    Attributes:
        suffixes: Suffixes of file names, in lower case. The format with "" is used for all suffixes that no format has.
        read: Function of an open file, its name for messages, and a limit in seconds or None. It returns the contents, and
            raises ModelFileError for a file that is damaged or of another kind.
        to_bytes: Function that returns the bytes of a file. The same contents give the same bytes. None if the format is
            only read.
        layout: For a layout of HDF5 files that is recognized by what the file holds: function of a reader and the root. It
            returns the contents, or None if the file has another layout.
    """

    suffixes: tuple[str, ...] = ()
    read: Callable[[BinaryIO, str, float | None], Contents] | None = None
    to_bytes: Callable[[Contents], bytes | memoryview] | None = None
    layout: Callable[[Reader, Any], Contents | None] | None = None


@cache
def listed() -> tuple[Format, ...]:
    """All formats, in the order of their modules' names. Modules with an underscore are not formats."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    return tuple(import_module(f"{__name__}.{name}").FORMAT for name in names)


def known(path: Any) -> Format | None:
    """The format of a file's suffix; None for a suffix that no format has."""
    wanted = suffix(path)
    return next((format for format in listed() if wanted in format.suffixes), None)


def of(path: Any) -> Format:
    """The format of a file's suffix. For an unknown suffix it is the format of names without a suffix."""
    return known(path) or default()


def default() -> Format:
    """The format of names without a suffix, and of files without a name."""
    return next(format for format in listed() if "" in format.suffixes)


def suffix(path: Any) -> str:
    """The suffix of a path in lower case; "" if it is the fraction of a number, as in model.01-0.35."""
    found = os.path.splitext(os.fsdecode(path))[1].lower()
    return "" if found[1:].isdigit() else found
