"""The models of Keras 2's guides on the functional API and on custom layers, in a small form, with numbers."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import LSTM, Conv2D, Dense, Embedding, Flatten, Input, Layer, MaxPooling2D, TimeDistributed, concatenate
from lamella.models import Model, Sequential, load_model
from lamella.optimizers import SGD, Adam
from lamella.utils import set_random_seed

RNG = np.random.default_rng(8)


@pytest.fixture(autouse=True)
def seed():
    set_random_seed(5)


class Scaled(Layer):
    """x W, times a factor; the guide's layer with build, call, compute_output_shape and get_config."""

    def __init__(self, output_dim, factor=1.0, **kwargs):
        self.output_dim, self.factor = output_dim, factor
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[1], self.output_dim), initializer="uniform", trainable=True
        )
        super().build(input_shape)

    def call(self, x):
        return self.factor * K.dot(x, self.kernel)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.output_dim)

    def get_config(self):
        return dict(list(super().get_config().items()) + [("output_dim", self.output_dim), ("factor", self.factor)])


class SumAndDot(Layer):
    """A layer of two inputs a and b that returns (a + b) W and the dot products of the rows."""

    def build(self, input_shape):
        assert isinstance(input_shape, list)
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[0][1], 2), initializer="ones")
        super().build(input_shape)

    def call(self, inputs):
        a, b = inputs
        return [K.dot(a + b, self.kernel), K.sum(a * b, axis=-1, keepdims=True)]

    def compute_output_shape(self, input_shape):
        batch = input_shape[0][0]
        return [(batch, 2), (batch, 1)]


