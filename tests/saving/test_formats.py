"""Each file in the folder of formats is a format, and its name is written nowhere else."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from lamella.callbacks import ModelCheckpoint
from lamella.layers import Dense, Dropout
from lamella.models import Sequential, load_model
from lamella.saving import ModelFileError, formats

ROOT = Path(__file__).parents[2]
X, Y = np.random.default_rng(0).normal(size=(12, 4)), np.random.default_rng(1).normal(size=(12, 2))


def network():
    model = Sequential([Dense(3, input_dim=4, name="a"), Dropout(0.2), Dense(2, name="b")])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, verbose=0, batch_size=5)
    return model


@pytest.fixture
def added(tmp_path, monkeypatch):
    """The format of docs/recipes/format.md, in a second folder of formats."""
    code = re.search(r"^```python\n(.*?)^```", (ROOT / "docs/recipes/format.md").read_text(), re.DOTALL | re.MULTILINE)
    folder = tmp_path / "more_formats"
    folder.mkdir()
    (folder / "of_the_recipe.py").write_text(code[1])
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(folder)])
    formats.listed.cache_clear()
    yield
    formats.listed.cache_clear()
    sys.modules.pop("lamella.saving.formats.of_the_recipe", None)


def test_each_module_is_a_format_and_no_two_share_a_suffix():
    names = {p.stem for folder in formats.__path__ for p in Path(folder).glob("*.py") if not p.stem.startswith("_")}
    assert names >= {"h5", "safetensors", "weights_h5"}
    suffixes = [suffix for format in formats.listed() for suffix in format.suffixes]
    assert len(formats.listed()) == len(names) and len(suffixes) == len(set(suffixes))
    assert {"", ".h5", ".hdf5", ".keras2", ".safetensors"} <= set(suffixes)


@pytest.mark.parametrize(
    "name, wanted",
    [("m.h5", ".h5"), ("m", ".h5"), ("m.H5", ".h5"), ("m.02-0.35", ".h5"), ("m.odd", ".h5"), ("m.SafeTensors", ".safetensors")],
)
def test_the_suffix_of_a_name_chooses_the_format(name, wanted):
    assert wanted in formats.of(name).suffixes
    assert (formats.known(name) is None) == (name == "m.odd")


def test_a_new_format_is_one_file(added, tmp_path):
    model, path = network(), tmp_path / "m.lamella"
    model.save(path)
    again = load_model(path)
    assert [w.tolist() for w in again.get_weights()] == [w.tolist() for w in model.get_weights()]
    assert model.fit(X, Y, verbose=0).history == again.fit(X, Y, verbose=0).history
    again.save_weights(tmp_path / "w.lamella")
    model.load_weights(tmp_path / "w.lamella")
    assert [w.tolist() for w in again.get_weights()] == [w.tolist() for w in model.get_weights()]
    model.fit(X, Y, verbose=0, callbacks=[ModelCheckpoint(str(tmp_path / "{epoch}.lamella"))])
    assert (tmp_path / "1.lamella").read_bytes()[:2] == b"PK"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelFileError, match="m.lamella: the file is damaged"):
        load_model(path)


def test_without_its_file_it_is_an_unknown_suffix(tmp_path):
    with pytest.warns(UserWarning, match="the suffix '.lamella' is not known; the file will be HDF5"):
        network().save_weights(tmp_path / "w.lamella")


@pytest.mark.parametrize(
    "version, release, keras_2",
    [
        ("2.2.5", (2, 2, 5), True),
        ("2.3.1", (2, 3, 1), True),
        ("2.2.4-tf", (2, 2, 4), False),
        ("2.11.0", (2, 11, 0), False),
        ("3.0", (3, 0, 0), False),
        ("nightly", (0, 0, 0), False),
    ],
)
def test_a_file_says_its_dialect_once(version, release, keras_2):
    contents = formats.Contents([], keras_version=version)
    assert (contents.dialect.release, contents.dialect.is_keras_2) == (release, keras_2)
    assert contents.dialect is contents.dialect
    config = {"class_name": "Functional", "config": {"name": "m", "layers": []}}
    assert contents.dialect.model(config)["class_name"] == ("Functional" if keras_2 else "Model")
