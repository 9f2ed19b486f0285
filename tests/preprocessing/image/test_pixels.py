"""apply_channel_shift and apply_brightness_shift."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from lamella.preprocessing.image import apply_brightness_shift, apply_channel_shift

FULL = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.float32)
FULL[0, 0] = 0, 255, 128


@pytest.mark.parametrize("factor", [0.0, 0.3, 1.0, 1.7, 20.0])
def test_brightness_equals_pillows_for_0_to_255(factor):
    wanted = ImageEnhance.Brightness(Image.fromarray(FULL.astype(np.uint8))).enhance(factor)
    assert np.abs(apply_brightness_shift(FULL, factor) - np.asarray(wanted, np.float32)).max() < 1


def test_brightness_keeps_the_scale_of_values():
    dark = FULL / 255
    np.testing.assert_array_equal(apply_brightness_shift(dark, 1), dark)
    np.testing.assert_allclose(apply_brightness_shift(dark, 0.5), dark / 2)
    high = np.array([[[-10.0, 200.0, 300.0]]])
    np.testing.assert_allclose(apply_brightness_shift(high, 1.5), [[[-15, 255, 300]]])
    np.testing.assert_allclose(apply_brightness_shift(high, 0.5), [[[-5, 100, 150]]])


def test_brightness_scales_first_if_requested():
    np.testing.assert_allclose(apply_brightness_shift(FULL / 255, 1, scale=True), FULL, atol=1e-4)
    np.testing.assert_allclose(apply_brightness_shift(np.array([[[-10.0, 0.0, 10.0]]]), 1, scale=True), [[[0, 127.5, 255]]])


def test_brightness_of_integers_is_floating():
    bright = apply_brightness_shift(FULL.astype(np.uint8), 1.5)
    assert bright.dtype == np.float32 and bright.max() == 255


@pytest.mark.parametrize("axis", [0, 2])
def test_channel_shift_is_clipped_to_the_range_of_values(axis):
    x = FULL / 2
    np.testing.assert_array_equal(apply_channel_shift(x, 30.0, axis), np.clip(x + 30, x.min(), x.max()))
    np.testing.assert_array_equal(apply_channel_shift(x, -30.0, axis), np.clip(x - 30, x.min(), x.max()))
