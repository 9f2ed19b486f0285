"""GaussianNoise, GaussianDropout, AlphaDropout: statistics of the noise, cases without noise, and reproducibility."""

import numpy as np
import pytest

from lamella import config
from lamella.core.random import set_random_seed
from lamella.layers import AlphaDropout, Dense, GaussianDropout, GaussianNoise
from lamella.models import Sequential, load_model
from lamella.ops import selu

KINDS = [lambda: GaussianNoise(0.5), lambda: GaussianDropout(0.4), lambda: AlphaDropout(0.3)]
X = np.random.default_rng(0).normal(size=(300, 400)).astype("float32")


def test_gaussian_noise_has_mean_0_and_its_standard_deviation():
    noise = GaussianNoise(0.5)(X, training=True) - X
    assert noise.dtype == np.float32
    # The tolerances are four standard errors of mean and standard deviation for 120,000 draws.
    assert abs(noise.mean()) < 4 * 0.5 / np.sqrt(noise.size)
    assert noise.std() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(2 * noise.size))
    assert abs(np.corrcoef(noise.ravel()[:-1], noise.ravel()[1:])[0, 1]) < 4 / np.sqrt(noise.size)


def test_gaussian_dropout_multiplies_with_mean_1():
    factor = GaussianDropout(0.2)(np.full((300, 400), 2.0), training=True) / 2
    assert factor.mean() == pytest.approx(1, abs=4 * 0.5 / np.sqrt(factor.size))
    assert factor.std() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(2 * factor.size))  # sqrt(0.2 / 0.8)


@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_alpha_dropout_keeps_mean_and_variance_of_selu(rate):
    x = np.random.default_rng(1).normal(size=(500, 800))
    values = selu(x)
    y = AlphaDropout(rate)(x, training=True)
    assert y.mean() == pytest.approx(values.mean(), abs=0.02)
    assert y.std() == pytest.approx(values.std(), abs=0.35 * rate)  # approximate, because the values of selu are not the limits
    limit = -1.0507009873554805 * 1.6732632423543772
    a = ((1 - rate) * (1 + rate * limit**2)) ** -0.5
    dropped = np.isclose(y, a * limit * (1 - rate), atol=1e-6)
    assert dropped.mean() == pytest.approx(rate, abs=0.005)
    np.testing.assert_allclose(y[~dropped], (a * x - a * limit * rate)[~dropped], atol=1e-5)


def test_alpha_dropout_of_normal_inputs_keeps_mean_and_variance():
    y = AlphaDropout(0.3)(np.random.default_rng(1).normal(size=(1000, 1000)), training=True)
    assert abs(y.mean()) < 0.005 and y.std() == pytest.approx(1, abs=0.005)


def test_the_noise_shape_of_alpha_dropout_is_broadcast():
    x = np.random.default_rng(0).normal(size=(10, 6, 4)).astype("float32")
    first, second = (AlphaDropout(0.5, noise_shape=(None, 1, 4), seed=3) for _ in range(2))
    set_random_seed(1)
    y = first(x, training=True)
    set_random_seed(1)
    slope = np.round(second(x + 1, training=True) - y, 3)
    np.testing.assert_array_equal(slope, np.broadcast_to(slope[:, :1], x.shape))
    limit = -1.0507009873554805 * 1.6732632423543772
    np.testing.assert_allclose(np.unique(slope), [0, (0.5 * (1 + 0.5 * limit**2)) ** -0.5], atol=1e-3)
    with pytest.raises(ValueError, match=r"noise_shape \(3, 6, 4\) does not broadcast"):
        AlphaDropout(0.5, noise_shape=(3, 6, 4))(x, training=True)


@pytest.mark.parametrize("make", KINDS)
def test_inference_is_the_identity(make):
    layer = make()
    assert layer.uses_learning_phase and layer.supports_masking
    np.testing.assert_array_equal(layer(X), X)
    assert not np.array_equal(layer(X, training=True), layer(X, training=True))  # each draw is new


@pytest.mark.parametrize("kind", [GaussianDropout, AlphaDropout])
@pytest.mark.parametrize("rate", [0.0, 1.0, -0.5, 1.5])
def test_outside_of_0_to_1_the_layer_is_the_identity(kind, rate):
    layer = kind(rate)
    assert not layer.uses_learning_phase
    np.testing.assert_array_equal(layer(X, training=True), X)


def new_model():
    set_random_seed(5)
    layers = [Dense(64, activation="selu", input_shape=(20,)), *(make() for make in KINDS), Dense(1)]
    model = Sequential(layers)
    model.compile("adam", "mse")
    return model


def fit(model, first, last, threads=1):
    before = config.num_threads()
    config.set_num_threads(threads)
    try:
        model.fit(X[:, :20], X[:, 20:21], epochs=last, initial_epoch=first, batch_size=100, verbose=0)
    finally:
        config.set_num_threads(before)
    return model.get_weights()


def test_threads_and_a_resumed_training_draw_the_same(tmp_path):
    whole = fit(new_model(), 0, 4)
    half = new_model()
    fit(half, 0, 2, threads=2)
    half.save(tmp_path / "half.h5")
    resumed = fit(load_model(tmp_path / "half.h5"), 2, 4, threads=2)
    for one, other in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(one, other)
