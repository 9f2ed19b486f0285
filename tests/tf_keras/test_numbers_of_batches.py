"""train_on_batch, test_on_batch and evaluate: the batches that their metrics count, and results by name."""

import numpy as np
import pytest

from lamella.core import config
from lamella.layers import Dense
from lamella.metrics import BinaryAccuracy
from lamella.models import Sequential

X = np.array([[-2.0], [-1.0], [1.0], [2.0]], "f4")
RIGHT, HALF = np.array([[0.0], [0.0], [1.0], [1.0]], "f4"), np.array([[0.0], [1.0], [0.0], [1.0]], "f4")


def model(dialect):
    """A model that predicts 1 for x > 0, and does not learn."""
    config.set_dialect(dialect)
    model = Sequential([Dense(1, activation="sigmoid", use_bias=False, input_shape=(1,))])
    model.set_weights([np.array([[5.0]], "f4")])
    model.compile("sgd", "binary_crossentropy", metrics=[BinaryAccuracy(name="hits")])
    model.optimizer.lr = 0.0
    return model


@pytest.mark.parametrize("method", ["train_on_batch", "test_on_batch"])
@pytest.mark.parametrize("dialect, reset, second", [
    ("tf", None, 0.5), ("tf", True, 0.5), ("tf", False, 0.75), ("keras2", None, 0.75), ("keras2", True, 0.5),
])  # fmt: skip
def test_metrics_count_one_batch_in_tf_keras(method, dialect, reset, second):
    on_batch = getattr(model(dialect), method)
    assert on_batch(X, RIGHT, reset_metrics=reset)[1] == 1.0
    assert on_batch(X, HALF, reset_metrics=reset)[1] == second


def test_metrics_continue_until_a_reset():
    m = model("tf")
    m.reset_metrics()
    assert m.train_on_batch(X, HALF, reset_metrics=False)[1] == 0.5
    assert m.train_on_batch(X, RIGHT, reset_metrics=False)[1] == 0.75
    m.reset_metrics()
    assert m.train_on_batch(X, RIGHT, reset_metrics=False)[1] == 1.0


@pytest.mark.parametrize("dialect", ["keras2", "tf"])
def test_results_by_name(dialect):
    m = model(dialect)
    loss = np.log1p(np.exp(-5.0 * np.abs(X))).mean()
    for numbers in (
        m.train_on_batch(X, RIGHT, return_dict=True),
        m.test_on_batch(X, RIGHT, reset_metrics=True, return_dict=True),
        m.evaluate(X, RIGHT, verbose=0, return_dict=True),
    ):
        assert list(numbers) == ["loss", "hits"] == m.metrics_names
        assert numbers["hits"] == 1.0
        assert numbers["loss"] == pytest.approx(loss, rel=1e-4)
    m.compile("sgd", "binary_crossentropy")
    assert m.evaluate(X, RIGHT, verbose=0, return_dict=True) == {"loss": pytest.approx(loss, rel=1e-4)}
