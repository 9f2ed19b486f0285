"""Each test starts with fresh names, seeds and defaults."""

import gc
import os

import pytest

# Before NumPy is loaded. The products of the oracles are small: on a machine with two CPUs, two processes of tests with two threads
# of OpenBLAS each take three times as much CPU time as with one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from lamella.core import config, names
from lamella.core.random import set_random_seed


def pytest_collection_finish():
    """Takes the collected tests out of the garbage collector's sight: going through twenty thousand takes a second each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def fresh():
    names.reset_uids()
    set_random_seed(1)
    yield
    config.set_floatx("float32")
    config.set_image_data_format("channels_last")
    config.set_legacy_frozen_batch_norm(False)
    config.set_dialect("keras2")


@pytest.fixture
def float64():
    config.set_floatx("float64")
