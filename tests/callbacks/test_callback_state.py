"""Model files contain the state of callbacks."""

import warnings

import h5py
import numpy as np
import pytest

from lamella.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)  # fmt: skip
from lamella.layers import Dense
from lamella.models import Sequential, load_model
from lamella.optimizers import SGD
from lamella.saving import ModelFileError
from lamella.utils import set_random_seed

DRAW = np.random.default_rng(5)
X, Y = DRAW.normal(size=(24, 3)).astype("f4"), DRAW.normal(size=(24, 1)).astype("f4")


def new_model():
    set_random_seed(1)
    model = Sequential([Dense(1, input_shape=(3,))])
    model.compile(SGD(lr=0.1), "mse")
    return model


def plateau(**more):
    return ReduceLROnPlateau("loss", **{"factor": 0.5, "patience": 2, "min_delta": 10.0, "cooldown": 1, **more})


def fit(model, callbacks, epochs, initial_epoch=0):
    return model.fit(X, Y, batch_size=5, epochs=epochs, initial_epoch=initial_epoch, callbacks=callbacks, verbose=0)


def memory_of(callback):
    return {name: getattr(callback, name) for name in callback.state_names}


def assert_same(callbacks, others):
    for one, other in zip(callbacks, others, strict=True):
        a, b = memory_of(one), memory_of(other)
        assert list(a) == list(b)
        for name in a:
            np.testing.assert_equal(a[name], b[name], err_msg=name)


# With a timeout the file is read in another process.
KINDS = [*((".h5", None, n) for n in range(1, 7)), *((".safetensors", None, n) for n in range(1, 7)), (".h5", 60, 4)]


@pytest.mark.parametrize(("suffix", "timeout", "epoch"), KINDS)
def test_a_loaded_model_restores_the_state_of_callbacks(tmp_path, suffix, timeout, epoch):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")

    def callbacks():
        return [plateau(), EarlyStopping("loss", patience=50, min_delta=0.3, baseline=0.9)]

    straight = new_model()
    one = callbacks()
    history = fit(straight, one, 8)
    assert len(set(history.history["lr"])) >= 3
    model = new_model()
    fit(model, callbacks(), epoch)
    model.save(tmp_path / f"model{suffix}")
    model = load_model(tmp_path / f"model{suffix}", timeout=timeout)
    two = callbacks()
    rest = fit(model, two, 8, epoch)
    assert rest.epoch == list(range(epoch, 8))
    assert rest.history["loss"] == history.history["loss"][epoch:] and rest.history["lr"] == history.history["lr"][epoch:]
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), straight.get_weights()))
    assert_same(one, two)


@pytest.mark.parametrize("place", range(4))
def test_the_place_of_the_checkpoint_in_the_list_does_not_matter(tmp_path, place):
    """Callbacks after it have not seen the epoch when the file is written. The resumed fit first calls them for this epoch."""

    def callbacks(where):
        made = [plateau(patience=1, cooldown=0), EarlyStopping("loss", patience=50, min_delta=9.0, restore_best_weights=True)]
        made.append(plateau(factor=0.9, patience=3, min_lr=1e-3))
        made.insert(place, ModelCheckpoint(str(where / "e{epoch}.h5")))
        return made

    straight = new_model()
    one = callbacks(tmp_path)
    lrs = fit(straight, one, 6).history["lr"]
    assert len(set(lrs)) == 6  # all differ, so a rate from the wrong epoch would be noticed
    again = tmp_path / "again"
    again.mkdir()
    for epoch in range(1, 6):
        model = load_model(tmp_path / f"e{epoch}.h5")
        two = callbacks(tmp_path)
        # The second checkpoint would overwrite the files of the first.
        two[place].filepath, path = str(again / "e{epoch}.h5"), two[place].filepath
        assert fit(model, two, 6, epoch).history["lr"] == lrs[epoch:]
        two[place].filepath = path
        assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), straight.get_weights()))
        assert_same(
            [c for c in one if not isinstance(c, ModelCheckpoint)], [c for c in two if not isinstance(c, ModelCheckpoint)]
        )


