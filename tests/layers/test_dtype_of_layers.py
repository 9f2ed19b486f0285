"""The dtype of a layer is that of its weights and outputs. float16, which has no kernels, raises an error that names the layer."""

import numpy as np
import pytest

from lamella.layers import BatchNormalization, Conv2D, Dense, Flatten, Input, InputLayer
from lamella.models import Model, Sequential


def test_weights_have_the_dtype_of_their_layer():
    for layer, shape in ((Dense(3, dtype="float64"), (4,)), (BatchNormalization(dtype="float64"), (4,))):
        x = Input(shape, dtype="float64")
        y = layer(x)
        assert {str(w.dtype) for w in layer.weights} == {"float64"}
        assert y.dtype == "float64"
        assert Model(x, y).predict(np.ones((2, *shape))).dtype == np.float64


def test_a_model_of_float64_computes_in_float64():
    x = np.random.default_rng(0).normal(size=(5, 6, 6, 2))
    model = Sequential(
        [
            InputLayer((6, 6, 2), dtype="float64"),
            Conv2D(3, 3, dtype="float64"),
            Flatten(dtype="float64"),
            Dense(2, dtype="float64"),
        ]
    )
    model.compile("sgd", loss="mse")
    kernel, bias, weight, offset = model.get_weights()
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    hidden = np.einsum("npqcij,ijco->npqo", windows, kernel) + bias
    np.testing.assert_allclose(model.predict(x), hidden.reshape(5, -1) @ weight + offset, rtol=1e-12)
    before = model.get_weights()
    model.train_on_batch(x, np.zeros((5, 2)))
    assert all(str(w.dtype) == "float64" for w in model.weights)
    assert all((a != b).any() for a, b in zip(before, model.get_weights()))


def test_weights_without_a_dtype_are_floatx():
    layer = Dense(3)
    layer.build((None, 4))
    assert {str(w.dtype) for w in layer.weights} == {"float32"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Dense(3, dtype="float16", name="d"),
        lambda: Conv2D(3, 3, dtype="float16", name="d"),
        lambda: Input((3,), dtype="float16", name="d"),
    ],
)
def test_float16_is_refused_by_the_layer(make):
    with pytest.raises(ValueError, match="Layer d: expected dtype float32 or float64, .*got float16"):
        make()


def test_every_layer_says_its_dtype():
    """As the real Keras 2.2.5 does: a layer without a dtype has floatx, and its config has it after `trainable`."""
    layer = Dense(2)
    assert layer.dtype == "float32"
    assert list(layer.get_config().items())[2] == ("dtype", "float32")
    assert Flatten(dtype="float64").get_config()["dtype"] == "float64"
