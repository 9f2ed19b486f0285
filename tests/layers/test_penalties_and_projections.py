"""Regularizers and constraints against their formulas."""

import numpy as np
import pytest

from lamella import constraints, regularizers

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
