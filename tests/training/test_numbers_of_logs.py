"""The results of fit, evaluate and the methods for one batch are np.float64, as in Keras: floats with NumPy's methods."""

import csv
import json

import numpy as np
import pytest

from lamella.callbacks import Callback, CSVLogger
from lamella.callbacks.history import History
from lamella.constraints import NonNeg
from lamella.layers import Dense
from lamella.metrics import AUC
from lamella.models import Sequential
from lamella.optimizers import SGD
from lamella.saving import tree

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 3)).astype("f4"), (np.arange(12) % 2).astype("f4")
COLUMNS = ["loss", "acc", "auc"]


def classifier(metrics=("acc", "auc")):
    model = Sequential([Dense(1, activation="sigmoid", input_shape=(3,))])
    model.compile(SGD(lr=0.1), "binary_crossentropy", metrics=[AUC() if m == "auc" else m for m in metrics])
    return model


class Spy(Callback):
    def __init__(self):
        super().__init__()
        self.logs = []

    def on_batch_end(self, batch, logs=None):
        self.logs.append(dict(logs))

    on_test_batch_end = on_batch_end


def pairs():
    while True:
        yield X, Y


def test_all_results_are_np_float64():
    model, spy = classifier(), Spy()
    history = model.fit(X, Y, batch_size=5, epochs=2, verbose=0, validation_data=(X, Y), callbacks=[spy]).history
    assert sorted(history) == sorted([*COLUMNS, *[f"val_{name}" for name in COLUMNS]])
    assert {type(v) for values in history.values() for v in values} == {np.float64}
    assert history["loss"][0].round(1) == round(float(history["loss"][0]), 1)
    assert len(spy.logs) == 12 and {type(logs[name]) for logs in spy.logs for name in COLUMNS} == {np.float64}
    for values in (
        model.evaluate(X, Y, verbose=0), model.train_on_batch(X, Y), model.test_on_batch(X, Y),
        model.evaluate_generator(pairs(), 2), model.evaluate(X, Y, verbose=0, steps=1),
    ):  # fmt: skip
        assert isinstance(values, list) and [type(v) for v in values] == [np.float64] * 3


def test_a_single_result_is_a_number():
    model = classifier(())
    for value in (model.evaluate(X, Y, verbose=0), model.train_on_batch(X, Y), model.test_on_batch(X, Y)):
        assert type(value) is np.float64 and isinstance(value, float)


def test_json_and_csv_write_them_as_numbers(tmp_path):
    history = classifier().fit(X, Y, epochs=2, verbose=0, callbacks=[CSVLogger(tmp_path / "log.csv")]).history
    assert json.loads(json.dumps(history)) == {name: [float(v) for v in values] for name, values in history.items()}
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == history["loss"]


def test_a_resumed_history_has_np_float64():
    history = History()
    history.on_train_begin()
    for epoch, loss in enumerate([0.1, float("nan"), 1e-300]):
        history.on_epoch_end(epoch, {"loss": np.float64(loss), "lr": 3})
    bytes_ = tree.to_bytes(history.get_state())
    again = History()
    again.set_state(tree.from_bytes(bytes_, "x"))
    assert [np.float64(v).tobytes() for v in again.history["loss"]] == [v.tobytes() for v in history.history["loss"]]
    assert {type(v) for v in again.history["loss"]} == {np.float64} and again.history["lr"] == [3, 3, 3]
    # If each number were an array, the file of a long training would be slow to write and to read.
    assert tree.flatten(history.get_state())[1] == {}


@pytest.mark.parametrize("answer, projected", [(None, True), (True, True), (False, False)])
def test_an_optimizer_has_stepped_unless_it_returns_false(answer, projected):
    class Mine(SGD):
        def step(self, params, grads):
            super().step(params, grads)
            return answer

    model = Sequential([Dense(1, input_shape=(3,), kernel_constraint=NonNeg())])
    model.compile(Mine(lr=0.5), "mse")
    model.set_weights([np.full((3, 1), 1e-3, "f4"), np.zeros(1, "f4")])
    model.train_on_batch(X, -100 * X.sum(axis=1))
    assert (model.get_weights()[0] >= 0).all() == projected
