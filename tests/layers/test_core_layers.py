"""Permute, RepeatVector, ActivityRegularization, SpatialDropout: values, penalties, masks of dropout, messages."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import (
    ActivityRegularization,
    Dense,
    Permute,
    RepeatVector,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)  # fmt: skip
from lamella.models import Sequential

RNG = np.random.default_rng(0)


def test_permute_counts_axes_from_1():
    x = RNG.normal(size=(2, 3, 4, 5)).astype("float32")
    np.testing.assert_array_equal(Permute((3, 1, 2))(x), x.transpose(0, 3, 1, 2))
    layer = Permute([2, 1], input_shape=(10, 64))
    assert layer.compute_output_shape((None, 10, 64)) == (None, 64, 10)
    with pytest.raises(ValueError, match="incompatible with layer permute_2: expected ndim=3, found ndim=4"):
        layer(x)


@pytest.mark.parametrize("dims", [(0, 1), (1, 3), (1, 1), (-1, 1), (1.5,), ("a",), 2, None])
def test_permute_needs_each_axis_once(dims):
    with pytest.raises(ValueError, match="Layer mine: expected dims to hold each of 1, 2 ... once, got"):
        Permute(dims, name="mine")


def test_repeat_vector():
    x = RNG.normal(size=(2, 4)).astype("float32")
    np.testing.assert_array_equal(RepeatVector(3)(x), np.stack([x] * 3, axis=1))
    with pytest.raises(ValueError, match="expected ndim=2, found ndim=3"):
        RepeatVector(3)(x[None])
    for n in (0, -1, 2.5, "a", None):
        with pytest.raises(ValueError, match="Layer mine: expected n to be a positive integer, got"):
            RepeatVector(n, name="mine")


@pytest.mark.parametrize("batch", [1, 8])
def test_activity_regularization_is_not_divided_by_the_batch(batch):
    x = RNG.normal(size=(batch, 4)).astype("float32")
    model = Sequential([ActivityRegularization(l1=0.1, l2=0.2, input_shape=(4,))])
    model.compile("sgd", "mse")
    wanted = 0.1 * np.abs(x).sum() + 0.2 * np.square(x).sum()
    assert model.evaluate(x, x, verbose=0) == pytest.approx(wanted, rel=1e-5)


def test_activity_regularization_without_numbers_adds_nothing():
    x = RNG.normal(size=(8, 4)).astype("float32")
    model = Sequential([ActivityRegularization(input_shape=(4,)), Dense(4, kernel_initializer="identity")])
    model.compile("sgd", "mse")
    assert model.train_on_batch(x, x) == 0.0
    with pytest.raises(TypeError, match="Layer mine: L1L2: l1: expected a finite number, got 'a'"):
        ActivityRegularization("a", name="mine")


@pytest.mark.parametrize(
    "layer, shape, maps",
    [
        (SpatialDropout1D(0.5), (40, 7, 30), (1,)),
        (SpatialDropout2D(0.5), (40, 5, 6, 30), (1, 2)),
        (SpatialDropout2D(0.5, data_format="channels_first"), (40, 30, 5, 6), (2, 3)),
        (SpatialDropout3D(0.5), (40, 2, 3, 4, 30), (1, 2, 3)),
        (SpatialDropout3D(0.5, data_format="channels_first"), (40, 30, 2, 3, 4), (2, 3, 4)),
    ],
)
def test_spatial_dropout_zeroes_whole_maps(layer, shape, maps):
    x = np.ones(shape, "float32")
    np.testing.assert_array_equal(layer(x), x)
    y = layer(x, training=True)
    assert set(np.unique(y)) == {0.0, 2.0}
    assert np.ptp(y, axis=maps).max() == 0
    assert np.mean(y == 0) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(40 * 30))
    with pytest.raises(ValueError, match=f"expected ndim={len(shape)}"):
        layer(x[0])


def test_spatial_dropout_takes_the_data_format_of_the_process_when_it_is_made():
    K.set_image_data_format("channels_first")
    layer = SpatialDropout2D(0.5)
    K.set_image_data_format("channels_last")
    assert layer.get_config()["data_format"] == "channels_first"
    assert layer.mask_shape == (None, None, 1, 1)
    with pytest.raises(ValueError, match='Layer mine: .*"channels_first", "channels_last"'):
        SpatialDropout3D(0.5, "tf", name="mine")


def test_spatial_dropout_ignores_a_noise_shape_and_keeps_its_seed():
    x = np.ones((8, 5, 30), "float32")
    layer = SpatialDropout1D(0.5, noise_shape=(8, 5, 1), seed=4)
    assert np.ptp(layer(x, training=True), axis=1).max() == 0
    config = layer.get_config()
    assert (config["rate"], config["noise_shape"], config["seed"]) == (0.5, (8, 5, 1), 4)
