"""predict uses the length of the first input, as in Keras 2.2.5. The other inputs must have at least this length."""

import numpy as np
import pytest

from lamella import layers, models

A = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
B = np.random.default_rng(1).normal(size=(10, 3)).astype("float32")


@pytest.fixture
def model():
    one, other = layers.Input((3,), name="one"), layers.Input((3,), name="other")
    made = models.Model([one, other], layers.add([one, other]))
    made.compile("sgd", "mse")
    return made


def test_samples_beyond_the_first_input_are_omitted_with_a_warning(model):
    message = "predict: input 'other' has 10 samples, but the first input has 4; the rest is ignored"
    with pytest.warns(UserWarning, match=message) as record:
        came = model.predict([A, B], batch_size=3)
    np.testing.assert_array_equal(came, A + B[:4])
    assert record[0].filename == __file__
    with pytest.warns(UserWarning, match=message):
        np.testing.assert_array_equal(model.predict({"other": B, "one": A}), A + B[:4])


def test_a_shorter_input_raises_and_training_needs_equal_lengths(model):
    with pytest.raises(ValueError, match=r"All input arrays \(x\) should have the same number of samples"):
        model.predict([B, A])
    for method in (model.fit, model.evaluate, model.train_on_batch):
        with pytest.raises(ValueError, match=r"All input arrays \(x\) should have the same number of samples"):
            method([A, B], A)
