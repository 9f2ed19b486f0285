"""A damaged file raises an error that names it, or the damage has no effect. The model for the weights is not changed."""

import io
import json
import os
import pickle
import select
import struct
import subprocess
import sys
from subprocess import PIPE

import h5py
import numpy as np
import pytest

from lamella.core import names
from lamella.layers import BatchNormalization, Dense
from lamella.models import Sequential, load_model
from lamella.saving import ModelFileError
from lamella.saving.guards import isolated

# The longer checks use more.
FLIPS = int(os.environ.get("LAMELLA_FLIPS", "16"))
CHECKSUM = 79  # bytes of the checksum at the end


def network():
    names.reset_uids()  # the fixture may be made between two tests
    model = Sequential([Dense(3, input_dim=4), BatchNormalization(), Dense(2)])
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((2, 4)), np.ones((2, 2)))
    return model


@pytest.fixture(scope="module")
def checked():
    stream = io.BytesIO()
    network().save(stream)
    return stream.getvalue()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.h5"


def check_equal(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("whole", [True, False])
def test_truncated_at_every_percent(path, checked, whole):
    model = network()
    before = model.get_weights()
    for percent in range(100):
        path.write_bytes(checked[: len(checked) * percent // 100])
        with pytest.raises(ModelFileError, match="m.h5: ") as error:
            load_model(path) if whole else model.load_weights(path)
        assert error.value.path == str(path)
    check_equal(model.get_weights(), before)


def test_flipped_bits_of_lamellas_files_are_found(path, checked):
    expected = load_model(io.BytesIO(checked)).get_weights()
    rng = np.random.default_rng(0)
    found = 0
    for bit in rng.integers(0, 8 * len(checked), max(300, FLIPS)):
        damaged = bytearray(checked)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            check_equal(load_model(path).get_weights(), expected)
            # Only a flip in the mark of the checksum makes it a file without a checksum; the rest is then undamaged.
            assert bit // 8 >= len(checked) - CHECKSUM
        except ModelFileError as error:
            assert str(error) == f"{path}: the file is damaged: its checksum does not fit"
            found += 1
    assert found > 0.96 * max(300, FLIPS)


def test_a_file_changed_by_another_program_needs_no_checksum(path, checked):
    path.write_bytes(checked)
    with h5py.File(path, "r+") as file:
        del file["optimizer_weights"]
    assert load_model(path).optimizer.get_weights() == []
    check_equal(load_model(path).get_weights(), load_model(io.BytesIO(checked)).get_weights())


def endless(data):
    """The file with 0 bytes as the declared free space of its heap of strings, in which HDF5 loops without end."""
    damaged = bytearray(data)
    start = damaged.find(b"GCOL")
    at = start + 16
    while True:
        index, _, _, size = struct.unpack_from("<HHIQ", damaged, at)
        if index == 0:
            struct.pack_into("<Q", damaged, at + 8, 0)
            return bytes(damaged)
        at += 16 + -(-size // 8) * 8


# Reads each file that a line of its input names, within the memory that `timeout=` allows; prints shapes and dtypes, or the
# refusal.
READER = """
import json, resource, sys
from pathlib import Path
from lamella.models import load_model
load_model(sys.argv[1], compile=False)  # so that all modules are loaded
here = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (here + 2**28, here + 2**28))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
for line in sys.stdin:
    try:
        answer = [[list(w.shape), w.dtype.name] for w in load_model(line[:-1], compile=False).get_weights()]
    except ValueError as error:
        answer = str(error)
    print(json.dumps(answer), flush=True)
"""


class Reader:
    """A process that reads files one by one, until a file crashes it or makes it hang."""

    def __init__(self, sound):
        self.command = [sys.executable, "-c", READER, str(sound)]
        self.process = None

    def read(self, path, seconds):
        """Its output; None if it died, or printed nothing in time."""
        if self.process is None:
            self.process = subprocess.Popen(self.command, stdin=PIPE, stdout=PIPE, stderr=subprocess.DEVNULL, text=True)
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            self.close()
            return None
        return json.loads(line)

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def test_flipped_bits_of_other_files_do_not_crash_the_process(path, checked, tmp_path):
    model = network()
    before = model.get_weights()
    arrays = [[list(w.shape), w.dtype.name] for w in before]
    rng = np.random.default_rng(1)
    data = checked[:-CHECKSUM]
    sound = tmp_path / "sound.h5"
    sound.write_bytes(data)
    reader = Reader(sound)
    try:
        for i, bit in enumerate(rng.integers(0, 8 * len(data), FLIPS)):
            damaged = bytearray(data)
            damaged[bit // 8] ^= 1 << bit % 8
            path.write_bytes(damaged)
            # A process for each file would be slow, so one process reads most files. load_model must survive a file that kills it.
            answer = reader.read(path, seconds=10) if i >= 4 else None
            if answer is None:
                try:
                    loaded = load_model(path, compile=False, timeout=20)
                    answer = [[list(w.shape), w.dtype.name] for w in loaded.get_weights()]
                except ValueError as error:  # ModelFileError, or a description that is JSON but not a model
                    answer = str(error)
            assert answer == arrays or (isinstance(answer, str) and answer)
    finally:
        reader.close()
    check_equal(model.get_weights(), before)


def test_the_reading_process_of_this_test_survives_a_file(path, checked):
    sound = path.with_name("sound.h5")
    sound.write_bytes(checked)
    path.write_bytes(endless(checked[:-CHECKSUM]))
    reader = Reader(sound)
    try:
        answer = reader.read(sound, seconds=60)
        assert answer == [[list(w.shape), w.dtype.name] for w in network().get_weights()]
        assert reader.read(path, seconds=1) is None
        assert reader.read(sound, seconds=60) == answer
    finally:
        reader.close()


def test_a_file_in_which_hdf5_loops_without_end(path, checked):
    path.write_bytes(endless(checked[:-CHECKSUM]))
    model = network()
    before = model.get_weights()
    for load in (load_model, model.load_weights):
        with pytest.raises(ModelFileError, match="m.h5: HDF5 had not read it after 1.0 s: the file is damaged"):
            load(path, timeout=1.0)
    check_equal(model.get_weights(), before)
    # A wrong checksum is found before HDF5 is called.
    path.write_bytes(endless(checked))
    with pytest.raises(ModelFileError, match="its checksum does not fit"):
        load_model(path)


def test_isolated_reading_gives_the_same(path, checked):
    path.write_bytes(checked[:-CHECKSUM])
    here, apart = load_model(path), load_model(path, timeout=60)
    check_equal(here.get_weights(), apart.get_weights())
    check_equal(here.optimizer.get_weights(), apart.optimizer.get_weights())
    again = network()
    again.load_weights(io.BytesIO(checked), timeout=60)
    check_equal(again.get_weights(), here.get_weights())
    path.write_bytes(b"nothing")
    with pytest.raises(ModelFileError, match="m.h5: HDF5 could not read it: the file is damaged or not an HDF5 file"):
        load_model(path, timeout=60)


def test_wrong_timeouts_raise(path, checked):
    path.write_bytes(checked)
    for bad in (0, -1.0):
        with pytest.raises(ValueError, match=f"expected timeout to be a number of seconds above 0, or None, got {bad}"):
            load_model(path, timeout=bad)
    with h5py.File(path) as file, pytest.raises(ValueError, match="an open HDF5 file is read in this process"):
        load_model(file, timeout=1.0)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda f: f.attrs.__delitem__("model_config"), "No model found in config"),
        (lambda f: f.attrs.__setitem__("model_config", "{"), "model_config is not JSON"),
        (lambda f: f.attrs.__setitem__("model_config", "[]"), "model_config: expected an object, got list"),
        (lambda f: f.attrs.__setitem__("model_config", 3), "the attribute model_config holds int64, expected text"),
        (lambda f: f.attrs.__setitem__("model_config", '{"config": 1}'), "Improper config format"),
        (lambda f: f.attrs.__setitem__("model_config", '{"class_name": "Dense", "config": {"units": 2}}'), "describes a Dense, which is not a model"),
        (lambda f: f.attrs.__setitem__("model_config", '{"class_name": "Sequential", "config": {"name": "x"}}'), "cannot be built from its description"),
        (lambda f: f.attrs.__setitem__("training_config", "{}"), "expected optimizer_config and loss"),
        (lambda f: f.attrs.__setitem__("lamella_state", '{"iterations": -1}'), "iterations: expected a number of steps, found -1"),
        (lambda f: f.attrs.__setitem__("lamella_state", '{"random": {"seed": 1}}'), "random state: expected seed, step and epoch"),
        (lambda f: f.attrs.__setitem__("lamella_state", '{"random": 1}'), "random stream is not an object"),
        (lambda f: f["model_weights"].attrs.__delitem__("layer_names"), "the attribute layer_names is missing"),
        (lambda f: f["model_weights/dense_1"].attrs.__delitem__("weight_names"), "'/model_weights/dense_1' has no attribute weight_names"),
        (lambda f: f["model_weights/dense_1"].attrs.__setitem__("weight_names", np.asarray([b"\xff"])), "weight_names is no UTF-8"),
        (lambda f: f["model_weights/dense_1"].attrs.__setitem__("weight_names", [b"nothing"]), "'nothing' is listed, but does not exist"),
        (lambda f: f["model_weights/dense_1"].attrs.__setitem__("weight_names", [b"dense_1", b"x"]), "'/model_weights/dense_1/dense_1' is no array"),
        (lambda f: f["model_weights"].attrs.__setitem__("layer_names", [b"dense_1/dense_1/bias:0"]), "is not a group"),
        (lambda f: replaced(f, np.asarray([b"text"] * 3)), "expected numbers, got dtype"),
        (lambda f: replaced(f, np.ones(3, complex)), "expected numbers, got dtype complex128"),
        (lambda f: replaced(f, np.ones(4)), "has shape (3,), but the saved weight has shape (4,)"),
        (lambda f: replaced(f, h5py.Empty("f")), "expected numbers"),
    ],
)  # fmt: skip
def test_wrong_layouts_raise(path, checked, change, message):
    path.write_bytes(checked)
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(ValueError) as error:
        load_model(path)
    assert message in str(error.value)


def replaced(file, data):
    name = "model_weights/dense_1/dense_1/bias:0"
    del file[name]
    file[name] = data


def test_other_files(path):
    for data in (b"", b"text", bytes(1000)):
        path.write_bytes(data)
        with pytest.raises(ModelFileError, match="m.h5: the file is damaged or not an HDF5 file"):
            load_model(path)
    path.write_bytes(b"PK\3\4" + bytes(100))
    with pytest.raises(ModelFileError, match="a zip file, as Keras 3 writes .keras files; let it save the model as .h5"):
        load_model(path)
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(ModelFileError, match="neither model weights nor names of layers: not a file of Keras"):
        load_model(path)


def test_the_error_is_a_value_error_and_an_os_error():
    error = ModelFileError("m.h5", "is damaged")
    assert isinstance(error, ValueError) and isinstance(error, OSError)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.path, again.reason) == ("m.h5: is damaged", "m.h5", "is damaged")


@pytest.mark.parametrize(
    "sent", [{}, {"layers": 1}, {"layers": [["a"]]}, {"layers": [["a", [["b", "f9", [1]]], None, None]]}, {"layers": [["a", [], 1, None]]}]
)  # fmt: skip
def test_another_structure_from_the_isolated_process_raises(sent):
    with pytest.raises(ModelFileError, match="what the reader sent is not a model"):
        isolated._received(io.BytesIO(json.dumps(sent).encode() + b"\n"), "m.h5")
