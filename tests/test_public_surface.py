"""The package's top: what it shows, config and utils."""

import os

import numpy as np
import pytest

import lamella
from lamella import config, utils


def test_every_listed_name_is_there():
    names = [name for name in dir(lamella) if not name.startswith("_")]
    assert {"layers", "install_as_keras", "config"} <= set(names)
    for name in names:
        assert getattr(lamella, name) is not None, name


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="module 'lamella' has no attribute 'nothing'"):
        lamella.nothing


def test_targets_and_threads():
    assert config.target() in config.targets()
    before = config.num_threads()
    try:
        config.set_num_threads(1)
        assert config.num_threads() == 1
        config.set_num_threads(10**9)
        assert 1 <= config.num_threads() <= 4 * os.cpu_count()
    finally:
        config.set_num_threads(before)
    for bad, error in [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("2", TypeError), (True, TypeError)]:
        with pytest.raises(error, match="set_num_threads: expected"):
            config.set_num_threads(bad)


def test_to_categorical():
    np.testing.assert_array_equal(utils.to_categorical([0, 2, 1]), np.eye(3, dtype="float32")[[0, 2, 1]])
    assert utils.to_categorical(np.array([[0], [1]]), 4).shape == (2, 4)
    assert utils.to_categorical(np.zeros((2, 3), int), 4).shape == (2, 3, 4)
    assert utils.to_categorical([1.0, 0.0], dtype="int8").dtype == np.int8
    assert utils.to_categorical([], 3).shape == (0, 3)
    assert utils.to_categorical([1, 4], 0).shape == (2, 5)  # 0 is as good as None in Keras
    for bad in ([-1, 0], [0, 5], [0.5], ["a"]):
        with pytest.raises(ValueError, match="to_categorical: expected"):
            utils.to_categorical(bad, 3)
    with pytest.raises(ValueError, match="to_categorical: expected integer labels, got inf"):
        utils.to_categorical([1.0, np.inf])
    for classes in (-3, 2.5, "3"):
        with pytest.raises(ValueError, match=f"expected num_classes to be a positive integer, got {classes!r}"):
            utils.to_categorical([0], classes)
    with pytest.raises(ValueError, match="no label below 0, got -1"):
        utils.to_categorical([2, -1])
