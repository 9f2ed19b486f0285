"""Accuracies compared with their definitions; names that compile resolves by loss and output."""

import inspect

import numpy as np
import pytest

from lamella import losses, metrics
from lamella.training.resolve import metric_function


def test_accuracies():
    p = np.array([[0.5, 0.6], [0.2, 0.9], [1.5, 0.49]])
    y = np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    # Halves are rounded to even numbers: 0.5 -> 0, and 1.5 -> 2.
    assert metrics.binary_accuracy(y, p).tolist() == [1.0, 0.5, 0.5]
    assert metrics.binary_accuracy(y[:, :1], p[:, :1]).tolist() == [1.0, 0.0, 0.0]
    assert metrics.categorical_accuracy(y, p).tolist() == [1.0, 0.0, 1.0]
    assert metrics.sparse_categorical_accuracy(np.array([[1], [0], [0]]), p).tolist() == [1.0, 0.0, 1.0]
    assert metrics.sparse_categorical_accuracy(np.array([1.0, 0.0, 0.0]), p).tolist() == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_top_k(k):
    p = np.random.default_rng(2).normal(size=(50, 6))
    labels = np.random.default_rng(3).integers(0, 6, size=50)
    wanted = [label in np.argsort(-row)[:k] for row, label in zip(p, labels)]
    assert metrics.top_k_categorical_accuracy(np.eye(6)[labels], p, k=k).tolist() == wanted
    assert metrics.sparse_top_k_categorical_accuracy(labels[:, None], p, k=k).tolist() == wanted
    for labels_of_steps in (labels.reshape(10, 5), labels.reshape(10, 5, 1)):  # of sequences
        found = metrics.sparse_top_k_categorical_accuracy(labels_of_steps, p.reshape(10, 5, 6), k=k)
        assert found.ravel().tolist() == wanted
    for function in (metrics.top_k_categorical_accuracy, metrics.sparse_top_k_categorical_accuracy):
        assert inspect.signature(function).parameters["k"].default == 5


@pytest.mark.parametrize(
    "loss, width, accuracy, crossentropy",
    [
        (losses.mean_squared_error, 1, metrics.binary_accuracy, metrics.binary_crossentropy),
        (losses.binary_crossentropy, 3, metrics.binary_accuracy, metrics.binary_crossentropy),
        (
            losses.sparse_categorical_crossentropy,
            3,
            metrics.sparse_categorical_accuracy,
            metrics.sparse_categorical_crossentropy,
        ),
        (losses.categorical_crossentropy, 3, metrics.categorical_accuracy, metrics.categorical_crossentropy),
        (losses.mean_squared_error, 3, metrics.categorical_accuracy, metrics.categorical_crossentropy),
        (lambda y, p: p, 3, metrics.categorical_accuracy, metrics.categorical_crossentropy),
    ],
)
def test_meanings_of_acc_and_ce(loss, width, accuracy, crossentropy):
    for name in ("acc", "accuracy"):
        assert metric_function(name, loss, (None, width)) == ("acc", accuracy)
    for name in ("ce", "crossentropy"):
        assert metric_function(name, loss, (None, width)) == ("ce", crossentropy)


def test_the_column_of_a_metric_has_the_name_of_its_function():
    for given, name in [
        ("mse", "mean_squared_error"),
        ("cosine", "cosine_proximity"),
        ("AUC", "auc"),
        (metrics.Recall(name="r"), "r"),
    ]:
        assert metric_function(given, losses.mse, (None, 1))[0] == name
    with pytest.raises(ValueError, match=r"is a class; pass AUC\(...\)"):
        metric_function(metrics.AUC, losses.mse, (None, 1))
    with pytest.raises(ValueError, match="Unknown metric function: nothing"):
        metric_function("nothing", losses.mse, (None, 1))


def test_a_label_that_is_not_a_class_is_never_in_the_top_k():
    p = np.array([[0.1, 0.2, 0.7]] * 6, "f4")
    labels = np.array([-1.0, 2.0, 3.0, 1.5, 1.0, np.nan])
    assert metrics.sparse_top_k_categorical_accuracy(labels, p, k=2).tolist() == [0, 1, 0, 0, 1, 0]
    assert metrics.sparse_top_k_categorical_accuracy(labels[:, None], p, k=3).tolist() == [0, 1, 0, 0, 1, 0]
