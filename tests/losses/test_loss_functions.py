"""Losses compared with the formulas of Keras 2.2.5 in NumPy; gradients by a random projection."""

import numpy as np
import pytest

from lamella import losses, metrics
from lamella.core.variable import Variable
from lamella.layers import Activation, Input, Masking
from lamella.losses.functions import FUNCTIONS
from lamella.models import Model
from lamella.ops.reduce import sum as total
from lamella.ops.tape import Tape

EPS = 1e-7
RNG = np.random.default_rng(0)
P = RNG.uniform(0.05, 0.95, size=(5, 4))
P /= P.sum(1, keepdims=True)
SIGNS = np.where(RNG.normal(size=(5, 4)) > 0, 1.0, -1.0)
REAL = RNG.normal(size=(5, 4))
POSITIVE = RNG.uniform(0.1, 2.0, size=(5, 4))
LABELS = np.array([0, 3, 1, 1, 2])
ONE_HOT = np.eye(4)[LABELS]
BITS = (RNG.normal(size=(5, 4)) > 0).astype(float)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


ORACLES = [
    ("mean_squared_error", REAL, POSITIVE, lambda y, p: ((p - y) ** 2).mean(-1)),
    ("mean_absolute_error", REAL, POSITIVE, lambda y, p: np.abs(p - y).mean(-1)),
    ("mean_absolute_percentage_error", REAL, POSITIVE, lambda y, p: 100 * np.abs((y - p) / np.abs(y)).mean(-1)),
    ("mean_absolute_percentage_error", np.zeros((5, 4)), 1e-9 * POSITIVE, lambda y, p: 100 * np.abs(p / EPS).mean(-1)),
    ("mean_squared_logarithmic_error", POSITIVE, REAL,
     lambda y, p: ((np.log(np.maximum(p, EPS) + 1) - np.log(y + 1)) ** 2).mean(-1)),
    ("squared_hinge", SIGNS, REAL, lambda y, p: (np.maximum(1 - y * p, 0) ** 2).mean(-1)),
    ("hinge", SIGNS, REAL, lambda y, p: np.maximum(1 - y * p, 0).mean(-1)),
    ("categorical_hinge", ONE_HOT, REAL,
     lambda y, p: np.maximum(0, ((1 - y) * p).max(-1) - (y * p).sum(-1) + 1)),
    ("logcosh", REAL, POSITIVE, lambda y, p: np.log(np.cosh(p - y)).mean(-1)),
    ("logcosh", REAL, 1e4 * REAL, lambda y, p: (np.abs(p - y) - np.log(2)).mean(-1)),
    ("categorical_crossentropy", ONE_HOT, 3 * P, lambda y, p: -(y * np.log(p / p.sum(-1, keepdims=True))).sum(-1)),
    ("sparse_categorical_crossentropy", LABELS[:, None], P, lambda y, p: -np.log(p[np.arange(5), y[:, 0]])),
    ("binary_crossentropy", BITS, P, lambda y, p: -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(-1)),
    ("kullback_leibler_divergence", P[::-1].copy(), P, lambda y, p: (y * np.log(y / p)).sum(-1)),
    ("kullback_leibler_divergence", ONE_HOT, P, lambda y, p: -np.log(p[np.arange(5), LABELS]) + 3 * EPS * np.log(EPS)
     - EPS * (np.log(p).sum(-1) - np.log(p[np.arange(5), LABELS]))),
    ("poisson", POSITIVE, P, lambda y, p: (p - y * np.log(p + EPS)).mean(-1)),
    ("cosine_proximity", REAL, POSITIVE, lambda y, p: -(unit(y) * unit(p)).sum(-1)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name, y, p, oracle", ORACLES, ids=[f"{o[0]}-{i}" for i, o in enumerate(ORACLES)])
def test_values(name, y, p, oracle, dtype):
    targets = y if y.dtype.kind == "i" else y.astype(dtype)
    came = getattr(losses, name)(targets, p.astype(dtype))
    assert came.shape == (5,) and came.dtype == dtype
    np.testing.assert_allclose(
        came, oracle(y, p), rtol=2e-5 if dtype == "float32" else 1e-9, atol=1e-6 if dtype == "float32" else 1e-12
    )


# A difference quotient is precise only for predictions of ordinary size. Losses without an oracle are also checked.
PROJECTED = [o[:3] for o in ORACLES if 1e-3 < np.abs(o[2]).max() < 1e3]
LOSSES = sorted({function.__name__ for function in FUNCTIONS.values()})
PROJECTED += [(name, ONE_HOT, P) for name in LOSSES if name not in {o[0] for o in PROJECTED}]


@pytest.mark.parametrize("name, y, p", PROJECTED)
def test_gradients_by_a_random_projection(name, y, p):
    loss, direction = getattr(losses, name), np.random.default_rng(1).normal(size=p.shape)
    variable = Variable(p)
    with Tape([variable]) as tape:
        value = total(loss(y, variable))
    (gradient,) = tape.gradients(value)
    h = 1e-6
    difference = (loss(y, p + h * direction).sum() - loss(y, p - h * direction).sum()) / (2 * h)
    np.testing.assert_allclose((gradient * direction).sum(), difference, rtol=1e-6)


def targets_of(name, *shape):
    """Labels or one-hot rows of 4 classes, and predictions."""
    rng = np.random.default_rng(2)
    labels, p = rng.integers(0, 4, shape), rng.dirichlet(np.ones(4), shape).astype("float32")
    return labels[..., None] if name.startswith("sparse") else np.eye(4, dtype="float32")[labels], p


@pytest.mark.parametrize("name", LOSSES)
def test_each_loss_is_a_metric_and_uses_weights(name):
    assert getattr(losses, name) is getattr(metrics, name) is losses.get(name) is metrics.get(name)
    assert losses.serialize(losses.get(name)) == name and name in losses.__all__ and name in metrics.__all__
    y, p = targets_of(name, 7)
    weights = np.arange(7.0)
    x = Input((4,))
    model = Model(x, Activation("linear")(x))
    model.compile("sgd", name, metrics=[name], weighted_metrics=[name])
    rows = getattr(losses, name)(y, p).astype(float)
    loss, plain, weighted = model.evaluate(p, y, sample_weight=weights, batch_size=7, verbose=0)
    assert plain == pytest.approx(rows.mean(), rel=1e-5)
    assert loss == weighted == pytest.approx((rows * weights).sum() / np.count_nonzero(weights), rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_masked_steps_have_no_effect_on_each_loss(name):
    y, p = targets_of(name, 3, 5)
    p[0, 3:] = p[2, 1:] = 0
    kept = p.any(axis=-1)
    x = Input((5, 4))
    model = Model(x, Activation("sigmoid")(Masking()(x)))
    model.compile("sgd", name)
    rows = getattr(losses, name)(y, model.predict(p)).astype(float)
    assert model.evaluate(p, y, verbose=0) == pytest.approx(rows[kept].sum() / kept.sum(), rel=1e-5)


def test_aliases_and_lookups():
    for short, long in [
        ("mse", "mean_squared_error"), ("MAE", "mean_absolute_error"), ("mape", "mean_absolute_percentage_error"),
        ("MSLE", "mean_squared_logarithmic_error"), ("kld", "kullback_leibler_divergence"), ("cosine", "cosine_proximity"),
    ]:  # fmt: skip
        for room in (losses, metrics):
            assert room.get(short) is getattr(losses, long) is getattr(losses, short)
    mine = lambda y, p: p
    assert losses.get(mine) is mine and losses.get(None) is None and metrics.get(mine) is mine
    assert losses.serialize(losses.mse) == "mean_squared_error" == losses.deserialize("mse").__name__
    for room in (losses, metrics):
        with pytest.raises(ValueError, match="function identifier: 3"):
            room.get(3)
