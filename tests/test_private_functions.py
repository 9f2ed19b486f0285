"""Private functions of Keras that scripts import. Numbers, shapes and dtypes are those of the real Keras 2.2.5 on TensorFlow."""

import sys

import numpy as np
import pytest
from lamella.engine import base_layer

from lamella import backend as K
from lamella import models
from lamella.backend import tensorflow_backend as backend
from lamella.layers import LSTM, Dense, Embedding, Input
from lamella.models import Model, Sequential
from lamella.utils import generic_utils, vis_utils

X = (np.arange(48, dtype="f4").reshape(2, 3, 4, 2) % 7) / np.float32(3)
GAMMA, BETA = np.array([1, 2], "f4"), np.array([0.5, -1], "f4")
NORMED, MEANS = [-0.94626, -3.04062, 0.05983, -1.0, 1.06593], [0.95833, 1.0]


def values(tensors):
    return [K.eval(x) for x in tensors]


@pytest.mark.parametrize(
    ("kind", "variances"), [("regular", [0.43808, 0.42593]), ("broadcast", [0.43808, 0.42593]), ("fused", [0.45713, 0.44444])]
)
def test_images_are_normalized(kind, variances):
    function = getattr(backend, f"_{kind}_normalize_batch_in_training")
    x = K.placeholder(shape=(None, 3, 4, 2))
    given = K.variable(GAMMA), K.variable(BETA)
    symbolic = K.function([x], list(function(x, *given, [0, 1, 2])))([X])
    for y, means, found in (values(function(X, GAMMA, BETA, [0, 1, 2])), symbolic):
        assert y.shape == X.shape and y.dtype == means.dtype == found.dtype == "float32"
        np.testing.assert_allclose(y.ravel()[:5], NORMED, atol=2e-5)
        np.testing.assert_allclose(means, MEANS, atol=2e-5)
        np.testing.assert_allclose(found, variances, atol=2e-5)
    y, _, _ = values(function(K.variable(X), None, None, reduction_axes=[0, 1, 2], epsilon=1e-2))
    np.testing.assert_allclose(y.ravel()[:3], [-1.43166, -1.00972, -0.43572], atol=2e-5)


@pytest.mark.parametrize(
    ("kind", "variances"), [("broadcast", [0.44748, 0.42318, 0.42318]), ("fused", [0.47731, 0.45139, 0.45139])]
)
def test_other_axes_are_normalized(kind, variances):
    function = getattr(backend, f"_{kind}_normalize_batch_in_training")
    y, means, found = values(function(X, np.array([1, 2, 3], "f4"), np.array([0, 1, 2], "f4"), [0, 2, 3]))
    np.testing.assert_allclose(y.ravel()[:3], [-1.3999, -0.90216, -0.40442], atol=2e-5)
    np.testing.assert_allclose(means, [0.9375, 0.97917, 1.02083], atol=2e-5)
    np.testing.assert_allclose(found, variances, atol=2e-5)


def test_regular_normalization_broadcasts_from_the_last_axis():
    y, means, variances = values(backend._regular_normalize_batch_in_training(X[0], GAMMA, BETA, [0]))
    np.testing.assert_allclose(y.ravel()[:4], [-0.71656, -3.43312, -0.71656, -3.43312], atol=2e-5)
    np.testing.assert_allclose(means.ravel()[:3], [1 / 3, 2 / 3, 1], atol=2e-5)
    assert means.shape == variances.shape == (4, 2)
    with pytest.raises(ValueError, match="expected images"):
        backend._fused_normalize_batch_in_training(X[0], None, None, [0, 1])


@pytest.mark.parametrize(
    ("axes", "shape", "letters", "first"),
    [(1, (2, 6, 4), "NWC", [0, 4, 1]), (2, (2, 3, 4, 2), "NHWC", [0, 1, 2]), (3, (2, 3, 2, 2, 2), "NDHWC", [0, 1, 2])],
)
def test_inputs_of_convolutions_get_their_channels_last(axes, shape, letters, first):
    function = getattr(backend, f"_preprocess_conv{axes}d_input")
    x = X.reshape(shape)
    y, found = function(K.variable(x), "channels_first")
    assert found == letters and K.int_shape(y) == (2, *shape[2:], shape[1])
    np.testing.assert_array_equal(K.eval(y), np.moveaxis(x, 1, -1))
    y, found = function(x, "channels_last")
    assert found == letters and y is x
    y, _ = backend._preprocess_conv2d_input(X.astype("f8"), "channels_first", force_transpose=True)
    assert y.shape == (2, 4, 2, 3) and y.dtype == "float64"


