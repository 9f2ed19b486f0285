"""Max pooling by windows of more than 256 places, which no single call of a kernel computes."""

import numpy as np
import pytest

from lamella import backend as K
from lamella import layers, models, ops
from lamella.ops.pooling import places_of_maxima
from lamella.ops.tape import Tape

# (places of x, window, strides, padding)
CASES = [
    ((40, 37), (17, 19), (3, 3), "valid"),
    ((40, 37), (21, 21), (1, 1), "same"),
    ((20, 20), (16, 16), (5, 7), "same"),
    ((1200,), (500,), (500,), "valid"),
    ((1200,), (700,), (7,), "same"),
    ((300,), (512,), (2,), "same"),
    ((9, 9, 10), (7, 7, 7), (2, 2, 2), "valid"),
    ((5, 300, 3), (2, 257, 1), (1, 20, 1), "valid"),
]


def first_maxima(x, size, strides, padding):
    """For each window the flat index of the first maximum, by a loop over windows and their places."""
    spatial, axes = x.shape[1:-1], range(len(size))
    counts = [-(-n // s) if padding == "same" else (n - w) // s + 1 for n, s, w in zip(spatial, strides, size, strict=True)]
    before = [
        max((c - 1) * s + w - n, 0) // 2 if padding == "same" else 0 for n, c, s, w in zip(spatial, counts, strides, size)
    ]
    flat = np.arange(x.size).reshape(x.shape)
    found = np.empty((len(x), *counts, x.shape[-1]), int)
    for index in np.ndindex(len(x), *counts, x.shape[-1]):
        starts = [index[1 + a] * strides[a] - before[a] for a in axes]
        window = tuple(slice(max(starts[a], 0), starts[a] + size[a]) for a in axes)
        one = index[0], *window, index[-1]
        found[index] = flat[one].ravel()[np.argmax(x[one])]
    return found


@pytest.mark.parametrize("activation", ["linear", "relu"])
@pytest.mark.parametrize(("spatial", "size", "strides", "padding"), CASES)
def test_values_and_gradients(spatial, size, strides, padding, activation):
    random = np.random.RandomState(3)
    x = random.randint(-9, 4, (2, *spatial, 2)).astype("float32")  # with many equal maxima
    places = first_maxima(x, size, strides, padding)
    expected = x.ravel()[places]
    dy = random.standard_normal(places.shape).astype("float32")
    variable = K.variable(x)
    with Tape([variable]) as tape:
        y = ops.max_pool(variable, size=size, strides=strides, padding=padding, activation=activation)
        loss = K.sum(y * dy)
    kept = np.maximum(expected, 0) if activation == "relu" else expected
    np.testing.assert_array_equal(np.asarray(y.value), kept)
    slopes = np.where(expected > 0, dy, 0) if activation == "relu" else dy
    sums = np.bincount(places.ravel(), slopes.ravel(), x.size).reshape(x.shape)
    np.testing.assert_allclose(tape.gradients(loss)[0], sums, atol=1e-5)


@pytest.mark.parametrize(("spatial", "size", "strides", "padding"), CASES)
@pytest.mark.parametrize("odd", [-np.inf, np.nan])
def test_minus_infinity_may_be_the_maximum_and_nan_is(spatial, size, strides, padding, odd):
    random = np.random.RandomState(4)
    x = np.full((2, *spatial, 2), -np.inf, "float32")
    x[random.random_sample(x.shape) < 0.001] = odd
    x.flat[0] = 7  # not the maximum of another image
    places = first_maxima(x, size, strides, padding)
    np.testing.assert_array_equal(ops.max_pool(x, size=size, strides=strides, padding=padding), x.ravel()[places])
    np.testing.assert_array_equal(places_of_maxima(x, size, strides, padding), places)


# The sums of the real Keras 2.2.5 on TensorFlow: of |y|, and of the gradients of the sum of y^2 times 0, 1, 2, ..., in thousands.
@pytest.mark.parametrize(
    ("shape", "layer", "output", "total", "slopes"),
    [
        ((40, 37, 2), layers.MaxPooling2D((17, 19), strides=3), (8, 7, 2), 633.994, 3559.38),
        ((1200, 2), layers.MaxPooling1D(500), (2, 2), 23.46, 103.29),
        ((9, 9, 10, 2), layers.MaxPooling3D((7, 7, 7), strides=2), (2, 2, 2, 2), 84.013, 276.58),
    ],
)
def test_layers_compute_what_keras_does(shape, layer, output, total, slopes):
    x = np.random.RandomState(0).standard_normal((2, *shape)).astype("f4")
    entry = layers.Input(shape)
    model = models.Model(entry, layer(entry))
    y = model.predict(x)
    assert y.shape == (2, *output) and np.abs(y).sum() == pytest.approx(total, abs=2e-3)
    (gradient,) = K.function([entry], [K.gradients(K.sum(K.square(model.output)), [entry])[0]])([x])
    assert (gradient * np.arange(x.size).reshape(x.shape)).sum() / 1e3 == pytest.approx(slopes, rel=1e-4)
