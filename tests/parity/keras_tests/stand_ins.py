"""lamella as Keras, and what the suite needs besides the public names of Keras."""

import builtins
import importlib
import importlib.util
import os
import sys
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace

import h5py
import numpy as np
import pytest
import six

import lamella


def install(sources):
    """Before the suite's first import of keras; `sources` is the folder of the unpacked package `keras`."""
    keras = lamella.install_as_keras()
    for old, new in (("bool", bool), ("int", int), ("float", float), ("object", object), ("alltrue", np.all)):
        if old not in vars(np):
            setattr(np, old, new)
    old_libraries()
    variables_of_tensorflow(keras.backend)
    # A session that reads Variables, and one GPU, without which tests of the CuDNN layers are skipped: decorators ask for both.
    keras.backend.get_session = lambda: SimpleNamespace(
        _make_callable_from_options=None, run=lambda fetches: [keras.backend.get_value(x) for x in fetches]
    )
    keras.backend.tensorflow_backend._get_available_gpus = lambda: ["/gpu:0"]
    # Imported here, since pytest loads modules of this name itself.
    importlib.import_module("keras.utils.test_utils").tf_file_io_proxy = LocalStorage
    module(keras.backend, "load_backend", _config_path=os.path.join(os.environ["KERAS_HOME"], "keras.json"))
    # The functions in NumPy with which the suite compares backends. They import `common`.
    module(keras.backend, "common", floatx=keras.backend.floatx)
    spec = importlib.util.spec_from_file_location("keras.backend.numpy_backend", sources / "backend" / "numpy_backend.py")
    oracle = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = keras.backend.numpy_backend = oracle
    spec.loader.exec_module(oracle)
    oracle.in_top_k = in_top_k


def in_top_k(predictions, targets, k):
    """The oracle sorts, and today's NumPy sorts equal numbers in another order: then the first of them counts."""
    best = np.argsort(-predictions, kind="stable")[:, :k]
    return (best == targets[:, None]).any(axis=-1)


def old_libraries():
    """What pytest, h5py and six did when the suite was written, and where Keras asks."""
    warns, opened, asked = pytest.warns, h5py.File.__init__, builtins.input
    pytest.warns = lambda *kinds, **named: warnings.catch_warnings(record=True) if kinds == (None,) else warns(*kinds, **named)

    def open_file(self, name, mode="a", *more, **named):
        opened(self, name, mode, *more, **named)

    h5py.File.__init__ = open_file
    # Tests replace six.moves.input, with which Keras asks.
    six.moves.input = asked
    builtins.input = lambda *prompt: six.moves.input(*prompt)
    # They also replace Keras's function that asks, in a module that lamella makes of names.
    importlib.import_module("lamella.utils.io_utils")
    saving = importlib.import_module("keras.engine.saving")
    asking = importlib.import_module("lamella.saving.overwrite")
    asking.ask_to_proceed_with_overwrite = lambda filepath: saving.ask_to_proceed_with_overwrite(filepath)


def variables_of_tensorflow(K):
    """Tests pass Variables and placeholders of TensorFlow to Input and compile."""
    made = ModuleType("tensorflow")
    made.float32 = "float32"
    made.Variable = lambda value, dtype=None: K.variable(value, dtype=dtype)
    made.placeholder = lambda dtype, shape=None: K.placeholder(shape, dtype=dtype)
    sys.modules.setdefault("tensorflow", made)


def module(package, name, **content):
    made = ModuleType(f"keras.backend.{name}")
    vars(made).update(content)
    sys.modules[made.__name__] = made
    setattr(package, name, made)


class LocalStorage:
    """A directory in place of Google's storage, so that tests of such paths check paths."""

    def __init__(self, module):
        self.module = module

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    @staticmethod
    def get_filepath(filename):
        return str(Path(filename).resolve())

    @staticmethod
    def assert_exists(path):
        assert Path(path).exists()

    @staticmethod
    def delete_file(path):
        Path(path).unlink()
