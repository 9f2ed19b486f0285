"""K.normalize_batch_in_training and K.print_tensor."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Input, Lambda
from lamella.models import Model
from tests.ops.gradients import check

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, 5, 2))


@pytest.mark.parametrize("axes", [[0, 1, 2], [0, 2, 3], [0], [-1, 0]])
@pytest.mark.parametrize("scaled", [True, False])
def test_a_batch_is_normalized_by_its_own_statistics(axes, scaled):
    kept = tuple(d for i, d in enumerate(X.shape) if i not in [a % 4 for a in axes])
    gamma, beta = (RNG.normal(size=kept) for _ in range(2)) if scaled else (None, None)
    y, mean, variance = K.normalize_batch_in_training(X, gamma, beta, axes, 0.1)
    wide = {"axis": tuple(axes), "keepdims": True}
    wanted = (X - X.mean(**wide)) / np.sqrt(X.var(**wide) + 0.1)
    if scaled:
        wanted = wanted * gamma.reshape(X.mean(**wide).shape) + beta.reshape(X.mean(**wide).shape)
    np.testing.assert_allclose(y, wanted, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(mean, X.mean(tuple(axes)), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(variance, X.var(tuple(axes)), rtol=1e-10)
    if scaled:
        check(lambda x, g, b: K.normalize_batch_in_training(x, g, b, axes, 0.1)[0], X, gamma, beta)
        check(lambda x: K.normalize_batch_in_training(x, gamma, beta, axes, 0.1)[2], X)


def test_normalization_of_symbolic_tensors():
    x = Input((4, 5, 2))
    y, mean, variance = K.normalize_batch_in_training(x, None, None, [0, 1, 2])
    assert (y.shape, mean.shape, variance.shape) == ((None, 4, 5, 2), (2,), (2,))
    for got, wanted in zip(
        K.function([x], [y, mean, variance])([X]), K.normalize_batch_in_training(X.astype("f"), None, None, [0, 1, 2])
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match="K.batch_normalization: expected mean, var, beta and gamma with 1 axis or 4"):
        K.batch_normalization(X, np.ones((2, 2)), np.ones(2), None, None)
    with pytest.raises(ValueError, match="K.batch_normalization: "):
        K.batch_normalization(X, np.ones(3), np.ones(3), None, None)


def test_a_value_is_printed_in_each_run(capsys):
    x = Input((2,))
    y = K.print_tensor(x, "values:") * 2
    assert capsys.readouterr().out == ""
    np.testing.assert_array_equal(Model(x, y).predict(np.array([[1.0, 2.0]])), [[2.0, 4.0]])
    assert capsys.readouterr().out == "values: [[1. 2.]]\n"
    layer = Lambda(lambda t: K.print_tensor(t, "in a function:") + K.print_tensor(K.variable(2.5), "number:"))
    model = Model(x, layer(x))
    assert capsys.readouterr().out == ""
    np.testing.assert_array_equal(model.predict(np.array([[1.0, 2.0]])), [[3.5, 4.5]])
    assert capsys.readouterr().out == "in a function: [[1. 2.]]\nnumber: 2.5\n"
    assert K.print_tensor(X[0, 0, 0]) is not None and "[" in capsys.readouterr().out
