"""Affine transformations: the numbers of keras-preprocessing and SciPy, Keras's arguments, and batches of images."""

import json
from pathlib import Path

import numpy as np
import pytest

from lamella.preprocessing.image import affine
from lamella.preprocessing.image.affine import IDENTITY, apply_affine_transform
from lamella.preprocessing.image.batch import FILL_MODES, ORDERS, Standardization, augment_batch, standardize_batch

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "preprocessing" / "affine.json").read_text())
MOVE = {"theta": 33.0, "tx": 1.25, "ty": -0.5, "shear": 12.0, "zx": 0.8, "zy": 1.3}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_of_keras_preprocessing(dtype):
    image = np.array(GOLDEN["image"], dtype)
    assert len(GOLDEN["cases"]) == 36
    for case in GOLDEN["cases"]:
        moved = apply_affine_transform(image, **case["kwargs"])
        assert moved.dtype == dtype and moved.shape == image.shape
        tolerance = 1e-4 if dtype is np.float32 else 1e-5
        np.testing.assert_allclose(moved.ravel(), case["result"], rtol=0, atol=tolerance, err_msg=str(case["kwargs"]))


def test_integers_are_rounded_and_kept_in_their_range():
    for dtype in (np.uint8, np.int16, np.int64):
        image = np.array(GOLDEN["image"]).astype(dtype)
        for case in GOLDEN["cases"]:
            moved = apply_affine_transform(image, **case["kwargs"])
            assert moved.dtype == dtype
            wanted = np.array(case["result"])
            if dtype == np.uint8:
                wanted = np.clip(wanted, 0, 255)
            assert np.abs(moved.ravel() - wanted).max() <= 0.5 + 1e-3, case["kwargs"]
    below = apply_affine_transform(np.array([[[-1.0], [-2.0]]]).astype(np.int8), ty=0.5)
    assert below.ravel().tolist() == [-2, -2]  # -1.5 is rounded away from zero


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("order", ORDERS)
def test_pixels_of_scipy(order, fill_mode, channels):
    ndimage = pytest.importorskip("scipy.ndimage")
    rng = np.random.default_rng(channels)
    image = rng.integers(0, 256, (31, 24, channels)).astype(np.uint8)
    for _ in range(8):
        matrix = affine.affine_matrix(31, 24, *rng.uniform(-180, 180, 1), *rng.uniform(-20, 20, 3), *rng.uniform(0.2, 3, 2))
        wanted = np.stack(
            [
                ndimage.affine_transform(
                    image[..., c].astype(np.float64), matrix[:, :2], matrix[:, 2], (29, 35), order=order, mode=fill_mode, cval=7
                )
                for c in range(channels)
            ],
            axis=-1,
        )
        for x in (image, image.astype(np.float32)):
            out = np.empty((1, 29, 35, channels), np.float32)
            augment_batch([x], matrix[None], out, order=order, fill_mode=fill_mode, cval=7)
            np.testing.assert_allclose(out[0], wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_ties_and_borders_are_rounded_as_in_scipy(fill_mode):
    ndimage = pytest.importorskip("scipy.ndimage")
    image = np.random.default_rng(2).uniform(0, 255, (40, 40, 1))
    for theta, zoom, shift in [(90, 1, 0), (180, 1, 0.5), (45, 0.5, 3), (0, 0.1, 0.3), (270, 0.25, -7.5), (0, 1, 1e-13)]:
        matrix = affine.affine_matrix(40, 40, theta, shift, -shift, 0, zoom, zoom)
        wanted = ndimage.affine_transform(image[..., 0], matrix[:, :2], matrix[:, 2], order=0, mode=fill_mode, cval=-1)
        out = np.empty((1, 40, 40, 1))
        augment_batch([image], matrix[None], out, order=0, fill_mode=fill_mode, cval=-1)
        np.testing.assert_array_equal(out[0, ..., 0], wanted)


def test_axes_in_any_order():
    image = np.random.default_rng(1).uniform(0, 255, (6, 9, 3))
    wanted = apply_affine_transform(image, **MOVE)
    for axes in ((1, 2, 0), (2, 1, 0), (0, 2, 1), (1, 0, 2)):
        row, column, channel = axes
        x = np.moveaxis(image, (0, 1, 2), axes)
        moved = apply_affine_transform(x, **MOVE, row_axis=row, col_axis=column, channel_axis=channel)
        assert moved.shape == x.shape and moved.flags.c_contiguous
        np.testing.assert_array_equal(np.moveaxis(moved, axes, (0, 1, 2)), wanted)


def test_an_identity_returns_the_image_itself():
    image = np.zeros((3, 4, 1))
    assert apply_affine_transform(image) is image
    assert apply_affine_transform(image, order=3, fill_mode="wrap") is image


def test_the_centre_is_that_of_keras_preprocessing():
    np.testing.assert_array_equal(affine.affine_matrix(10, 20, zx=2, zy=3), [[2, 0, -5.5], [0, 3, -21]])
    assert affine.affine_matrix(10, 20) is IDENTITY


def test_a_matrix_is_the_product_of_rotation_shift_shear_and_zoom():
    rng = np.random.default_rng(4)
    for kept in range(64):
        drawn = [*rng.uniform(-180, 180, 1), *rng.uniform(-20, 20, 3), *rng.uniform(0.2, 3, 2)]
        given = [
            value if kept >> i & 1 else plain for i, (value, plain) in enumerate(zip(drawn, (0, 0, 0, 0, 1, 1), strict=True))
        ]
        theta, tx, ty, shear, zx, zy = given
        turn, slant = np.deg2rad(theta), np.deg2rad(shear)
        factors = (
            [[1, 0, 15.5], [0, 1, 12.5], [0, 0, 1]],
            [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]],
            [[1, 0, tx], [0, 1, ty], [0, 0, 1]],
            [[1, -np.sin(slant), 0], [0, np.cos(slant), 0], [0, 0, 1]],
            [[zx, 0, 0], [0, zy, 0], [0, 0, 1]],
            [[1, 0, -15.5], [0, 1, -12.5], [0, 0, 1]],
        )
        matrix = affine.affine_matrix(30, 24, *given)
        np.testing.assert_allclose(matrix, np.linalg.multi_dot(factors)[:2], rtol=0, atol=1e-13)
    single = affine.affine_matrix(30, 24, *np.array([33, 0.1, -0.7, 12, 0.9, 1.3], np.float32))
    assert single.dtype == np.float64
    plain = affine.affine_matrix(30, 24, *np.array([33, 0.1, -0.7, 12, 0.9, 1.3], np.float32).tolist())
    np.testing.assert_array_equal(single, plain)


