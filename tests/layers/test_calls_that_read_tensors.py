"""Layers whose `call` reads symbolic tensors that are not its arguments, as scripts for Keras 2 write them."""

import numpy as np
import pytest

import lamella
from lamella import backend as K
from lamella.layers import Dense, Input, Lambda, Layer, Reshape
from lamella.models import Model

RNG = np.random.RandomState(0)


class Variational(Layer):
    """The last layer of the VAE in a book on Keras: its loss reads `mean` and `log_var`, which are not among its inputs."""

    def __init__(self, mean, log_var, **kwargs):
        super().__init__(**kwargs)
        self.read = [mean, log_var]

    def call(self, inputs):
        mean, log_var = self.read
        x, y = inputs
        divergence = -0.5 * K.mean(1 + log_var - K.square(mean) - K.exp(log_var), axis=-1)
        self.add_loss(K.mean(K.mean(K.square(x - y), axis=-1) + divergence), inputs=inputs)
        return x


class Shaped(Variational):
    def compute_output_shape(self, input_shape):
        return input_shape[0]


@pytest.mark.parametrize("kind", [Variational, Shaped])
def test_a_variational_layer_trains_all_weights(float64, kind):
    x = Input((3,))
    encode, spread = Dense(2, use_bias=False), Dense(2, use_bias=False)
    mean, log_var = encode(x), spread(x)
    decode = Dense(3, use_bias=False)
    y = decode(Lambda(lambda t: t[0] + 0.5 * t[1])([mean, log_var]))
    out = kind(mean, log_var)([x, y])
    assert out.shape == (None, 3)
    model = Model(x, out)
    model.compile(lamella.optimizers.SGD(0.1), loss=None)

    def total(data, a, b, c):
        m, v = data @ a, data @ b
        return (((data - (m + 0.5 * v) @ c) ** 2).mean(1) - 0.5 * (1 + v - m**2 - np.exp(v)).mean(1)).mean()

    for size in (5, 4):
        data = RNG.randn(size, 3)
        weights = [K.get_value(layer.kernel) for layer in (encode, spread, decode)]
        assert model.test_on_batch(data, None) == pytest.approx(total(data, *weights), rel=1e-10)
        np.testing.assert_array_equal(model.predict(data), data)
        assert model.train_on_batch(data, None) == pytest.approx(total(data, *weights), rel=1e-10)
        for i, layer in enumerate((encode, spread, decode)):
            direction = RNG.randn(*weights[i].shape)
            ends = [[*weights], [*weights]]
            ends[0][i], ends[1][i] = weights[i] + 1e-6 * direction, weights[i] - 1e-6 * direction
            slope = (total(data, *ends[0]) - total(data, *ends[1])) / 2e-6
            moved = ((K.get_value(layer.kernel) - weights[i]) * direction).sum()
            np.testing.assert_allclose(moved, -0.1 * slope, rtol=1e-6, atol=1e-9)


class Scaled(Layer):
    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def compute_output_shape(self, input_shape):
        return input_shape


