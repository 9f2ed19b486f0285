"""EarlyStopping: every case of the golden file, and lamella's deviations."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from lamella.callbacks import EarlyStopping

CASES = json.loads((Path(__file__).parents[1] / "golden" / "early_stopping.json").read_text())


class FakeModel:
    """A model with one weight, which is the number of its last epoch."""

    def __init__(self, directions=None):
        self.weights = [np.array(-1)]
        self.stop_training = False
        self.directions = directions or {}

    def get_weights(self):
        return [w.copy() for w in self.weights]

    def set_weights(self, weights):
        self.weights = [w.copy() for w in weights]

    def metric_direction(self, name):
        return self.directions.get(name)


def drive(callback, values, model=None, stop=True):
    """Run the epochs of one fit, and return the epoch in which the callback stopped it, or None."""
    model = model or FakeModel()
    model.stop_training = False
    callback.set_model(model)
    callback.on_train_begin()
    stopped = None
    for epoch, value in enumerate(values):
        callback.on_epoch_begin(epoch)
        model.set_weights([np.array(epoch)])
        logs = {} if value is None else {callback.monitor: value}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            callback.on_epoch_end(epoch, logs)
        if model.stop_training:
            stopped = epoch
            break
    callback.on_train_end()
    return stopped


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_stop_epoch_wait_and_best(case):
    callback = EarlyStopping(**case["args"])
    assert drive(callback, case["values"]) == case["stop_epoch"]
    assert callback.stopped_epoch == case["stopped_epoch"]
    assert callback.wait == case["wait"]
    if case["best"] is None:
        assert np.isinf(callback.best)
    else:
        assert callback.best == case["best"]


def own_best(case, ran):
    """The epoch to restore, computed slowly: the last improvement, or the best value of the run."""
    sign = -1 if direction(case) == "min" else 1
    best, found, beaten = case["args"]["baseline"], None, False
    best = -np.inf if best is None else sign * best
    seen = [(sign * v, e) for e, v in enumerate(case["values"][:ran]) if v is not None and v == v]
    for score, epoch in seen:
        if score - case["args"]["min_delta"] > best:
            best, found, beaten = score, epoch, True
    if not beaten and seen:
        top = max(score for score, _ in seen)
        found = next(epoch for score, epoch in seen if score == top)
    return found


def direction(case):
    mode = case["args"]["mode"]
    return mode if mode != "auto" else ("max" if "acc" in case["args"]["monitor"] else "min")


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_weights_at_the_end(case):
    model = FakeModel()
    callback = EarlyStopping(**case["args"])
    stopped = drive(callback, case["values"], model)
    ran = len(case["values"]) if stopped is None else stopped + 1
    last = int(model.weights[0])
    if not case["args"]["restore_best_weights"]:
        assert last == case["weights_epoch"]
        return
    if stopped is not None and case["error"] is None:
        assert last == case["weights_epoch"]  # Keras also restored
    assert last == own_best(case, ran) == callback.best_epoch


def test_best_weights_are_restored_after_the_last_epoch():
    model = FakeModel()
    callback = EarlyStopping(patience=5, restore_best_weights=True)
    assert drive(callback, [0.5, 0.3, 0.4], model) is None
    assert int(model.weights[0]) == 1 and callback.best_epoch == 1 and callback.best == 0.3


def test_best_weights_are_restored_after_an_interrupt():
    model = FakeModel()
    callback = EarlyStopping(restore_best_weights=True)
    callback.set_model(model)
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    model.set_weights([np.array(0)])
    callback.on_epoch_end(0, {"val_loss": 1.0})
    callback.on_epoch_begin(1)
    model.set_weights([np.array(99)])
    callback.on_train_end()
    assert int(model.weights[0]) == 0


def test_each_fit_starts_with_fresh_state():
    callback = EarlyStopping(patience=1, restore_best_weights=True)
    assert drive(callback, [0.1, 0.2]) == 1
    model = FakeModel()
    # 0.9 is worse than the best value of the first fit, but the best of this fit.
    assert drive(callback, [0.9, 1.0], model) == 1
    assert callback.best == 0.9 and int(model.weights[0]) == 0


def test_without_a_value_the_weights_are_not_changed():
    model = FakeModel()
    callback = EarlyStopping(restore_best_weights=True)
    drive(callback, [None, None], model)
    assert int(model.weights[0]) == 1 and callback.best_epoch is None


def test_the_metric_object_decides_the_direction():
    model = FakeModel({"val_auc": "max"})
    callback = EarlyStopping(monitor="val_auc", restore_best_weights=True)
    assert drive(callback, [0.5, 0.7, 0.6], model) == 2
    assert callback.best == 0.7 and int(model.weights[0]) == 1
    # An explicit mode has priority.
    assert drive(EarlyStopping(monitor="val_auc", mode="min"), [0.5, 0.7], FakeModel({"val_auc": "max"})) == 1


def test_accuracy_finds_acc():
    callback = EarlyStopping(monitor="val_accuracy")
    callback.set_model(FakeModel())
    callback.on_train_begin()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        callback.on_epoch_end(0, {"val_acc": 0.5})
    assert callback.best == 0.5


def test_a_missing_value_warns_with_the_names_there_are():
    callback = EarlyStopping()
    callback.set_model(FakeModel())
    callback.on_train_begin()
    with pytest.warns(RuntimeWarning, match="metric `val_loss` which is not available. Available metrics are: loss,acc"):
        callback.on_epoch_end(0, {"loss": 1.0, "acc": 0.5})
    assert callback.wait == 0


def test_unknown_mode_warns_and_falls_back():
    with pytest.warns(RuntimeWarning, match="mode up is unknown, fallback to auto mode"):
        callback = EarlyStopping(monitor="val_acc", mode="up")
    assert drive(callback, [0.5, 0.6, 0.55]) == 2


def test_messages(capsys):
    drive(EarlyStopping(verbose=1), [0.5, 0.6])
    assert "Epoch 00002: early stopping" in capsys.readouterr().out
    drive(EarlyStopping(verbose=0), [0.5, 0.6])
    assert capsys.readouterr().out == ""
