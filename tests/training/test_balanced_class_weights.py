"""Forms of class_weight that scripts pass and Keras ignores: names, lists and arrays."""

import numpy as np
import pytest

from lamella import layers, models

LABELS = np.array([0, 2, 2, 1, 2, 2, 0, 2])
X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
BALANCED = {0: 8 / (3 * 2), 1: 8 / (3 * 1), 2: 8 / (3 * 5)}


def trained(y, loss, class_weight, **kwargs):
    model = models.Sequential([layers.Dense(3, activation="softmax", kernel_initializer="ones", input_shape=(3,))])
    model.compile("sgd", loss)
    model.fit(X, y, epochs=2, batch_size=4, shuffle=False, verbose=0, class_weight=class_weight, **kwargs)
    return np.concatenate([w.ravel() for w in model.get_weights()]).tobytes()


@pytest.mark.parametrize("name", ["balanced", "auto"])
@pytest.mark.parametrize(
    "y, loss",
    [
        (LABELS, "sparse_categorical_crossentropy"),
        (LABELS[:, None], "sparse_categorical_crossentropy"),
        (np.eye(3)[LABELS], "categorical_crossentropy"),
    ],
    ids=["labels", "column", "one-hot"],
)
def test_balanced_weights_follow_from_the_counts(y, loss, name):
    assert trained(y, loss, name) == trained(y, loss, BALANCED) != trained(y, loss, None)


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_a_list_or_an_array_is_by_class(kind):
    loss = "sparse_categorical_crossentropy"
    given = kind([0.5, 2.0, 1.5])
    wanted = trained(LABELS, loss, {0: 0.5, 1: 2.0, 2: 1.5})
    assert trained(LABELS, loss, given) == wanted


def test_sample_weights_multiply_balanced_ones():
    loss, w = "sparse_categorical_crossentropy", 2.0 ** np.arange(8)
    by_hand = w * np.array([BALANCED[label] for label in LABELS])
    assert trained(LABELS, loss, "balanced", sample_weight=w) == trained(LABELS, loss, None, sample_weight=by_hand)


def test_wrong_class_weights_raise():
    loss = "sparse_categorical_crossentropy"
    with pytest.raises(ValueError, match="must contain all classes in the data. The classes .2. exist"):
        trained(LABELS, loss, [1.0, 2.0])
    for given, came in (("even", "'even'"), (3.0, "float"), (np.ones((2, 2)), "ndarray")):
        with pytest.raises(TypeError, match=f"expected class_weight to be a dict of class -> weight, .*'balanced', got {came}"):
            trained(LABELS, loss, given)
    model = models.Sequential([layers.Dense(3, activation="softmax", input_shape=(3,))])
    model.compile("sgd", loss)
    with pytest.raises(
        ValueError, match="class_weight='auto' needs all targets at once, but a generator gives them batch by batch"
    ):
        model.fit_generator(iter([(X, LABELS)]), 1, class_weight="auto", verbose=0)
