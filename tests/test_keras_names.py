"""Breadth: which of Keras 2.2.5's public names are here, by every way of importing them."""

import subprocess
import sys
from pathlib import Path

import pytest

from lamella.core import keras_names, keras_refusals

LIST = Path(__file__).parent / "golden" / "keras_2.2.5_names.txt"
ROWS = [line.partition("\t")[::2] for line in LIST.read_text().splitlines()]
NAMES = [name for name, _ in ROWS]

# The most that lamella may do without, of all names.
REFUSED = 0.03


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


LOOK = """
import importlib, inspect, lamella
lamella.install_as_keras()
nothing = object()
for name in {names!r}:
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
            break
        except ImportError:
            continue
    for part in parts[cut:]:
        # What instances have: None may be the value of the class.
        found = inspect.getattr_static(found, part, nothing) if inspect.isclass(found) else getattr(found, part, nothing)
        if found is nothing:
            print(name)
            break
"""


def test_each_name_is_there_or_refused_with_a_reason():
    missing = set(run(LOOK.format(names=NAMES)).split())
    refused = {name for name in NAMES if keras_refusals.reason(name.removeprefix("keras.")) is not None}
    print(f"\n{len(NAMES) - len(missing)} of {len(NAMES)} public names of Keras 2.2.5 are there")
    assert missing - refused == set()
    assert refused <= missing, "a name that is there is refused"
    assert len(refused) <= REFUSED * len(NAMES)
    listed = {name.removeprefix("keras.") for name in NAMES}
    there = f"Of the {len(NAMES):,} public names of Keras 2.2.5, {len(NAMES) - len(missing):,} are there; each of the other"
    assert f"{there} {len(refused)} " in (LIST.parents[2] / "README.md").read_text()
    assert set(keras_refusals.REASONS) <= listed and all(keras_refusals.REASONS.values())


@pytest.mark.parametrize(
    ("statement", "name", "why"),
    [
        ("from keras.optimizers import TFOptimizer", "optimizers.TFOptimizer", "an optimizer of TensorFlow"),
        ("import keras; keras.optimizers.TFOptimizer", "optimizers.TFOptimizer", "an optimizer of TensorFlow"),
        ("from keras.backend.tensorflow_backend import py_all", "backend.tensorflow_backend.py_all", "Python's own"),
        (
            "from lamella.engine.training_arrays import fit_loop",
            "engine.training_arrays.fit_loop",
            "it is a part of Keras's loop",
        ),
        ("from keras.utils.test_utils import tf_file_io_proxy", "utils.test_utils.tf_file_io_proxy", "Google's cloud storage"),
        ("import keras; keras.engine.saving.allow_read_from_gcs", "engine.saving.allow_read_from_gcs", "copy them first"),
    ],
)
def test_a_name_that_is_refused_says_why(statement, name, why):
    code = f"try:\n    {statement}\nexcept (ImportError, AttributeError) as error:\n    print(error)"
    said = run(f"import lamella\nlamella.install_as_keras()\n{code}")
    assert f"keras.{name} of Keras 2.2.5 is not in lamella: " in said and why in said


def test_the_list_that_is_shipped_follows_from_the_golden_one():
    inside = {name for name, signature in ROWS if not signature}
    children = {}
    for name in NAMES:
        parent, _, last = name.rpartition(".")
        children.setdefault(parent, set()).add(last)
    modules = {"keras"}
    for name in sorted(inside & set(children), key=lambda name: name.count(".")):
        if name.rpartition(".")[0] in modules:
            modules.add(name)
    wanted = {module.removeprefix("keras").removeprefix("."): children[module] for module in modules}
    assert keras_names.modules() == wanted


WAYS = [
    "import {0}.layers.{1} as m",
    "from {0}.layers import {1} as m",
    "import {0}; import {0}.layers; m = {0}.layers.{1}",
    "import {0}; m = {0}.layers.{1}",
    "import importlib; m = importlib.import_module('{0}.layers.{1}')",
]


@pytest.mark.parametrize("root", ["keras", "lamella"])
@pytest.mark.parametrize("way", WAYS)
def test_each_module_by_each_way(root, way):
    """Of keras.layers: every module, and the names that it shares with the room; the same objects under both roots."""
    lines = ["import sys, lamella"] + (["lamella.install_as_keras()"] if root == "keras" else [])
    for module in ("core", "convolutional", "local", "pooling", "normalization", "merge"):
        lines.append(way.format(root, module))
        lines.append(f"assert m is sys.modules['lamella.layers.{module}'], m")
        names = sorted(keras_names.modules()[f"layers.{module}"])
        lines += [f"assert getattr(m, {n!r}, None) is getattr(lamella.layers, {n!r}, None), {n!r}" for n in names]
    run("\n".join(lines))


