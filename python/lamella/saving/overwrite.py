"""overwrite=False: ask before a file is replaced, as Keras does, but never wait for an answer that cannot come."""

from __future__ import annotations

import os
import sys
import types
from typing import Any


def may_write(filepath: Any, overwrite: bool) -> bool:
    """Whether to go on. Raises FileExistsError where the question is open and there is no terminal to ask on."""
    if overwrite or not isinstance(filepath, (str, bytes, os.PathLike)) or not os.path.isfile(filepath):
        return True
    name = os.fsdecode(filepath)
    if not _can_ask():
        raise FileExistsError(f"{name} already exists, and there is no terminal to ask on; pass overwrite=True")
    return ask_to_proceed_with_overwrite(name)


def ask_to_proceed_with_overwrite(filepath: str) -> bool:
    """The answer on the terminal; the texts are Keras 2.2.5's."""
    answer = input(f"[WARNING] {filepath} already exists - overwrite? [y/n]").strip().lower()
    while answer not in ("y", "n"):
        answer = input('Enter "y" (overwrite) or "n" (cancel).').strip().lower()
    if answer == "n":
        return False
    print("[TIP] Next time specify overwrite=True!")
    return True


def _can_ask() -> bool:
    # Notebooks have no terminal and put a function of their own in the place of `input`.
    return not isinstance(input, types.BuiltinFunctionType) or (sys.stdin is not None and sys.stdin.isatty())
