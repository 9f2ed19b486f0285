"""train_function, test_function and predict_function beside the methods for one batch."""

import numpy as np
import pytest

from lamella.layers import Dense, Dropout, Input
from lamella.models import Model, Sequential

rng = np.random.RandomState(4)
X, Y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))


def build():
    model = Sequential([Dense(4, input_shape=(3,), activation="tanh"), Dense(2)])
    model.compile("adam", "mse", metrics=["mae"])
    return model


def test_a_train_function_is_train_on_batch():
    model, other = build(), build()
    other.set_weights(model.get_weights())
    model._make_train_function()
    inputs, targets, weights = model._standardize_user_data(X, Y, rng.uniform(0.5, 2, 6))
    for phase in ([], [1.0]):
        found = model.train_function([*inputs, *targets, *weights, *phase])
        assert found == other.train_on_batch(X, Y, sample_weight=weights[0]) and len(found) == 2
    for ours, theirs in zip(model.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(ours, theirs)
    before = model.get_weights()
    model._make_test_function()
    assert model.test_function([*inputs, *targets, *weights, 0]) == model.test_on_batch(X, Y, weights[0])
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_a_predict_function_needs_no_compile():
    x, z = Input((3,)), Input((2,))
    model = Model([x, z], [Dropout(0.5)(Dense(2)(x)), z])
    assert not hasattr(model, "predict_function")
    model._make_predict_function()
    found = model.predict_function([X, Y, 0.0])
    np.testing.assert_array_equal(found[0], model.predict([X, Y])[0])
    np.testing.assert_array_equal(found[1], Y.astype("f4"))
    single = build()
    assert single.predict_function is None
    single._make_predict_function()
    np.testing.assert_array_equal(single.predict_function([X])[0], single.predict_on_batch(X))


def test_several_outputs_and_none_trained():
    x = Input((3,))
    model = Model(x, [Dense(1, name="a")(x), Dense(2, name="b")(x)])
    model.compile("sgd", ["mae", None])
    inputs, targets, weights = model._standardize_user_data(X, X[:, :1])
    model._make_test_function()
    assert model.test_function(inputs + targets + weights) == pytest.approx(np.atleast_1d(model.test_on_batch(X, X[:, :1])))


def test_wrong_use_raises():
    model = build()
    with pytest.raises(TypeError, match="expected a function as test_function, got str"):
        model.test_function = "print"
    model._make_train_function()
    with pytest.raises(ValueError, match="train_function expects 3 arrays, and a learning phase if you like, got 2"):
        model.train_function([X, Y])
    with pytest.raises(ValueError, match="train_function computes in the learning phase 1, got 0"):
        model.train_function([X, Y, np.ones(6), 0])
    unbuilt = Sequential([Dense(1)])
    unbuilt.compile("sgd", "mse")
    with pytest.raises(AttributeError, match="metrics_tensors exists when the model has an input shape"):
        unbuilt.metrics_tensors
    assert not hasattr(Sequential([Dense(1)]), "train_function")
