"""Each test starts with fresh names, seeds and defaults."""

import pytest

from lamella.core import config, names
from lamella.core.random import set_random_seed


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
