"""BackupAndRestore: a fit that is interrupted anywhere and restarted ends with the same bits as one that is not interrupted."""

import os
import random

import numpy as np
import pytest

from lamella import metrics, models
from lamella.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ProgbarLogger,
    ReduceLROnPlateau,
)
from lamella.layers import GRU, LSTM, BatchNormalization, Bidirectional, Dense, Dropout, Layer
from lamella.models import Sequential
from lamella.optimizers import SGD, Adam
from lamella.saving import ModelFileError
from lamella.utils import Sequence, set_random_seed

RNG = np.random.default_rng(0)
X = RNG.normal(size=(23, 4)).astype("f4")
Y = (X[:, :1] * X[:, 1:2] + 0.1 * RNG.normal(size=(23, 1))).astype("f4")
EPOCHS, BATCHES = 4, 5  # the last batch is smaller


class Cut(Exception):
    pass


class MeanTarget:
    """A metric with state over an epoch. A backup within the epoch must contain this state."""

    stateful = True
    name = "mean_target"

    def __init__(self):
        self.reset_states()

    def reset_states(self):
        self.total, self.seen = 0.0, 0

    def __call__(self, y_true, y_pred):
        self.total += float(np.sum(y_true))
        self.seen += len(y_true)
        return np.float64(self.total / self.seen)


def compiled(optimizer=None):
    net = models.Sequential(
        [Dense(6, input_shape=(4,), activation="tanh"), BatchNormalization(), Dropout(0.3), Dropout(0.2, seed=5), Dense(1)]
    )
    net.compile(optimizer or Adam(lr=0.05, decay=0.01), "mse", metrics=["mae", MeanTarget()])
    return net


def run(directory, save_freq="epoch", cut=None, seed=1, log=None, **arguments):
    """Run the script once, until it fails at `cut`: (hook, epoch, batch). Return everything that must not differ."""
    set_random_seed(seed)
    net = compiled()
    now = [0]

    class Knife(Callback):
        def at(self, hook, batch=None):
            if cut == (hook, now[0], batch):
                raise Cut

        def on_epoch_begin(self, epoch, logs=None):
            now[0] = epoch

        def on_batch_end(self, batch, logs=None):
            self.at("batch", batch)

        def on_test_end(self, logs=None):
            self.at("test")

        def on_epoch_end(self, epoch, logs=None):
            self.at("epoch")

    stop = EarlyStopping(patience=3, restore_best_weights=True)
    plateau = ReduceLROnPlateau(factor=0.5, patience=1, min_delta=0.5, cooldown=1)
    checkpoint = ModelCheckpoint(os.path.join(directory, "best.h5"), save_best_only=True, save_weights_only=True)
    backup = BackupAndRestore(os.path.join(directory, "backup"), save_freq=save_freq, **arguments)
    schedule = LearningRateScheduler(lambda epoch, lr: lr * 0.9)
    callbacks = [backup, stop, plateau, schedule, checkpoint, Knife()]
    if log:
        callbacks.append(CSVLogger(log))
    history = net.fit(X, Y, batch_size=5, epochs=EPOCHS, validation_data=(X[:7], Y[:7]), verbose=0, callbacks=callbacks)
    return {
        "weights": net.get_weights(),
        "optimizer": net.optimizer.get_weights(),
        "lr": float(net.optimizer.lr),
        "history": (history.epoch, dict(history.history)),
        "plateau": plateau.get_state(),
        "stop": {k: v for k, v in stop.get_state().items() if k != "best_weights"},
        "best": checkpoint.best,
        "random": net.get_training_state()["random"],
        "order": net.prepared_steps.stream.order().integers(2**31),
    }


