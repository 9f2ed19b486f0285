"""GaussianNoise, GaussianDropout, AlphaDropout: noise in training, nothing in inference. Source: Keras 2.2.5 keras/layers/noise.py.

Each draw is keyed by the training's seed, its step and the number of the draw in it, as Dropout's are: the same numbers for any
threads and targets, and for a model that was saved, loaded and trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.core.keras_names import complete as _complete
from lamella.core.phase import current
from lamella.core.random import draw_key
from lamella.core.registry import register
from lamella.core.shapes import as_shape
from lamella.core.types import Value
from lamella.layers.arguments import KernelLayer
from lamella.layers.keras1 import keras1_names


class _Noise(KernelLayer):
    """Calls `add_noise` in training."""

    supports_masking = True

    def call(self, inputs: Value, training: bool | None = None) -> Value:
        noisy = current.training if training is None else training
        return self.add_noise(inputs) if noisy and self.uses_learning_phase else inputs

    def add_noise(self, inputs: Value) -> Value:
        """The outputs in training for these inputs."""
        raise NotImplementedError


@register("layers")
@keras1_names(sigma="stddev")
class GaussianNoise(_Noise, self_contained=True):
    """In training, add normal noise with mean 0; shape unchanged.

    Args:
        stddev: Standard deviation of the noise.
    """

    def __init__(self, stddev: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stddev = stddev

    def add_noise(self, inputs: Value) -> Value:
        return ops.gaussian_noise(inputs, stddev=self.stddev, key=draw_key())


@register("layers")
@keras1_names(p="rate")
class GaussianDropout(_Noise, self_contained=True):
    """In training, multiply with normal noise of mean 1 and standard deviation sqrt(rate / (1 - rate)); shape unchanged.

    Args:
        rate: The layer is the identity unless 0 < rate < 1, as in Keras 2.2.5.
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate

    @property  # type: ignore[misc]
    def uses_learning_phase(self) -> bool:
        return 0 < self.rate < 1

    def add_noise(self, inputs: Value) -> Value:
        return ops.gaussian_dropout(inputs, rate=self.rate, key=draw_key())


@register("layers")
class AlphaDropout(_Noise, self_contained=True):
    """Dropout for selu: in training, a share `rate` of the inputs becomes selu's limit for large negative inputs, and all are
    scaled and shifted so that their mean and variance stay; shape unchanged.

    Deviation from Keras 2.2.5: the config holds noise_shape and seed, too.

    Args:
        rate: The layer is the identity unless 0 < rate < 1, as in Keras 2.2.5.
        noise_shape: Shape of the mask, which is broadcast; None in it is the input's own size.
        seed: As Dropout's.
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.noise_shape = None if noise_shape is None else as_shape(noise_shape)
        self.seed = seed

    @property  # type: ignore[misc]
    def uses_learning_phase(self) -> bool:
        return 0 < self.rate < 1

    def add_noise(self, inputs: Value) -> Value:
        return ops.alpha_dropout(inputs, rate=self.rate, key=draw_key(self.seed), noise_shape=self.noise_shape)


_complete(__name__)
