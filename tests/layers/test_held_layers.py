"""Inner layers of a user's layer: their weights are weights of the outer layer, in whatever attribute they are stored."""

import pickle

import numpy as np
import pytest

from lamella import backend as K
from lamella.core.registry import custom_object_scope
from lamella.layers import LSTM, BatchNormalization, Bidirectional, Dense, Dropout, Input, Layer, TimeDistributed, Wrapper
from lamella.models import Model, Sequential, load_model
from lamella.ops.tape import Tape

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(16, 4)) * 2 + 3).astype("float32")
Y = RNG.normal(size=(16, 2)).astype("float32")


class Holder(Layer):
    """A layer with two Dense layers. `way` decides where they are stored, and when they are made."""

    def __init__(self, way="attributes", **kwargs):
        super().__init__(**kwargs)
        self.way = way
        if way != "build":
            self.make()

    def make(self):
        first, second = Dense(5, activation="relu", name=self.name + "_a"), Dense(2, name=self.name + "_b")
        if self.way == "list":
            self.parts = [first, second]
        elif self.way == "dict":
            self.parts = {"first": first, "others": (second,)}
        else:
            self.first, self.second = first, second

    def build(self, input_shape):
        if self.way == "build":
            self.make()
        self.built = True

    def call(self, x):
        if self.way == "list":
            first, second = self.parts
        elif self.way == "dict":
            first, (second,) = self.parts["first"], self.parts["others"]
        else:
            first, second = self.first, self.second
        return second(first(x))


def held(holder):
    return [layer for layer in holder.members() if layer is not holder]


@pytest.mark.parametrize("way", ["attributes", "list", "dict", "build"])
def test_weights_of_inner_layers_are_trained_counted_and_saved(way, tmp_path):
    x = Input((4,))
    holder = Holder(way, name="holder")
    model = Model(x, holder(x))
    assert holder.output_shape == (None, 2)
    names = [f"holder/{name}:0" for name in ("holder_a/kernel", "holder_a/bias", "holder_b/kernel", "holder_b/bias")]
    assert [w.name for w in model.trainable_weights] == names
    assert holder.count_params() == 4 * 5 + 5 + 5 * 2 + 2
    first, second = held(holder)
    y = np.maximum(X @ first.kernel.value + first.bias.value, 0) @ second.kernel.value + second.bias.value
    np.testing.assert_allclose(model.predict(X), y, rtol=1e-5)
    model.compile("sgd", "mse")
    before = model.get_weights()
    with Tape(model.trainable_weights) as tape:
        loss = K.mean(K.square(model.run([X])[0] - Y))
    steps = tape.gradients(loss)
    model.train_on_batch(X, Y)
    for old, step, new in zip(before, steps, model.get_weights(), strict=True):
        np.testing.assert_allclose(new, old - 0.01 * step, rtol=1e-5, atol=1e-6)
    for copy in (load_model_of(model, tmp_path), pickled(model)):
        np.testing.assert_array_equal(copy.predict(X), model.predict(X))


def load_model_of(model, tmp_path):
    model.save(tmp_path / "m.h5")
    return load_model(tmp_path / "m.h5", custom_objects={"Holder": Holder})


def pickled(model):
    with custom_object_scope({"Holder": Holder}):
        return pickle.loads(pickle.dumps(model))


def test_inner_layers_of_one_shape_get_different_weights():
    class Pair(Layer):
        def build(self, input_shape):
            self.left, self.right = Dense(4), Dense(4)
            self.built = True

        def call(self, x):
            return self.left(x) + self.right(x)

    x = Input((4,))
    a, b = Pair(), Pair()
    b(a(x))
    kernels = [w.value for layer in (a, b) for w in layer.weights if w.ndim == 2]
    assert len({kernel.tobytes() for kernel in kernels}) == 4


