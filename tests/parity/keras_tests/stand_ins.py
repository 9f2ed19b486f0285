"""lamella as Keras, and what the suite needs besides the public names of Keras."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np

import lamella


def install(sources):
    """Before the suite's first import of keras; `sources` is the folder of the unpacked package `keras`."""
    keras = lamella.install_as_keras()
    for old, new in (("bool", bool), ("int", int), ("float", float), ("object", object)):
        if old not in vars(np):
            setattr(np, old, new)
    # A session that runs nothing, and no GPU: decorators ask for both while files are imported.
    keras.backend.get_session = lambda: SimpleNamespace(_make_callable_from_options=None)
    keras.backend.tensorflow_backend._get_available_gpus = list
    # Imported here, since pytest loads modules of this name itself.
    importlib.import_module("keras.utils.test_utils").tf_file_io_proxy = LocalStorage
    module(keras.backend, "load_backend", _config_path=os.path.join(os.environ["KERAS_HOME"], "keras.json"))
    # The functions in NumPy with which the suite compares backends. They import `common`.
    module(keras.backend, "common", floatx=keras.backend.floatx)
    spec = importlib.util.spec_from_file_location("keras.backend.numpy_backend", sources / "backend" / "numpy_backend.py")
    oracle = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = keras.backend.numpy_backend = oracle
    spec.loader.exec_module(oracle)


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
