"""Models are saved to the name of a temporary file that the script holds open, and read from it."""

import errno
import os
import tempfile

import numpy as np
import pytest

from lamella.core import files
from lamella.layers import Dense
from lamella.models import Sequential, load_model

X = np.arange(6, dtype="float32").reshape(2, 3)


@pytest.fixture
def model():
    made = Sequential([Dense(2, input_dim=3)])
    made.compile("sgd", "mse")
    return made


@pytest.mark.parametrize("whole", [True, False])
def test_a_script_reads_what_was_saved_to_its_open_file(tmp_path, model, whole):
    with tempfile.NamedTemporaryFile(suffix=".h5", dir=tmp_path) as file:
        (model.save if whole else model.save_weights)(file.name)
        data = file.read()
        assert os.fstat(file.fileno()).st_size == len(data) > 1000
    (tmp_path / "copy.h5").write_bytes(data)
    copy = load_model(tmp_path / "copy.h5") if whole else Sequential([Dense(2, input_dim=3)])
    if not whole:
        copy.load_weights(tmp_path / "copy.h5")
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))
    assert [path.name for path in tmp_path.iterdir()] == ["copy.h5"]


def test_a_file_with_content_is_replaced(tmp_path, model):
    path = tmp_path / "m.h5"
    path.write_bytes(b"old")
    with path.open("rb") as old:
        model.save(path)
        assert old.read() == b"old"
    assert load_model(path).count_params() == 8


def test_an_empty_file_that_cannot_be_filled_is_replaced(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.touch()
    number = path.stat().st_ino
    synced = os.fsync

    def full(descriptor):
        if os.fstat(descriptor).st_ino == number:
            raise OSError(errno.ENOSPC, "no space")
        synced(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    files.replace_file(path, b"new")
    assert path.read_bytes() == b"new" and path.stat().st_ino != number
