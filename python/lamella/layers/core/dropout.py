"""Dropout. Source: Keras 2.2.5 keras/layers/core.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.core.phase import current
from lamella.core.random import draw_key
from lamella.core.registry import register
from lamella.core.shapes import Shape, as_shape
from lamella.core.types import Value
from lamella.graph.layer import Layer
from lamella.layers.keras1 import keras1_names
from lamella.ops import dropout


@register("layers")
@keras1_names(p="rate")
class Dropout(Layer, self_contained=True):
    """In training, zero a random share `rate` of the inputs and scale the rest by 1 / (1 - rate).

    The rate is clipped to [0, 1]; at exactly 0 and exactly 1 the layer is the identity, as in Keras 2.2.5.
    noise_shape: shape of the mask, which is broadcast; None in it is the input's own size.
    Masks are keyed by (seed, training step, number of the draw in it): the same for any threads and targets, and for a
    model that was saved, loaded and trained on.
    """

    supports_masking = True

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(rate, (str, bytes)) or np.ndim(rate) != 0 or rate is None or rate != rate:
            raise ValueError(f"Layer {self.name}: expected rate to be a number, got {rate!r}")
        self.rate = min(1.0, max(0.0, rate))
        self.noise_shape = None if noise_shape is None else as_shape(noise_shape)
        self.seed = seed

    @property
    def mask_shape(self) -> Shape | None:
        """As noise_shape."""
        return self.noise_shape

    @property
    def uses_learning_phase(self) -> bool:
        return 0.0 < self.rate < 1.0

    def call(self, inputs: Value, training: bool | None = None) -> Value:
        if training is None:
            training = current.training
        if not training or not 0.0 < self.rate < 1.0:
            return inputs
        return dropout(inputs, rate=self.rate, key=draw_key(self.seed), noise_shape=self.mask_shape)