def test_padding():
    assert [backend._preprocess_padding(padding) for padding in ("same", "valid")] == ["SAME", "VALID"]
    with pytest.raises(ValueError, match="Invalid padding: causal"):
        backend._preprocess_padding("causal")


def test_to_tensor():
    for x, dtype in (
        (2, "float32"),
        ([1, 2], "float64"),
        (X.astype("f8"), "float32"),
        (np.arange(3), "float32"),
        (True, "bool"),
    ):
        y = K.eval(backend._to_tensor(x, dtype))
        assert y.dtype == dtype
        np.testing.assert_array_equal(y, np.array(x, dtype))
    variable = K.variable([1, 2])
    assert K.eval(backend._to_tensor(variable * 2, "float32")).tolist() == [2, 4]
    for x in (variable, variable * 2):
        with pytest.raises(ValueError, match="requested dtype float64 for Tensor with dtype float32"):
            backend._to_tensor(x, "float64")


def test_masks_and_shapes_of_tensors():
    x = Input((3,))
    rows = Embedding(4, 2, mask_zero=True)(x)
    steps = LSTM(2, return_sequences=True)(rows)
    mask = base_layer._collect_previous_mask(rows)
    assert K.function([x], [mask])([[[1, 0, 2]]])[0].tolist() == [[True, False, True]]
    masks = base_layer._collect_previous_mask([rows, x, steps, rows * 2, K.variable(X)])
    assert [mask is not None for mask in masks] == [True, False, True, False, False]
    assert base_layer._collect_previous_mask(K.placeholder((2, 3))) is None
    assert base_layer._collect_input_shape(rows) == base_layer._collect_input_shape([rows]) == (None, 3, 2)
    assert base_layer._collect_input_shape([rows, x]) == [(None, 3, 2), (None, 3)]
    names = ["MaxPooling2D", "LSTMCell", "ReLU", "_Private", "X_Y", "HTTPServer2"]
    prefixes = ["max_pooling2d", "lstm_cell", "re_lu", "private__private", "x_y", "http_server2"]
    assert [base_layer._to_snake_case(name) for name in names] == prefixes


def test_models_are_cloned_by_kind():
    x = Input((3,), name="x")
    model, stack = Model(x, Dense(2, name="d")(x), name="m"), Sequential([Dense(2, input_shape=(3,), name="q")], name="s")
    for function, given, names in (
        (models._clone_functional_model, model, ["x", "d"]),
        (models._clone_sequential_model, stack, ["q"]),
    ):
        clone = function(given)
        assert type(clone) is type(given) and clone.name == given.name and [layer.name for layer in clone.layers] == names
        assert [w.shape for w in clone.get_weights()] == [(3, 2), (2,)] and clone.layers[-1] is not given.layers[-1]
        assert function(given, input_tensors=[Input((3,), name="z")]).input_names == ["z"]
    for function, wrong in (
        (models._clone_functional_model, stack),
        (models._clone_functional_model, 5),
        (models._clone_sequential_model, model),
    ):
        with pytest.raises(ValueError, match="Expected `model` argument to be a"):
            function(wrong)


def test_custom_objects_of_the_process():
    table = generic_utils._GLOBAL_CUSTOM_OBJECTS
    assert table is generic_utils.get_custom_objects()
    table["b"] = abs
    with generic_utils.CustomObjectScope({"a": len}):
        assert [generic_utils.deserialize_keras_object(name) for name in "ab"] == [len, abs]
    assert table.pop("b") is abs and "a" not in table


def test_missing_pydot_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydot", None)
    with pytest.raises(ImportError, match="Failed to import `pydot`"):
        vis_utils._check_pydot()
