"""ReduceLROnPlateau: every case of the golden file, and lamella's deviations."""

import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lamella.callbacks import ReduceLROnPlateau
from lamella.callbacks.logs import Logs
from lamella.optimizers import SGD

CASES = json.loads((Path(__file__).parents[1] / "golden" / "reduce_lr_on_plateau.json").read_text())


def drive(callback, values, directions=None):
    """Run one fit from lr = 0.1, and return (lr after each epoch, lr in its logs)."""
    model = SimpleNamespace(optimizer=SGD(lr=0.1), metric_direction=(directions or {}).get)
    callback.set_model(model)
    callback.on_train_begin()
    after, logged = [], []
    for epoch, value in enumerate(values):
        logs = Logs({callback.monitor: value})
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, logs)
        after.append(float(model.optimizer.lr))
        logged.append(logs["lr"])
    callback.on_train_end()
    return after, logged


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_learning_rates_are_those_of_keras(case):
    # The rate is float32 in Keras, float64 in lamella.
    after, logged = drive(ReduceLROnPlateau(**case["args"]), case["values"])
    np.testing.assert_allclose(after, case["lr_after_epoch"], rtol=3e-6)
    np.testing.assert_allclose(logged, case["lr_in_logs"], rtol=3e-6)


def test_each_fit_starts_with_fresh_state():
    callback = ReduceLROnPlateau(patience=1, cooldown=5)
    first = drive(callback, [0.5, 0.6, 0.6])
    assert first == drive(callback, [0.5, 0.6, 0.6]) and first[0] == pytest.approx([0.1, 0.01, 0.01])


def test_the_metric_object_decides_the_direction():
    assert drive(ReduceLROnPlateau("val_auc", patience=1), [0.5, 0.6, 0.7], {"val_auc": "max"})[0] == [0.1] * 3
    assert drive(ReduceLROnPlateau("val_auc", patience=3), [0.5, 0.6, 0.7])[0] == [0.1] * 3
    assert drive(ReduceLROnPlateau("val_auc", patience=1), [0.5, 0.6])[0] == pytest.approx([0.1, 0.01])


def test_accuracy_finds_acc():
    callback = ReduceLROnPlateau("val_accuracy", patience=1)
    callback.set_model(SimpleNamespace(optimizer=SGD(lr=0.1)))
    callback.on_train_begin()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        callback.on_epoch_end(0, Logs(val_acc=0.5))
    assert callback.best == 0.5


def test_a_missing_value_warns_and_the_rate_is_logged():
    callback = ReduceLROnPlateau()
    callback.set_model(SimpleNamespace(optimizer=SGD(lr=0.1)))
    callback.on_train_begin()
    logs = Logs(loss=1.0)
    text = "Reduce LR on plateau conditioned on metric `val_loss` which is not available. Available metrics are: loss,lr"
    with pytest.warns(RuntimeWarning, match=text):
        callback.on_epoch_end(0, logs)
    assert logs["lr"] == 0.1 and callback.wait == 0


def test_arguments_and_messages(capsys):
    with pytest.raises(ValueError, match=r"ReduceLROnPlateau does not support a factor >= 1\.0\."):
        ReduceLROnPlateau(factor=1.0)
    with pytest.warns(UserWarning, match="`epsilon` argument is deprecated and will be removed, use `min_delta` instead"):
        assert ReduceLROnPlateau(epsilon=0.5).min_delta == 0.5
    with pytest.warns(RuntimeWarning, match="Learning Rate Plateau Reducing mode up is unknown, fallback to auto mode"):
        assert ReduceLROnPlateau(mode="up").mode == "auto"
    with pytest.raises(TypeError, match="patients"):
        ReduceLROnPlateau(patients=3)
    drive(ReduceLROnPlateau(patience=1, factor=0.5, verbose=1), [0.5, 0.6])
    assert capsys.readouterr().out == "\nEpoch 00002: ReduceLROnPlateau reducing learning rate to 0.05.\n"
    drive(ReduceLROnPlateau(patience=1, factor=0.5), [0.5, 0.6])
    assert capsys.readouterr().out == ""
