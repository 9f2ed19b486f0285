"""The suffix of a file's name chooses its format. A format that lamella cannot write raises; it is never written as HDF5."""

import os
import warnings

import numpy as np
import pytest

from lamella.callbacks import ModelCheckpoint
from lamella.layers import Dense
from lamella.models import Sequential, load_model

FOREIGN = [".keras", ".onnx", ".pb", ".tf", ".tflite", ".pt", ".pth", ".pkl", ".npz", ".json", ".yaml", ".KERAS"]


def made():
    model = Sequential([Dense(2, input_shape=(3,))])
    model.compile("sgd", loss="mse")
    return model


@pytest.mark.parametrize("suffix", FOREIGN)
@pytest.mark.parametrize("method", ["save", "save_weights"])
def test_formats_that_are_not_written_are_refused(tmp_path, method, suffix):
    path = tmp_path / f"m{suffix}"
    path.write_bytes(b"what was there")
    with pytest.raises(ValueError, match=rf"m\{suffix}: .* is not written; .*save as .h5.* or as .safetensors"):
        getattr(made(), method)(str(path))
    assert path.read_bytes() == b"what was there"
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("name", ["m.h5", "m.hdf5", "m.keras2", "m", "m.H5", "m.02-0.35", "weights.05"])
def test_names_for_hdf5(tmp_path, name):
    model = made()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.save(tmp_path / name)
    x = np.ones((2, 3), "float32")
    assert (tmp_path / name).read_bytes().startswith(b"\x89HDF")
    np.testing.assert_array_equal(load_model(tmp_path / name).predict(x), model.predict(x))


def test_an_unknown_suffix_warns_and_is_hdf5(tmp_path):
    path = tmp_path / "m.modle"
    with pytest.warns(UserWarning, match=r"m.modle: the suffix '.modle' is not known; the file will be HDF5") as caught:
        made().save(path)
    assert caught[0].filename == __file__
    assert path.read_bytes().startswith(b"\x89HDF")


def test_weights_of_an_unknown_suffix_warn(tmp_path):
    with pytest.warns(UserWarning, match="the suffix '.data' is not known") as caught:
        made().save_weights(tmp_path / "m.data")
    assert caught[0].filename == __file__


def test_a_checkpoint_is_refused_before_training(tmp_path):
    model = made()
    before = model.get_weights()
    with pytest.raises(ValueError, match="zip format of Keras 3 is not written"):
        model.fit(np.ones((4, 3)), np.ones((4, 2)), callbacks=[ModelCheckpoint(str(tmp_path / "m{epoch}.keras"))], verbose=0)
    assert all((a == b).all() for a, b in zip(before, model.get_weights()))
