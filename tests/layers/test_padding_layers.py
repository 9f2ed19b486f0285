"""Padding, cropping and upsampling compared with NumPy, in both data formats, and their errors."""

import numpy as np
import pytest

from lamella import layers
from lamella.layers import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    Input,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)
from tests.oracles.resize import resize

RNG = np.random.default_rng(0)
STEPS, IMAGES, VOLUMES = (RNG.normal(size=s).astype("float32") for s in ((2, 7, 3), (2, 6, 5, 3), (2, 4, 5, 6, 2)))

PADDED = [
    (ZeroPadding1D, STEPS, 2, [(2, 2)]),
    (ZeroPadding1D, STEPS, [0, 3], [(0, 3)]),
    (ZeroPadding2D, IMAGES, 1, [(1, 1), (1, 1)]),
    (ZeroPadding2D, IMAGES, (0, 2), [(0, 0), (2, 2)]),
    (ZeroPadding2D, IMAGES, [[1, 0], [2, 3]], [(1, 0), (2, 3)]),
    (ZeroPadding3D, VOLUMES, (1, 0, 2), [(1, 1), (0, 0), (2, 2)]),
    (ZeroPadding3D, VOLUMES, ((1, 0), (0, 2), (1, 1)), [(1, 0), (0, 2), (1, 1)]),
]


def first(x):
    return np.ascontiguousarray(np.moveaxis(x, -1, 1))


@pytest.mark.parametrize("layer, x, padding, pairs", PADDED)
def test_padding_puts_zeros_around(layer, x, padding, pairs):
    wanted = np.pad(x, [(0, 0), *pairs, (0, 0)])
    np.testing.assert_array_equal(layer(padding)(x), wanted)
    if x.ndim > 3:
        np.testing.assert_array_equal(layer(padding, data_format="channels_first")(first(x)), first(wanted))


@pytest.mark.parametrize("layer, x, cropping, pairs", [(getattr(layers, kind.__name__.replace("ZeroPadding", "Cropping")), *rest) for kind, *rest in PADDED])  # fmt: skip
def test_cropping_undoes_padding(layer, x, cropping, pairs):
    padded = np.pad(x, [(0, 0), *pairs, (0, 0)], constant_values=7)
    np.testing.assert_array_equal(layer(cropping)(padded), x)
    if x.ndim > 3:
        np.testing.assert_array_equal(layer(cropping, data_format="channels_first")(first(padded)), first(x))


@pytest.mark.parametrize(
    "layer, x, factors",
    [(UpSampling1D(3), STEPS, (3,)), (UpSampling2D((1, 2)), IMAGES, (1, 2)), (UpSampling2D(2, interpolation="bilinear"), IMAGES, (2, 2)), (UpSampling3D((2, 1, 3)), VOLUMES, (2, 1, 3))],
)  # fmt: skip
def test_upsampling(layer, x, factors):
    wanted, _ = resize(x, factors, getattr(layer, "interpolation", "nearest"))
    np.testing.assert_allclose(layer(x), wanted, rtol=1e-6, atol=1e-6)
    if x.ndim > 3:
        again = type(layer).from_config(layer.get_config() | {"data_format": "channels_first"})
        np.testing.assert_allclose(again(first(x)), first(wanted), rtol=1e-6, atol=1e-6)


def test_configs_have_the_full_form():
    assert ZeroPadding1D(2).get_config()["padding"] == (2, 2)
    assert "data_format" not in ZeroPadding1D().get_config() | Cropping1D().get_config() | UpSampling1D().get_config()
    assert ZeroPadding2D((1, 2)).get_config()["padding"] == ((1, 1), (2, 2))
    assert Cropping3D(1).get_config()["cropping"] == ((1, 1), (1, 1), (1, 1))
    assert UpSampling1D(3).get_config()["size"] == 3
    assert UpSampling2D(3).get_config()["size"] == (3, 3)


def test_unknown_sizes_stay_unknown():
    assert ZeroPadding1D(1)(Input((None, 3))).shape == (None, None, 3)
    assert Cropping2D(1, data_format="channels_first")(Input((3, None, 8))).shape == (None, 3, None, 6)
    assert UpSampling3D()(Input((None, 2, None, 3))).shape == (None, None, 4, None, 3)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: ZeroPadding1D((1, 2, 3)), "The `padding` argument must be a tuple of 2 integers"),
        (lambda: ZeroPadding1D(-1), "at least 0"),
        (lambda: ZeroPadding2D((1, 2, 3)), "`padding` should have two elements. Found: "),
        (lambda: ZeroPadding2D("same"), "`padding` should be either an int, a tuple of 2 ints"),
        (lambda: ZeroPadding2D(((1, -2), (0, 0))), "at least 0"),
        (lambda: ZeroPadding2D({"top": 1}), "Unexpected key found in `padding` dictionary"),
        (lambda: ZeroPadding2D(1.5), "`padding` should be either an int"),
        (lambda: Cropping3D((1, 2)), "`cropping` should have three elements. Found: "),
        (lambda: Cropping2D(((1, 2, 3), (0, 0))), "The `cropping` argument must be a tuple of 2 integers"),
        (lambda: UpSampling2D(0), "The `size` argument must be a tuple of 2 integers"),
        (lambda: UpSampling2D(2, interpolation="cubic"), 'interpolation should be one of "nearest" or "bilinear"'),
        (lambda: Cropping1D(4)(STEPS), r"leaves nothing of the input \(2, 7, 3\)"),
        (lambda: Cropping2D(3)(Input((6, 9, 1))), "leaves nothing of the input"),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_padding_by_a_dict_of_keras_1_warns():
    with pytest.warns(UserWarning, match="no longer accepts dict types"):
        layer = ZeroPadding2D(padding={"top_pad": 1, "right_pad": 2})
    assert layer.padding == ((1, 0), (0, 2))
