"""A mask as an argument of a whole model's call. Source: Keras 2.2.5 Network.call."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import LSTM, Dense, Embedding, Flatten, Input, Lambda, Masking, SimpleRNN
from lamella.models import Model, Sequential, clone_model, load_model
from lamella.optimizers import SGD

HOLES = np.array([[1, 1, 0, 1], [0, 1, 1, 0], [1, 0, 0, 0]], bool)


def numbers(*shape, scale=1.0):
    return (scale * np.sin(0.7 + 1.3 * np.arange(np.prod(shape)))).reshape(shape).astype("f4")


X = numbers(3, 4, 2)
# Results of Keras 3.15 with TensorFlow for these layers in one model.
WITH_MASK = [
    [0.5507802367210388, 0.4989864230155945],
    [0.48415958881378174, 0.41513344645500183],
    [0.41770538687705994, 0.49217966198921204],
]
WITHOUT = [
    [0.5254303812980652, 0.47982391715049744],
    [0.4734731912612915, 0.4557163417339325],
    [0.5139595866203308, 0.4548223316669464],
]


def core():
    return Sequential([LSTM(3, return_sequences=True, recurrent_activation="sigmoid", input_shape=(4, 2))], name="core")


def nested():
    """An LSTM in a model within a model, then a SimpleRNN."""
    x = Input((4, 2))
    model = Model(x, SimpleRNN(2)(core()(x)), name="inner")
    model.set_weights([numbers(*w.shape, scale=0.5) for w in model.get_weights()])
    return model


def test_nested_models_pass_a_mask_on_for_arrays():
    model = nested()
    np.testing.assert_allclose(model(X), WITHOUT, rtol=1e-5)
    np.testing.assert_allclose(model(X, mask=HOLES), WITH_MASK, rtol=1e-5)
    np.testing.assert_array_equal(model(X, mask=[HOLES]), model(X, mask=HOLES))
    np.testing.assert_array_equal(model.call(X, HOLES), model(X, mask=HOLES))
    np.testing.assert_array_equal(model(X, mask=[None]), model(X))
    model.trainable = False
    np.testing.assert_allclose(model(X, mask=HOLES, training=False), WITH_MASK, rtol=1e-5)


def test_a_model_gets_a_mask_of_the_graph():
    inner = nested()
    x, mask = Input((4, 2)), Input((4,), dtype="bool")
    outer = Model([x, mask], inner(x, mask=mask))
    np.testing.assert_allclose(outer.predict([X, HOLES]), WITH_MASK, rtol=1e-5)
    fixed = Model(x, inner(x, mask=HOLES))
    np.testing.assert_allclose(fixed.predict(X), WITH_MASK, rtol=1e-5)
    outputs, _, _ = inner.run_internal_graph(x, mask)
    np.testing.assert_allclose(Model([x, mask], outputs).predict([X, HOLES]), WITH_MASK, rtol=1e-5)


def test_a_model_with_a_mask_trains_like_its_layers():
    """The weights after steps of SGD are those of the same layers without the inner model."""
    flat, inner = nested(), nested()
    x, mask = Input((4, 2)), Input((4,), dtype="bool")
    lstm, rnn = flat.layers[1].layers[0], flat.layers[2]
    by_layers = Model([x, mask], rnn(lstm(x, mask=mask), mask=mask))
    by_model = Model([x, mask], inner(x, mask=mask))
    for model in (by_layers, by_model):
        model.compile(SGD(0.1), "mse")
        model.fit([X, HOLES], np.ones((3, 2)), epochs=3, verbose=0)
    for ours, wanted in zip(by_model.get_weights(), by_layers.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, wanted)
    assert np.abs(by_model.get_weights()[0] - nested().get_weights()[0]).max() > 1e-3


def test_files_and_clones_keep_the_mask(tmp_path):
    x, mask = Input((4, 2), name="x"), Input((4,), dtype="bool", name="mask")
    model = Model([x, mask], nested()(x, mask=mask))
    model.compile("sgd", "mse")
    model.save(str(tmp_path / "m.h5"))
    twin = clone_model(model)
    twin.set_weights(model.get_weights())
    for made in (twin, load_model(str(tmp_path / "m.h5"))):
        np.testing.assert_allclose(made.predict([X, HOLES]), WITH_MASK, rtol=1e-5)


def test_the_masks_of_outputs_are_computed_from_the_inputs_masks():
    """As in Keras 2.2.5, compute_mask does not get the argument."""
    inner = core()
    weights = inner.get_weights()
    x, mask = Input((4, 2)), Input((4,), dtype="bool")
    padded = np.where(np.array([[1, 1, 1, 0]] * 3)[..., None], X, 0).astype("f4")
    end = SimpleRNN(2)
    model = Model([x, mask], end(inner(Masking()(x), mask=mask)))
    h = LSTM(3, return_sequences=True, recurrent_activation="sigmoid", weights=weights)(padded, mask=HOLES)
    expected = end(h, mask=np.array([[1, 1, 1, 0]] * 3, bool))
    np.testing.assert_allclose(model.predict([padded, HOLES]), expected, rtol=1e-5)
    # Without a mask of the input, layers within the model make the mask of the output.
    words = Sequential([Embedding(5, 2, mask_zero=True, input_length=4), Dense(2)])
    seen = Lambda(lambda v, mask=None: K.cast(mask, "float32"), output_shape=(4,))
    i = Input((4,), dtype="int32")
    ids = np.array([[1, 2, 0, 0], [3, 0, 4, 1], [2, 2, 2, 2]])
    made = Model([i, mask], seen(words(i, mask=mask)))
    np.testing.assert_array_equal(made.predict([ids, HOLES]), np.where(ids > 0, 1.0, 0.0))


def test_inner_losses_are_counted_once():
    """The output's mask is computed in a separate run, which adds no losses."""
    x, mask = Input((4, 2)), Input((4,), dtype="bool")
    inner = Sequential([Masking(input_shape=(4, 2)), Dense(2, activity_regularizer=lambda v: 0.1 * K.mean(v * v))])
    model = Model([x, mask], inner(x, mask=mask))
    model.compile("sgd", lambda t, p: K.mean(0.0 * p, axis=-1))
    y = inner.predict(X)
    assert model.evaluate([X, HOLES], np.zeros((3, 4, 2)), verbose=0) == pytest.approx(0.1 * (y * y).mean(), rel=1e-5)


