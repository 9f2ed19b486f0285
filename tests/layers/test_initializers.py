"""Initializers: statistics of large draws, exact values of small ones, configs."""

import math

import numpy as np
import pytest

from lamella import initializers
from lamella.core import registry
from lamella.core.random import set_random_seed

SHAPE = (300, 200)
LIMIT = 0.87962566103423978  # standard deviation of a unit normal cut at two sigma


@pytest.mark.parametrize("name", registry.names("initializers"))
def test_every_name_makes_an_initializer_whose_config_round_trips(name):
    one = initializers.get(name)
    again = initializers.get(initializers.serialize(one))
    assert type(again) is type(one) and again.get_config() == one.get_config()
    made = one((6, 3))
    assert made.shape == (6, 3) and made.dtype == np.float32
    assert one((6, 3), dtype="float64").dtype == np.float64


@pytest.mark.parametrize(
    "name, mean, std, low, high",
    [
        ("zeros", 0, 0, 0, 0),
        ("ones", 1, 0, 1, 1),
        ("random_normal", 0, 0.05, -math.inf, math.inf),
        ("random_uniform", 0, 0.05 / math.sqrt(3), -0.05, 0.05),
        ("truncated_normal", 0, 0.05 * LIMIT, -0.1, 0.1),
        ("lecun_uniform", 0, math.sqrt(1 / 300), -math.sqrt(3 / 300), math.sqrt(3 / 300)),
        ("lecun_normal", 0, math.sqrt(1 / 300), -2 * math.sqrt(1 / 300) / LIMIT, 2 * math.sqrt(1 / 300) / LIMIT),
        ("glorot_uniform", 0, math.sqrt(1 / 250), -math.sqrt(3 / 250), math.sqrt(3 / 250)),
        ("glorot_normal", 0, math.sqrt(1 / 250), -2 * math.sqrt(1 / 250) / LIMIT, 2 * math.sqrt(1 / 250) / LIMIT),
        ("he_uniform", 0, math.sqrt(2 / 300), -math.sqrt(6 / 300), math.sqrt(6 / 300)),
        ("he_normal", 0, math.sqrt(2 / 300), -2 * math.sqrt(2 / 300) / LIMIT, 2 * math.sqrt(2 / 300) / LIMIT),
    ],
)
def test_statistics(name, mean, std, low, high):
    draws = initializers.get(name)(SHAPE, dtype="float64")
    n = draws.size
    assert abs(draws.mean() - mean) <= 5 * std / math.sqrt(n)
    assert abs(draws.std() - std) <= 0.02 * std
    assert low <= draws.min() and draws.max() <= high


@pytest.mark.parametrize(
    "shape, expected",
    [((3, 5), (3, 5)), ((3, 3, 16, 32), (144, 288)), ((5, 4, 6), (20, 30)), ((9,), (3, 3)), ((2, 2, 2, 3, 4), (24, 32))],
)
def test_fans(shape, expected):
    assert initializers.fans(shape) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(5, 5), (8, 3), (3, 8), (3, 3, 2, 7)])
def test_orthogonal_rows_or_columns_are_orthonormal(shape):
    q = initializers.Orthogonal(gain=2.0, seed=1)(shape, dtype="float64").reshape(-1, shape[-1]) / 2.0
    gram = q.T @ q if q.shape[0] >= q.shape[1] else q @ q.T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-12)


def test_identity():
    np.testing.assert_array_equal(initializers.Identity(gain=3)((2, 2)), 3 * np.eye(2))
    np.testing.assert_array_equal(initializers.Identity()((4, 2)), np.vstack([np.eye(2)] * 2))
    np.testing.assert_array_equal(initializers.Identity()((2, 4)), np.hstack([np.eye(2)] * 2))
    with pytest.raises(ValueError, match="Long side should be multiple of short side"):
        initializers.Identity()((2, 3))
    with pytest.raises(ValueError, match="can only be used for 2D matrices"):
        initializers.Identity()((2,))


def test_constant():
    np.testing.assert_array_equal(initializers.Constant(0.5)((2, 2)), np.full((2, 2), 0.5))
    np.testing.assert_array_equal(initializers.Constant([1, 2])((2, 2)), [[1, 2], [1, 2]])


def test_seeds():
    seeded = initializers.RandomNormal(seed=3)
    np.testing.assert_array_equal(seeded((5,)), seeded((5,)))
    free = initializers.RandomNormal()
    set_random_seed(1)
    first, second = free((5,)), free((5,))
    assert not np.array_equal(first, second)
    set_random_seed(1)
    np.testing.assert_array_equal(free((5,)), first)


def test_numpys_global_seed_counts_until_ours_is_set(monkeypatch):
    from lamella.core import random

    monkeypatch.setattr(random, "_seed", None)
    np.random.seed(5)
    first = initializers.glorot_uniform()((4, 4))
    np.random.seed(5)
    np.testing.assert_array_equal(initializers.glorot_uniform()((4, 4)), first)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: initializers.VarianceScaling(scale=0), "`scale` must be a positive float. Got: 0"),
        (lambda: initializers.VarianceScaling(mode="fan"), "Invalid `mode` argument"),
        (lambda: initializers.VarianceScaling(distribution="cauchy"), "Invalid `distribution` argument"),
        (lambda: initializers.get("nope"), "Unknown initializer: nope"),
        (lambda: initializers.get({"class_name": "Nope", "config": {}}), "Unknown initializer: Nope"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
