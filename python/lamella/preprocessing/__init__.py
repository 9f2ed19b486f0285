"""Turning files into arrays."""

from lamella.core.keras_names import complete as _complete
from lamella.preprocessing import image as image

_complete(__name__)
