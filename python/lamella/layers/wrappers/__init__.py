"""Layers that wrap another layer."""

from lamella.core.keras_names import complete as _complete
from lamella.layers.wrappers.wrapper import Wrapper as Wrapper  # Keras's `layers` does not have it

_complete(__name__)
