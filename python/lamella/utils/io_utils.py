"""Files: datasets in the place of arrays, and who is asked before one is overwritten."""

from __future__ import annotations

from lamella.core.keras_names import complete as _complete
from lamella.data.hdf5 import HDF5Matrix

__all__ = ["HDF5Matrix", "ask_to_proceed_with_overwrite"]


def ask_to_proceed_with_overwrite(filepath: str) -> bool:
    """Asks on the terminal until the answer is y (True) or n (False)."""
    answer = input(f"[WARNING] {filepath} already exists - overwrite? [y/n]").strip().lower()
    while answer not in ("y", "n"):
        answer = input('Enter "y" (overwrite) or "n" (cancel).').strip().lower()
    if answer == "y":
        print("[TIP] Next time specify overwrite=True!")
    return answer == "y"


_complete(__name__)
