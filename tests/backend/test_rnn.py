"""K.rnn on values, on a tape and in graphs, against a loop in NumPy."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Input, Layer
from lamella.models import Model, Sequential
from tests.ops.gradients import check

X = np.random.default_rng(0).normal(size=(3, 5, 4))
W = np.random.default_rng(1).normal(size=(4, 2))
U = np.random.default_rng(2).normal(size=(2, 2))
START = np.random.default_rng(3).normal(size=(3, 2))
MASK = np.array([[0, 1, 0, 1, 1], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]], bool)


@pytest.fixture(autouse=True)
def float64():
    K.set_floatx("float64")
    yield
    K.set_floatx("float32")


def step(x, states):
    """Of two states, the second one an image; the output has more axes than the input."""
    h = K.tanh(K.dot(x, W) + K.dot(states[0], states[2]))
    return K.reshape(h, (-1, 2, 1)), [h, states[1] + 1]


def oracle(x, h, mask=None, order=range(5)):
    image, outputs, y = np.zeros((3, 1, 1)), [], np.zeros((3, 2, 1))
    for t in order:
        kept = np.ones(3, bool) if mask is None else mask[:, t]
        new = np.tanh(x[:, t] @ W + h @ U)
        y = np.where(kept[:, None, None], new[..., None], y)
        h = np.where(kept[:, None], new, h)
        image = image + kept[:, None, None]
        outputs.append(y)
    return outputs[-1], np.stack(outputs, 1), [h, image]


def same(found, wanted):
    assert isinstance(found, tuple) and isinstance(found[2], list)
    for a, b in zip([*found[:2], *found[2]], [*wanted[:2], *wanted[2]], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("mask", [None, MASK, MASK.astype("float64"), MASK[..., None]], ids=["none", "bool", "float", "3d"])
@pytest.mark.parametrize("backwards", [False, True])
def test_values(backwards, mask, unroll):
    found = K.rnn(
        step, X, [START, np.zeros((3, 1, 1))], go_backwards=backwards, mask=mask, constants=[U], unroll=unroll, input_length=5
    )
    same(found, oracle(X, START, None if mask is None else MASK, range(5)[::-1] if backwards else range(5)))


@pytest.mark.parametrize("mask", [None, MASK])
def test_gradients(mask):
    def call(x, start, u):
        last, outputs, states = K.rnn(step, x, [start, np.zeros((3, 1, 1))], mask=mask, constants=[u])
        return K.sum(K.square(outputs)) + K.sum(last) + K.sum(states[0]) + K.sum(x[:, 1:3])

    check(call, X, START, U)


def test_nodes_of_a_graph():
    x, start, mask = Input((None, 4)), Input((2,)), Input((None,), dtype="bool")
    last, outputs, (h, image) = K.rnn(
        step, x, [start, K.zeros((3, 1, 1))], mask=mask, constants=[K.variable(U)], go_backwards=True
    )
    assert K.int_shape(last)[1:] == (2, 1) and K.int_shape(outputs)[1:] == (None, 2, 1) and K.int_shape(h)[1:] == (2,)
    found = Model([x, start, mask], [last, outputs, h, image]).run([X, START, MASK], training=False)
    same((found[0], found[1], found[2:]), oracle(X, START, MASK, range(5)[::-1]))
    with pytest.raises(ValueError, match="K.rnn: Unrolling requires a fixed number of timesteps."):
        K.rnn(step, x, [start, start], constants=[U], unroll=True)


def test_no_states():
    last, outputs, states = K.rnn(lambda x, states: (2 * x, []), X, [])
    np.testing.assert_array_equal(outputs, 2 * X)
    np.testing.assert_array_equal(last, 2 * X[:, -1])
    assert states == []


def test_a_custom_layer_trains_with_rnn():
    class Sum(Layer):
        def build(self, input_shape):
            self.scale = self.add_weight("scale", (4,), initializer="ones")
            super().build(input_shape)

        def call(self, inputs):
            return K.rnn(lambda x, s: (s[0] + x * self.scale, [s[0] + x * self.scale]), inputs, [K.zeros_like(inputs[:, 0])])[0]

        def compute_output_shape(self, input_shape):
            return (input_shape[0], input_shape[2])

    model = Sequential([Sum(input_shape=(5, 4))])
    np.testing.assert_allclose(model.predict(X), X.sum(1))
    model.compile("sgd", "mse")
    model.fit(X, np.zeros((3, 4)), verbose=0)
    gradient = 2 * (X.sum(1) ** 2).mean(0) / 4
    np.testing.assert_allclose(model.get_weights()[0], 1 - 0.01 * gradient)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((step, X[0], [START]), "K.rnn: Input should be at least 3D. Got shape"),
        ((step, X[:, :0], [START]), "K.rnn: expected at least one time step"),
        (
            (step, X, [START, START], False, MASK[:, :2], [U]),
            r"K.rnn: mask should have `shape=\(samples, time\)`, got \(3, 2\)",
        ),
        ((lambda x, s: (x, []), X, [START]), "K.rnn: expected the step to return 1 states, got 0"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        K.rnn(*arguments)
