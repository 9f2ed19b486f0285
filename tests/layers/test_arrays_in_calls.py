"""Arrays of NumPy beside the tensors of a call are constants of the tensors' dtype, as in TensorFlow: np.ones(5) is of float64."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Dense, Lambda, Layer
from lamella.models import Model, Sequential

TABLE = np.random.default_rng(0).normal(size=5)
X = np.random.default_rng(1).normal(size=(4, 3)).astype("float32")
C = TABLE.astype("float32")
CASES = {
    "product": (lambda x: x * TABLE, lambda h: h * C),
    "product from the left": (lambda x: TABLE * x, lambda h: h * C),
    "sum with whole numbers": (lambda x: x + np.arange(5), lambda h: h + np.arange(5, dtype="float32")),
    "difference": (lambda x: TABLE - x, lambda h: C - h),
    "quotient": (lambda x: x / np.full((1, 5), 3.0), lambda h: h / np.float32(3)),
    "power": (lambda x: K.abs(x) ** np.full(5, 2.0), lambda h: np.abs(h) ** 2),
    "list": (lambda x: x * [1.0, 2.0, 3.0, 4.0, 0.1], lambda h: h * np.array([1, 2, 3, 4, 0.1], "float32")),
    "function of K": (lambda x: K.maximum(x, TABLE), lambda h: np.maximum(h, C)),
    "list of tensors": (lambda x: K.concatenate([x[:2], np.tile(TABLE, (2, 1))], 0), lambda h: np.concatenate([h[:2], [C, C]])),
    "after a slice": (
        lambda x: K.concatenate([x[:, :2], x[:, 2:] * TABLE[2:]]),
        lambda h: np.hstack([h[:, :2], h[:, 2:] * C[2:]]),
    ),
}


class Custom(Layer):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return self.function(x)


@pytest.mark.parametrize("kind", [Custom, Lambda])
@pytest.mark.parametrize("name", CASES)
def test_constants_have_the_dtype_of_the_tensors(name, kind):
    function, oracle = CASES[name]
    model = Sequential([Dense(5, input_shape=(3,)), kind(function), Dense(2)])
    model.compile("sgd", "mse")
    hidden = Model(model.input, model.layers[0].output).predict(X)
    values = Model(model.input, model.layers[1].output).predict(X)
    assert values.dtype == "float32"
    np.testing.assert_allclose(values, oracle(hidden), rtol=1e-6, atol=1e-7)
    wanted = oracle(hidden) @ model.layers[2].get_weights()[0]
    np.testing.assert_allclose(model.predict(X), wanted, rtol=1e-5, atol=1e-6)
    loss = model.train_on_batch(X, np.zeros((4, 2)))
    assert loss == pytest.approx((wanted**2).mean(), rel=1e-5)
    assert all(w.dtype == "float32" for w in model.get_weights())
