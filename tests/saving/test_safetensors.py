"""Models as safetensors: only the layout differs from HDF5."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from lamella.layers import BatchNormalization, Dense, Dropout
from lamella.models import Sequential, load_model
from lamella.saving import ModelFileError
from lamella.saving.formats import safetensors as safetensors_file

FLIPS = int(os.environ.get("LAMELLA_FLIPS", "16"))


@pytest.fixture
def library():
    return pytest.importorskip("safetensors.numpy")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.safetensors"


X, Y = np.random.default_rng(0).normal(size=(20, 4)), np.random.default_rng(1).normal(size=(20, 2))


def network():
    model = Sequential([Dense(3, input_dim=4, name="a"), BatchNormalization(), Dropout(0.2), Dense(2, name="b")])
    model.compile("rmsprop", "mse", metrics=["mae"])
    model.fit(X, Y, verbose=0, batch_size=5)
    return model


def check_equal(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_loaded_model_is_the_same_and_continues_training(library, path, tmp_path):
    model = network()
    model.save(path)
    again = load_model(path)
    again.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()
    assert int(again.optimizer.iterations) == 4
    assert model.fit(X, Y, verbose=0).history == again.fit(X, Y, verbose=0).history
    check_equal(model.get_weights(), again.get_weights())
    check_equal(model.optimizer.get_weights(), again.optimizer.get_weights())


def test_the_timeout_limits_the_reading(library, path):
    model = network()
    model.save(path)
    check_equal(load_model(path, timeout=60).get_weights(), model.get_weights())
    for load in (load_model, model.load_weights):
        with pytest.raises(ModelFileError, match="it was not read within 1e-09 s"):
            load(path, timeout=1e-9)


def test_the_timeout_limits_the_checksum(library, path, monkeypatch):
    model = network()
    model.save(path)
    now = iter(range(1000))  # each call returns one second more
    monkeypatch.setattr(safetensors_file, "time", SimpleNamespace(monotonic=lambda: next(now)))
    arrays = len(model.get_weights()) + len(model.optimizer.get_weights())
    calls = 2 + arrays  # at the start, after the one block, after each array
    with path.open("rb") as file, pytest.raises(ModelFileError, match=f"not read within {calls - 2} s"):
        safetensors_file.read(file, "m", calls - 2)
    now = iter(range(1000))
    with path.open("rb") as file:
        assert len(safetensors_file.read(file, "m", calls - 1).layers) == 4


def test_weights_alone(library, path):
    model = network()
    model.save_weights(str(path))
    other = network()
    other.load_weights(os.fsencode(path))
    check_equal(other.get_weights(), model.get_weights())
    names = set(library.load_file(path))
    assert {"model_weights/a/a/kernel:0", "model_weights/b/b/bias:0"} < names
    with pytest.raises(ValueError, match="No model found in config: .*m.safetensors holds weights only"):
        load_model(path)
    small = Sequential([Dense(3, input_dim=4, name="a")])
    small.load_weights(path, by_name=True)
    check_equal(small.get_weights(), model.get_weights()[:2])


def test_damage_is_always_found(library, path):
    model = network()
    model.save(path)
    before, whole = model.get_weights(), path.read_bytes()
    for percent in range(100):
        path.write_bytes(whole[: len(whole) * percent // 100])
        with pytest.raises(ModelFileError, match="m.safetensors: the file is damaged"):
            model.load_weights(path)
    header = 8 + int.from_bytes(whole[:8], "little")
    rng = np.random.default_rng(0)
    for bit in [*rng.integers(0, 8 * header, max(300, FLIPS)), *rng.integers(0, 8 * len(whole), max(300, FLIPS))]:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            model.load_weights(path)
        except ModelFileError as error:
            assert str(error).startswith(f"{path}: ")
        # Some bytes of the header, such as spaces, have no meaning. A file that loads in spite of a flip has the saved values.
        check_equal(model.get_weights(), before)


def test_files_of_other_programs_raise(library, path):
    library.save_file({"x": np.ones(3)}, path, {"format": "np"})
    with pytest.raises(ModelFileError, match=r"its metadata has no key 'lamella', only \['format'\]"):
        load_model(path)
    library.save_file({"x": np.ones(3)}, path)
    with pytest.raises(ModelFileError, match="its metadata has no key 'lamella'"):
        network().load_weights(path)
    library.save_file({}, path, {"lamella": json.dumps({"layers": []})})
    with pytest.raises(ModelFileError, match="its checksum does not fit"):
        load_model(path)


def test_without_the_library_the_extra_is_named(tmp_path):
    code = """
import sys
sys.modules["safetensors"] = None
from lamella.layers import Dense
from lamella.models import Sequential, load_model
model = Sequential([Dense(1, input_dim=1)])
open("old.safetensors", "w").close()
for call in (lambda: model.save("m.safetensors"), lambda: load_model("old.safetensors")):
    try:
        call()
    except ImportError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == 2 * ("files called *.safetensors need the library safetensors: pip install 'lamella[safetensors]'\n")
    assert os.listdir(tmp_path) == ["old.safetensors"]


def test_an_array_under_two_names_is_refused(library, path):
    model = network()
    model.save(path)
    arrays = library.load_file(path)
    with open(path, "rb") as file:
        data = file.read()
    text = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["lamella"])
    text["layers"] *= 1000
    del text["sha256"]
    text["sha256"] = safetensors_file._digest(text, arrays)
    library.save_file(arrays, path, {"lamella": json.dumps(text)})
    with pytest.raises(ModelFileError, match="the description does not fit the file .*model_weights/a/a/kernel:0"):
        load_model(path)
