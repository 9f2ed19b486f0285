"""Wrong arguments of K's functions raise an error that names the function, and never give a number."""

import re

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Dense
from lamella.models import Sequential
from lamella.optimizers import SGD
from tests.ops.gradients import check

A = np.arange(12.0).reshape(3, 4)
AXIS = r"axis.*3"

WRONG = [
    ("gather", (A, [3]), r"expected indices in \[0, 3\), got 3 to 3"),
    ("gather", (A, [0, -1]), r"expected indices in \[0, 3\), got -1 to 0"),
    ("slice", (A, [0, 0], [4, 1]), r"no part with start \(0, 0\) and size \(4, 1\) in shape \(3, 4\)"),
    ("slice", (A, [0, -1], [1, 1]), "no part with start"),
    ("slice", (A, [0], [1]), "no part with start"),
    ("in_top_k", (A, [0, 4, 1], 1), r"expected targets in \[0, 4\), got 0 to 4"),
    ("in_top_k", (A, [0, -1, 1], 1), "got -1 to 1"),
    ("in_top_k", (A, [0, 1], 1), r"expected predictions \[N, C\] and targets \[N\], got \(3, 4\) and \(2,\)"),
    ("in_top_k", (A[0], [0], 1), "got .4,. and .1,."),
    ("batch_dot", (A, A[:2]), r"cannot sum axis 1 of \(3, 4\) with axis 1 of \(2, 4\), batches first"),
    ("batch_dot", (A, A[0]), "expected two axes or more"),
    ("batch_dot", (A, A, 5), r"expected an axis in \[-2, 2\), got 5"),
    ("batch_dot", (A, A, (1,)), r"expected axes to be a number or a pair of numbers, got \(1,\)"),
    ("batch_dot", (A, A, (0, 1)), "batches first"),
    ("dot", (A, A), r"cannot sum the last axis of \(3, 4\) with the last but one of \(3, 4\)"),
    ("dot", (A, np.zeros(3)), "the last but one of .3,."),
    ("dot", (A, np.zeros(())), "the last but one of .."),
    ("reshape", (A, (5, 2)), "size 12"),
    ("squeeze", (A, 0), "expected axis 0 of .* to have size 1"),
    ("squeeze", (A, 7), r"expected an axis in \[-2, 2\), got 7"),
    ("expand_dims", (A, 5), r"expected an axis in \[-3, 3\), got 5"),
    ("permute_dimensions", (A, (0,)), "axes"),
    ("permute_dimensions", (A, (0, 2)), "axis 2"),
    ("concatenate", ([A, A[:, :2]], 0), "dimension"),
    ("concatenate", ([], 0), "at least one"),
    ("concatenate", ([A, A], 2), "axis 2 is out of bounds for array of dimension 2"),
    ("concatenate", ([A, A], -3), "axis -3 is out of bounds for array of dimension 2"),
    ("concatenate", ([A, A], 1.5), "'float' object cannot be interpreted as an integer"),
    ("concatenate", ([A[0, 0], A[0, 0]],), "zero-dimensional arrays cannot be concatenated"),
    ("concatenate", ([A, A[0]], 1), "dimension"),
    ("stack", ([A, A], 3), r"expected an axis in \[-3, 3\), got 3"),
    ("stack", ([A, A[:2]],), "dimension"),
    ("repeat", (A[0], 2), "expected two axes"),
    ("repeat_elements", (A, 2, 3), AXIS),
    ("tile", (A, [2, 2, 2]), "expected at most 2 counts"),
    ("tile", (A, -1), "of 0 or more"),
    ("map_fn", (lambda row: row, (A, A[:2])), "the same number of rows"),
    ("map_fn", (lambda row: row, [A, A[:2]]), "the same number of rows"),
    ("foldl", (lambda a, b: a, A[:0]), "at least one row"),
    ("foldr", (lambda a, b: a, 3.0), "with rows, got a number"),
    ("is_keras_tensor", (A,), "Unexpectedly found an instance of type"),
    ("bias_add", (A, np.zeros((2, 2, 2))), "Unexpected bias dimensions 3, expect to be 1 or 1 dimensions"),
    ("reverse", (A, 3), AXIS),
    ("one_hot", ([0], -1), "expected at least 0 classes, got -1"),
    ("temporal_padding", (A,), "expected 3 axes"),
    ("spatial_2d_padding", (A,), "expected 4 axes"),
    *[(name, (A, 3), AXIS) for name in ("sum", "mean", "var", "std", "max", "min", "prod", "any", "all", "argmax", "argmin")],
    *[(name, (A, 3), AXIS) for name in ("logsumexp", "cumsum", "cumprod", "l2_normalize")],
    *[(name, (A, np.zeros(3)), r"\(3,4\) \(3,\)") for name in ("maximum", "minimum", "pow", "equal", "less", "greater_equal")],
    ("bias_add", (A, np.zeros(3)), r"\(3,4\) \(3,\)"),
    ("categorical_crossentropy", (A, A[:2]), "expected targets of the prediction's shape"),
    ("binary_crossentropy", (A, A[:2]), "expected targets of the prediction's shape"),
    ("sparse_categorical_crossentropy", ([0, 1], A), "expected labels of shape"),
    ("switch", (np.ones((3, 4, 1)), A, A), "Rank of `condition` should be less than or equal to rank of expressions"),
    ("conv2d", (A, A), "expected|index"),
    ("pool2d", (A, (2, 2)), "expected"),
    ("dropout", (A, 1.5), r"expected a level in \[0, 1\), got 1.5"),
    ("dropout", (A, -0.5), "got -0.5"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "words"), WRONG, ids=[f"{i}-{case[0]}" for i, case in enumerate(WRONG)])
