"""The formats of model files: each module of this folder is one, and says so by a FORMAT. There is no other list."""

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
    """How a file holds `Contents`.

    Attributes:
        suffixes: Of the files' names, in lower case. The format with "" gets all names that no other format has.
        read: From an open file, its name for messages, and the seconds that it may take, if that is limited. Raises
            ModelFileError for what is no such file.
        to_bytes: A whole file. The same contents give the same bytes. None: the format is only read.
        layout: Of an HDF5 file, for a format that is recognized by what the file holds: from a reader and the root, the
            contents, or None where the file is laid out otherwise.
    """

    suffixes: tuple[str, ...] = ()
    read: Callable[[BinaryIO, str, float | None], Contents] | None = None
    to_bytes: Callable[[Contents], bytes] | None = None
    layout: Callable[[Reader, Any], Contents | None] | None = None


@cache
def listed() -> tuple[Format, ...]:
    """All formats, in the order of their modules' names; those with an underscore are no formats."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    return tuple(import_module(f"{__name__}.{name}").FORMAT for name in names)


def known(path: Any) -> Format | None:
    """The format that a file's name asks for; None for a suffix that no format has."""
    wanted = suffix(path)
    return next((format for format in listed() if wanted in format.suffixes), None)


def of(path: Any) -> Format:
    """As `known`; for another suffix the format of names without one."""
    return known(path) or default()


def default() -> Format:
    """Of what has no name, too."""
    return next(format for format in listed() if "" in format.suffixes)


def suffix(path: Any) -> str:
    """In lower case; "" for what follows the point of a number, as in model.01-0.35."""
    found = os.path.splitext(os.fsdecode(path))[1].lower()
    return "" if found[1:].isdigit() else found
