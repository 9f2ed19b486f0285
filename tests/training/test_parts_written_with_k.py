"""Activations, regularizers, constraints and initializers that users write with K train as the built-in ones."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Dense
from lamella.models import Sequential
from lamella.utils import set_random_seed

PARTS = {
    "activation": ("relu", lambda x: K.maximum(x, 0.0)),
    "kernel_regularizer": ("l2", lambda w: 0.01 * K.sum(K.square(w))),
    "kernel_constraint": ("non_neg", lambda w: w * K.cast(K.greater_equal(w, 0.0), K.floatx())),
    "bias_constraint": ("unit_norm", lambda b: b / (K.epsilon() + K.sqrt(K.sum(K.square(b), axis=0, keepdims=True)))),
    "kernel_initializer": ("ones", lambda shape, dtype=None: K.ones(shape, dtype)),
}


def trained(**arguments):
    set_random_seed(5)
    model = Sequential([Dense(6, input_shape=(4,), **arguments), Dense(1)])
    model.compile("adam", "mse")
    rng = np.random.default_rng(5)
    x = rng.normal(size=(64, 4))
    history = model.fit(x, np.abs(x).sum(1, keepdims=True), batch_size=16, epochs=5, verbose=0)
    return model.get_weights(), history.history["loss"]


@pytest.mark.parametrize("argument", PARTS)
def test_a_part_written_with_k(argument):
    built_in, written = PARTS[argument]
    plain, _ = trained()
    wanted, wanted_losses = trained(**{argument: built_in})
    got, losses = trained(**{argument: written})
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(losses, wanted_losses, rtol=1e-5)
    # Without the part the weights differ, so it has an effect.
    assert max(np.abs(a - b).max() for a, b in zip(plain, wanted, strict=True)) > 1e-4
