"""CSVLogger: all cells of its file."""

import csv

import numpy as np
import pytest

from lamella.callbacks import CSVLogger, LambdaCallback
from lamella.layers import Dense
from lamella.models import Sequential

X, Y = np.ones((6, 3), "f4"), np.ones((6, 1), "f4")


def fit(*callbacks, **arguments):
    net = Sequential([Dense(1, input_shape=(3,))])
    net.compile("sgd", "mse", metrics=["mae"])
    return net.fit(X, Y, verbose=0, callbacks=list(callbacks), **arguments)


def read(path, separator=","):
    with open(path, newline="") as file:
        return list(csv.reader(file, delimiter=separator))


def drive(logger, *epochs, first=0, do_validation=False):
    logger.set_params({"do_validation": do_validation, "metrics": ["loss", "val_loss"]})
    logger.on_train_begin()
    for epoch, logs in enumerate(epochs, first):
        logger.on_epoch_end(epoch, logs)
    logger.on_train_end()


def test_a_line_for_each_epoch(tmp_path):
    path = tmp_path / "log.tsv"
    history = fit(CSVLogger(path, separator="\t"), epochs=3).history
    header, *lines = read(path, "\t")
    assert header == ["epoch", "loss", "mean_absolute_error"]
    assert [int(line[0]) for line in lines] == [0, 1, 2]
    assert [float(line[1]) for line in lines] == history["loss"]
    assert [float(line[2]) for line in lines] == history["mean_absolute_error"]


def test_val_columns_exist_and_are_blank_without_validation(tmp_path):
    path = tmp_path / "log.csv"
    history = fit(CSVLogger(path), epochs=4, validation_data=(X, Y), validation_freq=2).history
    header, *lines = read(path)
    assert header == ["epoch", "loss", "mean_absolute_error", "val_loss", "val_mean_absolute_error"]
    assert [line[3] != "" for line in lines] == [False, True, False, True]
    assert [float(line[3]) for line in lines[1::2]] == history["val_loss"]


def test_later_names_get_a_column_and_missing_values_are_blank(tmp_path):
    path = tmp_path / "log.csv"
    drive(CSVLogger(path), {"loss": 1.0, "b": 2}, {"loss": 0.5, "a": 3}, {"loss": 0.25, "b": 4, "a": 5})
    assert read(path) == [
        ["epoch", "b", "loss", "a"], ["0", "2", "1.0", ""], ["1", "", "0.5", "3"], ["2", "4", "0.25", "5"]
    ]  # fmt: skip


def test_several_numbers_share_a_cell(tmp_path):
    path = tmp_path / "log.csv"
    drive(CSVLogger(path), {"list": [1, 2.5], "array": np.array([3, 4]), "scalar": np.float32(0.5), "zero": np.array(7)})
    assert read(path) == [["epoch", "array", "list", "scalar", "zero"], ["0", "[3, 4]", "[1, 2.5]", "0.5", "7"]]


def test_append_uses_the_columns_of_the_file(tmp_path):
    path = tmp_path / "log.csv"
    drive(CSVLogger(path, append=True), {"loss": 1.0, "acc": 0.5})
    drive(CSVLogger(path, append=True), {"acc": 0.75, "lr": 0.1, "loss": 0.5}, first=1)
    assert read(path) == [["epoch", "acc", "loss", "lr"], ["0", "0.5", "1.0", ""], ["1", "0.75", "0.5", "0.1"]]
    drive(CSVLogger(path), {"loss": 2.0})
    assert read(path) == [["epoch", "loss"], ["0", "2.0"]]


def test_append_ends_a_last_line_that_has_no_end(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss\n0,2.0")
    drive(CSVLogger(path, append=True), {"loss": 1.0}, first=1)
    assert read(path) == [["epoch", "loss"], ["0", "2.0"], ["1", "1.0"]]


def test_wrong_separators_raise(tmp_path):
    for wrong in ("::", "", 1):
        with pytest.raises(ValueError, match="expected separator to be one character, got"):
            CSVLogger(tmp_path / "log.csv", separator=wrong)


@pytest.mark.parametrize("text, columns", [("dear diary", r"\['dear diary'\]"), ("\n", r"\[\]")])
def test_append_refuses_another_kind_of_file(tmp_path, text, columns):
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"first column of '.*notes.txt' to be epoch, got the columns {columns}"):
        fit(CSVLogger(path, append=True))
    assert path.read_text() == text


