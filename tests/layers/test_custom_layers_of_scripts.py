"""Custom layers as scripts for Keras 2 write them."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Dense, Input, Lambda, Layer
from lamella.layers.merge import _Merge
from lamella.models import Model, Sequential

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
    with pytest.raises(ValueError, match="list of inputs"):
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


class Doubled(Layer):
    """Doubles each tensor, and returns a list also for one. Keeps the shapes that build and compute_output_shape get."""

    def build(self, input_shape):
        self.seen = [input_shape]
        super().build(input_shape)

    def call(self, x):
        return [2 * K.ones_like(t) * t for t in (x if isinstance(x, list) else [x])]


class DoubledOfKnownShape(Doubled):
    def compute_output_shape(self, input_shape):
        self.seen.append(input_shape)
        return input_shape if isinstance(input_shape, list) else [input_shape]


@pytest.mark.parametrize("layer", [Doubled, DoubledOfKnownShape])
def test_lists_of_one_tensor_are_one_tensor(layer):
    """As real Keras 2.2.5 does, run side by side."""
    a, b = Input((3,)), Input((2,))
    x = np.float32([[1, 2, 3], [4, 5, 6]])
    for given in (a, [a]):
        made = layer()
        y = made(given)
        assert y.shape == (None, 3) and all(shape == (None, 3) for shape in made.seen)
        np.testing.assert_array_equal(Model(a, Dense(3, kernel_initializer="identity")(y)).predict(x), 2 * x)
    y = layer()([a, b])
    assert [t.shape for t in y] == [(None, 3), (None, 2)]
    for got, wanted in zip(Model([a, b], y).predict([x, x[:, :2]]), (2 * x, 2 * x[:, :2])):
        np.testing.assert_array_equal(got, wanted)
    seen = []
    assert Lambda(lambda t: t[0], output_shape=lambda shape: seen.append(shape) or shape)([a]).shape == (None, 3)
    assert seen[0] == (None, 3)


class Stacked(Layer):
    """Returns [N, 2, 3] for [N, 3], and says that it returns [N, 3]."""

    def call(self, x):
        return K.stack([x, 10 * x], axis=1)

    def compute_output_shape(self, input_shape):
        return input_shape


class Plus(Layer):
    """Adds 1; `zeros` is how many times zeros are put behind. The class does not say its shape."""

    zeros = 0

    def call(self, x):
        return K.concatenate([x + 1, *[K.zeros_like(x)] * self.zeros])


def test_a_wrong_output_shape_ahead_is_not_checked():
    """As in Keras 2.2.5, the run counts: [2, 2, 3] with real Keras, although the graph says [N, 3]."""
    a = Input((3,))
    x = np.float32([[1, 2, 3], [4, 5, 6]])
    y = Plus()(Stacked()(a))
    assert y.shape == (None, 3)
    np.testing.assert_array_equal(Model(a, y).predict(x), np.stack([x, 10 * x], 1) + 1)
    # Where the shapes ahead are right, another shape than that of the trial is an error.
    layer = Plus()
    model = Model(a, layer(a))
    np.testing.assert_array_equal(model.predict(x), x + 1)
    layer.zeros = 1
    with pytest.raises(ValueError, match=rf"{layer.name}: call\(\) returned \(2, 6\), where \(None, 3\) was found"):
        model.predict(x)


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (lambda x, a: x * a + K.abs(a), lambda x, a: x + np.sign(a)),
        (lambda x, a: K.abs(a) + x, lambda x, a: np.sign(a) + 0 * x),
        (lambda x, a: x * K.exp(a) + x * K.square(a) + 2 * a, lambda x, a: x * np.exp(a) + 2 * x * a + 2),
    ],
)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_weight_without_axes_that_is_read_more_than_once(function, slope, optimizer):
    class Scaled(Layer):
        def build(self, input_shape):
            self.scale = self.add_weight("scale", (), initializer="ones")
            super().build(input_shape)

        def call(self, x):
            return function(x, self.scale)

    x = Input((2,))
    model = Model(x, Scaled()(x))
    model.set_weights([-0.7])
    values = RNG.randn(4, 2)
    found = K.function([x], K.gradients(K.sum(model.output), model.trainable_weights))([values])[0]
    np.testing.assert_allclose(found, slope(values, -0.7).sum(), rtol=1e-5)
    model.compile(optimizer, lambda y_true, y_pred: K.sum(y_pred, axis=-1))
    model.train_on_batch(values, values)
    rate = 0.01 * slope(values, -0.7).sum(1).mean() if optimizer == "sgd" else 0.001 * np.sign(slope(values, -0.7).sum())
    np.testing.assert_allclose(model.get_weights()[0], -0.7 - rate, rtol=1e-4)


class ScaledAttention(Layer):
    """Divides by a number of NumPy, which is a float64."""

    def call(self, inputs):
        q, k = inputs
        scores = K.softmax(K.batch_dot(q, k, axes=[2, 2]) / np.sqrt(q.shape[-1]))
        return np.float64(2) * K.batch_dot(scores, k)

    def compute_output_shape(self, input_shape):
        return input_shape[0]


def test_a_call_with_numbers_of_numpy_keeps_float32():
    q, k = Input((5, 8)), Input((5, 8))
    model = Model([q, k], Dense(3, kernel_initializer="ones")(ScaledAttention()([q, k])))
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 8)).astype("f")
    scores = np.einsum("bqd,bkd->bqk", *x.astype("d")) / 8**0.5
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    wanted = np.repeat(2 * (weights @ x[1]).sum(-1, keepdims=True), 3, axis=-1)
    y = model.predict(list(x))
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(model.train_on_batch(list(x), np.zeros((4, 5, 3), "f")), np.mean(wanted**2), rtol=1e-4)


class Anchors(Layer):
    """The centres of a grid's cells, as the layers of SSD compute them from `x._keras_shape`."""

    def call(self, x):
        _, height, width, _ = x._keras_shape
        centres = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1)[np.newaxis]
        return K.tile(K.constant(centres), (K.shape(x)[0], 1, 1, 1))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:3], 2)


