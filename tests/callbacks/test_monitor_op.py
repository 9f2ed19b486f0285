"""monitor_op and min_delta, which compare a monitored value, and which scripts read and set."""

import numpy as np
import pytest

from lamella.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau


class FakeModel:
    stop_training = False

    def __init__(self, directions=None):
        self.optimizer = type("Optimizer", (), {"lr": 1.0})()
        self.directions = directions or {}

    def metric_direction(self, name):
        return self.directions.get(name)

    def save(self, path, overwrite):
        pass


@pytest.mark.parametrize("callback", [EarlyStopping, lambda *args, **options: ModelCheckpoint("m.h5", *args, **options)])
def test_monitor_op_compares_in_the_direction_of_the_mode(callback):
    assert callback(monitor="val_loss").monitor_op is np.less
    assert callback(monitor="val_acc").monitor_op is np.greater
    assert callback(monitor="val_acc", mode="min").monitor_op is np.less
    assert callback(monitor="val_loss", mode="max").monitor_op is np.greater


def test_monitor_op_of_the_plateau_includes_min_delta():
    falling, rising = ReduceLROnPlateau(min_delta=0.5), ReduceLROnPlateau(min_delta=0.5, mode="max")
    assert [falling.monitor_op(value, 2.0) for value in (1.25, 1.5, 2.25)] == [True, False, False]
    assert [rising.monitor_op(value, 2.0) for value in (1.75, 2.5, 2.75)] == [False, False, True]


def improvements(callback, values, model=None):
    """The best value after each epoch of one fit."""
    callback.set_model(model or FakeModel())
    callback.on_train_begin()
    best = []
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {callback.monitor: value})
        best.append(callback.best)
    return best


def test_min_delta_has_the_sign_of_the_mode():
    # Keras 2.2.5: min_delta *= 1 where larger is better, otherwise *= -1.
    assert EarlyStopping(min_delta=0.25).min_delta == -0.25
    assert EarlyStopping(monitor="val_acc", min_delta=0.25).min_delta == 0.25
    assert EarlyStopping(monitor="val_acc", min_delta=0.25, mode="min").min_delta == -0.25
    assert EarlyStopping(min_delta=0.25, mode="max").min_delta == 0.25
    assert EarlyStopping(min_delta=-0.25).min_delta == 0.25


def test_min_delta_set_by_a_script_is_used_with_its_sign():
    stop = EarlyStopping(min_delta=0.25, patience=9)
    stop.min_delta = -0.5
    assert improvements(stop, [4.0, 3.5, 3.25, 3.0]) == [4.0, 4.0, 3.25, 3.25]
    stop.min_delta *= 2
    assert improvements(stop, [4.0, 3.5, 3.25, 2.75]) == [4.0, 4.0, 4.0, 2.75]


def test_min_delta_changes_its_sign_once_with_the_metrics_direction():
    stop, model = EarlyStopping(monitor="val_auc", min_delta=0.25, patience=9), FakeModel({"val_auc": "max"})
    assert stop.min_delta == -0.25
    for _ in range(2):
        assert improvements(stop, [0.25, 0.5, 0.75], model) == [0.25, 0.25, 0.75]
        assert stop.min_delta == 0.25 and stop.monitor_op is np.greater


def test_a_monitor_op_set_by_a_script_is_used():
    stop = EarlyStopping(monitor="val_f1", patience=9)
    stop.monitor_op = np.greater
    assert improvements(stop, [0.25, 0.5, 0.125]) == [0.25, 0.5, 0.5]
    stop.monitor_op = lambda value, best: value < 0.5 * best
    assert improvements(stop, [1.0, 0.75, 0.25]) == [1.0, 1.0, 0.25]


@pytest.mark.parametrize("op, best", [(np.less, [3.0, 2.0, 2.0, 1.0]), (np.greater, [3.0, 3.0, 4.0, 4.0])])
def test_the_plateau_and_the_checkpoint_use_a_set_monitor_op(op, best, tmp_path):
    for callback in (ReduceLROnPlateau("val_f1"), ModelCheckpoint(tmp_path / "m.h5", "val_f1", save_best_only=True)):
        callback.monitor_op = op
        assert improvements(callback, [3.0, 2.0, 4.0, 1.0]) == best


@pytest.mark.parametrize("callback", [EarlyStopping, ReduceLROnPlateau, lambda: ModelCheckpoint("m.h5")])
def test_a_monitor_op_that_cannot_be_called_is_refused(callback):
    made = callback()
    with pytest.raises(TypeError, match=f"{type(made).__name__}: expected a function of two values as monitor_op, got 'less'"):
        made.monitor_op = "less"


def test_a_callback_may_replace_monitor_op_by_a_method():
    class Relative(EarlyStopping):
        def monitor_op(self, value, best):
            return value < 0.9 * best

    assert improvements(Relative(patience=9), [2.0, 1.9, 1.5]) == [2.0, 2.0, 1.5]