def test_a_call_reads_functions_of_tensors_in_every_kind_of_run():
    x = Input((2, 3))
    inner = Dense(3)(x)
    y = Scaled(K.sum(inner, axis=1, keepdims=True) + 1)(x)
    model = Model(x, Reshape((6,))(y))
    data = RNG.randn(4, 2, 3).astype("f4")
    h = Model(x, inner).predict(data)
    wanted = (data * (h.sum(1, keepdims=True) + 1)).reshape(4, 6)
    np.testing.assert_allclose(model.predict(data), wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(K.function([x], [model.output])([data])[0], wanted, rtol=1e-5, atol=1e-6)
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(data, wanted * 0, batch_size=3, epochs=1, verbose=0)
    assert all((a != b).any() for a, b in zip(before, model.get_weights()))


def test_a_tensor_of_another_input_raises():
    x, other = Input((3,)), Input((3,))
    with pytest.raises((ValueError, TypeError), match="Graph disconnected|has no value"):
        Model(x, Scaled(Dense(3)(other))(x)).predict(np.ones((1, 3)))


class Adding(Layer):
    def __init__(self, adds, **kwargs):
        super().__init__(**kwargs)
        self.adds = adds

    def call(self, inputs):
        if self.adds:
            self.add_loss(K.mean(K.square(inputs)), inputs=inputs)
        return inputs


@pytest.mark.parametrize("adds", [True, False])
def test_losses_that_calls_add_train_the_layers_before_them(float64, adds):
    x = Input((3,))
    first, side = Dense(2, use_bias=False), Dense(2, use_bias=False)
    model = Model(x, [Adding(adds)(first(x)), side(x)])
    model.compile(lamella.optimizers.SGD(0.1), [None, "mse"])
    data = RNG.randn(4, 3)
    w = K.get_value(first.kernel)
    model.train_on_batch(data, np.zeros((4, 2)))
    y = data @ w
    np.testing.assert_allclose(K.get_value(first.kernel), w - adds * 0.1 * data.T @ (2 * y / y.size), rtol=1e-10)


DATA = RNG.randn(4, 3).astype("f4")


def side_branch():
    """An input, a tensor that a Dense layer makes of it, and that layer's weights."""
    x, layer = Input((3,)), Dense(3, use_bias=False)
    side = layer(x)
    return x, side, layer


@pytest.mark.parametrize("output_shape", [None, (3,), lambda shape: shape])
def test_the_function_of_a_lambda_reads_tensors_in_every_kind_of_run(output_shape):
    x, side, layer = side_branch()
    y = Lambda(lambda t: t * (side + 1), output_shape=output_shape)(x)
    (w,) = layer.get_weights()
    expected = DATA * (DATA @ w + 1)
    np.testing.assert_allclose(K.function([x], [y])([DATA])[0], expected, rtol=1e-5, atol=1e-6)
    model = Model(x, y)
    np.testing.assert_allclose(model.predict(DATA), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(Model(x, K.sum(y, axis=1)).predict(DATA), expected.sum(1), rtol=1e-5, atol=1e-6)
    again = Input((3,))
    np.testing.assert_allclose(Model(again, model(again)).predict(DATA), expected, rtol=1e-5, atol=1e-6)


def test_layers_from_which_only_a_lambda_reads_are_not_of_the_model(float64):
    x, side, layer = side_branch()
    last = Dense(2, use_bias=False)
    scaled = Lambda(lambda t: t * side)(x)
    for _ in range(2):  # the second model is made of calls that have run
        model = Model(x, last(scaled))
        assert [type(each).__name__ for each in model.layers] == ["InputLayer", "Lambda", "Dense"]
        assert model.count_params() == 6
        model.compile(lamella.optimizers.SGD(0.1), "mse")
        (w,), (v,) = layer.get_weights(), last.get_weights()
        data = DATA.astype("f8")
        h = data * (data @ w)
        assert model.train_on_batch(data, np.zeros((4, 2))) == pytest.approx(np.mean((h @ v) ** 2), rel=1e-10)
        np.testing.assert_allclose(last.get_weights()[0], v - 0.1 * h.T @ (2 * h @ v / 8), rtol=1e-10)
        np.testing.assert_array_equal(layer.get_weights()[0], w)


def test_a_layer_that_the_model_has_trains_through_a_lambda_that_reads_it(float64):
    x, side, layer = side_branch()
    model = Model(x, [side, Lambda(lambda t: t * side)(x)])
    model.compile(lamella.optimizers.SGD(0.1), [None, "mse"])
    (w,), data = layer.get_weights(), DATA.astype("f8")
    model.train_on_batch(data, np.zeros((4, 3)))
    slope = data.T @ (data * 2 * (data * (data @ w)) / 12)
    np.testing.assert_allclose(layer.get_weights()[0], w - 0.1 * slope, rtol=1e-10)


def test_gradients_go_through_what_a_lambda_reads():
    x, side, layer = side_branch()
    y = Lambda(lambda t: t * side)(x)
    (w,) = layer.get_weights()
    by_x, by_w = K.function([x], K.gradients(y, [x, layer.kernel]))([DATA])
    np.testing.assert_allclose(by_x, DATA @ w + DATA @ w.T, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(by_w, DATA.T @ DATA, rtol=1e-5, atol=1e-6)


def test_a_lambda_returns_a_tensor_that_it_reads():
    x, side, layer = side_branch()
    model = Model(x, Lambda(lambda t: [t + 1, side])(x))
    assert model.output_shape == [(None, 3), (None, 3)]
    first, second = model.predict(DATA)
    np.testing.assert_allclose(first, DATA + 1, rtol=1e-6)
    np.testing.assert_allclose(second, DATA @ layer.get_weights()[0], rtol=1e-5, atol=1e-6)


def test_a_function_that_calls_a_new_layer_in_each_call_is_refused():
    x, side, _ = side_branch()
    with pytest.raises(TypeError, match="has no value in a function that runs on values"):
        Lambda(lambda t: t * Dense(3)(side))(x)