def test_the_error_names_the_function_and_the_argument(name, arguments, words):
    with pytest.raises((ValueError, TypeError), match=words) as caught:
        getattr(K, name)(*arguments)
    assert name in str(caught.value)
    assert not re.search(rf"K\.(?!{name}\b)\w+: ", str(caught.value))


def test_an_error_of_another_class_does_not_change():
    class Mine(ValueError):
        pass

    def fails():
        raise Mine("mine")

    with pytest.raises(Mine, match="^mine$"):
        K.switch(True, fails, fails)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2)])
@pytest.mark.parametrize("name", ["var", "std", "l2_normalize"])
def test_gradients_of_functions_made_of_several_ops(name, axis, keepdims):
    x = np.random.default_rng(4).normal(size=(3, 4, 2))
    more = {} if name == "l2_normalize" else {"keepdims": keepdims}
    check(lambda a: getattr(K, name)(a, axis=axis, **more), x)


def test_identity_returns_its_argument_with_gradient_one():
    check(lambda a: K.identity(a), A)
    np.testing.assert_array_equal(K.identity(A), A)


def test_focal_loss_trains_as_computed_by_hand():
    """Lin et al., 1708.02002, eq. 5: -alpha_t (1 - p_t)^gamma log(p_t), for a sigmoid, with SGD."""
    gamma, alpha, rate = 2.0, 0.25, 0.5
    draw = np.random.default_rng(8)
    x = draw.normal(size=(12, 3))
    y = (x[:, :1] + 0.3 * draw.normal(size=(12, 1)) > 0).astype(float)
    first = [draw.normal(size=(3, 1)), np.array([0.1])]

    def focal(y_true, y_pred):
        p = K.clip(y_pred, K.epsilon(), 1 - K.epsilon())
        positive = -alpha * y_true * K.pow(1 - p, gamma) * K.log(p)
        negative = -(1 - alpha) * (1 - y_true) * K.pow(p, gamma) * K.log(1 - p)
        return K.mean(positive + negative, axis=-1)

    before = K.floatx()
    K.set_floatx("float64")
    try:
        model = Sequential([Dense(1, activation="sigmoid", input_shape=(3,))])
        model.compile(SGD(lr=rate), focal)
        model.set_weights(first)
        losses = model.fit(x, y, batch_size=4, epochs=5, shuffle=False, verbose=0).history["loss"]
        got = model.get_weights()
    finally:
        K.set_floatx(before)

    w, b = (a.copy() for a in first)
    wanted = []
    for _ in range(5):
        seen = []
        for i in range(0, 12, 4):
            xs, ys = x[i : i + 4], y[i : i + 4]
            p = 1 / (1 + np.exp(-(xs @ w + b)))
            seen.append((-alpha * ys * (1 - p) ** gamma * np.log(p) - (1 - alpha) * (1 - ys) * p**gamma * np.log(1 - p)).mean())
            # d/dp, then dp/dz = p (1 - p)
            up = alpha * ys * (gamma * (1 - p) ** (gamma - 1) * np.log(p) - (1 - p) ** gamma / p)
            down = (1 - alpha) * (1 - ys) * (-gamma * p ** (gamma - 1) * np.log(1 - p) + p**gamma / (1 - p))
            dz = (up + down) * p * (1 - p) / 4
            w, b = w - rate * xs.T @ dz, b - rate * dz.sum(0)
        wanted.append(np.mean(seen))
    np.testing.assert_allclose(got[0], w, rtol=1e-7)
    np.testing.assert_allclose(got[1], b, rtol=1e-7)
    np.testing.assert_allclose(losses, wanted, rtol=1e-6)
    assert np.abs(w - first[0]).max() > 0.01
