"""Arrays of text that are numbers are data, as in Keras 2.2.5; other text is refused."""

import numpy as np
import pytest

from lamella.layers import Dense, Embedding, Flatten
from lamella.models import Sequential

TEXT = np.array([["1", "2.5"], ["3", "-4e-1"]])
NUMBERS = TEXT.astype("f4")


def one():
    model = Sequential([Dense(1, use_bias=False, input_shape=(2,), kernel_initializer="ones")])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize("text", [TEXT, TEXT.astype(object), TEXT.astype("S"), np.array([["1", 2.5], [3, b"-0.4"]], object)])
def test_inputs_targets_and_weights_may_be_text(text):
    model, other = one(), one()
    np.testing.assert_array_equal(model.predict(text), [[3.5], [np.float32(3) + np.float32(-0.4)]])
    found = model.fit(text, text[:, 0], sample_weight=text[:, 0], verbose=0).history["loss"]
    assert found == other.fit(NUMBERS, NUMBERS[:, 0], sample_weight=NUMBERS[:, 0], verbose=0).history["loss"]


def test_words_and_frames_may_be_text():
    model = Sequential([Embedding(5, 2, input_length=2), Flatten()])
    np.testing.assert_array_equal(model.predict(np.array([["1", "4"]])), model.predict(np.array([[1, 4]])))
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": ["1", "3"], "b": [2.5, -0.4]})
    np.testing.assert_array_equal(one().predict(frame), one().predict(NUMBERS))


@pytest.mark.parametrize("wrong", [np.array([["1", "a"]]), np.array([["1", None]], object), np.array([["1", ""]])])
def test_other_text_is_refused(wrong):
    with pytest.raises(TypeError, match="expected numbers that convert to float"):
        one().predict(wrong)
