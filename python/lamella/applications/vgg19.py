"""VGG19. Source: Simonyan & Zisserman 1409.1556; keras_applications 1.0.8."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from lamella.applications.assembly import Assembly
from lamella.applications.imagenet_utils import decode_predictions as decode_predictions
from lamella.applications.imagenet_utils import preprocess_input as preprocess_input
from lamella.applications.vgg import RELEASE, vgg
from lamella.applications.weights import published
from lamella.core.types import Value
from lamella.models import Model

_PUBLISHED = published("vgg19", RELEASE, "cbe5617147190e668d6c5d5026f83318", "253f8cb515780f3b799900260a226db6")


def VGG19(
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: Value = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Model:
    """19 layers with weights for images of 224x224, 32x32 or more; see `Assembly` for the arguments."""
    assembly = Assembly("VGG19", size=224, min_size=32, **locals())
    return vgg(assembly, "vgg19", (2, 2, 4, 4, 4), _PUBLISHED)