def assert_same(one, other):
    assert one.keys() == other.keys()
    for key in one:
        if key in ("weights", "optimizer"):
            assert len(one[key]) == len(other[key])
            for a, b in zip(one[key], other[key]):
                np.testing.assert_array_equal(a, b)
        else:
            assert one[key] == other[key], key


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The results of a run that is not interrupted and has no backup."""
    return run(tmp_path_factory.mktemp("straight"))


CUTS = [("batch", e, b) for e in range(EPOCHS) for b in range(BATCHES)]
CUTS += [(hook, e, None) for hook in ("test", "epoch") for e in range(EPOCHS)]


@pytest.mark.parametrize("save_freq", ["epoch", 1, 3, 7])
def test_an_interrupted_run_ends_with_the_same_bits(tmp_path, straight, save_freq):
    for i, cut in enumerate(CUTS):
        directory = tmp_path / str(i)
        directory.mkdir()
        with pytest.raises(Cut):
            run(directory, save_freq, cut)
        assert_same(run(directory, save_freq), straight)
        assert not (directory / "backup").exists()  # training has finished


def test_many_interruptions(tmp_path, straight):
    for cut in [("batch", 0, 1), ("batch", 0, 4), ("test", 1, None), ("batch", 3, 0), ("epoch", 3, None)]:
        with pytest.raises(Cut):
            run(tmp_path, 2, cut)
    assert_same(run(tmp_path, 2), straight)


def test_a_backup_restores_its_seed(tmp_path, straight):
    with pytest.raises(Cut):
        run(tmp_path, 3, ("batch", 2, 2))
    assert_same(run(tmp_path, 3, seed=99), straight)
    assert not np.array_equal(run(tmp_path, 3, seed=99)["weights"][0], straight["weights"][0])


def test_a_csv_file_has_each_line_once(tmp_path):
    run(tmp_path, log=tmp_path / "straight.csv")
    for cut in [("epoch", 1, None), ("batch", 3, 2)]:
        with pytest.raises(Cut):
            run(tmp_path, cut=cut, log=tmp_path / "cut.csv")
    run(tmp_path, log=tmp_path / "cut.csv")
    assert (tmp_path / "cut.csv").read_text() == (tmp_path / "straight.csv").read_text()


def fit(directory, net=None, epochs=1, callbacks=(), **arguments):
    net = net or compiled(SGD(lr=0.01))
    freq = arguments.pop("save_freq", "epoch")
    backup = BackupAndRestore(directory, freq, delete_checkpoint=False)
    return net.fit(X, Y, epochs=epochs, verbose=0, callbacks=[*callbacks, backup], **arguments)


def test_a_kept_backup_continues_with_more_epochs(tmp_path):
    assert fit(tmp_path, epochs=2).epoch == [0, 1]
    assert fit(tmp_path, epochs=2).epoch == [0, 1]  # no epoch was left, and the History is complete
    assert fit(tmp_path, epochs=3).epoch == [0, 1, 2]


def test_a_requested_stop_stays(tmp_path):
    stop = LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(stop.model, "stop_training", epoch == 1))
    assert fit(tmp_path, epochs=5, callbacks=[stop]).epoch == [0, 1]
    assert fit(tmp_path, epochs=5).epoch == [0, 1]


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: compiled("adam"), "the state is of the optimizer SGD, but the model has Adam"),
        (lambda: other_model(), r"the state has weights of shapes \[\(4, 6\), .* but the model has \[\(4, 1\), \(1,\)\]"),
    ],
)
def test_a_backup_of_another_model_raises_and_sets_nothing(tmp_path, make, text):
    fit(tmp_path)
    net = make()
    before = net.get_weights()
    with pytest.raises(ValueError, match=text):
        fit(tmp_path, net)
    assert all(np.array_equal(a, b) for a, b in zip(before, net.get_weights()))
    assert os.listdir(tmp_path) == ["training.npz"]


def other_model():
    net = models.Sequential([Dense(1, input_shape=(4,))])
    net.compile(SGD(), "mse")
    return net


def test_other_batches_within_an_epoch_are_refused(tmp_path):
    fit(tmp_path, save_freq=2, batch_size=5)
    with pytest.raises(ValueError, match=r"made within an epoch of .*'batch_size': 5.*, but this fit has .*'batch_size': 4"):
        fit(tmp_path, save_freq=2, batch_size=4)


def test_a_damaged_backup_is_replaced_by_the_previous_one(tmp_path):
    directory = tmp_path / "single"
    fit(directory)
    (path,) = directory.iterdir()
    whole = path.read_bytes()
    for data in (whole[: len(whole) // 2], b"", whole[:-400] + bytes(100) + whole[-300:]):
        path.write_bytes(data)
        with pytest.raises(ModelFileError, match="training.npz"):
            fit(directory)
    net = compiled(SGD(lr=0.01))
    twice = BackupAndRestore(tmp_path / "double", double_checkpoint=True, delete_checkpoint=False)
    net.fit(X, Y, epochs=3, verbose=0, callbacks=[twice])
    (tmp_path / "double" / "training.npz").write_bytes(b"nothing")
    again = BackupAndRestore(tmp_path / "double", double_checkpoint=True)
    begun = []
    spy = LambdaCallback(on_epoch_begin=lambda epoch, logs: begun.append(epoch))
    with pytest.warns(RuntimeWarning, match="training.npz: the file is damaged: .*; the backup before it is used"):
        history = compiled(SGD(lr=0.01)).fit(X, Y, epochs=4, verbose=0, callbacks=[again, spy])
    assert begun == [2, 3] and history.epoch == [0, 1, 2, 3]
    assert not (tmp_path / "double").exists()


def test_missing_callbacks_warn(tmp_path):
    fit(tmp_path, epochs=1, callbacks=[ReduceLROnPlateau("loss")])
    with pytest.warns(RuntimeWarning, match="the backup holds the state of ReduceLROnPlateau 0, which this fit does not have"):
        fit(tmp_path, epochs=2)


def test_the_directory_is_removed_only_if_empty(tmp_path):
    (tmp_path / "mine").write_text("kept")
    compiled().fit(X, Y, verbose=0, callbacks=[BackupAndRestore(tmp_path)])
    assert os.listdir(tmp_path) == ["mine"]


@pytest.mark.parametrize("save_freq", ["batch", 0, -1, 1.5, True])
def test_wrong_save_freq_raises(save_freq):
    with pytest.raises(ValueError, match=f'expected save_freq to be "epoch" or a number of batches, got {save_freq!r}'):
        BackupAndRestore("backup", save_freq)


def test_a_directory_that_cannot_be_made_is_an_error_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    steps = []
    with pytest.raises(OSError, match="file"):
        fit(tmp_path / "file" / "backup", callbacks=[LambdaCallback(on_batch_end=lambda *a: steps.append(a))])
    assert steps == []
    with pytest.raises(ValueError, match="expected backup_dir to name a directory"):
        BackupAndRestore("")


def test_progress_of_an_interrupted_epoch_counts_all_batches(tmp_path, capsys):
    """The state of the progress bar is restored, too."""

    def cut(batch, logs):
        if batch == 3:
            raise Cut

    with pytest.raises(Cut):
        compiled().fit(
            X, Y, batch_size=5, verbose=2, callbacks=[BackupAndRestore(tmp_path, 1), LambdaCallback(on_batch_end=cut)]
        )
    capsys.readouterr()
    bar = ProgbarLogger()
    seen = []
    spy = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(bar.seen))
    compiled().fit(X, Y, batch_size=5, verbose=0, callbacks=[bar, spy, BackupAndRestore(tmp_path, 1)])
    assert seen == [23]


def test_history_is_called_before_the_backup():
    from lamella.callbacks import CallbackList

    backup, history = BackupAndRestore("backup"), History()
    assert CallbackList([backup, history]).callbacks == [history, backup]


class Noisy(Sequence):
    """Batches with noise that depends only on their index, as threads need."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        rows = slice(3 * index, 3 * index + 3)
        return X[rows] + self.normal(index).normal(0, 0.1, (3, 4)).astype("f4"), Y[rows]

    def normal(self, index):
        return np.random.default_rng(index)


