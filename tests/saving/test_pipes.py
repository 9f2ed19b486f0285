"""A named pipe is read to its end, or up to the time limit."""

import contextlib
import os
import threading
import time

import numpy as np
import pytest

from lamella import config
from lamella.layers import Dense
from lamella.models import Sequential, load_model
from lamella.saving import ModelFileError


@pytest.fixture
def pipe(tmp_path):
    os.mkfifo(tmp_path / "m.h5")
    return tmp_path / "m.h5"


def write_to(pipe, data):
    def write():
        with contextlib.suppress(BrokenPipeError):  # the reader has stopped reading
            pipe.write_bytes(data)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("timeout", [None, 60])
def test_a_model_is_loaded_from_a_pipe(tmp_path, pipe, timeout):
    model = Sequential([Dense(2, input_shape=(300,)), Dense(200)])
    model.compile("sgd", loss="mse")
    model.save(tmp_path / "real.h5")
    thread = write_to(pipe, (tmp_path / "real.h5").read_bytes())
    loaded = load_model(pipe, timeout=timeout)
    thread.join(10)
    assert not thread.is_alive()
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_pipe_without_a_writer_ends_in_time(pipe):
    began = time.monotonic()
    with pytest.raises(ModelFileError, match=r"the pipe was not written and closed within 0.3 s"):
        load_model(pipe, timeout=0.3)
    assert time.monotonic() - began >= 0.3


def test_a_writer_that_never_closes_ends_in_time(pipe):
    holder = os.open(pipe, os.O_RDWR)
    try:
        os.write(holder, b"\x89HDF\r\n\x1a\n")
        with pytest.raises(ModelFileError, match=r"the pipe was not written and closed within 0.3 s"):
            load_model(pipe, timeout=0.3)
    finally:
        os.close(holder)


def test_more_bytes_than_allowed_are_refused(pipe):
    before = config.max_file_bytes()
    config.set_max_file_bytes(100_000)
    try:
        write_to(pipe, bytes(200_000))
        with pytest.raises(ModelFileError, match="the pipe has more than 100000 bytes"):
            load_model(pipe, timeout=30)
    finally:
        config.set_max_file_bytes(before)
