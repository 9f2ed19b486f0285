"""Random changes of one image, drawn as keras-preprocessing draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

from lamella.core.types import Array
from lamella.preprocessing.image.affine import apply_affine_transform
from lamella.preprocessing.image.pixels import apply_brightness_shift, apply_channel_shift

# A range of shifts: a number below 1 is a fraction of the image's side, other numbers are pixels; or a list of pixels to choose
# from.
ShiftRange: TypeAlias = float | Sequence[float] | Array


class Draws(Protocol):
    """The methods that NumPy's module `random`, a RandomState and a Generator have in common."""

    def random(self) -> float: ...
    def choice(self, a: Any) -> Any: ...


class RandomTransforms:
    """The random changes of ImageDataGenerator, whose constructor sets and describes the ranges."""

    rotation_range: float
    width_shift_range: ShiftRange
    height_shift_range: ShiftRange
    brightness_range: Sequence[float] | None
    shear_range: float
    zoom_range: list[float]
    channel_shift_range: float
    fill_mode: str
    cval: float
    horizontal_flip: bool
    vertical_flip: bool
    interpolation_order: int
    channel_axis: int
    row_axis: int
    col_axis: int

    def get_random_transform(self, img_shape: Sequence[int], seed: int | None = None) -> dict[str, Any]:
        """Random parameters for `apply_transform`.

        Args:
            img_shape: Shape of one image.
            seed: Draws the numbers that keras-preprocessing draws after np.random.seed(seed), but does not change NumPy's global
                state. None draws from that state.
        """
        return self.draw_transform(img_shape, np.random if seed is None else np.random.RandomState(seed))

    def draw_transform(self, img_shape: Sequence[int], draws: Draws) -> dict[str, Any]:
        """`get_random_transform` for img_shape, with numbers from `draws`, such as a RandomState, as keras-preprocessing draws."""
        rows, columns = img_shape[self.row_axis - 1], img_shape[self.col_axis - 1]
        theta = _uniform(draws, -self.rotation_range, self.rotation_range) if self.rotation_range else 0
        tx = _shift(draws, self.height_shift_range, rows)
        ty = _shift(draws, self.width_shift_range, columns)
        shear = _uniform(draws, -self.shear_range, self.shear_range) if self.shear_range else 0
        zx = zy = 1.0
        if not self.zoom_range[0] == self.zoom_range[1] == 1:
            zx, zy = _uniform(draws, *self.zoom_range), _uniform(draws, *self.zoom_range)
        # Both numbers are always drawn, so that generators of images and of masks draw the same numbers afterwards.
        horizontal, vertical = draws.random() < 0.5, draws.random() < 0.5
        channels = self.channel_shift_range
        return {
            "theta": theta,
            "tx": tx,
            "ty": ty,
            "shear": shear,
            "zx": zx,
            "zy": zy,
            "flip_horizontal": horizontal and self.horizontal_flip,
            "flip_vertical": vertical and self.vertical_flip,
            "channel_shift_intensity": _uniform(draws, -channels, channels) if channels != 0 else None,
            "brightness": None if self.brightness_range is None else _uniform(draws, *self.brightness_range),
        }

    def apply_transform(self, x: Array, transform_parameters: Mapping[str, Any]) -> Array:
        """One image, changed by the parameters that get_random_transform returns.

        Args:
            x: One image, rank 3.
            transform_parameters: "theta", "tx" (rows), "ty" (columns), "shear", "zx" (rows), "zy", "flip_horizontal",
                "flip_vertical", "channel_shift_intensity", "brightness". A missing parameter changes nothing.

        Returns:
            x itself if nothing changes.
        """
        given = transform_parameters.get
        row_axis, col_axis = self.row_axis - 1, self.col_axis - 1
        changed: Array = apply_affine_transform(
            x,
            given("theta", 0),
            given("tx", 0),
            given("ty", 0),
            given("shear", 0),
            given("zx", 1),
            given("zy", 1),
            row_axis=row_axis,
            col_axis=col_axis,
            channel_axis=self.channel_axis - 1,
            fill_mode=self.fill_mode,
            cval=self.cval,
            order=self.interpolation_order,
        )
        if given("channel_shift_intensity") is not None:
            changed = apply_channel_shift(changed, transform_parameters["channel_shift_intensity"], self.channel_axis - 1)
        if given("flip_horizontal"):
            changed = np.flip(changed, col_axis)
        if given("flip_vertical"):
            changed = np.flip(changed, row_axis)
        if given("brightness") is not None:
            changed = apply_brightness_shift(changed, transform_parameters["brightness"])
        return changed

    def random_transform(self, x: Array, seed: int | None = None) -> Array:
        """The image x, changed at random; see `get_random_transform` for seed."""
        return self.apply_transform(x, self.get_random_transform(x.shape, seed))

    def keeps_pixels(self) -> bool:
        """Whether no transform can change an image, so that none must be drawn."""
        ranges = (self.rotation_range, self.shear_range, self.channel_shift_range, self.horizontal_flip, self.vertical_flip)
        return not (
            any(ranges)
            or self.brightness_range is not None
            or np.any(self.width_shift_range)
            or np.any(self.height_shift_range)
            or self.zoom_range != [1, 1]
        )


def _uniform(draws: Draws, low: float, high: float) -> float:
    # The same bits as `uniform(low, high)` of NumPy's RandomState, in a fifth of its time.
    return low + (high - low) * draws.random()


def _shift(draws: Draws, shift_range: ShiftRange, side: int) -> Any:
    """Pixels."""
    if isinstance(shift_range, (float, np.floating)):
        share = side if shift_range < 1 else 1
        return _uniform(draws, -shift_range, shift_range) * share if shift_range else 0
    if np.ndim(shift_range) == 0 and not shift_range:
        return 0
    # For an integer n, choice draws from 0 to n - 1.
    pixels = draws.choice(shift_range) * draws.choice([-1, 1])
    return pixels * side if np.max(shift_range) < 1 else pixels
