"""Layers by family; `lamella.layers` lists them, and this module of Keras 2.2.5 shows them."""

from lamella.core.keras_names import complete as _complete
from lamella.layers.merge.elementwise import Elementwise as _Merge  # noqa: F401 - scripts subclass it by this name

_complete(__name__)