def test_the_best_value_of_a_checkpoint_is_that_of_its_file(tmp_path):
    def checkpoint():
        return ModelCheckpoint(str(tmp_path / "best.h5"), "loss", save_best_only=True)

    one, two = checkpoint(), checkpoint()
    losses = fit(new_model(), [one], 4).history["loss"]
    assert one.best == min(losses) == losses[-1]
    model = load_model(tmp_path / "best.h5")
    seen = []
    fit(model, [LambdaCallback(on_train_begin=lambda logs: seen.append(two.best)), two], 4, 4)
    assert two.best == one.best
    assert seen == [np.inf]


def test_a_failed_write_is_not_the_best(tmp_path, monkeypatch):
    checkpoint = ModelCheckpoint(str(tmp_path / "best.h5"), "loss", save_best_only=True)
    model = new_model()
    fit(model, [checkpoint], 1)
    before = checkpoint.best

    def fails(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(model, "save", fails)
    with pytest.raises(OSError, match="disk full"):
        fit(model, [checkpoint], 2, 1)
    assert checkpoint.best == before


@pytest.mark.parametrize("place", [0, 1])
def test_resuming_a_stopped_training_ends_at_once(tmp_path, place):
    def callbacks():
        made = [EarlyStopping("loss", patience=2, min_delta=9.0, restore_best_weights=True)]
        made.insert(place, ModelCheckpoint(str(tmp_path / "m.h5")))
        return made

    straight = new_model()
    one = callbacks()
    assert fit(straight, one, 9).epoch == [0, 1, 2]
    model = load_model(tmp_path / "m.h5")
    two = callbacks()
    with pytest.warns(
        RuntimeWarning, match="a callback stopped the training of the model's file after epoch 3, so nothing is left to train"
    ):
        assert fit(model, two, 9, 3).epoch == []
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), straight.get_weights()))
    # Without the callback, or with other arguments for it, training continues.
    for more in ([], [EarlyStopping("loss", patience=3, min_delta=9.0)]):
        model = load_model(tmp_path / "m.h5")
        with warnings.catch_warnings(action="error"):
            assert fit(model, more, 5, 3).epoch == [3, 4]


def test_a_model_saved_after_a_stop_begins_a_new_training(tmp_path):
    model = new_model()
    stop = EarlyStopping("loss", patience=2, min_delta=9.0)
    fit(model, [stop], 9)
    assert stop.stopped_epoch == 2
    model.save(tmp_path / "m.h5")
    again = EarlyStopping("loss", patience=2, min_delta=9.0)
    assert fit(load_model(tmp_path / "m.h5"), [again], 9, 3).epoch == [3, 4, 5]
    saver = [EarlyStopping("loss", patience=2, min_delta=9.0), None]
    saver[1] = LambdaCallback(on_train_end=lambda logs: other.save(tmp_path / "end.h5"))
    other = new_model()
    fit(other, saver, 9)
    assert fit(load_model(tmp_path / "end.h5"), [EarlyStopping("loss", patience=2, min_delta=9.0)], 9, 3).epoch == [3, 4, 5]


def test_cases_in_which_no_state_is_restored(tmp_path):
    """Other arguments, epoch 0, a second fit, a model compiled again, a model that was not loaded: as in Keras."""
    model = new_model()
    fit(model, [plateau(patience=9)], 5)
    model.save(tmp_path / "m.h5")

    def waited(model, callback, initial_epoch):
        fit(model, [callback], initial_epoch + 1, initial_epoch)
        return callback.wait

    def loaded():
        return load_model(tmp_path / "m.h5")

    assert waited(loaded(), plateau(patience=9), 5) == 5  # 4 epochs, and one of this fit
    assert waited(loaded(), plateau(patience=8), 5) == 0
    assert waited(loaded(), plateau(patience=9), 0) == 0
    assert waited(model, plateau(patience=9), 5) == 0
    twice = loaded()
    assert waited(twice, plateau(patience=9), 5) == 5
    assert waited(twice, plateau(patience=9), 6) == 0
    after_a_fresh_one = loaded()
    assert waited(after_a_fresh_one, plateau(patience=9), 0) == 0
    assert waited(after_a_fresh_one, plateau(patience=9), 5) == 0
    compiled = loaded()
    compiled.compile(SGD(), "mse")
    assert waited(compiled, plateau(patience=9), 5) == 0
    with pytest.warns(
        RuntimeWarning, match="initial_epoch=4, but the model's file is of epoch 5: callbacks start without state"
    ):
        assert waited(loaded(), plateau(patience=9), 4) == 0


