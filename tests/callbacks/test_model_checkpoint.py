"""ModelCheckpoint: the epochs that it saves, the names of the files, and complete files after a kill."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

from lamella.callbacks import EarlyStopping, LambdaCallback, ModelCheckpoint, ReduceLROnPlateau
from lamella.layers import Dense
from lamella.metrics import AUC
from lamella.models import Sequential, load_model

X, Y = np.ones((6, 3), "f4"), np.ones((6, 1), "f4")


class FakeModel:
    """Records the calls of save."""

    def __init__(self, directions=None):
        self.saved = []
        self.directions = directions or {}

    def save(self, filepath, overwrite=False):
        self.saved.append(("model", filepath, overwrite))

    def save_weights(self, filepath, overwrite=False):
        self.saved.append(("weights", filepath, overwrite))

    def metric_direction(self, name):
        return self.directions.get(name)


def drive(callback, values, model=None):
    """Run one fit, and return the saved epochs, counted from 1."""
    model = model or FakeModel()
    callback.set_model(model)
    callback.on_train_begin()
    saved = []
    for epoch, value in enumerate(values):
        before = len(model.saved)
        callback.on_epoch_end(epoch, {} if value is None else {callback.monitor: value})
        if len(model.saved) > before:
            saved.append(epoch + 1)
    callback.on_train_end()
    return saved


def test_every_epoch_and_every_period(tmp_path):
    path = str(tmp_path / "w.{epoch:02d}-{val_loss:.2f}.h5")
    model = FakeModel()
    assert drive(ModelCheckpoint(path), [0.5, 0.25], model) == [1, 2]
    assert model.saved == [("model", str(tmp_path / name), True) for name in ("w.01-0.50.h5", "w.02-0.25.h5")]
    assert drive(ModelCheckpoint(path, period=3), [1.0] * 7) == [3, 6]
    drive(ModelCheckpoint(tmp_path / "w", save_weights_only=True), [1.0], model)
    assert model.saved[-1] == ("weights", str(tmp_path / "w"), True)


@pytest.mark.parametrize(
    "monitor, mode, directions, values, saved",
    [
        ("val_loss", "auto", {}, [0.5, 0.5, 0.4, 0.6, 0.3], [1, 3, 5]),
        ("val_acc", "auto", {}, [0.5, 0.5, 0.4, 0.6], [1, 4]),
        ("fmeasure", "auto", {}, [0.5, 0.4, 0.6], [1, 3]),
        ("val_auc", "auto", {"val_auc": "max"}, [0.5, 0.4, 0.6], [1, 3]),
        ("val_auc", "auto", {}, [0.5, 0.4, 0.6], [1, 2]),
        ("val_auc", "min", {"val_auc": "max"}, [0.5, 0.4, 0.6], [1, 2]),
        ("val_loss", "max", {}, [0.5, 0.4, 0.6], [1, 3]),
        ("val_loss", "auto", {}, [float("nan"), 0.5, float("nan"), 0.4], [2, 4]),
    ],
)
def test_the_best_only(tmp_path, monitor, mode, directions, values, saved):
    callback = ModelCheckpoint(tmp_path / "w", monitor=monitor, mode=mode, save_best_only=True)
    assert drive(callback, values, FakeModel(directions)) == saved


def test_the_next_fit_keeps_the_best_value(tmp_path):
    callback = ModelCheckpoint(tmp_path / "w", save_best_only=True)
    assert drive(callback, [0.5, 0.4]) == [1, 2]
    assert drive(callback, [0.45, 0.4, 0.3]) == [3] and callback.best == 0.3


def test_accuracy_finds_acc_in_template_and_monitor(tmp_path):
    model = FakeModel()
    callback = ModelCheckpoint(tmp_path / "{val_accuracy:.2f}", monitor="val_accuracy", save_best_only=True)
    callback.set_model(model)
    callback.on_train_begin()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        callback.on_epoch_end(0, {"val_acc": 0.5})
    assert model.saved[0][1] == str(tmp_path / "0.50") and callback.best == 0.5


def test_names_that_are_not_in_the_logs(tmp_path):
    model = FakeModel()
    callback = ModelCheckpoint(tmp_path / "{epoch}-{val_loss:.2f}-{f1:03d}")
    callback.set_model(model)
    callback.on_train_begin()
    with pytest.warns(
        RuntimeWarning, match="val_loss, f1 not in the logs of epoch 1, so the file is named .*1-nan-nan. Available: loss"
    ):
        callback.on_epoch_end(0, {"loss": 0.5})
    assert model.saved[0][1] == str(tmp_path / "1-nan-nan")
    with pytest.warns(RuntimeWarning, match="Can save best model only with val_loss available, skipping."):
        assert drive(ModelCheckpoint(tmp_path / "w", save_best_only=True), [None]) == []
    with pytest.warns(RuntimeWarning, match="ModelCheckpoint mode up is unknown, fallback to auto mode"):
        ModelCheckpoint("w", mode="up")


def test_messages(tmp_path, capsys):
    drive(ModelCheckpoint(tmp_path / "w", save_best_only=True, verbose=1), [0.5, 0.25, 0.5])
    path = tmp_path / "w"
    assert capsys.readouterr().out == (
        f"\nEpoch 00001: val_loss improved from inf to 0.50000, saving model to {path}\n"
        f"\nEpoch 00002: val_loss improved from 0.50000 to 0.25000, saving model to {path}\n"
        "\nEpoch 00003: val_loss did not improve from 0.25000\n"
    )
    drive(ModelCheckpoint(path, verbose=1), [0.5])
    assert capsys.readouterr().out == f"\nEpoch 00001: saving model to {path}\n"


@pytest.mark.parametrize("name", ["nowhere/w.h5", "up/../../nowhere/w.h5", "nul\0.h5", "x" * 300, "."])
def test_a_path_that_cannot_be_written_raises_before_training(tmp_path, name):
    steps = []
    spy = LambdaCallback(on_batch_end=lambda *arguments: steps.append(arguments))
    with pytest.raises((OSError, ValueError), match="w.h5|NUL|xxx|director"):
        compiled().fit(X, Y, verbose=0, callbacks=[ModelCheckpoint(os.path.join(tmp_path, name)), spy])
    assert steps == [] and os.listdir(tmp_path) == []


def compiled():
    net = Sequential([Dense(1, input_shape=(3,))])
    net.compile("adam", "mse", metrics=["mae"])
    return net


def test_a_fit_leaves_models_that_load(tmp_path):
    net = compiled()
    callbacks = [
        ModelCheckpoint(tmp_path / "m{epoch}.h5"), ModelCheckpoint(tmp_path / "w{epoch}.h5", save_weights_only=True)
    ]  # fmt: skip
    weights = []
    look = LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(net.get_weights()))
    net.fit(X, Y, epochs=3, verbose=0, validation_split=0.5, callbacks=[look, *callbacks])
    assert sorted(os.listdir(tmp_path)) == ["m1.h5", "m2.h5", "m3.h5", "w1.h5", "w2.h5", "w3.h5"]
    other = compiled()
    for i in range(3):
        other.load_weights(tmp_path / f"w{i + 1}.h5")
        for a, b, c in zip(load_model(tmp_path / f"m{i + 1}.h5").get_weights(), other.get_weights(), weights[i]):
            assert np.array_equal(a, b) and np.array_equal(a, c)


KILLED = """
import os, random, signal, sys, time, warnings
import numpy as np
from lamella.callbacks import ModelCheckpoint
from lamella.layers import Dense
from lamella.models import Sequential, load_model