def test_freezing_a_layer_freezes_its_inner_layers():
    class Normed(Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.norm, self.dense = BatchNormalization(), Dense(2)

        def call(self, x):
            return self.dense(self.norm(x))

    x = Input((4,))
    layer = Normed()
    model = Model(x, layer(x))
    model.compile("sgd", "mse")
    model.train_on_batch(X, Y)
    np.testing.assert_allclose(layer.norm.moving_mean.value, 0.01 * X.mean(0), rtol=1e-4)
    layer.trainable = False
    model.compile("sgd", "mse")
    assert model.trainable_weights == [] and len(model.non_trainable_weights) == 6
    before, predicted = model.get_weights(), model.predict(X)
    loss = model.train_on_batch(X, Y)
    assert loss == pytest.approx(np.square(predicted - Y).mean(), rel=1e-5)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    layer.trainable = True
    layer.dense.trainable = False
    assert [w.name.split("/")[-1] for w in layer.trainable_weights] == ["gamma:0", "beta:0"]


def test_an_inner_layer_with_two_attributes_is_trained_once():
    class Tied(Layer):
        def __init__(self, inner, **kwargs):
            super().__init__(**kwargs)
            self.inner = inner

        def call(self, x):
            return self.inner(x)

        def compute_output_shape(self, shape):
            return (shape[0], 4)

    x = Input((4,))
    dense = Dense(4, use_bias=False)
    model = Model(x, Tied(dense)(Tied(dense)(dense(x))))
    assert len(model.trainable_weights) == 1
    model.compile("sgd", "mse")
    before = dense.kernel.numpy()
    with Tape([dense.kernel]) as tape:
        loss = K.mean(K.square(model.run([X])[0] - X))
    (step,) = tape.gradients(loss)
    model.train_on_batch(X, X)
    np.testing.assert_allclose(dense.kernel.value, before - 0.01 * step, rtol=1e-5, atol=1e-6)


def test_nested_and_circular_inner_layers_and_models():
    class Outer(Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = Holder()
            self.inner.outer = self
            self.model = Sequential([Dense(3, input_dim=2), Dropout(0.5)])

        def call(self, x):
            return self.model(self.inner(x))

    x = Input((4,))
    outer = Outer()
    model = Model(x, outer(x))
    assert [w.shape for w in model.trainable_weights] == [(4, 5), (5,), (5, 2), (2,), (2, 3), (3,)]
    model.compile("sgd", "mse")
    assert not np.array_equal(model.run([X], training=True)[0], model.run([X])[0])  # the Dropout gets the learning phase


def test_penalties_of_inner_layers_are_counted_once():
    class Penalized(Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense = Dense(2, kernel_regularizer="l2", activity_regularizer="l1", use_bias=False)
            self.model = Sequential([Dense(2, kernel_regularizer="l2", use_bias=False, input_dim=2)])

        def call(self, x):
            return self.model(self.dense(x))

    x = Input((4,))
    layer = Penalized()
    model = Model(x, layer(x))
    model.compile("sgd", "mse")
    a, b = (w.value for w in layer.weights)
    want = np.square(X @ a @ b - Y).mean() + 0.01 * np.square(a).sum() + 0.01 * np.square(b).sum() + 0.01 * np.abs(X @ a).sum()
    for _ in range(3):
        assert model.test_on_batch(X, Y) == pytest.approx(want, rel=1e-4)
    assert len(layer.dense.call_losses.values) == 1


class Sums(Layer):
    def call(self, xs):
        return xs[0] + xs[1]


class Parts(Layer):
    def call(self, x):
        return x[:, :1], x[:, 1:]


def test_shapes_and_numbers_of_outputs_are_those_of_call():
    x, z = Input((4,)), Input((4,))
    total = Sums()([x, z])
    assert not isinstance(total, list) and total.shape == (None, 4)
    left, right = Parts()(x)
    assert (left.shape, right.shape) == ((None, 1), (None, 3))
    model = Model([x, z], [total, right])
    np.testing.assert_allclose(model.predict([X, X])[0], X + X)
    np.testing.assert_allclose(model.predict([X, X])[1], X[:, 1:])

    class Width(Layer):
        def call(self, x, keepdims=False):
            return K.sum(x, axis=-1, keepdims=keepdims)

    assert Width()(x).shape == (None,)
    assert Width()(x, keepdims=True).shape == (None, 1)
    free = Input((None, 4))
    assert Width()(free).shape == (None, None)
    chained = Model(x, Dense(1)(Width()(x, keepdims=True)))
    assert chained.predict(X).shape == (16, 1)


def test_a_trial_changes_no_state_and_keeps_no_loss():
    class Stateful(Layer):
        def build(self, input_shape):
            self.count = self.add_weight("count", (), initializer="zeros", trainable=False)
            self.built = True

        def call(self, x):
            self.add_update(K.update_add(self.count, 1.0))
            self.add_loss(K.sum(x))
            return K.sum(x, axis=-1)

    layer = Stateful()
    assert layer(Input((4,))).shape == (None,)
    assert float(layer.count) == 0 and len(layer.losses) == 1


def test_an_unknown_shape_is_named_in_a_run():
    class Odd(Layer):
        def call(self, x):
            if not np.any(getattr(x, "value", x)):
                raise RuntimeError("no zeros, please")
            return K.sum(x, axis=-1)

    x = Input((4,))
    model = Model(x, Odd(name="odd")(x))
    with pytest.raises(ValueError, match=r"Layer odd: call\(\) returned \(16,\), where \(None, 4\) .*compute_output_shape"):
        model.predict(X)

    class Unbuilt(Odd):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense = Dense(3, name="inside")

    with pytest.warns(UserWarning, match=r"Layer late: its layers \['inside'\] are not built.*RuntimeError: no zeros"):
        Unbuilt(name="late")(x)


class Transposed(Layer):
    """A decoder that computes with the kernel of an encoder, which is in its attributes."""

    def __init__(self, encoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder

    def build(self, input_shape):
        self.bias = self.add_weight("bias", (self.encoder.kernel.shape[0],), initializer="zeros")
        self.built = True

    def call(self, x):
        return K.dot(x, K.transpose(self.encoder.kernel)) + self.bias

    def compute_output_shape(self, input_shape):
        return input_shape[0], self.encoder.kernel.shape[0]


def test_a_layer_of_the_graph_is_not_inside_another_one(tmp_path):
    encoder = Dense(3, input_shape=(4,), kernel_regularizer="l2")
    model = Sequential([encoder, Transposed(encoder)])
    assert [w.shape for w in model.get_weights()] == [(4, 3), (3,), (4,)]
    assert model.count_params() == 19 and model.layers[1].count_params() == 4
    assert [w.shape for w in model.layers[1].weights] == [(4,)]
    model.compile("sgd", "mse")
    kernel = K.get_value(encoder.kernel)
    loss = np.square(X @ kernel @ kernel.T - X).mean() + 0.01 * np.square(kernel).sum()
    assert model.train_on_batch(X, X) == pytest.approx(loss, rel=1e-5)
    slope = np.full(X.shape, 2 / X.size) * (X @ kernel @ kernel.T - X)
    dkernel = X.T @ slope @ kernel + slope.T @ X @ kernel + 0.02 * kernel
    np.testing.assert_allclose(K.get_value(encoder.kernel), kernel - 0.01 * dkernel, rtol=1e-4, atol=1e-6)
    model.save_weights(tmp_path / "w.h5")
    saved = model.get_weights()
    model.set_weights([0 * w for w in saved])
    model.load_weights(tmp_path / "w.h5")
    for got, wanted in zip(model.get_weights(), saved):
        np.testing.assert_array_equal(got, wanted)
    encoder.trainable = False
    assert len(model.trainable_weights) == 1


class Holding(Layer):
    """A script's layer with a layer of its own in an attribute."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = Dense(2, name="inner")

    def build(self, input_shape):
        self.inner.build(input_shape)
        self.built = True

    def call(self, x):
        return self.inner.call(x)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2)


class DropConnect(Wrapper):
    """A script's wrapper."""

    def build(self, input_shape):
        if not self.layer.built:
            self.layer.build(input_shape)
        self.built = True

    def call(self, x):
        return self.layer.call(x)

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)


def _weights_that_move(model, x, y):
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.train_on_batch(x, y)
    return [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]


def test_the_layer_of_a_wrapper_may_be_in_another_graph():
    """Before or after: as in Keras, its weights are the wrapper's."""
    dense, i, s = Dense(3), Input((4,)), Input((2, 4))
    Model(i, dense(i))
    timed = Model(s, TimeDistributed(dense)(s))
    assert _weights_that_move(timed, np.ones((5, 2, 4)), np.ones((5, 2, 3))) == [True, True]
    wrapped = Model(i, DropConnect(dense)(i))
    assert _weights_that_move(wrapped, np.ones((5, 4)), np.zeros((5, 3))) == [True, True]

    both = Bidirectional(LSTM(2))
    model = Model(s, both(s))
    Model(s, both.forward_layer(s))
    assert len(model.weights) == 6
    assert _weights_that_move(model, np.ones((5, 2, 4)), np.ones((5, 4))) == [True] * 6


def test_a_layer_that_is_called_alone_later_stays_inside():
    i = Input((4,))
    model = Model(i, Holding()(i))
    inner = model.layers[1].inner
    Model(i, inner(i))
    assert [w.shape for w in model.get_weights()] == [(4, 2), (2,)]
    assert _weights_that_move(model, np.ones((5, 4)), np.ones((5, 2))) == [True, True]