def test_only_equal_callbacks_get_a_state_each_once(tmp_path):
    model = new_model()
    fit(model, [plateau(patience=9), plateau(patience=9), plateau(patience=9, factor=np.float64(0.25))], 5)
    model.save(tmp_path / "m.h5")
    three = [plateau(patience=9) for _ in range(3)]
    quarter = plateau(patience=9, factor=0.25)
    fit(load_model(tmp_path / "m.h5"), [*three, TerminateOnNaN(), quarter], 6, 5)
    assert [callback.wait for callback in three] == [5, 5, 0]
    assert quarter.wait == 5


def test_a_fit_that_fails_to_begin_keeps_the_state_for_the_next(tmp_path):
    model = new_model()
    fit(model, [plateau(patience=9)], 3)
    model.save(tmp_path / "m.h5")
    model = load_model(tmp_path / "m.h5")
    callback = plateau(patience=9)
    with pytest.raises(OSError):
        fit(model, [callback, ModelCheckpoint(str(tmp_path / "no" / "such" / "directory.h5"))], 4, 3)
    fit(model, [callback], 4, 3)
    assert callback.wait == 3


def test_a_file_within_an_epoch_has_the_state_before_it(tmp_path):
    model = new_model()

    def at(batch, logs):
        if batch == 2:
            model.save(tmp_path / "m.h5")

    one = plateau(patience=9)
    fit(model, [one, LambdaCallback(on_batch_end=at)], 4)
    two = plateau(patience=9)
    fit(load_model(tmp_path / "m.h5"), [two], 3, 3)
    assert (one.wait, two.wait) == (3, 2)
    with pytest.raises(RuntimeError, match="enough"):
        fit(model, [plateau(patience=9), LambdaCallback(on_epoch_end=enough)], 4)
    model.save(tmp_path / "m.h5")
    fit(load_model(tmp_path / "m.h5"), [two], 3, 3)
    assert two.wait == 2


def enough(epoch, logs):
    if epoch == 2:
        raise RuntimeError("enough")