def test_lines_are_written_during_training(tmp_path):
    path = tmp_path / "log.csv"
    seen = []
    fit(CSVLogger(path), LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(len(read(path)))), epochs=2)
    assert seen == [2, 3]


def test_a_missing_directory_raises_before_training(tmp_path):
    steps = []
    with pytest.raises(FileNotFoundError, match="nowhere"):
        fit(CSVLogger(tmp_path / "nowhere" / "log.csv"), LambdaCallback(on_batch_end=lambda *a: steps.append(a)))
    assert steps == []


def test_restoring_removes_lines_after_the_saved_state(tmp_path):
    path = tmp_path / "log.csv"
    first = CSVLogger(path)
    first.on_train_begin()
    first.on_epoch_end(0, {"loss": 1.0})
    state = first.get_state()
    first.on_epoch_end(1, {"loss": 0.5})
    again = CSVLogger(path)
    again.on_train_begin()
    again.set_state(state)
    again.on_epoch_end(1, {"loss": 0.25})
    again.on_train_end()
    first.on_train_end()
    assert read(path) == [["epoch", "loss"], ["0", "1.0"], ["1", "0.25"]]


def test_a_resumed_run_keeps_its_rows_if_columns_were_added_after_the_backup(tmp_path):
    path = tmp_path / "log.csv"
    logger = CSVLogger(path)
    drive(logger, {"loss": 5.9467}, {"loss": 4.25})
    state = logger.get_state()
    # The run goes on, a name appears for the first time, and the process dies before the next backup.
    going_on = CSVLogger(path, append=True)
    drive(going_on, {"loss": 3.5, "a long name of a metric": 7}, first=2)
    resumed = CSVLogger(path)
    resumed.set_params({"metrics": ["loss"]})
    resumed.on_train_begin()
    resumed.set_state(state)
    resumed.on_epoch_end(2, {"loss": 3.75})
    resumed.on_epoch_end(3, {"loss": 2.5, "a long name of a metric": 8, "b": 9})
    resumed.on_train_end()
    assert read(path) == [
        ["epoch", "loss", "a long name of a metric", "b"], ["0", "5.9467", "", ""], ["1", "4.25", "", ""],
        ["2", "3.75", "", ""], ["3", "2.5", "8", "9"],
    ]  # fmt: skip
    assert resumed.get_state() == {"rows": 5}


def test_a_resumed_run_starts_anew_if_the_file_has_lost_rows(tmp_path):
    path = tmp_path / "log.csv"
    drive(logger := CSVLogger(path), {"loss": 1.0}, {"loss": 2.0})
    state = logger.get_state()
    path.write_text("epoch,loss\n0,1.0\n")
    logger.on_train_begin()
    logger.set_state(state)
    logger.on_epoch_end(2, {"loss": 3.0})
    logger.on_train_end()
    assert read(path) == [["epoch", "loss"], ["2", "3.0"]]


def test_a_column_that_cannot_be_added_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "log.csv"
    logger = CSVLogger(path)
    logger.set_params({"metrics": []})
    logger.on_train_begin()
    logger.on_epoch_end(0, {"loss": 1.0})

    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lamella.callbacks.csv_logger.replace_file", full)
    with pytest.raises(OSError, match="No space left"):
        logger.on_epoch_end(1, {"loss": 2.0, "new": 3})
    logger.on_train_end()
    assert read(path) == [["epoch", "loss"], ["0", "1.0"]]


def test_a_file_that_is_replaced_or_left_open_is_closed(tmp_path):
    path = tmp_path / "log.csv"
    logger = CSVLogger(path)
    logger.on_train_begin()
    first = logger.csv_file
    logger.on_epoch_end(0, {"loss": 1.0})
    logger.on_epoch_end(1, {"loss": 0.5, "new": 3})
    second = logger.csv_file
    assert first.closed and not second.closed
    # The first run was interrupted, so on_train_end was not called.
    drive(logger, {"loss": 2.0})
    assert second.closed and logger.csv_file is None
    assert read(path) == [["epoch", "loss"], ["0", "2.0"]]
