"""Initializers: statistics of large draws, exact values of small ones, configs."""

import math

import numpy as np
import pytest

from lamella import initializers
from lamella.core import registry
from lamella.core.random import set_random_seed

SHAPE = (300, 200)
LIMIT = 0.87962566103423978  # standard deviation of a unit normal that is truncated at two sigma


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
    assert initializers._compute_fans(shape) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(5, 5), (8, 3), (3, 8), (3, 3, 2, 7)])
def test_orthogonal_rows_or_columns_are_orthonormal(shape):
    q = initializers.Orthogonal(gain=2.0, seed=1)(shape, dtype="float64").reshape(-1, shape[-1]) / 2.0
    gram = q.T @ q if q.shape[0] >= q.shape[1] else q @ q.T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-12)


def test_identity():
    np.testing.assert_array_equal(initializers.Identity(gain=3)((2, 2)), 3 * np.eye(2))
    for shape in [(4, 2), (2, 4), (2, 3), (5, 3), (1, 3), (0, 2)]:
        np.testing.assert_array_equal(initializers.Identity(0.5)(shape), 0.5 * np.eye(*shape))
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


def test_numpys_global_seed_is_used_until_ours_is_set(monkeypatch):
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


@pytest.mark.parametrize("shape", [(3, 3, 40, 50), (5, 60, 70), (2, 2, 2, 30, 40), (30, 20)])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_variance_scaling_of_kernels(shape, mode, distribution):
    """The variance is scale / n, where n is the size of the window times the channels of that side."""
    window = math.prod(shape[:-2])
    n = {"fan_in": window * shape[-2], "fan_out": window * shape[-1], "fan_avg": window * (shape[-2] + shape[-1]) / 2}[mode]
    draws = initializers.VarianceScaling(3.0, mode, distribution, seed=4)(shape, dtype="float64")
    assert draws.var() == pytest.approx(3.0 / n, rel=10 / math.sqrt(draws.size))
    bound = 2 * math.sqrt(3.0 / n) / LIMIT if distribution == "normal" else 3.0 / math.sqrt(n)
    assert 0.9 * bound < np.abs(draws).max() <= bound


def test_a_fan_below_one_counts_as_one():
    draws = initializers.VarianceScaling(1.0, "fan_in", "uniform", seed=4)((0, 5), dtype="float64")
    assert draws.shape == (0, 5)
    assert np.abs(initializers.VarianceScaling(1.0, "fan_in", "uniform", seed=4)((1, 500))).max() <= math.sqrt(3)


def test_a_truncated_normal_is_drawn_again_beyond_two_sigma_not_clipped():
    draws = (initializers.TruncatedNormal(mean=1.0, stddev=3.0, seed=2)((200, 300), dtype="float64") - 1.0) / 3.0
    assert 1.99 < np.abs(draws).max() <= 2.0
    assert draws.std() == pytest.approx(LIMIT, rel=0.01) and abs(draws.mean()) < 0.02
    assert np.count_nonzero(np.abs(draws) > 1.999) < 20  # with clipping 4.6 % of the numbers would be there


@pytest.mark.parametrize("scale", [0, -1.0])
def test_wrong_scales_raise(scale):
    with pytest.raises(ValueError, match=f"`scale` must be a positive float. Got: {scale}"):
        initializers.VarianceScaling(scale=scale)


def test_modes_and_distributions_ignore_case():
    made = initializers.VarianceScaling(mode="FAN_OUT", distribution="Uniform")
    assert made.get_config() == {"scale": 1.0, "mode": "fan_out", "distribution": "uniform", "seed": None}


DEFAULTS = {
    "Zeros": {},
    "Ones": {},
    "Constant": {"value": 0},
    "RandomNormal": {"mean": 0.0, "stddev": 0.05, "seed": None},
    "RandomUniform": {"minval": -0.05, "maxval": 0.05, "seed": None},
    "TruncatedNormal": {"mean": 0.0, "stddev": 0.05, "seed": None},
    "VarianceScaling": {"scale": 1.0, "mode": "fan_in", "distribution": "normal", "seed": None},
    "Orthogonal": {"gain": 1.0, "seed": None},
    "Identity": {"gain": 1.0},
}
SCALED = {
    "lecun_uniform": (1.0, "fan_in", "uniform"),
    "lecun_normal": (1.0, "fan_in", "normal"),
    "glorot_uniform": (1.0, "fan_avg", "uniform"),
    "glorot_normal": (1.0, "fan_avg", "normal"),
    "he_uniform": (2.0, "fan_in", "uniform"),
    "he_normal": (2.0, "fan_in", "normal"),
}
ALIASES = {
    "Zeros": ["zero", "zeros"],
    "Ones": ["one", "ones"],
    "Constant": ["constant"],
    "RandomNormal": ["normal", "random_normal"],
    "RandomUniform": ["uniform", "random_uniform"],
    "TruncatedNormal": ["truncated_normal"],
    "Orthogonal": ["orthogonal"],
    "Identity": ["identity"],
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_and_aliases(name):
    cls = getattr(initializers, name)
    for alias in [name, *ALIASES.get(name, [])]:
        assert getattr(initializers, alias) is cls
        for made in (initializers.get(alias), initializers.deserialize(alias)):
            assert type(made) is cls and made.get_config() == DEFAULTS[name]
    config = initializers.serialize(cls())
    assert config == {"class_name": name, "config": DEFAULTS[name]}
    assert initializers.deserialize(config).get_config() == DEFAULTS[name]


@pytest.mark.parametrize("name", SCALED)
def test_scaled_ones_by_name(name):
    scale, mode, distribution = SCALED[name]
    made = getattr(initializers, name)(seed=3)
    wanted = {"scale": scale, "mode": mode, "distribution": distribution, "seed": 3}
    assert initializers.serialize(made) == {"class_name": "VarianceScaling", "config": wanted}
    assert initializers.get(name).get_config() == {**wanted, "seed": None}


def test_get_returns_initializers_and_deserialize_custom_objects():
    made = initializers.RandomNormal(seed=1)
    assert initializers.get(made) is made and initializers.get(None) is None

    def mine(shape, dtype=None):
        return np.full(shape, 7.0)

    assert initializers.get(mine) is mine
    assert initializers.deserialize("mine", custom_objects={"mine": mine}) is mine
    with pytest.raises(ValueError, match="Unknown initializer: mine"):
        initializers.deserialize("mine")
    with pytest.raises(ValueError, match="Could not interpret initializer identifier: 3"):
        initializers.get(3)


@pytest.mark.parametrize("name", ["Orthogonal", "RandomNormal", "TruncatedNormal", "VarianceScaling"])
def test_a_seed_does_not_change_numpys_global_state(name):
    """Keras's Orthogonal seeds this state."""
    np.random.seed(3)
    wanted = np.random.random(3)
    np.random.seed(3)
    getattr(initializers, name)(seed=5)((4, 4))
    np.testing.assert_array_equal(np.random.random(3), wanted)
