"""Recurrent layers: cells, the loop over them, and layers of one kind of cell."""

from lamella.core.keras_names import complete as _complete

_complete(__name__)