def test_a_custom_layer_learns_and_is_loaded(tmp_path):
    x = RNG.normal(size=(64, 4)).astype("f4")
    y = x @ RNG.normal(size=(4, 3)).astype("f4")
    model = Sequential([Scaled(3, factor=2.0, input_shape=(4,), name="own")])
    assert model.output_shape == (None, 3) and [w.name for w in model.weights] == ["own/kernel:0"]
    model.compile(SGD(lr=0.1), "mse")
    losses = model.fit(x, y, epochs=30, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < 1e-3 * losses[0]
    np.testing.assert_allclose(model.predict(x), 2 * x @ model.get_weights()[0], rtol=1e-5, atol=1e-6)
    model.save(str(tmp_path / "own.h5"))
    again = load_model(str(tmp_path / "own.h5"), custom_objects={"Scaled": Scaled})
    assert again.layers[0].factor == 2.0
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_a_layer_with_two_inputs_and_two_outputs():
    a, b = Input((3,)), Input((3,))
    projected, dots = SumAndDot()([a, b])
    assert (projected.shape, dots.shape) == ((None, 2), (None, 1))
    x, z = RNG.normal(size=(2, 5, 3)).astype("f4")
    first, second = Model([a, b], [projected, dots]).predict([x, z])
    np.testing.assert_allclose(first, np.repeat((x + z).sum(1, keepdims=True), 2, axis=1), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(second[:, 0], (x * z).sum(1), rtol=1e-4, atol=1e-5)


def test_a_headline_model_with_a_second_input_and_an_auxiliary_output():
    main = Input((6,), dtype="int32", name="main_input")
    h = LSTM(8)(Embedding(20, 8, input_length=6)(main))
    auxiliary = Dense(1, activation="sigmoid", name="aux_output")(h)
    extra = Input((2,), name="aux_input")
    h = Dense(16, activation="relu")(concatenate([h, extra]))
    model = Model([main, extra], [Dense(1, activation="sigmoid", name="main_output")(h), auxiliary])
    model.compile(
        Adam(0.02),
        loss={"main_output": "binary_crossentropy", "aux_output": "binary_crossentropy"},
        loss_weights={"main_output": 1.0, "aux_output": 0.2},
    )
    words, more = RNG.integers(1, 20, (128, 6)), RNG.normal(size=(128, 2))
    label = (words[:, :1] > 9).astype("f4")
    data = {"main_input": words, "aux_input": more}, {"main_output": label, "aux_output": label}
    total, of_main, of_aux = model.evaluate(*data, verbose=0)
    assert model.metrics_names == ["loss", "main_output_loss", "aux_output_loss"]
    assert total == pytest.approx(of_main + 0.2 * of_aux, rel=1e-5)
    history = model.fit(*data, epochs=15, batch_size=32, verbose=0).history
    assert history["main_output_loss"][-1] < 0.2 and history["aux_output_loss"][-1] < 0.3


def test_a_shared_lstm_reads_two_tweets():
    shared = LSTM(4)
    a, b = Input((5, 3)), Input((5, 3))
    left, right = shared(a), shared(b)
    model = Model([a, b], Dense(1, activation="sigmoid")(concatenate([left, right], axis=-1)))
    assert len([layer for layer in model.layers if isinstance(layer, LSTM)]) == 1
    assert shared.get_output_at(0) is left and shared.get_output_at(1) is right
    with pytest.raises(AttributeError, match="has multiple inbound nodes"):
        shared.output
    assert shared.output_shape == (None, 4)
    # The gradient of a shared weight is the sum of the gradients of all calls.
    x, z = RNG.normal(size=(2, 6, 5, 3)).astype("f4")
    y = RNG.integers(0, 2, (6, 1))
    model.compile("sgd", "binary_crossentropy")
    together = model.gradients_on_batch([x, z], y)[:3]
    apart = [LSTM(4), LSTM(4)]
    head = model.layers[-1]
    copies = [layer(t) for layer, t in zip(apart, (a, b))]
    twin = Model([a, b], head(concatenate(copies)))
    for layer in apart:
        layer.set_weights(shared.get_weights())
    twin.compile("sgd", "binary_crossentropy")
    found = twin.gradients_on_batch([x, z], y)
    for whole, one, other in zip(together, found[:3], found[3:6]):
        np.testing.assert_allclose(whole, one + other, rtol=1e-4, atol=1e-6)


def test_a_layer_on_inputs_of_two_shapes():
    conv = Conv2D(4, 3, padding="same")
    a, b = Input((8, 8, 3)), Input((12, 6, 3))
    conv(a)
    assert conv.input_shape == (None, 8, 8, 3)
    conv(b)
    assert conv.get_input_shape_at(0) == (None, 8, 8, 3) and conv.get_output_shape_at(1) == (None, 12, 6, 4)
    with pytest.raises(AttributeError, match="with different input shapes"):
        conv.input_shape


def vision(size=8):
    return Sequential(
        [
            Conv2D(6, 3, activation="relu", padding="same", input_shape=(size, size, 1)),
            MaxPooling2D(),
            Flatten(),
            Dense(12, activation="relu"),
        ]
    )


def bars(n, size=8):
    """Images with a horizontal (0) or a vertical (1) bar."""
    images, kinds = np.zeros((n, size, size, 1), "f4"), RNG.integers(0, 2, n)
    for image, kind, place in zip(images, kinds, RNG.integers(0, size, n)):
        image[(slice(None), place) if kind else place] = 1
    return images + 0.1 * RNG.normal(size=images.shape), kinds


def test_a_shared_vision_model_compares_two_images():
    inner = vision()
    a, b = Input((8, 8, 1)), Input((8, 8, 1))
    h = Dense(16, activation="relu")(concatenate([inner(a), inner(b)]))
    model = Model([a, b], Dense(1, activation="sigmoid")(h))
    (x, kind), (z, other) = bars(256), bars(256)
    same = (kind == other).astype("f4")
    model.compile(Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit([x, z], same, epochs=24, batch_size=32, verbose=0).history
    assert history["acc"][-1] > 0.95 and history["loss"][-1] < 0.2
    assert sum(w.size for w in model.trainable_weights) == inner.count_params() + 24 * 16 + 16 + 17


def question_answering(frames=None):
    """vision, or vision over frames, and a question in words, to one of two answers."""
    encoder = vision()
    if frames is None:
        seen = Input((8, 8, 1))
        image = encoder(seen)
    else:
        seen = Input((frames, 8, 8, 1))
        steps = TimeDistributed(encoder)(seen)
        assert steps.shape == (None, frames, 12)
        image = LSTM(12)(steps)
    question = Input((4,), dtype="int32")
    reader = Model(question, LSTM(8)(Embedding(10, 8, input_length=4)(question)))
    asked = Input((4,), dtype="int32")
    h = Dense(24, activation="relu")(concatenate([reader(asked), image]))
    return Model([seen, asked], Dense(2, activation="softmax")(h))


@pytest.mark.parametrize("frames", [None, 3], ids=["image", "video"])
def test_answers_to_questions_about_images_and_videos(frames):
    """The last word of the question reverses the answer."""
    n = 256
    x, kind = bars(n)
    if frames:
        x = np.stack([x, *(bars(n)[0] * 0.1 for _ in range(frames - 1))], axis=1)
    words = RNG.integers(1, 8, (n, 4))
    turned = RNG.integers(0, 2, n)
    words[:, 3] = 8 + turned
    model = question_answering(frames)
    model.compile(Adam(0.01), "categorical_crossentropy", metrics=["accuracy"])
    history = model.fit([x, words], np.eye(2)[kind ^ turned], epochs=16, batch_size=32, verbose=0).history
    assert history["acc"][-1] > 0.9 and history["loss"][-1] < 0.3
