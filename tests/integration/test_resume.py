"""Training that kill -9 ended continues in a new process, to the bits of a training that was not interrupted."""

import signal
import subprocess
import sys

import pytest

SCRIPT = """
import hashlib, os, signal, sys
import numpy as np
from lamella.callbacks import (
    BackupAndRestore, Callback, EarlyStopping, LearningRateScheduler, ModelCheckpoint, ReduceLROnPlateau,
)
from lamella.layers import BatchNormalization, Dense, Dropout
from lamella.models import Sequential, load_model
from lamella.optimizers import Adam
from lamella.utils import Sequence, set_random_seed

mode, directory = sys.argv[1:3]
draw = np.random.default_rng(0)
x = draw.normal(size=(150, 6)).astype("f4")
y = (x[:, :1] * x[:, 1:2] > 0).astype("f4")


class Kill(Callback):
    def __init__(self, epoch, batch):
        super().__init__()
        self.where, self.now = (epoch, batch), None

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_batch_end(self, batch, logs=None):
        if (self.now, batch) == self.where:
            os.kill(os.getpid(), signal.SIGKILL)


def new_model():
    set_random_seed(3)
    model = Sequential([Dense(16, activation="relu", input_shape=(6,)), BatchNormalization(), Dropout(0.3), Dense(1)])
    model.compile(Adam(lr=0.02, decay=1e-3, clipnorm=1.0), "mse", metrics=["mae"])
    return model


def fit(model, callbacks, epochs=10, **arguments):
    return model.fit(x, y, batch_size=16, epochs=epochs, validation_split=0.2, verbose=0, callbacks=callbacks, **arguments)


def report(model, history):
    digest = hashlib.sha256()
    for array in [*model.get_weights(), *model.optimizer.get_weights()]:
        digest.update(np.ascontiguousarray(array).tobytes())
    print(digest.hexdigest(), float(model.optimizer.lr), [repr(v) for v in history.history["val_loss"]][-5:])


class Batches(Sequence):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        rows = slice(16 * index, 16 * index + 16)
        noise = np.random.default_rng([7, index]).normal(size=(16, 6)).astype("f4") / 10
        return x[rows] + noise, y[rows]


def with_checkpoint(model, order, workers, initial_epoch, kill=()):
    # A checkpoint after each epoch, before or after the callbacks with state.
    plateau = ReduceLROnPlateau(factor=0.7, patience=1, min_delta=0.01)
    stop = EarlyStopping(patience=50, min_delta=0.02, restore_best_weights=True)
    checkpoint = ModelCheckpoint(os.path.join(directory, "model.h5"))
    made = [checkpoint, plateau, stop] if order == "first" else [stop, plateau, checkpoint]
    history = model.fit(
        Batches(), epochs=10, initial_epoch=initial_epoch, validation_data=(x[128:], y[128:]), verbose=0, workers=workers,
        callbacks=[*made, *kill],
    )
    print(plateau.wait, plateau.best, plateau.cooldown_counter, stop.wait, stop.best, stop.best_epoch)
    assert len(set(history.history["lr"])) > 1
    return history


if mode.startswith("checkpoint"):
    _, order, workers, how = mode.split()
    if how == "resumed":
        np.random.seed(99)
        model = load_model(os.path.join(directory, "model.h5"))
        history = with_checkpoint(model, order, int(workers), 5)
    else:
        model = new_model()
        history = with_checkpoint(model, order, int(workers), 0, [Kill(5, 3)] if how == "killed" else [])
elif mode.startswith("backup"):
    model = new_model()
    plateau = ReduceLROnPlateau(factor=0.5, patience=1, min_delta=0.01)
    stop = EarlyStopping(patience=6, restore_best_weights=True)
    freq = "epoch" if "epoch" in mode else 5
    callbacks = [plateau, stop, BackupAndRestore(os.path.join(directory, "backup"), freq)]
    if mode.endswith("killed"):
        callbacks.append(Kill(5, 0) if freq == "epoch" else Kill(6, 4))
    history = fit(model, callbacks)
    assert history.history["lr"][-1] < history.history["lr"][0]
else:
    # The schedule depends on the current rate, so the file must contain the rate.
    schedule = LearningRateScheduler(lambda epoch, lr: lr * 0.9)
    path = os.path.join(directory, "model.h5")
    if mode == "file straight":
        model = new_model()
        history = fit(model, [schedule])
    elif mode == "file killed":
        model = new_model()
        fit(model, [schedule], epochs=5)
        model.save(path)
        fit(model, [schedule, Kill(6, 3)], initial_epoch=5)
    else:
        np.random.seed(99)  # another process has drawn other numbers before
        model = load_model(path)
        history = fit(model, [schedule], initial_epoch=5)
report(model, history)
"""


def start(mode, directory):
    return subprocess.run([sys.executable, "-c", SCRIPT, mode, str(directory)], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("kind", ["backup epoch", "backup batches", "file"])
def test_ten_epochs_equal_five_a_kill_and_five(tmp_path, kind):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    straight = start(f"{kind} straight", tmp_path / "a")
    assert straight.returncode == 0, straight.stderr
    killed = start(f"{kind} killed", tmp_path / "b")
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, ""), killed.stderr
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["model.h5" if kind == "file" else "backup"]
    resumed = start(f"{kind} resumed", tmp_path / "b")
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == straight.stdout


def test_resuming_from_a_model_file_with_any_callback_order_and_workers(tmp_path):
    """With shuffling, dropout, ReduceLROnPlateau and EarlyStopping: weights, rates, wait and best."""
    straight = start("checkpoint last 1 straight", tmp_path)
    assert straight.returncode == 0, straight.stderr
    for order, workers in (("first", 0), ("last", 0), ("first", 1), ("last", 4), ("first", 4)):
        (directory := tmp_path / f"{order}{workers}").mkdir()
        killed = start(f"checkpoint {order} {workers} killed", directory)
        assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, ""), killed.stderr
        resumed = start(f"checkpoint {order} {workers} resumed", directory)
        assert resumed.returncode == 0, resumed.stderr
        assert resumed.stdout == straight.stdout
