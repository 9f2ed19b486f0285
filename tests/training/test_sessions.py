"""The state of a run, of a step, and of a process."""

import copy
import pickle

import numpy as np
import pytest

from lamella.callbacks import Callback, EarlyStopping, LambdaCallback
from lamella.core.protocols import Optimizer, TrainableModel
from lamella.layers import Dense
from lamella.models import Model, Sequential
from lamella.optimizers import SGD, Adam
from lamella.utils import set_random_seed

RNG = np.random.default_rng(3)
X, Y = RNG.standard_normal((16, 4)).astype("float32"), RNG.standard_normal((16, 2)).astype("float32")


def made(optimizer):
    set_random_seed(1)
    model = Sequential([Dense(5, activation="tanh", input_dim=4), Dense(2)])
    model.compile(optimizer, "mse")
    return model


class Averaging:
    """A communicator that stands for a second process with the same weights and other samples."""

    def __init__(self, model, x, y):
        self.model, self.x, self.y, self.calls = model, x, y, 0

    def average(self, grads):
        self.calls += 1
        return [(mine + theirs) / 2 for mine, theirs in zip(grads, self.model.gradients_on_batch(self.x, self.y))]


def test_a_communicator_averages_two_halves_of_a_batch():
    whole, half = made(Adam(0.01)), made(Adam(0.01))
    steps = half.compiled_steps()
    steps.communicator = Averaging(half, X[8:], Y[8:])
    for _ in range(3):
        whole.train_on_batch(X, Y)
        half.train_on_batch(X[:8], Y[:8])
    assert steps.communicator.calls == 3
    for a, b in zip(whole.get_weights(), half.get_weights()):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)


def test_averaged_gradients_are_clipped():
    class Doubled:
        def average(self, grads):
            return [2 * grad for grad in grads]

    plain, doubled = made(SGD(1.0)), made(SGD(1.0, clipvalue=0.01))
    before = plain.get_weights()
    grads = plain.gradients_on_batch(X, Y)
    doubled.compiled_steps().communicator = Doubled()
    doubled.train_on_batch(X, Y)
    for start, grad, end in zip(before, grads, doubled.get_weights()):
        np.testing.assert_allclose(end, start - np.clip(2 * grad, -0.01, 0.01), atol=1e-7)


def test_a_communicator_stays_in_its_process():
    model = made("sgd")
    model.compiled_steps().communicator = Averaging(model, X, Y)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.compiled_steps().communicator is None


def test_a_fit_within_a_callback_does_not_change_the_outer_run():
    model, states = made("sgd"), []

    class Nested(Callback):
        def on_epoch_end(self, epoch, logs=None):
            session = self.model.compiled_steps().session
            self.model.fit(X, Y, verbose=0)
            assert self.model.compiled_steps().session is session
            states.append(session.current_state())

    stopping = EarlyStopping("loss", patience=5)
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=[stopping, Nested()])
    assert history.epoch == [0, 1]
    assert [state["callbacks"][0]["class"] for state in states] == ["EarlyStopping", "EarlyStopping"]
    assert [state["callbacks"][0]["state"]["best"] for state in states] == history.history["loss"]
    assert model.compiled_steps().session.callbacks is None


def test_each_fit_warns_once_of_a_loss_that_is_not_finite():
    model = made("sgd")
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match="the loss of batch 0 is nan") as caught:
            model.fit(np.full_like(X, np.nan), Y, batch_size=4, verbose=0)
        assert len(caught) == 1
        assert caught[0].filename == __file__


def test_the_state_of_the_last_fit_is_kept():
    model = made("sgd")
    model.fit(X, Y, verbose=0, callbacks=[EarlyStopping("loss")])
    kept = model.compiled_steps().session.current_state()
    assert kept["epoch"] == 1 and kept["callbacks"][0]["class"] == "EarlyStopping"
    assert copy.deepcopy(model).compiled_steps().session.callback_state == kept
    model.fit(X, Y, verbose=0, callbacks=[LambdaCallback()])
    assert model.compiled_steps().session.current_state() is None


def test_a_model_has_all_attributes_that_a_run_needs():
    model = made("sgd")
    for protocol, found in ((TrainableModel, model), (Optimizer, model.optimizer)):
        wanted = {name for name in (*vars(protocol), *protocol.__annotations__) if not name.startswith("_")}
        assert {name for name in wanted if not hasattr(found, name)} == set()
    assert model.input_dtypes == ["float32"]
    assert isinstance(model, Model)
