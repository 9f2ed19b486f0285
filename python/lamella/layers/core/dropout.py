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
    """In training, sets random elements of the input to 0 and multiplies the others by 1 / (1 - rate).

    Masks are keyed by the seed, the training step and the number of the draw in it. So they are equal for any threads and
    targets, and for a model that was saved, loaded and trained on.

    Args:
        rate: Fraction of the elements that become 0, clipped to [0, 1]. At exactly 0 and exactly 1 the layer is the identity,
            as in Keras 2.2.5.
        noise_shape: Shape of the mask, which is broadcast to the input; None in it is the size of the input.
        seed: Seed of the masks; None for one from the model's seed.
    """

    supports_masking = True
    takes_lists = False

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
        return 0.0 < self.rate < 1.0 if self.phase_given is None else self.phase_given

    @uses_learning_phase.setter
    def uses_learning_phase(self, value: bool) -> None:
        self.phase_given = bool(value)

    def call(self, inputs: Value, training: bool | None = None) -> Value:
        if training is None:
            training = current.training
        if not training or not 0.0 < self.rate < 1.0:
            return inputs
        return dropout(inputs, rate=self.rate, key=draw_key(self.seed), noise_shape=self.mask_shape)