def test_wrong_calls_name_the_mistake():
    image = np.zeros((3, 4, 1))
    with pytest.raises(ValueError, match=r"expected one image of rank 3, got shape \(3, 4\)"):
        apply_affine_transform(image[..., 0], theta=3)
    with pytest.raises(ValueError, match=r"expected an interpolation order of \(0, 1, 3\), got 2"):
        apply_affine_transform(image, theta=3, order=2)
    with pytest.raises(ValueError, match=r"expected a fill mode of .*, got 'mirror'"):
        apply_affine_transform(image, theta=3, fill_mode="mirror")


def test_a_batch_from_images_of_any_kind_and_size():
    rng = np.random.default_rng(5)
    images = [rng.integers(0, 256, (h, w, 3)).astype(np.uint8) for h, w in ((5, 8), (12, 3), (6, 7))]
    matrices = [affine.affine_matrix(*image.shape[:2], **MOVE) for image in images]
    out = np.empty((3, 6, 7, 3), np.float32)
    how = {"fill_mode": "reflect", "channel_shifts": [9, 0, -5], "flips": [[1, 0], [0, 1], [0, 0]], "brightness": [0.5, 2, 1]}
    how["standardization"] = Standardization(1 / 255, mean=[0.1, 0.2, 0.3], std=np.full((1, 1, 3), 0.5))
    augment_batch(images, matrices, out, **how)
    mixed = np.empty_like(out)
    strided = np.zeros((6, 14, 3))
    strided[:, ::2] = images[2]
    augment_batch([images[0].astype(np.int32), images[1], strided[:, ::2]], matrices, mixed, **how)
    np.testing.assert_allclose(mixed, out, rtol=0, atol=1e-5)
    for n, (image, matrix) in enumerate(zip(images, matrices, strict=True)):
        one = np.empty((1, 6, 7, 3))
        augment_batch([image], matrix[None], one, fill_mode="reflect")
        wanted = np.clip(one[0] + how["channel_shifts"][n], one[0].min(), one[0].max())
        down, across = how["flips"][n]
        wanted = np.minimum(wanted[:: 1 - 2 * down, :: 1 - 2 * across] * how["brightness"][n], 255)
        np.testing.assert_allclose(out[n], (wanted / 255 - [0.1, 0.2, 0.3]) / (0.5 + 1e-6), rtol=0, atol=1e-5)


def test_standardization_alone_in_place():
    x = np.random.default_rng(3).uniform(0, 255, (4, 5, 6, 3)).astype(np.float32)
    wanted = (x - x.mean((1, 2, 3), keepdims=True)) / (x.std((1, 2, 3), keepdims=True) + 1e-6)
    standardize_batch(x, x, Standardization(samplewise_center=True, samplewise_std_normalization=True))
    np.testing.assert_allclose(x, wanted, rtol=0, atol=1e-5)