class Careless(Noisy):
    """The noise is drawn from NumPy's global state, which worker processes seed again for each batch."""

    def normal(self, index):
        return np.random


def cyclic():
    while True:
        for start in range(0, 20, 4):
            yield X[start : start + 4], Y[start : start + 4]


def run_generated(directory, make, workers, cut=None, steps=None, processes=False):
    set_random_seed(1)
    net = compiled()
    now = [0]

    def knife(batch, logs):
        if cut == (now[0], batch):
            raise Cut

    where = LambdaCallback(on_epoch_begin=lambda epoch, logs: now.__setitem__(0, epoch), on_batch_end=knife)
    history = net.fit_generator(
        make(), steps, 3, verbose=0, callbacks=[BackupAndRestore(directory, 2), where], workers=workers,
        use_multiprocessing=processes, validation_data=make() if make is not cyclic else Noisy(), validation_steps=4,
    )  # fmt: skip
    return {"weights": net.get_weights(), "optimizer": net.optimizer.get_weights(), "history": dict(history.history)}


@pytest.mark.parametrize("make, steps", [(Noisy, None), (Noisy, 4), (cyclic, 5)])
def test_a_resumed_run_may_have_other_workers(tmp_path, make, steps):
    straight = run_generated(tmp_path, make, 0, steps=steps)
    for before, after in [(0, 1), (1, 4), (4, 0)]:
        for cut in [(0, 2), (1, 3), (2, 0)]:
            if make is cyclic and 4 in (before, after):
                continue  # a plain generator runs in one thread
            with pytest.raises(Cut):
                run_generated(tmp_path, make, before, cut, steps)
            assert_same(run_generated(tmp_path, make, after, steps=steps), straight)


