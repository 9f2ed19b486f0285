"""The list of names of a room: which names it gives, when their modules are loaded, and whether each line is right."""

import importlib
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from lamella.core import lazy, registry

ROOMS = ["lamella", "lamella.callbacks", "lamella.layers", "lamella.models", "lamella.utils"]


@pytest.fixture
def room(tmp_path, monkeypatch):
    """The name of a package with a list. Its modules append their names to `loaded` when they are loaded."""
    (tmp_path / "lamella_room").mkdir()
    (tmp_path / "lamella_room" / "__init__.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "from lamella.core import lazy as _lazy\n"
        "loaded = []\n"
        "if TYPE_CHECKING:\n"
        "    from collections.abc import Mapping\n"
        "    from lamella_room.shapes import Circle as Circle\n"
        "    from lamella_room.shapes import Disc as Disc\n"
        "    from lamella_room import words as words\n"
        "    from lamella_room.words import hidden\n"
        "def area(): ...\n"
        "def _inner(): ...\n"
        "_lazy.attach(__name__)\n"
    )
    (tmp_path / "lamella_room" / "shapes.py").write_text(
        "from lamella_room import loaded\nloaded.append('shapes')\nclass Circle: ...\nDisc = Circle\n"
    )
    (tmp_path / "lamella_room" / "words.py").write_text("from lamella_room import loaded\nloaded.append('words')\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "lamella_room"
    for name in [name for name in sys.modules if name.partition(".")[0] == "lamella_room"]:
        del sys.modules[name]


def test_a_module_is_loaded_at_the_first_use_of_its_names(room):
    package = importlib.import_module(room)
    assert package.loaded == []
    assert package.Circle is package.Disc is sys.modules["lamella_room.shapes"].Circle
    assert package.loaded == ["shapes"]
    assert package.words is sys.modules["lamella_room.words"]
    assert package.loaded == ["shapes", "words"]


def test_all_and_dir_follow_from_the_list(room):
    package = importlib.import_module(room)
    assert package.__all__ == ["Circle", "Disc", "words", "area"]
    assert {"Circle", "Disc", "words", "area", "loaded"} <= set(dir(package))
    assert "hidden" not in dir(package)  # imported for type checkers, but not public
    assert package.loaded == []
    names = {}
    exec(f"from {room} import *", names)
    assert set(package.__all__) < set(names) and "loaded" not in names


def test_a_name_that_is_not_listed(room):
    package = importlib.import_module(room)
    with pytest.raises(AttributeError, match="has no attribute 'hidden'"):
        package.hidden
    with pytest.raises(ImportError, match="cannot import name 'Mapping' from 'lamella_room'"):
        exec(f"from {room} import Mapping")


def test_a_room_without_its_source_is_refused_with_advice(tmp_path, monkeypatch):
    source = tmp_path / "room_of_byte_code" / "__init__.py"
    source.parent.mkdir()
    source.write_text("from lamella.core import lazy\nlazy.attach(__name__)\n")
    py_compile.compile(str(source), cfile=str(source.with_suffix(".pyc")))
    source.unlink()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ImportError, match=r"room_of_byte_code: expected the source file __init__\.py, .*, got only .*\.pyc; install"
    ):
        importlib.import_module("room_of_byte_code")


@pytest.mark.parametrize("room", ROOMS)
def test_each_line_of_a_list_is_right(room):
    """Also, no name may be that of another module of the room, because loading that module would replace it."""
    package = importlib.import_module(room)
    names = lazy.listed(room)
    assert names and set(names) <= set(package.__all__)
    modules = {path.stem for path in Path(package.__path__[0]).iterdir()}
    for name, home in names.items():
        value = getattr(package, name)
        assert value is (
            importlib.import_module(f"{room}.{name}") if home == room else vars(importlib.import_module(home))[name]
        )
        assert home == room or name not in modules, name


def test_every_registered_layer_is_listed():
    """Everything that is registered when all modules are loaded is also listed, so that a model file finds it when none is."""
    listed = {*lazy.listed("lamella.layers"), *lazy.listed("lamella.models")}
    ours = {name for name in registry.names("layers") if registry.find("layers", name).__module__.startswith("lamella.")}
    assert {"Conv2D", "Convolution2D", "GRUCell", "Sequential", "Function"} <= ours <= listed


FRESH = """
import sys
from lamella.core import registry
assert "lamella.layers" not in sys.modules
found = registry.find("layers", "Deconv2D")
assert found.__qualname__ == "Conv2DTranspose" and found.__module__ == "lamella.layers.conv.conv_transpose"
assert registry.find("layers", "add") is None  # listed, but a function and not a layer
assert "lamella.layers.recurrent" not in sys.modules and "lamella.models.model" not in sys.modules
assert registry.find("layers", "Sequential").__module__ == "lamella.models.sequential"

from lamella.models import Input, model_from_json
assert (Input((2,)) + 1).shape == (None, 2)
config = {"name": "s", "layers": [{"class_name": "GRU", "config": {"units": 2, "batch_input_shape": [None, 3, 1]}}]}
import json
model = model_from_json(json.dumps({"class_name": "Sequential", "config": config}))
assert type(model.layers[0]).__module__ == "lamella.layers.recurrent.gru"
assert "lamella.layers.conv.conv1d" not in sys.modules and "lamella.layers.norm" not in sys.modules

import pickle
from lamella.layers import Dense
import lamella.layers
assert lamella.layers.Dense is Dense and "Dense" in vars(lamella.layers)
assert pickle.loads(b"clamella.layers\\nFlatten\\n.") is lamella.layers.Flatten
print("done")
"""


def test_a_process_loads_only_the_layers_that_it_names():
    done = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("done\n", "")