class Own(Model):
    """A model with its own call, which takes a mask."""

    def __init__(self):
        super().__init__()
        self.end = LSTM(2)

    def call(self, inputs, mask=None):
        return self.end(inputs, mask=mask)


class Plain(Model):
    def __init__(self):
        super().__init__(name="plain")
        self.end = LSTM(2)

    def call(self, inputs):
        return self.end(inputs)


def test_a_model_with_its_own_call_gets_the_mask_if_call_has_one():
    own = Own()
    own.build((None, 4, 2))
    x, mask = Input((4, 2)), Input((4,), dtype="bool")
    outer = Model([x, mask], own(x, mask=mask))
    np.testing.assert_array_equal(outer.predict([X, HOLES]), own.end(X, mask=HOLES))
    np.testing.assert_array_equal(own(X, mask=HOLES), own.end(X, mask=HOLES))
    plain = Plain()
    plain.build((None, 4, 2))
    with pytest.raises(TypeError, match=r"Model 'plain'.*takes training, got \['mask'\]"):
        plain(x, mask=mask)


def test_masks_that_do_not_fit_raise_with_the_models_name():
    model = nested()
    with pytest.raises(ValueError, match="Model inner: call expects 1 masks, got 2"):
        model(X, mask=[HOLES, HOLES])
    with pytest.raises(ValueError, match="lstm.*mask"):
        model(X, mask=HOLES[:, :3])
    with pytest.raises(TypeError, match="Layer flat does not support masking"):
        Sequential([Flatten(name="flat", input_shape=(4, 2))])(X, mask=HOLES)