def test_save_load_save_gives_the_same_bytes(tmp_path):
    stop = EarlyStopping("loss", patience=50, min_delta=0.3, restore_best_weights=True)
    model = new_model()
    fit(model, [stop, plateau()], 5)
    model.save(tmp_path / "a.h5")
    load_model(tmp_path / "a.h5").save(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with h5py.File(tmp_path / "a.h5") as file:
        assert set(file) == {"model_weights", "optimizer_weights", "lamella_state"}
        assert [a.shape for a in map(np.asarray, file["lamella_state"].values())] == [(3, 1), (1,)]
    model.save(tmp_path / "bare.h5", include_optimizer=False)
    with h5py.File(tmp_path / "bare.h5") as file:
        assert set(file) == {"model_weights"} and "lamella_state" not in file.attrs


def test_no_path_of_the_machine_is_in_the_file(tmp_path):
    model = new_model()
    fit(model, [ModelCheckpoint(str(tmp_path / "secret.h5")), CSVLogger(str(tmp_path / "log.csv"))], 1)
    model.save(tmp_path / "m.h5")
    data = (tmp_path / "m.h5").read_bytes()
    assert b"ModelCheckpoint" in data and b"secret" not in data and b"log.csv" not in data


class Counts(Callback):
    state_names = ("seen",)

    def __init__(self, name):
        super().__init__()
        self.name, self.seen = name, []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(epoch)


def test_the_state_of_a_custom_callback_is_in_the_file(tmp_path):
    model = new_model()
    one = Counts("a")
    fit(model, [one], 2)
    one.seen.append("later")
    model.save(tmp_path / "m.h5")
    two, three = Counts("a"), Counts("b")
    fit(load_model(tmp_path / "m.h5"), [three, two], 3, 2)
    assert (two.seen, three.seen) == ([0, 1, 2], [2])


def test_a_state_that_is_not_data_is_omitted_with_a_warning(tmp_path):
    model = new_model()
    odd = Counts("a")
    odd.seen = [{1, 2}]
    fit(model, [odd], 1)
    with pytest.warns(
        RuntimeWarning, match="the state of the callbacks is not saved: expected numbers, strings and arrays, got set at"
    ):
        model.save(tmp_path / "m.h5")
    assert load_model(tmp_path / "m.h5").get_weights()[0].shape == (3, 1)


@pytest.mark.parametrize(
    "text",
    [
        '{"callbacks": 3}', '{"callbacks": {"dict": {"epoch": 1}}}', '{"callbacks": {"dict": 1}}', '{"callbacks": {"array": "a0"}}',
        '{"callbacks": {"dict": {"epoch": "1", "stopped": false, "logs": {"dict": {}}, "callbacks": []}}}',
        '{"callbacks": {"dict": {"epoch": 1, "stopped": false, "logs": {"dict": {}}, "callbacks": [3]}}}',
        '{"callbacks": {"dict": {"epoch": 1, "stopped": false, "logs": {"dict": {}}, "callbacks": [{"dict": {"state": 1}}]}}}',
    ],
)  # fmt: skip
def test_a_state_from_an_unknown_source_is_checked(tmp_path, text):
    model = new_model()
    fit(model, [], 1)
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r") as old, h5py.File(tmp_path / "n.h5", "w") as new:  # without a checksum
        for name in old:
            old.copy(name, new)
        for name, value in old.attrs.items():
            new.attrs[name] = value
        new.attrs["lamella_state"] = text
    with pytest.raises(ModelFileError, match="the state of the callbacks is damaged"):
        load_model(tmp_path / "n.h5")


class Limit(Callback):
    """Stops after `count` epochs or batches of each fit, and has no state to save."""

    def __init__(self, count, of="epochs"):
        super().__init__()
        self.count = count
        self.of = of

    def on_train_begin(self, logs=None):
        self.left = self.count

    def _one(self):
        self.left -= 1
        self.model.stop_training = self.model.stop_training or self.left == 0

    def on_epoch_end(self, epoch, logs=None):
        if self.of == "epochs":
            self._one()

    def on_batch_end(self, batch, logs=None):
        if self.of == "batches":
            self._one()


@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("limit", [(3, "epochs"), (15, "batches")])  # 5 batches an epoch
@pytest.mark.parametrize("how", ["checkpoint", "save after"])
def test_a_stop_by_a_callback_without_state_only_interrupts(tmp_path, limit, place, how):
    def callbacks():
        return [plateau(), ModelCheckpoint(str(tmp_path / "m.h5"))]

    straight, one = new_model(), callbacks()
    fit(straight, one, 8)
    model, limited = new_model(), callbacks()
    limited.insert(place, Limit(*limit))
    assert fit(model, limited, 8).epoch == [0, 1, 2]
    if how == "save after":
        model.save(tmp_path / "m.h5")
    model, two = load_model(tmp_path / "m.h5"), callbacks()
    with warnings.catch_warnings(action="error"):
        assert fit(model, [*two, Limit(3)], 8, 3).epoch == [3, 4, 5]
        model, two = load_model(tmp_path / "m.h5"), callbacks()
        assert fit(model, two, 8, 6).epoch == [6, 7]
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), straight.get_weights()))
    assert memory_of(one[0]) == memory_of(two[0])


class Decay(Callback):
    """A callback whose argument is also its state."""

    state_names = ("rate",)

    def __init__(self, rate=0.1, factor=0.5):
        super().__init__()
        self.rate = rate
        self.factor = factor

    def on_epoch_end(self, epoch, logs=None):
        self.rate *= self.factor


def test_an_argument_that_changes_in_training_does_not_identify_a_callback(tmp_path):
    model = new_model()
    fit(model, [Decay()], 3)
    model.save(tmp_path / "m.h5")
    for factor, rate in ((0.5, 0.1 * 0.5**4), (0.25, 0.1 * 0.25)):
        decay = Decay(factor=factor)
        fit(load_model(tmp_path / "m.h5"), [decay], 4, 3)
        assert decay.rate == rate
