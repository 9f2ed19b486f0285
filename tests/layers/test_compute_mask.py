"""Calls of compute_mask on arrays, and on symbolic tensors, which give the same numbers when they run."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Add, Concatenate, Dense, Flatten, Input, Masking
from lamella.models import Model, Sequential

X = np.random.default_rng(1).normal(size=(2, 3, 4)).astype("float32")
X[0, 1] = 0
X[1, 2] = 0
A = np.array([[True, False, True], [True, True, False]])
B = np.array([[True, True, False], [False, True, True]])


def test_masking():
    np.testing.assert_array_equal(Masking().compute_mask(X), A)
    np.testing.assert_array_equal(Masking(X[0, 0, 0]).compute_mask(X[:, :, :1]), X[:, :, 0] != X[0, 0, 0])


@pytest.mark.parametrize(
    "layer, masks, expected",
    [
        (Add(), [A, B], A & B),
        (Add(), [A, None], A),
        (Concatenate(axis=-1), [A, B], A & B),
        (Concatenate(axis=1), [A, None], np.concatenate([A, np.ones_like(A)], 1)),
        (Concatenate(axis=1), [A, B], np.concatenate([A, B], 1)),
    ],
)
def test_merges_on_arrays_and_in_graphs(layer, masks, expected):
    np.testing.assert_array_equal(layer.compute_mask([X, X], masks), expected)
    inputs = [Input((3, 4)), Input((3, 4))]
    given = [None if m is None else Input((3,), dtype="bool") for m in masks]
    tensor = layer.compute_mask(inputs, given)
    assert K.is_keras_tensor(tensor) and tensor.dtype == "bool" and tensor.shape == (None, *expected.shape[1:])
    ends = inputs + [m for m in given if m is not None]
    (found,) = K.function(ends, [tensor])([X, X] + [m for m in masks if m is not None])
    np.testing.assert_array_equal(found, expected)


def test_a_joined_mask_needs_no_input_that_has_a_mask():
    inputs, a, b = [Input((3, 4)), Input((3, 4))], K.variable(A), K.variable(B)
    np.testing.assert_array_equal(K.eval(Concatenate(axis=1).compute_mask(inputs, [a, b])), np.concatenate([A, B], 1))
    np.testing.assert_array_equal(K.eval(Concatenate().compute_mask(inputs, [a, b])), A & B)
    # Masks of the inputs' own rank: as far as all features count.
    whole = K.variable(np.repeat(B[..., None], 4, axis=-1) * np.array([1, 1, 1, 0.5]))
    np.testing.assert_array_equal(K.eval(Concatenate(axis=1).compute_mask(inputs, [whole, a])), np.concatenate([B, A], 1))
    half = Concatenate(axis=1).compute_mask(inputs, [None, a])
    with pytest.raises(TypeError, match="is symbolic"):
        K.eval(half)
    np.testing.assert_array_equal(K.function(inputs[:1], [half])([X])[0], np.concatenate([np.ones_like(A), A], 1))


def test_a_masking_layer_with_another_mask_sets_the_same_steps_to_zero():
    class OfImages(Masking):
        """Masks whole steps [N, T] of [N, T, H, W, C]."""

        def compute_mask(self, inputs, mask=None):
            return K.any(K.not_equal(inputs, 0.0), axis=[2, 3, 4])

    x = np.random.default_rng(0).normal(size=(2, 3, 4, 4, 2)).astype("f4")
    x[0, 1], x[1, 2, 0] = 0, 0
    layer = OfImages()
    given = Input((3, 4, 4, 2))
    model = Model(given, layer(given))
    np.testing.assert_array_equal(model.predict(x), x)
    np.testing.assert_array_equal(model.compute_mask(x), [[True, False, True], [True, True, True]])


def test_masking_in_a_graph():
    x = Input((3, 4))
    np.testing.assert_array_equal(K.function([x], [Masking().compute_mask(x)])([X])[0], A)


@pytest.mark.parametrize("layer", [Add(), Concatenate()])
def test_merges_need_lists_of_equal_length(layer):
    assert layer.compute_mask([X, X], None) is None and layer.compute_mask([X, X], [None, None]) is None
    with pytest.raises(ValueError, match="`mask` should be a list."):
        layer.compute_mask([X, X], A)
    with pytest.raises(ValueError, match="`inputs` should be a list."):
        layer.compute_mask(X, [A, B])
    with pytest.raises(ValueError, match="should have the same length"):
        layer.compute_mask([X, X], [A])


def test_models():
    x = Input((3, 4))
    model = Model(x, Dense(2)(Masking()(x)))
    np.testing.assert_array_equal(model.compute_mask(X), A)
    np.testing.assert_array_equal(model.compute_mask(X.astype("float64"), B), A)  # Masking ignores the given mask
    chain = Sequential([Dense(2, input_shape=(3, 4))])
    assert chain.compute_mask(X) is None
    np.testing.assert_array_equal(chain.compute_mask(X, B), B)
    y = Input((3, 4))
    two = Model([x, y], [Add()([Masking()(x), Masking()(y)]), Dense(1)(y)])
    joined, none = two.compute_mask([X, np.ones_like(X)])
    np.testing.assert_array_equal(joined, A)
    assert none is None
    with pytest.raises(ValueError, match="compute_mask expects 2 masks, got 1"):
        two.compute_mask([X, X], [A])
    with pytest.raises(ValueError, match="compute_mask expects 2 inputs, got 1"):
        two.compute_mask(X)
    with pytest.raises(TypeError, match="does not support masking"):
        Sequential([Flatten(input_shape=(3, 4))]).compute_mask(X, A)


def test_models_on_symbolic_tensors():
    x, y = Input((3, 4)), Input((3, 4))
    two = Model([x, y], [Add()([Masking()(x), Dense(4)(y)]), Dense(1)(y)])
    outer = Sequential([Dense(4, kernel_initializer="identity", input_shape=(3, 4)), Masking(), Sequential([Dense(2)])])
    u, v = Input((3, 4)), Input((3, 4))
    given = Input((3,), dtype="bool")
    joined, none = two.compute_mask([u, v])
    assert none is None
    np.testing.assert_array_equal(K.function([u, v], [joined])([X, np.ones_like(X)])[0], A)
    joined, second = two.compute_mask([u, v], [None, given])
    assert second is given
    np.testing.assert_array_equal(K.function([u, v, given], [joined])([X, X, B])[0], A & B)
    np.testing.assert_array_equal(K.function([u], [outer.compute_mask(u)])([X])[0], A)
    chain = Sequential([Dense(2, input_shape=(3, 4))])
    assert chain.compute_mask(u) is None and chain.compute_mask([u], [given]) is given
    outputs, masks, shapes = two.run_internal_graph([u, v], [None, given])
    assert masks[1] is given and shapes == [(None, 3, 4), (None, 3, 1)]
    np.testing.assert_array_equal(K.function([u, v, given], [masks[0]])([X, X, B])[0], A & B)
    np.testing.assert_array_equal(K.function([u, v], outputs)([X, X])[1], two.predict([X, X])[1])
    with pytest.raises(ValueError, match="compute_mask expects 2 inputs, got 1"):
        two.compute_mask(u)
    with pytest.raises(TypeError, match="does not support masking"):
        Sequential([Flatten(input_shape=(3, 4))]).compute_mask(u, given)


def test_masks_of_nested_models_as_nodes():
    """compute_mask does not change the layers, their calls and the next default names."""
    inner = Sequential([Masking(input_shape=(3, 4)), Dense(2)])
    u = Input((3, 4))
    head = Dense(1)
    model = Model(u, head(inner(u)))
    calls = [len(layer._inbound_nodes) for layer in (inner, *inner.layers, head)]
    for mask in (inner.get_output_mask_at(1), head.input_mask, model.output_mask):
        np.testing.assert_array_equal(K.function([u], [mask])([X])[0], A)
    inner_calls = [len(layer._inbound_nodes) for layer in (inner, *inner.layers, head)]
    assert inner_calls == calls
    assert int(Model(u, Dense(1)(u)).name.split("_")[-1]) == int(model.name.split("_")[-1]) + 1