path, kills = sys.argv[1], int(sys.argv[2])
net = Sequential([Dense(60, input_shape=(60,)), Dense(1)])
net.compile("sgd", "mse")
checkpoint = ModelCheckpoint(path)
checkpoint.set_model(net)

def save(number):
    net.set_weights([np.full(w.shape, number, "f4") for w in net.get_weights()])
    checkpoint.on_epoch_end(0, {})

save(0)
last, cut = 0, 0
for kill in range(kills):
    begun, tell = os.pipe()
    child = os.fork()
    if child == 0:
        number = last
        while True:
            number += 1
            save(number)
            os.write(tell, b".")
    os.read(begun, 1)
    time.sleep(random.uniform(0, 0.008))  # until one of the next saves
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(begun), os.close(tell)
    cut += len(os.listdir(os.path.dirname(path))) > 1  # the process was killed while it wrote a file
    values = {float(v) for w in load_model(path).get_weights() for v in w.flat}
    (number,) = values  # all weights are from the same save
    assert number > last, (number, last)
    last = int(number)
save(last + 1)
assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]  # files of killed processes are removed
print(last, cut)
"""


def test_the_file_is_complete_after_200_kills(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "m.h5"), "200"], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    saves, cut = map(int, run.stdout.split())
    assert saves >= 200 and cut > 0  # some saves were finished, and some were interrupted


def test_save_best_uses_the_direction_of_the_metric(tmp_path):
    """By its name, val_auc would be minimized."""
    net = Sequential([Dense(1, input_shape=(3,), activation="sigmoid")])
    net.compile("adam", "binary_crossentropy", metrics=[AUC()])
    checkpoint = ModelCheckpoint(tmp_path / "w", monitor="val_auc", save_best_only=True)
    stop = EarlyStopping("val_auc", patience=9)
    plateau = ReduceLROnPlateau("val_auc")
    x = np.random.default_rng(0).normal(size=(20, 3))
    y = x[:, :1] > 0
    history = net.fit(x, y, epochs=4, verbose=0, validation_data=(x, y), callbacks=[checkpoint, stop, plateau])
    assert checkpoint.best == stop.best == plateau.best == max(history.history["val_auc"])
