"""Regularizers and constraints compared with their formulas."""

import numpy as np
import pytest

from lamella import backend as K
from lamella import constraints, regularizers
from lamella.layers import Dense
from lamella.models import Sequential

W = np.random.default_rng(0).normal(size=(7, 5))
EPS = 1e-7


def norms(axis):
    return np.sqrt((W**2).sum(axis=axis, keepdims=True))


@pytest.mark.parametrize(
    "regularizer, expected",
    [
        (regularizers.l1(0.1), 0.1 * np.abs(W).sum()),
        (regularizers.l2(0.1), 0.1 * (W**2).sum()),
        (regularizers.l1_l2(0.1, 0.3), 0.1 * np.abs(W).sum() + 0.3 * (W**2).sum()),
        (regularizers.get("l2"), 0.01 * (W**2).sum()),
        (regularizers.l1(0.0), 0.0),
    ],
)
def test_regularizers(regularizer, expected):
    assert float(regularizer(W)) == pytest.approx(expected, rel=1e-12)
    again = regularizers.get(regularizers.serialize(regularizer))
    assert again.get_config() == regularizer.get_config()
    assert float(again(W)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("axis", [0, 1, [0, 1]])
@pytest.mark.parametrize(
    "make, formula",
    [
        (constraints.MaxNorm, lambda n: np.clip(n, 0, 2) / (EPS + n)),
        (constraints.UnitNorm, lambda n: 1 / (EPS + n)),
        (
            lambda axis: constraints.MinMaxNorm(0.5, 1.0, 0.7, axis),
            lambda n: (0.7 * np.clip(n, 0.5, 1.0) + 0.3 * n) / (EPS + n),
        ),
    ],
)
def test_norm_constraints(make, formula, axis):
    constraint = make(axis=axis)
    where = axis if isinstance(axis, int) else tuple(axis)
    before = W.copy()
    np.testing.assert_allclose(constraint(W), W * formula(norms(where)), rtol=1e-12)
    np.testing.assert_array_equal(W, before)
    again = constraints.get(constraints.serialize(constraint))
    assert again.get_config() == constraint.get_config()


def test_non_neg():
    np.testing.assert_array_equal(constraints.non_neg()(W), np.maximum(W, 0))


def test_float32_stays_float32():
    for constraint in (constraints.MaxNorm(), constraints.NonNeg(), constraints.UnitNorm(), constraints.MinMaxNorm()):
        assert constraint(W.astype(np.float32)).dtype == np.float32


def test_unknown_names():
    with pytest.raises(ValueError, match="Unknown regularizer: l3"):
        regularizers.get("l3")
    with pytest.raises(ValueError, match="Unknown constraint: box"):
        constraints.get("box")


def test_defaults():
    assert constraints.MaxNorm().get_config() == {"max_value": 2, "axis": 0}
    assert constraints.UnitNorm().get_config() == {"axis": 0}
    assert constraints.NonNeg().get_config() == {}
    assert constraints.MinMaxNorm().get_config() == {"min_value": 0.0, "max_value": 1.0, "rate": 1.0, "axis": 0}
    assert regularizers.L1L2().get_config() == {"l1": 0.0, "l2": 0.0}
    assert regularizers.l1().get_config() == {"l1": 0.01, "l2": 0.0}
    assert regularizers.l2().get_config() == {"l1": 0.0, "l2": 0.01}
    assert regularizers.l1_l2().get_config() == {"l1": 0.01, "l2": 0.01}


@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_the_rate_moves_a_fraction_of_the_way_to_the_allowed_norm(rate):
    w = np.array([[3.0, 0.3, 0.03], [4.0, 0.4, 0.04]])  # norms 5, 0.5, 0.05
    got = constraints.MinMaxNorm(min_value=0.1, max_value=2.0, rate=rate)(w)
    wanted = np.array([5 + rate * (2 - 5), 0.5, 0.05 + rate * (0.1 - 0.05)])
    np.testing.assert_allclose(np.linalg.norm(got, axis=0), wanted, rtol=1e-5)
    np.testing.assert_allclose(got / np.linalg.norm(got, axis=0), w / np.linalg.norm(w, axis=0), rtol=1e-12)


def test_columns_of_zeros_stay_and_the_default_axis_is_the_first():
    w = np.array([[0.0, 30.0], [0.0, 40.0]])
    for constraint in (constraints.MaxNorm(5), constraints.UnitNorm(), constraints.MinMaxNorm(1.0, 5.0)):
        got = constraint(w)
        np.testing.assert_array_equal(got[:, 0], [0, 0])
        assert np.linalg.norm(got[:, 1]) == pytest.approx(1 if isinstance(constraint, constraints.UnitNorm) else 5, rel=1e-6)


def test_the_norm_of_each_kernel_of_a_convolution():
    w = np.random.default_rng(2).normal(size=(3, 3, 4, 5))
    got = constraints.UnitNorm(axis=[0, 1, 2])(w)
    np.testing.assert_allclose(np.sqrt((got**2).sum((0, 1, 2))), np.ones(5), rtol=1e-6)


CONSTRAINTS = {
    "MaxNorm": "max_norm maxnorm",
    "NonNeg": "non_neg nonneg",
    "UnitNorm": "unit_norm unitnorm",
    "MinMaxNorm": "min_max_norm",
}


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_names_of_constraints(name):
    cls = getattr(constraints, name)
    for alias in [name, *CONSTRAINTS[name].split()]:
        assert getattr(constraints, alias) is cls
        assert type(constraints.get(alias)) is cls and type(constraints.deserialize(alias)) is cls
    made = cls()
    config = constraints.serialize(made)
    assert config == {"class_name": name, "config": made.get_config()}
    assert constraints.deserialize(config).get_config() == made.get_config()
    assert constraints.get(made) is made and constraints.get(None) is None


@pytest.mark.parametrize(
    "name, config", [("l1", (0.01, 0.0)), ("l2", (0.0, 0.01)), ("l1_l2", (0.01, 0.01)), ("L1L2", (0.0, 0.0))]
)
def test_names_of_regularizers(name, config):
    for made in (regularizers.get(name), regularizers.deserialize(name)):
        assert regularizers.serialize(made) == {"class_name": "L1L2", "config": {"l1": config[0], "l2": config[1]}}
    assert regularizers.get(None) is None


@pytest.mark.parametrize("room", [constraints, regularizers])
def test_custom_functions_and_objects(room):
    def mine(w):
        return w

    assert room.get(mine) is mine and room.deserialize("mine", custom_objects={"mine": mine}) is mine
    with pytest.raises(ValueError, match="Unknown (constraint|regularizer): mine"):
        room.deserialize({"class_name": "mine", "config": {}})
    with pytest.raises(ValueError, match="Could not interpret (constraint|regularizer) identifier: 3"):
        room.get(3)


@pytest.mark.parametrize("make", [regularizers.l1, regularizers.l2, regularizers.l1_l2, regularizers.L1L2])
def test_a_variable_raises_if_later_values_would_be_ignored(make):
    with pytest.raises(TypeError, match=r"^L1L2: l[12]: expected a number, got <Variable 'v:0'.*write a Regularizer whose"):
        make(K.variable(0.1, name="v"))
    for wrong, kind in [("0.1", TypeError), ([0.1], TypeError), (None, TypeError), (np.nan, ValueError), (np.inf, ValueError)]:
        with pytest.raises(kind, match="^L1L2: l[12]: expected a finite number"):
            make(wrong)


def test_a_custom_regularizer_reads_a_variable_in_each_step():
    class Moving(regularizers.Regularizer):
        strength = K.variable(0.0, "float64")

        def __call__(self, x):
            return K.get_value(self.strength) * K.sum(K.square(x))

    model = Sequential([Dense(1, input_shape=(2,), use_bias=False, kernel_regularizer=Moving())])
    model.compile("sgd", "mse")
    x = np.zeros((4, 2))
    squares = float((model.get_weights()[0].astype("f8") ** 2).sum())
    for strength in (0.0, 0.5, 2.0):
        K.set_value(Moving.strength, strength)
        assert model.test_on_batch(x, np.zeros((4, 1))) == pytest.approx(strength * squares, rel=1e-6)
