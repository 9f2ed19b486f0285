"""Custom layers as scripts for Keras 2 write them."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Dense, Input, Layer
from lamella.layers.merge import _Merge
from lamella.models import Model

RNG = np.random.RandomState(0)


class CenterLoss(Layer):
    """Squared distances to the centers of classes, which move. Its shape is that of what `call` has computed."""

    def build(self, input_shape):
        self.centers = self.add_weight(name="centers", shape=(3, 2), initializer="ones", trainable=False)
        super().build(input_shape)

    def call(self, x, mask=None):
        moved = K.dot(K.transpose(x[1]), K.dot(x[1], self.centers) - x[0])
        counts = K.sum(K.transpose(x[1]), axis=1, keepdims=True) + 1
        moved /= counts
        self.add_update((self.centers, self.centers - 0.5 * moved), x)
        self.result = K.sum((x[0] - K.dot(x[1], self.centers)) ** 2, axis=1, keepdims=True)
        return self.result

    def compute_output_shape(self, input_shape):
        return K.int_shape(self.result)


def test_compute_output_shape_may_read_what_call_sets():
    a, b, labels = Input((2,)), Input((2,)), Input((3,))
    layer = CenterLoss()
    y = layer([a, labels])
    again = layer([b, labels])
    assert y.shape == again.shape == (None, 1)
    model = Model([a, labels], y)
    model.compile("sgd", lambda t, p: K.sum(p, axis=0))
    for size in (4, 6):
        x, classes = RNG.randn(size, 2), np.eye(3)[RNG.randint(0, 3, size)]
        centers = K.get_value(layer.centers)
        of_rows = classes @ centers
        wanted = ((x - of_rows) ** 2).sum()
        assert model.train_on_batch([x, classes], np.zeros((size, 1))) == pytest.approx(wanted, rel=1e-5)
        moved = classes.T @ (of_rows - x) / (classes.sum(0)[:, None] + 1)
        np.testing.assert_allclose(K.get_value(layer.centers), centers - 0.5 * moved, rtol=1e-5)


class Chosen(Layer):
    """Like the mask of capsules in published code, which tests the type of a shape."""

    def call(self, inputs):
        x = inputs[0] if type(inputs) is list else inputs
        return K.batch_flatten(x)

    def compute_output_shape(self, input_shape):
        if type(input_shape[0]) is tuple:
            return (None, input_shape[0][1] * input_shape[0][2])
        return (None, input_shape[1] * input_shape[2])


def test_shapes_in_lists_are_plain_tuples():
    x = Dense(3)(Input((4, 2)))
    assert Chosen()([x, Input((5,))]).shape == Chosen()(x).shape == (None, 12)


class Missing(Layer):
    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.units)


def test_an_attribute_that_call_does_not_set_either_raises():
    class Failing(Missing):
        def call(self, x):
            return x * self.units

    with pytest.raises(AttributeError, match="units"):
        Failing()(Input((2,)))


class Between(_Merge):
    def __init__(self, share, **kwargs):
        super().__init__(**kwargs)
        self.share = share

    def _merge_function(self, inputs):
        weights = K.constant(self.share, shape=(1, 1))
        return (weights * inputs[0]) + ((1 - weights) * inputs[1])


def test_a_subclass_of_keras_merge():
    a, b = Input((4,)), Input((4,))
    y = Between(0.25)([a, b])
    assert y.shape == (None, 4)
    model = Model([a, b], Dense(1, use_bias=False, kernel_initializer="ones")(y))
    p, q = RNG.randn(2, 3, 4)
    np.testing.assert_allclose(model.predict([p, q])[:, 0], (0.25 * p + 0.75 * q).sum(1), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="at least 2 inputs"):
        Between(0.5)([a])
    copied = Model.from_config(model.get_config(), {"Between": Between})
    copied.set_weights(model.get_weights())
    np.testing.assert_array_equal(copied.predict([p, q]), model.predict([p, q]))


class Largest(Layer):
    def call(self, inputs):
        return K.max(inputs)

    def compute_output_shape(self, input_shape):
        return ()


def test_a_layer_may_return_a_number():
    x = Input((3,))
    y = Largest()(x)
    assert y.shape == ()
    data = RNG.rand(4, 3).astype("f4")
    assert K.function([x], [y])([data])[0] == data.max()