@pytest.mark.parametrize(
    "lines",
    [
        "from keras.layers.core import Dense, Masking, InputSpec, Layer\nassert Masking is lamella.layers.Masking",
        "import keras\nassert keras.layers.core.Dense is lamella.layers.Dense and keras.engine.topology.Layer is lamella.layers.Layer",
        "from keras.engine import topology, base_layer, network\nassert network.Network is lamella.models.network.Network",
        "from keras.engine.base_layer import Node, Layer\nassert Node.__module__ == 'lamella.graph.symbolic'",
        "from keras.backend.tensorflow_backend import set_session, get_variable_shape\nassert set_session is lamella.backend.set_session",
        "import keras.backend.tensorflow_backend as KTF\nassert KTF.square is lamella.backend.square and not hasattr(KTF, 'nothing')",
        "from keras.backend.common import normalize_data_format\nassert normalize_data_format('channels_last') == 'channels_last'",
        "import keras.layers.recurrent as r\nassert r.Layer is lamella.layers.Layer",
        "from keras.legacy.layers import InputSpec\nassert InputSpec is lamella.layers.InputSpec",
        "from keras.objectives import mse, MSE\nassert mse is lamella.losses.mse",
        "from keras.layers.convolutional import *\nassert Conv2D is lamella.layers.Conv2D and 'Dense' not in globals()",
        "from keras_preprocessing.image import utils\nassert utils.load_img is lamella.preprocessing.image.load_img",
        "from keras_preprocessing.image import load_img\nassert load_img is lamella.preprocessing.image.load_img",
        "from keras_preprocessing.image import ImageDataGenerator\nassert ImageDataGenerator is lamella.preprocessing.image.ImageDataGenerator",
        "import keras.preprocessing.image as i\nassert i.DirectoryIterator is lamella.preprocessing.image.DirectoryIterator",
        "import keras_preprocessing, keras_applications\nassert keras_applications is lamella.applications",
        "import lamella.engine.topology as t\nassert t.Layer is lamella.layers.Layer and 'Layer' in dir(t) and 'Dense' not in dir(t)",
        "from lamella.engine.training_utils import Sequence\nassert Sequence is lamella.utils.Sequence",
        "import keras\nassert not hasattr(keras, 'nothing') and not hasattr(keras.layers, 'nothing')",
    ],
)
def test_names_by_their_paths(lines):
    run(f"import lamella\nlamella.install_as_keras()\n{lines}")


STARS = """
import collections, os, lamella, numpy
lamella.install_as_keras()
from lamella.core import keras_imports
def star(module):
    names = {}
    exec(f"from keras.{module} import *", names)
    return names
callbacks = star("callbacks")
assert callbacks["np"] is numpy and callbacks["K"] is lamella.backend and callbacks["os"] is os
assert callbacks["OrderedDict"] is collections.OrderedDict and callbacks["ModelCheckpoint"] is lamella.callbacks.ModelCheckpoint
for module in keras_imports.modules():
    missing = [name for name in keras_imports.shown(module) if name not in star(module)]
    assert missing == [], (module, missing)
core = star("layers.core")
assert core["np"] is numpy and core["K"] is lamella.backend and core["Dense"] is lamella.layers.Dense
assert core["initializers"] is lamella.initializers and "Conv2D" not in core
assert star("models")["h5py"].File and star("losses")["mse"] is lamella.losses.mse
assert "np" not in star("layers") and "os" not in star("models")
import keras
assert keras.callbacks.K is lamella.backend and keras.layers.core.np is numpy
"""


def test_star_imports_bring_what_keras_imports():
    run(STARS)


def test_names_that_scripts_find_in_odd_places():
    run(
        """
import lamella
lamella.install_as_keras()
import warnings as expected
import keras
from keras.layers import Dense, warnings
from keras import backend as K
assert warnings is expected and keras.layers.K is K
from keras.layers import ConvRNN2D, Wrapper
assert Wrapper is keras.layers.wrappers.Wrapper and ConvRNN2D is keras.layers.convolutional_recurrent.ConvRNN2D
assert K.tensorflow_backend._get_available_gpus() == []
model = keras.models.Sequential([Dense(1, input_shape=(2,))])
assert not model._is_compiled
model.compile("sgd", "mse")
assert model._is_compiled
"""
    )


def test_star_imports_of_lamella_bring_its_own_names_only():
    run(
        "from lamella.callbacks import *\nassert 'EarlyStopping' in globals() and 'np' not in globals() and 'K' not in globals()"
    )


EACH = """
import importlib, sys, lamella
lamella.install_as_keras()
import keras
for module in {modules!r}:
    at = keras
    for part in module.split(".") if module else ():
        at = getattr(at, part)
    path = f"keras.{{module}}".rstrip(".")
    assert importlib.import_module(path) is at, path
    if module:
        parent, _, last = path.rpartition(".")
        names = {{}}
        exec(f"from {{parent}} import {{last}} as m", names)
        assert names["m"] is at, path
        exec(f"import {{path}} as m", names)
        assert names["m"] is at, path
        assert at is sys.modules[f"lamella.{{module}}"], path
"""


@pytest.mark.parametrize("reverse", [False, True])
def test_each_module_is_an_attribute_of_its_package(reverse):
    """Without its own import. Each other way of importing it finds the same module."""
    found = sorted(keras_names.modules(), reverse=reverse)
    assert len(found) >= 75 and {"objectives", "engine.topology", "layers.normalization", "legacy.interfaces"} <= set(found)
    run(EACH.format(modules=found))
