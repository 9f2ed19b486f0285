"""Optimizers in fit: the moments of plain SGD, and a training that was interrupted during gradient accumulation."""

import numpy as np
import pytest

from lamella import backend as K
from lamella import optimizers
from lamella.callbacks import BackupAndRestore, Callback, LambdaCallback
from lamella.core import names
from lamella.core.random import set_random_seed
from lamella.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten
from lamella.models import Sequential
from lamella.optimizers import SGD

IMAGES = np.random.default_rng(0).random((12, 8, 8, 3)).astype("float32")
LABELS = np.arange(12).reshape(12, 1) % 4


def network(optimizer):
    names.reset_uids()
    set_random_seed(3)
    model = Sequential(
        [
            Conv2D(4, 3, activation="relu", input_shape=(8, 8, 3)),
            BatchNormalization(),
            Flatten(),
            Dropout(0.3),
            Dense(4, activation="softmax"),
        ]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def test_moments_of_plain_sgd_are_the_last_step_after_evaluate_and_predict():
    model = network(optimizers.SGD(lr=0.5, clipvalue=0.01))
    model.fit(IMAGES, LABELS, batch_size=4, epochs=1, verbose=0)
    before = [w.numpy() for w in model.trainable_weights]
    model.train_on_batch(IMAGES[:4], LABELS[:4])
    after = [w.numpy() for w in model.trainable_weights]
    model.evaluate(IMAGES, LABELS, verbose=0)
    model.predict(IMAGES)
    moments = model.optimizer.get_weights()[1:]
    assert len(moments) == 6 and all(m.any() for m in moments)
    for m, b, a in zip(moments, before, after, strict=True):
        np.testing.assert_allclose(m, a - b, rtol=0, atol=2e-7)
        assert np.abs(m).max() <= np.float32(0.005)


class Stop(Callback):
    """Ends the training in the n-th batch like Ctrl-C."""

    def __init__(self, batch):
        super().__init__()
        self.left = batch

    def on_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("batch", [2, 4])  # in the first and in the second epoch of three batches
@pytest.mark.parametrize(
    "make",
    [
        lambda: optimizers.RMSprop(decay=0.1, gradient_accumulation_steps=3),
        lambda: optimizers.Nadam(gradient_accumulation_steps=4),
        lambda: optimizers.AdamW(decay=0.1, clipnorm=0.1),
        lambda: optimizers.SGD(),
    ],
    ids=["RMSprop", "Nadam", "AdamW", "SGD"],
)
def test_an_interrupted_training_continues_bit_for_bit(tmp_path, make, batch):
    fit = {"x": IMAGES, "y": LABELS, "batch_size": 4, "epochs": 3, "verbose": 0}
    straight = network(make())
    straight.fit(**fit)
    with pytest.raises(KeyboardInterrupt):
        network(make()).fit(**fit, callbacks=[BackupAndRestore(tmp_path / "backup", save_freq=1), Stop(batch)])
    count = Stop(100)
    resumed = network(make())
    resumed.fit(**fit, callbacks=[BackupAndRestore(tmp_path / "backup", save_freq=1), count])
    assert 9 - batch <= 100 - count.left < 9  # resumed, not started again
    assert int(resumed.optimizer.iterations) == 9 // (resumed.optimizer.gradient_accumulation_steps or 1)
    for taken in ("get_weights", "get_state"):
        if taken == "get_weights":
            came, wanted = resumed.get_weights(), straight.get_weights()
        else:
            came, wanted = resumed.optimizer.get_state().values(), straight.optimizer.get_state().values()
        assert all(np.array_equal(c, w) for c, w in zip(came, wanted, strict=True))


def test_a_variable_as_learning_rate_gives_its_current_value():
    """As in Keras 2.2.5, which makes its own variable with this value. An assigned variable is read in each step."""
    rate = K.variable(0.5, "float64")
    params, ones = [np.zeros(1)], [np.ones(1)]
    optimizer = SGD(lr=rate)
    assert optimizer.lr is not rate
    K.set_value(rate, 0.25)
    optimizer.step(params, ones)
    assert params[0][0] == -0.5
    optimizer.lr = rate
    optimizer.step(params, ones)
    assert params[0][0] == -0.75
    K.set_value(rate, 1.0)
    optimizer.step(params, ones)
    assert params[0][0] == -1.75


def test_averages_of_weights_in_fit_follow_each_step():
    model = network(optimizers.Adam(lr=0.01))
    weights = [w.value for w in model.trainable_weights]
    average, wanted = optimizers.WeightAverage(weights, 0.8), [w.astype("f8") for w in weights]
    steps = []

    def update(batch, logs):
        average.update(weights)
        steps.append(batch)
        wanted[:] = [0.8 * a + 0.2 * w.numpy() for a, w in zip(wanted, model.trainable_weights, strict=True)]

    model.fit(IMAGES, LABELS, batch_size=4, epochs=3, verbose=0, callbacks=[LambdaCallback(on_batch_end=update)])
    assert len(steps) == 9
    for a, w in zip(average.averages, wanted, strict=True):
        np.testing.assert_allclose(a, w, rtol=0, atol=1e-6)
    before = model.predict(IMAGES)
    average.swap(weights)
    for w, a in zip(model.trainable_weights, wanted, strict=True):
        np.testing.assert_allclose(w.numpy(), a, rtol=0, atol=1e-6)
    assert np.abs(model.predict(IMAGES) - before).max() > 1e-4
    average.swap(weights)
    np.testing.assert_array_equal(model.predict(IMAGES), before)
