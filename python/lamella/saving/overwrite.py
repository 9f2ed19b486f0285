"""overwrite=False: asks before a file is replaced, as Keras does. Without a terminal it is an error instead of a question."""

from __future__ import annotations

import os
import sys
import types
from typing import Any


def may_write(filepath: Any, overwrite: bool) -> bool:
    """Whether the file may be written.

    Args:
        filepath: A path. Any other object may be written.
        overwrite: False asks before an existing file is replaced.

    Raises:
        FileExistsError: The file exists, overwrite is False, and there is no terminal on which to ask.
    """
    if overwrite or not isinstance(filepath, (str, bytes, os.PathLike)) or not os.path.isfile(filepath):
        return True
    name = os.fsdecode(filepath)
    if not _can_ask():
        raise FileExistsError(f"{name} already exists, and there is no terminal to ask on; pass overwrite=True")
    return ask_to_proceed_with_overwrite(name)


def ask_to_proceed_with_overwrite(filepath: str) -> bool:
    """Ask on the terminal, with the texts of Keras 2.2.5. Returns whether the answer is yes."""
    answer = input(f"[WARNING] {filepath} already exists - overwrite? [y/n]").strip().lower()
    while answer not in ("y", "n"):
        answer = input('Enter "y" (overwrite) or "n" (cancel).').strip().lower()
    if answer == "n":
        return False
    print("[TIP] Next time specify overwrite=True!")
    return True


def _can_ask() -> bool:
    # Notebooks have no terminal, but replace `input` by a function of their own.
    return not isinstance(input, types.BuiltinFunctionType) or (sys.stdin is not None and sys.stdin.isatty())
