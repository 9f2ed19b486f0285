"""What Keras's image networks share; the networks themselves are not here."""

from lamella.applications import imagenet_utils as imagenet_utils
