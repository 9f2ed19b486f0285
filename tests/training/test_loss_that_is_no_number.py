"""A loss that is NaN or infinite warns once in a fit, with the batch and the first layer that causes it."""

import warnings

import numpy as np
import pytest

from lamella.layers import Activation, Dense, Layer
from lamella.models import Sequential
from lamella.optimizers import SGD

X, Y = np.ones((8, 3), "f4"), np.ones((8, 1), "f4")


class Exploding(Layer):
    def call(self, inputs):
        return inputs * np.float32(1e38) * np.float32(1e38)


def fit(net, x=X, y=Y, loss="mse", epochs=2):
    net.compile(SGD(lr=0.1), loss)
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        net.fit(x, y, batch_size=2, epochs=epochs, shuffle=False, verbose=0)
    return [str(w.message) for w in caught if "the loss of batch" in str(w.message)]


def small(*layers):
    return Sequential([Dense(4, input_shape=(3,), name="first"), *layers, Dense(1, name="last")])


def test_a_finite_loss_does_not_warn():
    assert fit(small()) == []


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_inputs(bad):
    x = X.copy()
    x[5] = bad
    (text,) = fit(small(), x)
    assert text.startswith("the loss of batch 2 is nan: input 'first_input' has values that are not finite. Terminate")


def test_a_layers_output():
    (text,) = fit(small(Exploding(name="middle")))
    assert text.startswith("the loss of batch 0 is ") and "'middle', whose output is not finite" in text


def test_a_weight():
    net = small(Activation("tanh"))
    weights = net.get_weights()
    weights[2][1] = np.nan
    net.set_weights(weights)
    (text,) = fit(net)
    assert "the first layer at fault is 'last', whose weight last/kernel:0 is not finite" in text


def test_the_loss_itself():
    (text,) = fit(small(), loss=lambda y, p: (p - p) / (p - p))
    assert "every layer's output is finite in inference, so look at the loss" in text


def test_once_a_fit():
    net = small(Exploding())
    assert len(fit(net, epochs=3)) == 1
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        net.fit(X, Y, verbose=0)
    assert sum("the loss of batch 0 is nan" in str(w.message) for w in caught) == 1