def test_a_run_with_worker_processes_is_resumed(tmp_path):
    straight = run_generated(tmp_path, Careless, 1, processes=True)
    with pytest.raises(Cut):
        run_generated(tmp_path, Careless, 2, (1, 3), processes=True)
    assert_same(run_generated(tmp_path, Careless, 2, processes=True), straight)


class Jitter(Layer):
    """Draws from NumPy's and Python's global state, as custom layers do."""

    def call(self, inputs, training=None):
        if not training:
            return inputs
        return inputs * np.float32(np.random.normal(1, 0.1) * random.uniform(0.9, 1.1))


@pytest.mark.parametrize("make", [Careless, None])
def test_global_random_states_are_restored(tmp_path, make):
    def run_once(cut=None):
        set_random_seed(1)
        net = models.Sequential([Dense(3, input_shape=(4,)), Jitter(), Dense(1)])
        net.compile("adam", "mse")
        now = [0]

        def knife(batch, logs):
            if cut == (now[0], batch):
                raise Cut

        where = LambdaCallback(on_epoch_begin=lambda epoch, logs: now.__setitem__(0, epoch), on_batch_end=knife)
        callbacks = [BackupAndRestore(tmp_path, 2), where]
        if make is None:
            net.fit(X, Y, batch_size=4, epochs=3, verbose=0, callbacks=callbacks)
        else:
            net.fit_generator(make(), epochs=3, verbose=0, callbacks=callbacks, workers=0)
        return net.get_weights()

    straight = run_once()
    for cut in [(0, 1), (0, 2), (1, 4), (2, 3)]:
        with pytest.raises(Cut):
            run_once(cut)
        np.random.random(), random.random()
        for a, b in zip(run_once(), straight):
            np.testing.assert_array_equal(a, b)


def test_state_of_metrics_within_an_epoch_is_restored(tmp_path):
    labels = (Y > 0).astype("f4")

    def run_once(cut=None):
        set_random_seed(1)
        net = models.Sequential([Dense(1, input_shape=(4,), activation="sigmoid")])
        gathering = [metrics.AUC(), metrics.AUC(num_thresholds=None, name="exact"), metrics.Precision(), metrics.Recall(0.3)]
        net.compile("adam", "binary_crossentropy", metrics=gathering)

        def knife(batch, logs):
            if batch == cut:
                raise Cut

        callbacks = [BackupAndRestore(tmp_path, 1), LambdaCallback(on_batch_end=knife)]
        history = net.fit(X, labels, batch_size=5, epochs=2, verbose=0, callbacks=callbacks).history
        return dict(history)

    straight = run_once()
    for cut in range(1, BATCHES):
        with pytest.raises(Cut):
            run_once(cut)
        assert run_once() == straight
    assert 0 < straight["exact"][1] < 1 and straight["exact"] != straight["auc"]


def test_states_of_stateful_layers_are_restored(tmp_path):
    """After an interruption within an epoch, a new model, whose states are zeros, ends with the bits of a complete run."""

    def made():
        set_random_seed(3)
        first = LSTM(3, stateful=True, return_sequences=True, batch_input_shape=(2, 4, 1))
        model = Sequential([first, Bidirectional(GRU(2, stateful=True)), Dense(1)])
        model.compile("sgd", "mse")
        return model

    rng = np.random.default_rng(0)
    data = {"x": rng.normal(size=(12, 4, 1)), "y": rng.normal(size=(12, 1)), "batch_size": 2, "shuffle": False, "verbose": 0}
    straight = made()
    straight.fit(**data, epochs=2)

    def stop(batch, logs):
        if batch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made().fit(**data, epochs=2, callbacks=[BackupAndRestore(tmp_path, save_freq=2), LambdaCallback(on_batch_end=stop)])
    resumed = made()
    resumed.fit(**data, epochs=2, callbacks=[BackupAndRestore(tmp_path, save_freq=2)])
    for one, other in zip(resumed.get_weights(), straight.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    state = straight.get_training_state()
    assert [each.shape for each in state["states"]] == [(2, 3), (2, 3), (2, 2), (2, 2)] and np.any(state["states"][0])
    state["states"].pop()
    with pytest.raises(ValueError, match="stateful layers with states of shapes"):
        made().set_training_state(state)
