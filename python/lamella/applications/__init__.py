"""What Keras's image networks share; the networks themselves are not here."""

from lamella.applications import imagenet_utils as imagenet_utils
from lamella.core.keras_names import complete as _complete

_complete(__name__)
