"""K.gradients by tensors that have a mask: the layers behind them see it, as in Keras."""

import numpy as np
import pytest

from lamella import backend as K
from lamella import layers
from lamella.models import Model

WORDS = np.array([[1, 2, 3, 0], [4, 5, 0, 0]])


def network(mask_zero):
    words = layers.Input((None,))
    vectors = layers.Embedding(7, 3, mask_zero=mask_zero, name="vectors")(words)
    states = layers.LSTM(3, return_sequences=True, name="states")(vectors)
    steps = layers.TimeDistributed(layers.Dense(2, activation="tanh"), name="steps")(states)
    return Model(words, layers.Dense(2)(layers.GRU(2)(steps)))


def slopes(model, name, x):
    by = [model.get_layer(name).output, *model.layers[-1].trainable_weights]
    found = K.gradients(K.sum(K.square(model.output)), by)
    return K.function([model.input], found)([x])


@pytest.mark.parametrize("name", ["vectors", "states", "steps"])
def test_gradients_at_masked_steps_are_those_of_shorter_sequences(name):
    masked, plain = network(True), network(False)
    random = np.random.RandomState(0)
    masked.set_weights([random.uniform(-0.8, 0.8, w.shape) for w in masked.get_weights()])
    plain.set_weights(masked.get_weights())
    by_steps, *by_weights = slopes(masked, name, WORDS)
    total = [0.0 * w for w in by_weights]
    for row, length in enumerate([3, 2]):
        expected, *weights = slopes(plain, name, WORDS[row : row + 1, :length])
        np.testing.assert_allclose(by_steps[row, :length], expected[0], rtol=1e-5, atol=1e-7)
        assert np.abs(expected).max() > 1e-3
        total = [t + w for t, w in zip(total, weights, strict=True)]
    if name == "steps":
        np.testing.assert_array_equal(by_steps[0, 3], 0)
        np.testing.assert_array_equal(by_steps[1, 2:], 0)
    for found, expected in zip(by_weights, total, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_a_tensor_is_differentiated_by_itself_whatever_its_mask():
    model = network(True)
    states = model.get_layer("states").output
    (found,) = K.function([model.input], K.gradients(K.sum(2 * states), [states]))([WORDS])
    np.testing.assert_array_equal(found, np.full((2, 4, 3), 2.0))


def test_a_model_trains_on_gradients_by_a_masked_tensor():
    words = layers.Input((4,))
    vectors = layers.Embedding(7, 3, mask_zero=True)(words)
    states = layers.SimpleRNN(2, return_sequences=True)(vectors)
    score = layers.SimpleRNN(1, unroll=True)(states)
    model = Model(words, score)
    model.add_loss(K.sum(K.square(K.gradients(score, [states])[0])))
    model.compile("sgd", None)
    values = [model.train_on_batch(WORDS, None) for _ in range(3)]
    assert values[0] > values[1] > values[2] > 0
