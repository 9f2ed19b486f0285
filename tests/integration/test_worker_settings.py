"""Worker processes have the settings of their parent process, so a script's Sequence computes the same in both."""

import subprocess
import sys
import threading

import numpy as np
import pytest

from lamella.core import registry
from lamella.data.sequence import Sequence
from lamella.data.workers.options import WorkerOptions
from lamella.data.workers.pool import Item, WorkerPool

MODULE = """
import os

import keras  # lamella's alias
import numpy as np
from keras import backend as K
from keras.layers import Dense
from keras.models import Sequential
from keras.utils import Sequence, get_custom_objects

AT_IMPORT = K.floatx(), K.epsilon(), K.image_data_format()


def double(x):
    return 2 * x


class Batches(Sequence):
    epoch = 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        layer = Dense(1, input_shape=(1,), activation="double", kernel_initializer="ones")
        made = Sequential([layer]).predict(np.ones((1, 1)))
        now = K.floatx(), K.epsilon(), K.image_data_format()
        return os.getpid(), keras.__name__, AT_IMPORT, now, made.dtype.name, float(made[0, 0]), sorted(get_custom_objects())
"""

SCRIPT = """
import os
import subprocess
import lamella

lamella.install_as_keras()
from keras import backend as K
from keras.utils import custom_object_scope, get_custom_objects
from lamella.data.workers.options import WorkerOptions
from lamella.data.workers.pool import Item, WorkerPool

K.set_floatx("float64")
K.set_epsilon(1e-3)
K.set_image_data_format("channels_first")
import batches

with custom_object_scope({"double": batches.double}):
    pool = WorkerPool(batches.Batches(), WorkerOptions(1, 2, True))
assert all(isinstance(process._child, subprocess.Popen) for process in pool._processes), "not fresh"
pid, *rest = next(pool.results([Item(0, 1)]))
assert pid != os.getpid()
print(rest)
K.set_epsilon(1e-5)  # as a callback may do
get_custom_objects()["double"] = batches.double
get_custom_objects()["more"] = batches.double
pool.source.epoch = 1
pool.renew()
print(next(pool.results([Item(0, 1)]))[3:])
pool.stop()
"""


def test_a_fresh_process_has_alias_settings_and_custom_objects(tmp_path):
    (tmp_path / "batches.py").write_text(MODULE)
    (tmp_path / "script.py").write_text(SCRIPT)
    paths = {"PYTHONPATH": ":".join([str(tmp_path), *filter(None, sys.path)]), "PATH": "/usr/bin:/bin"}
    run = subprocess.run([sys.executable, tmp_path / "script.py"], env=paths, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    settings = ("float64", 0.001, "channels_first")
    first = ["keras", settings, settings, "float64", 2.0, ["double"]]
    later = (("float64", 1e-05, "channels_first"), "float64", 2.0, ["double", "more"])
    assert run.stdout.splitlines() == [str(first), str(later)]


class Found(Sequence):
    """A Sequence whose batches are the object that a name of an activation means in the worker."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return registry.find("activations", "worker_settings_test"), threading.current_thread().name


@pytest.mark.parametrize("workers, use_multiprocessing", [(0, False), (2, False), (1, True)])
def test_workers_know_the_custom_objects_of_their_scope(workers, use_multiprocessing):
    with registry.custom_object_scope({"worker_settings_test": np.tanh}):
        pool = WorkerPool(Found(), WorkerOptions(workers, 2, use_multiprocessing))
        try:
            found = [found for found, _ in pool.results([Item(0, 1), Item(1, 1)])]
        finally:
            pool.stop()
    assert found == [np.tanh] * 2 and registry.find("activations", "worker_settings_test") is None


def test_workers_are_forked_for_a_custom_object_that_cannot_be_pickled():
    with registry.custom_object_scope({"worker_settings_test": lambda x: 3 * x}):
        pool = WorkerPool(Named(), WorkerOptions(1, 2, True))
        try:
            assert list(pool.results([Item(0, 1)])) == [6]
        finally:
            pool.stop()


class Named(Sequence):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return registry.get("activations", "worker_settings_test")(2)
