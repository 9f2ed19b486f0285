"""Files: datasets in the place of arrays, and who is asked before one is overwritten."""

from __future__ import annotations

from lamella.core.keras_names import complete as _complete
from lamella.data.hdf5 import HDF5Matrix
from lamella.saving.overwrite import ask_to_proceed_with_overwrite

__all__ = ["HDF5Matrix", "ask_to_proceed_with_overwrite"]


_complete(__name__)
