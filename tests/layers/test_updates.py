"""The state of layers is updated once in each training step, and nowhere else."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import BatchNormalization, Dense, Input, Layer
from lamella.models import Model, Sequential

X = np.arange(24, dtype="float32").reshape(8, 3)
Y = np.zeros((8, 1), "float32")
ZEROS = np.zeros(3, "float32")


class RunningMean(Layer):
    """x - mean; `way` says how the mean is moved."""

    def __init__(self, way, stateful=False, **kwargs):
        super().__init__(**kwargs)
        self.way = way
        self.stateful = stateful

    def build(self, input_shape):
        self.mean = self.add_weight("mean", (input_shape[-1],), initializer="zeros", trainable=False)
        self.built = True

    def call(self, x):
        now = K.mean(x, axis=0)
        y = x - self.mean
        if self.way == "pair":
            self.add_update((self.mean, 0.5 * self.mean + 0.5 * now), x)
        elif self.way == "pairs":
            self.add_update([(self.mean, 0.5 * self.mean + 0.5 * now)], x)
        elif self.way == "update":
            K.update(self.mean, 0.5 * self.mean + 0.5 * now)
        elif self.way == "added":
            self.add_update(K.moving_average_update(self.mean, now, 0.5), x)
        elif self.way == "alone":
            K.moving_average_update(self.mean, now, 0.5)
        return y


class Count(Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.count = K.variable(0.0)

    def call(self, x):
        self.add_update([K.update_add(self.count, 1.0)], x)
        return x * 1.0


WAYS = ("pair", "pairs", "update", "added", "alone")
by_each_way = pytest.mark.parametrize("way", WAYS)


def model_with(layer):
    x = Input((3,))
    model = Model(x, Dense(1)(layer(x)))
    model.compile("sgd", "mse")
    return model


@by_each_way
def test_state_is_updated_once_in_each_training_step(way):
    layer = RunningMean(way)
    model = model_with(layer)
    model.train_on_batch(X, Y)
    np.testing.assert_allclose(layer.mean.value, X.mean(0) / 2, rtol=1e-6)
    model.fit(X, Y, batch_size=4, shuffle=False, epochs=1, verbose=0)
    first, second = X[:4].mean(0), X[4:].mean(0)
    np.testing.assert_allclose(layer.mean.value, X.mean(0) / 8 + first / 4 + second / 2, rtol=1e-6)


@by_each_way
def test_state_does_not_change_outside_of_training(way):
    layer = RunningMean(way)
    model = model_with(layer)
    model.predict(X)
    model.predict_on_batch(X)
    model.evaluate(X, Y, verbose=0)
    model.test_on_batch(X, Y)
    model.gradients_on_batch(X, Y)
    model.activations_on_batch(X)
    K.function([model.input, K.learning_phase()], [model.output])([X, 1])
    model(X)
    layer(X)
    np.testing.assert_array_equal(layer.mean.value, ZEROS)


@by_each_way
@pytest.mark.parametrize("nested", [False, True])
def test_state_of_frozen_layers_does_not_change(way, nested):
    layer = RunningMean(way)
    part = layer
    if nested:
        part = Sequential([layer])
        part.build((None, 3))
    model = model_with(part)
    part.trainable = False
    model.compile("sgd", "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    np.testing.assert_array_equal(layer.mean.value, ZEROS)
    part.trainable = True
    model.compile("sgd", "mse")
    model.train_on_batch(X, Y)
    np.testing.assert_allclose(layer.mean.value, X.mean(0) / 2, rtol=1e-6)


@by_each_way
@pytest.mark.parametrize("trainable", [False, True])
def test_stateful_layers_are_also_updated_in_predict_and_evaluate(way, trainable):
    layer = RunningMean(way, stateful=True, trainable=trainable)
    model = model_with(layer)
    want = ZEROS
    for step in (
        lambda: model.predict_on_batch(X),
        lambda: model.predict(X),
        lambda: model.test_on_batch(X, Y),
        lambda: model.evaluate(X, Y, batch_size=8, verbose=0),
        lambda: model.train_on_batch(X, Y),
        lambda: layer(X),
    ):
        step()
        want = want / 2 + X.mean(0) / 2
        np.testing.assert_allclose(layer.mean.value, want, rtol=1e-6)
    K.function([model.input], [model.output])([X])
    np.testing.assert_allclose(layer.mean.value, want, rtol=1e-6)


def test_a_stateful_layer_does_not_update_other_layers_in_predict():
    still, moving = RunningMean("update"), RunningMean("update", stateful=True)
    x = Input((3,))
    model = Model(x, still(moving(still(x))))
    model.predict(X)
    np.testing.assert_array_equal(still.mean.value, ZEROS)
    np.testing.assert_allclose(moving.mean.value, X.mean(0) / 2, rtol=1e-6)


def test_a_layer_called_twice_is_updated_twice_from_the_same_state():
    x = Input((3,))
    count, mean = Count(), RunningMean("alone")
    model = Model(x, Dense(1)(mean(mean(count(count(x))))))
    model.compile("sgd", "mse")
    model.train_on_batch(X, Y)
    assert float(count.count) == 2.0
    # Both calls read the mean from before the step.
    np.testing.assert_allclose(mean.mean.value, X.mean(0) / 4 + X.mean(0) / 2, rtol=1e-6)


def test_updates_read_the_state_before_the_step():
    class Swap(Layer):
        def build(self, input_shape):
            self.a = self.add_weight("a", (), initializer="zeros", trainable=False)
            self.b = self.add_weight("b", (), initializer="ones", trainable=False)
            self.built = True

        def call(self, x):
            self.add_update([(self.a, self.b), (self.b, self.a)])
            return x + self.a

    layer = Swap()
    model_with(layer).train_on_batch(X, Y)
    assert [float(layer.a), float(layer.b)] == [1.0, 0.0]


def test_a_step_that_fails_updates_nothing():
    def loss(y, p):
        raise ArithmeticError("no loss today")

    layer, norm = RunningMean("update"), BatchNormalization()
    x = Input((3,))
    model = Model(x, Dense(1)(norm(layer(x))))
    model.compile("sgd", loss)
    before = model.get_weights()
    with pytest.raises(ArithmeticError, match="no loss today"):
        model.train_on_batch(X, Y)
    for a, b in zip(before, model.get_weights()):
        np.testing.assert_array_equal(a, b)
    K.update(layer.mean, np.ones(3))  # outside of a run
    np.testing.assert_array_equal(layer.mean.value, np.ones(3))


def test_a_direct_call_updates_state_in_the_training_phase():
    norm = BatchNormalization(momentum=0.5)
    norm(X)
    np.testing.assert_array_equal(norm.moving_mean.value, ZEROS)
    norm(X, training=True)
    np.testing.assert_allclose(norm.moving_mean.value, X.mean(0) / 2, rtol=1e-6)
    model = Sequential([norm])
    model.build((None, 3))
    model(X, training=True)
    np.testing.assert_allclose(norm.moving_mean.value, X.mean(0) * 0.75, rtol=1e-6)
    norm.trainable = False
    norm(X, training=True)
    np.testing.assert_allclose(norm.moving_mean.value, X.mean(0) * 0.75, rtol=1e-6)


def test_predictions_in_the_training_phase_do_not_update_batch_norm():
    model = Sequential([Dense(4, input_dim=3), BatchNormalization(), Dense(2)])
    before = model.get_weights()
    draw = K.function([model.input, K.learning_phase()], [model.output])
    y = draw([X, 1])[0]
    assert not np.allclose(y, model.predict(X))
    for a, b in zip(before, model.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_batch_normalization_fixed_to_training_is_updated_only_in_fit():
    x = Input((3,))
    norm = BatchNormalization(momentum=0.5)
    model = Model(x, Dense(1)(norm(x, training=True)))
    model.compile("sgd", "mse")
    model.predict(X)
    model.evaluate(X, Y, verbose=0)
    np.testing.assert_array_equal(norm.moving_mean.value, ZEROS)
    model.train_on_batch(X, Y)
    np.testing.assert_allclose(norm.moving_mean.value, X.mean(0) / 2, rtol=1e-6)


def test_evaluate_within_a_step_does_not_change_its_updates():
    layer = RunningMean("update")
    model = model_with(layer)
    other = model_with(RunningMean("update"))

    class Asks(Layer):
        def call(self, x):
            other.predict(X)
            return x * 1.0

    x = Input((3,))
    asking = Model(x, Dense(1)(layer(Asks()(x))))
    asking.compile("sgd", "mse")
    asking.train_on_batch(X, Y)
    np.testing.assert_allclose(layer.mean.value, X.mean(0) / 2, rtol=1e-6)
    assert model.layers[1] is layer


def test_k_update_in_a_call_returns_the_new_value():
    class Shifted(Layer):
        def build(self, input_shape):
            self.shift = self.add_weight("shift", (3,), initializer="zeros", trainable=False)
            self.built = True

        def call(self, x):
            return x + K.update_add(self.shift, np.ones(3))

    layer = Shifted()
    x = Input((3,))
    model = Model(x, layer(x))
    np.testing.assert_array_equal(model.predict(X), X + 1)
    np.testing.assert_array_equal(model.predict(X), X + 1)
    model.compile("sgd", "mse")
    model.train_on_batch(X, X)
    np.testing.assert_array_equal(model.predict(X), X + 2)


def test_bad_updates_name_what_came():
    layer = RunningMean("pair", name="running")
    layer.build((None, 3))
    with pytest.raises(TypeError, match=r"Layer running: add_update expects \(variable, new value\) or what K.update returns"):
        layer.add_update("mean")
    with pytest.raises(ValueError, match=r"update of 'running/mean:0': expected shape \(3,\), got \(2,\)"):
        layer.add_update((layer.mean, np.zeros(2)))
    with pytest.raises(TypeError, match="K.update: expected a Variable, got list"):
        K.update([1.0], 2.0)
    for change in (K.update_add, K.update_sub):
        with pytest.raises(TypeError, match=rf"K\.{change.__name__}: expected a Variable, got list"):
            change([1.0], 2.0)
    with pytest.raises(TypeError, match=r"K\.moving_average_update: expected a Variable, got ndarray"):
        K.moving_average_update(np.ones(2), np.ones(2), 0.9)
    with pytest.raises(ValueError, match=r"update of 'running/mean:0': expected shape \(3,\), got \(\)"):
        K.update(layer.mean, 2.0)
    np.testing.assert_array_equal(layer.mean.value, ZEROS)


@pytest.mark.filterwarnings("ignore:the loss of batch 0 is nan")  # 0 / 0 of one row and epsilon 0
@pytest.mark.parametrize(("epsilon", "rows"), [(0.0, 1), (2.0, 2), (3.0, 2), (1e-3, 1), (1.0, 3)])
def test_the_moving_variance_of_few_rows_is_not_corrected(epsilon, rows):
    layer = BatchNormalization(epsilon=epsilon, momentum=0.5)
    net = Sequential([Dense(2, input_shape=(2,), trainable=False), layer])
    net.compile("sgd", "mse")
    x = np.arange(2.0 * rows).reshape(rows, 2) ** 2
    variance = net.layers[0](K.constant(x))
    variance = K.eval(variance).var(axis=0)
    net.train_on_batch(x, np.zeros((rows, 2)))
    factor = rows / (rows - 1 - epsilon) if rows > 1 + epsilon else 1
    np.testing.assert_allclose(layer.get_weights()[3], 0.5 + 0.5 * factor * variance, rtol=1e-5)