def test_a_call_reads_the_shape_that_keras_stores():
    x = Input((3, 4, 2))
    y = Dense(2, kernel_initializer="ones")(x)
    model = Model(x, [Anchors()(x), Anchors()(y), y])
    model.compile("sgd", "mse")
    values = np.ones((5, 3, 4, 2), "f")
    of_input, of_layer, _ = model.predict(values)
    assert of_input.shape == (5, 3, 4, 2)
    assert of_input[4, 2, 1].tolist() == [1.5, 2.5]
    np.testing.assert_array_equal(of_layer, of_input)
    losses = model.train_on_batch(values, [of_input + 2, of_layer, np.full((5, 3, 4, 2), 1.0)])
    np.testing.assert_allclose(losses, [4 + 0 + 1, 4, 0, 1], rtol=1e-6)


class Declared(Layer):
    """For Theano, whose functions lose shapes, calls set `x._keras_shape` by hand."""

    def __init__(self, shape=None, **options):
        super().__init__(**options)
        self.declared = shape

    def call(self, x):
        shape = K.int_shape(x)
        y = x * 2.0
        y._keras_shape = self.declared or shape
        assert K.int_shape(y) == shape
        return y


def test_a_call_sets_the_shape_that_keras_stores():
    model = Sequential([Dense(2, kernel_initializer="ones", input_shape=(3,)), Declared(), Declared((None, 2))])
    model.compile("sgd", "mse")
    x = np.ones((4, 3), "f")
    assert np.array_equal(model.predict(x), np.full((4, 2), 12, "f"))
    assert model.train_on_batch(x, np.zeros((4, 2), "f")) == 144


def test_a_call_that_sets_another_shape_raises():
    with pytest.raises(ValueError, match=r"\(None, 3\) contradicts the shape"):
        Sequential([Dense(2, input_shape=(3,)), Declared((None, 3))]).predict(np.ones((4, 3)))
    x = K.variable(np.ones((4, 2)))
    with pytest.raises(ValueError, match=r"\(4, 3\) contradicts the shape"):
        (x * 2)._keras_shape = (4, 3)


def test_weights_have_the_shapes_that_scripts_read():
    model = Sequential([Dense(2, input_shape=(3,)), Dense(4)])
    assert sum(int(np.prod(w.get_shape().as_list())) for w in model.trainable_weights) == 20 == model.count_params()
    assert [w.shape.as_list() for w in model.weights] == [[3, 2], [2], [2, 4], [4]]
    assert model.weights[0].shape[0].value == 3
    assert model.weights[0]._keras_shape == (3, 2) == model.weights[0].shape
