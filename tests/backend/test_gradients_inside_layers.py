"""K.gradients of values that are computed in a Lambda's function or in a layer's call."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.core.random import set_random_seed
from lamella.layers import Conv2D, Dense, Dropout, Input, Lambda, Layer, MaxPooling2D, Multiply, TimeDistributed, UpSampling2D
from lamella.models import Model, Sequential, clone_model
from lamella.optimizers import SGD

RNG = np.random.default_rng(2)
X = RNG.normal(size=(3, 4)).astype("f4")


def slope_of_cubes(x):
    return K.gradients(K.sum(K.pow(x, 3)), x)[0]


def test_a_lambda_differentiates_what_it_computes():
    x = Input((4,))
    layer = Lambda(slope_of_cubes)
    model = Model(x, layer(x))
    assert model.output_shape == (None, 4)
    np.testing.assert_allclose(model.predict(X), 3 * X**2, rtol=1e-5)
    np.testing.assert_allclose(layer(X), 3 * X**2, rtol=1e-5)
    np.testing.assert_allclose(clone_model(model).predict(X), 3 * X**2, rtol=1e-5)
    np.testing.assert_allclose(K.function([x], K.gradients(model.output, x))([X])[0], 6 * X, rtol=1e-5)


def test_training_differentiates_the_gradient():
    """y = 3 (x w)^2; d sum(y) / d w = 6 sum(x^2) w."""
    model = Sequential([Dense(4, use_bias=False, kernel_initializer="identity", input_shape=(4,)), Lambda(slope_of_cubes)])
    model.compile(SGD(lr=0.5), lambda y_true, y_pred: K.sum(y_pred, axis=-1))
    (before,) = model.get_weights()
    model.train_on_batch(X, np.zeros((3, 4)))
    expected = before - 0.5 * X.T @ (6 * X) / 3
    np.testing.assert_allclose(model.get_weights()[0], expected, rtol=1e-4, atol=1e-5)


class Descent(Layer):
    """x after one step of gradient descent for a quadratic form whose matrix is a weight. The step size has a gradient too."""

    def build(self, input_shape):
        self.bowl = self.add_weight("bowl", (input_shape[-1], input_shape[-1]), initializer="identity")
        self.size = self.add_weight("size", (1,), initializer="ones")
        super().build(input_shape)

    def energy(self, x):
        return K.sum(K.square(K.dot(x, self.bowl))) / 2

    def call(self, inputs):
        return inputs - self.size * K.gradients(self.energy(inputs), [inputs])[0]


def test_a_layer_trains_with_gradients_that_its_call_computes():
    model = Sequential([Descent(input_shape=(4,))])
    np.testing.assert_allclose(model.predict(X), 0 * X, atol=1e-6)
    bowl, size = RNG.normal(size=(4, 4)).astype("f4"), np.array([0.1], "f4")
    model.set_weights([bowl, size])
    np.testing.assert_allclose(model.predict(X), X - 0.1 * X @ bowl @ bowl.T, rtol=1e-4, atol=1e-5)
    model.compile(SGD(lr=0.01), "mse")
    y = RNG.normal(size=(3, 4)).astype("f4")
    (to_bowl, to_size) = model.gradients_on_batch(X, y)

    def loss(b, s):
        b, s = b.astype("f8"), np.asarray(s, "f8")
        return np.mean((X - s * X @ b @ b.T - y) ** 2)

    step = RNG.normal(size=(4, 4))
    by_bowl = (loss(bowl + 1e-5 * step, size) - loss(bowl - 1e-5 * step, size)) / 2e-5
    by_size = (loss(bowl, 0.1 + 1e-5) - loss(bowl, 0.1 - 1e-5)) / 2e-5
    np.testing.assert_allclose([(to_bowl * step).sum(), to_size[0]], [by_bowl, by_size], rtol=1e-4)
    losses = model.fit(X, y, epochs=30, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_gradients_for_the_weights_of_the_layer():
    class Sensitivity(Descent):
        def call(self, inputs):
            (slope,) = K.gradients(self.energy(inputs), [self.bowl])
            return inputs * K.sum(slope)

    model = Sequential([Sensitivity(input_shape=(4,))])
    expected = X * (X.T @ X).sum()
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-4)


def test_a_variable_without_influence_has_no_gradient():
    seen = []

    def function(x):
        seen.append(K.gradients(K.sum(x), [x, K.ones((2,))])[1])
        return x

    Lambda(function)(X)
    assert seen[-1] is None


def test_gradients_inside_a_wrapped_layer():
    x = Input((2, 4))
    model = Model(x, TimeDistributed(Lambda(slope_of_cubes))(x))
    value = RNG.normal(size=(3, 2, 4)).astype("f4")
    np.testing.assert_allclose(model.predict(value), 3 * value**2, rtol=1e-5)


def test_a_lambda_differentiates_for_its_values_and_its_input():
    def slopes(x):
        h = x * x
        return K.gradients(K.sum(h * h), [h, x])

    by_h, by_x = Lambda(slopes)(X)
    np.testing.assert_allclose(by_h, 2 * X**2, rtol=1e-5)
    np.testing.assert_allclose(by_x, 4 * X**3, rtol=1e-5)


class AddsDrawsAndCounts(Layer):
    """Adds a loss, an update and a draw before it computes gradients. Its shape is known without a call."""

    def build(self, input_shape):
        self.w = self.add_weight("w", (4,), initializer="ones")
        self.count = self.add_weight("count", (), initializer="zeros", trainable=False)
        self.inner = Dense(4, activity_regularizer="l2")
        self.built = True

    def call(self, inputs):
        self.add_loss(K.mean(K.square(inputs)))
        self.add_update([(self.count, self.count + 1)])
        x = self.inner(inputs) * self.w * K.random_normal((3, 4))
        return K.gradients(K.sum(K.square(x)), x)[0]

    def compute_output_shape(self, input_shape):
        return input_shape


def test_the_first_call_of_two_leaves_nothing():
    models = []
    for known in (False, True):
        set_random_seed(5)
        x = Input((4,))
        layer = AddsDrawsAndCounts()
        model = Model(x, layer(x))
        layer.asks_gradients = known
        model.compile(SGD(0.1), "mse")
        models.append((model.train_on_batch(X, X), *model.get_weights()))
    for first, other in zip(*models, strict=True):
        np.testing.assert_array_equal(first, other)
    assert layer.count.numpy() == 1


def test_a_layer_called_twice_inside_a_layer_draws_twice():
    noise = Lambda(lambda x: x + K.random_normal((3, 4)))

    class CallsTwice(Layer):
        def call(self, inputs):
            return noise(inputs) - noise(inputs)

    assert (CallsTwice()(X) != 0).all()


def where(tensors):
    before, after = tensors
    return K.gradients(K.sum(after), before)


@pytest.mark.parametrize("output_shape", [None, lambda shapes: shapes[0], (4, 4, 2)])
def test_the_switches_of_max_pooling_in_a_what_where_autoencoder(output_shape):
    x = Input((4, 4, 1))
    h = Conv2D(2, 3, padding="same", name="conv")(x)
    pooled = MaxPooling2D()(h)
    switches = Lambda(where, output_shape=output_shape)([h, pooled])
    up = Multiply()([UpSampling2D()(pooled), switches])
    model = Model(x, Conv2D(1, 3, padding="same")(up))
    images = RNG.normal(size=(8, 4, 4, 1)).astype("f4")
    maps, marks = K.function([x], [h, switches])([images])
    tiles = maps.reshape(8, 2, 2, 2, 2, 2)
    np.testing.assert_array_equal(marks, (tiles == tiles.max(axis=(2, 4), keepdims=True)).reshape(maps.shape))
    model.compile("adam", "mse")
    losses = model.fit(images, images, epochs=40, batch_size=8, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]
    with pytest.raises(NotImplementedError, match="K.gradients"):
        model.get_config()


def test_values_outside_of_a_layer_are_refused_with_advice():
    with pytest.raises(
        TypeError, match="K.gradients: expected a tensor of a graph.*compute them inside a lamella.ops.tape.Tape"
    ):
        K.gradients(np.ones(3), np.ones(3))


class SlopeOfInput(Layer):
    """The norm of the slope of the first input for the second, as in a WGAN with a gradient penalty."""

    def call(self, inputs):
        target, source = inputs
        (slope,) = K.gradients(target, source)
        return K.sqrt(K.sum(K.square(slope), axis=1, keepdims=True))


class ShapedSlope(SlopeOfInput):
    def compute_output_shape(self, input_shape):
        return (input_shape[1][0], 1)


@pytest.mark.parametrize("kind", [SlopeOfInput, ShapedSlope])
def test_a_layer_differentiates_one_of_its_inputs_for_another(float64, kind):
    """y = v . (x w)^2, so dy/dx = 2 w (v * x w)."""
    x, factor = Input((4,)), Input((1,))
    first, last = Dense(3, use_bias=False), Dense(1, use_bias=False)
    h = Lambda(lambda t: K.square(t[0]) * t[1])([first(x), factor])  # `factor` is no input of the layer
    y = last(h)
    norm = kind()([y, x])
    assert norm.shape == (None, 1)
    model = Model([x, factor], [y, norm])
    data, factors = X.astype("f8"), np.array([[1.0], [2.0], [3.0]])

    def norms(w, v):
        return np.sqrt(((2 * factors * (data @ w) * v.T @ w.T) ** 2).sum(1, keepdims=True))

    weights = model.get_weights()
    np.testing.assert_allclose(model.predict([data, factors])[1], norms(*weights), rtol=1e-10)
    np.testing.assert_allclose(clone_with_weights(model).predict([data, factors])[1], norms(*weights), rtol=1e-10)
    model.compile(SGD(lr=0.1), [None, "mse"])
    value, _ = model.train_on_batch([data, factors], np.ones((3, 1)))
    assert value == pytest.approx(np.mean((norms(*weights) - 1) ** 2), rel=1e-10)
    for i, after in enumerate(model.get_weights()):
        step = RNG.normal(size=after.shape)
        ends = [[*weights], [*weights]]
        ends[0][i], ends[1][i] = weights[i] + 1e-6 * step, weights[i] - 1e-6 * step
        slope = (np.mean((norms(*ends[0]) - 1) ** 2) - np.mean((norms(*ends[1]) - 1) ** 2)) / 2e-6
        np.testing.assert_allclose(((after - weights[i]) * step).sum(), -0.1 * slope, rtol=1e-5)


def clone_with_weights(model):
    twin = clone_model(model)
    twin.set_weights(model.get_weights())
    return twin


def test_such_a_layer_sees_the_same_dropout_and_moves_no_state_twice():
    set_random_seed(3)
    x = Input((4,))
    counted = Counted()
    y = Dropout(0.5)(counted(x))
    norm = ShapedSlope()([y, x])
    model = Model(x, [y, norm])
    kept, norms = K.function([x, K.learning_phase()], [y, norm])([X, 1])
    np.testing.assert_allclose(norms[:, 0], np.sqrt((4.0 * (kept != 0)).sum(1)), rtol=1e-5)
    model.compile("sgd", "mse")
    model.train_on_batch(X, [X, X[:, :1]])
    assert counted.count.numpy() == 1


class Counted(Layer):
    def build(self, input_shape):
        self.count = self.add_weight("count", (), initializer="zeros", trainable=False)
        self.built = True

    def call(self, inputs):
        self.add_update([(self.count, self.count + 1)])
        return inputs + 0.0


def test_three_inputs_in_a_row():
    class Chain(Layer):
        def call(self, inputs):
            z, y, x = inputs
            return K.concatenate([K.gradients(z, y)[0], K.gradients(z, x)[0], K.gradients(y, x)[0]])

    x = Input((1,))
    y = Lambda(lambda t: t**2)(x)
    z = Lambda(lambda t: t**3)(y)
    found = Model(x, Chain()([z, y, x])).predict(np.array([[2.0], [3.0]]))
    np.testing.assert_allclose(found, [[3 * 16, 6 * 32, 4], [3 * 81, 6 * 243, 6]], rtol=1e-5)


@pytest.mark.parametrize("output_shape", [None, (4,)])
def test_a_lambda_differentiates_a_tensor_from_outside(output_shape):
    model = Sequential([Dense(3, activation="tanh", input_shape=(4,)), Dense(2, use_bias=False)])
    slopes = Lambda(lambda t: K.gradients(model.output[:, 1], t)[0], output_shape=output_shape)(model.input)
    w, b, v = model.get_weights()
    expected = ((1 - np.tanh(X @ w + b) ** 2) * v[:, 1]) @ w.T
    np.testing.assert_allclose(Model(model.input, slopes).predict(X), expected, rtol=1e-4, atol=1e-6)
