"""Subtract, Multiply, Average, Maximum, Minimum, Dot and their functions: values, gradients of ties, masks, messages."""

import numpy as np
import pytest

from lamella import layers, ops
from lamella.layers import Add, Average, Dense, Dot, Input, Masking, Maximum, Minimum, Multiply, Subtract
from lamella.models import Model
from lamella.ops.tape import Tape

RNG = np.random.default_rng(0)
A, B, C = (RNG.normal(size=(5, 3, 4)).astype("float32") for _ in range(3))

RULES = {
    "add": (Add, lambda x: sum(x)),
    "subtract": (Subtract, lambda x: x[0] - x[1]),
    "multiply": (Multiply, np.prod),
    "average": (Average, np.mean),
    "maximum": (Maximum, np.max),
    "minimum": (Minimum, np.min),
}


def oracle(name, inputs):
    inputs = np.broadcast_arrays(*inputs)
    rule = RULES[name][1]
    return rule(inputs) if name in ("add", "subtract") else rule(np.stack(inputs), axis=0)


@pytest.mark.parametrize("name", RULES)
def test_layer_and_function(name):
    arrays = [A, B] if name == "subtract" else [A, B, C]
    inputs = [Input((3, 4)) for _ in arrays]
    y = getattr(layers, name)(inputs, name="mine")
    assert y.shape == (None, 3, 4) and y._keras_history[0].name == "mine"
    assert type(y._keras_history[0]) is RULES[name][0]
    np.testing.assert_allclose(Model(inputs, y).predict(arrays), oracle(name, arrays), rtol=1e-6)


@pytest.mark.parametrize("name", RULES)
def test_lower_ranks_get_their_axes_after_the_batch(name):
    vector, row = RNG.normal(size=(5, 4)).astype("float32"), RNG.normal(size=(5, 1, 4)).astype("float32")
    layer = RULES[name][0]()
    for first, second in ((A, vector), (vector, A), (A, row)):
        wanted = [x[:, None] if x.ndim == 2 else x for x in (first, second)]
        np.testing.assert_allclose(layer([first, second]), oracle(name, wanted), rtol=1e-6)
        assert layer.compute_output_shape([(None, *first.shape[1:]), (5, *second.shape[1:])]) == (5, 3, 4)
    free = layer.compute_output_shape([(None, None, 4), (None, 3, 1)])
    assert free == (None, 3, 4)


@pytest.mark.parametrize("kind", [kind for kind, _ in RULES.values()])
def test_shapes_that_do_not_fit(kind):
    mine = kind(name="mine")
    with pytest.raises(ValueError, match="mine: A merge layer should be called on a list of inputs"):
        mine(Input((3,)))
    with pytest.raises(ValueError, match="mine: A merge layer should be called on a list of at least 2 inputs. Got 1 inputs"):
        mine([Input((3,))])
    with pytest.raises(ValueError, match="mine: Can not merge tensors with different batch sizes. Got tensors with shapes"):
        mine([Input(batch_shape=(2, 3)), Input(batch_shape=(4, 3))])
    with pytest.raises(ValueError, match=r"mine: Operands could not be broadcast together with shapes \(3,\) \(4,\)"):
        mine([Input((3,)), Input((4,))])


@pytest.mark.parametrize("kind", [kind for kind, _ in RULES.values()])
def test_unknown_sizes_are_checked_in_a_run(kind):
    inputs = [Input((None,)), Input((None,))]
    model = Model(inputs, kind(name="mine")(inputs))
    with pytest.raises(ValueError, match=r"mine: Operands could not be broadcast together with shapes \(3,\) \(4,\)"):
        model.predict([np.ones((2, 3)), np.ones((2, 4))])
    with pytest.raises(ValueError, match="mine: Can not merge tensors with different batch sizes"):
        kind(name="mine")([np.ones((2, 3)), np.ones((1, 3))])


def test_concatenate_names_itself_if_sizes_differ_in_a_run():
    inputs = [Input((None, 2)), Input((None, 2))]
    model = Model(inputs, layers.Concatenate(name="mine")(inputs))
    with pytest.raises(
        ValueError, match="mine: A `Concatenate` layer requires inputs with matching shapes except for the concat"
    ):
        model.predict([np.ones((2, 3, 2)), np.ones((2, 4, 2))])


def test_subtract_needs_two_inputs():
    with pytest.raises(ValueError, match="mine: A `Subtract` layer should be called on exactly 2 inputs"):
        Subtract(name="mine")([Input((3,))] * 3)


@pytest.mark.parametrize("kind", [Maximum, Minimum])
def test_the_first_of_equal_values_gets_the_gradient(kind):
    x = np.array([[1.0, 2.0, 2.0]])
    others = [np.array([[1.0, 2.0, 5.0]]), np.array([[1.0, 9.0, 2.0]])]
    better = np.max if kind is Maximum else np.min
    values = np.concatenate([x, *others])
    with Tape() as tape:
        sources = [tape.watch(v) for v in (x, *others)]
        gradients = tape.gradients(ops.sum(kind()(sources)))
    winner = (values == better(values, axis=0)).argmax(axis=0)
    np.testing.assert_array_equal(np.concatenate(gradients), np.eye(3)[winner].T)


@pytest.mark.parametrize("kind", [kind for kind, _ in RULES.values()])
def test_masks_of_all_inputs_are_combined(kind):
    x = np.array([[[1, 2], [0, 0], [3, 4]]], "float32")
    y = np.array([[[0, 0], [1, 1], [5, 6]]], "float32")
    inputs = [Input((3, 2)), Input((3, 2))]
    model = Model(inputs, kind()([Masking()(t) for t in inputs]))
    np.testing.assert_array_equal(model.compute_mask([x, y]), [[False, False, True]])
    one = Model(inputs, kind()([Masking()(inputs[0]), inputs[1]]))
    np.testing.assert_array_equal(one.compute_mask([x, y]), [[True, False, True]])


def test_masks_of_one_step_are_broadcast():
    """In Keras 2.2.5 such a model predicts, too, unless something uses the mask."""
    inputs = [Input((None, 2)), Input((None, 2))]
    model = Model(inputs, Maximum()([Masking()(t) for t in inputs]))
    x, one = np.array([[[1, 2], [0, 0], [3, 4]]], "float32"), np.full((1, 1, 2), 2, "float32")
    np.testing.assert_array_equal(model.predict([x, one]), [[[2, 2], [2, 2], [3, 4]]])
    np.testing.assert_array_equal(model.compute_mask([x, one]), [[True, False, True]])


@pytest.mark.parametrize(
    "axes, normalize, first, second, formula",
    [
        (1, False, (4,), (4,), "ni,ni->n"),
        (-1, True, (4,), (4,), "ni,ni->n"),
        (2, False, (3, 4), (2, 4), "nai,nbi->nab"),
        (1, False, (4, 3), (4, 2), "nia,nib->nab"),
        ((2, 1), False, (3, 4), (4,), "nai,ni->na"),
        ([-1, -2], True, (3, 4), (4, 2), "nai,nib->nab"),
        ((1, 3), False, (4, 2, 3), (2, 5, 4), "niab,ncdi->nabcd"),
    ],
)
def test_dot(axes, normalize, first, second, formula):
    x, y = RNG.normal(size=(6, *first)), RNG.normal(size=(6, *second))
    pair = (axes, axes) if isinstance(axes, int) else axes
    left, right = x, y
    if normalize:
        left, right = (v / np.linalg.norm(v, axis=axis, keepdims=True) for v, axis in zip((x, y), pair))
    wanted = np.einsum(formula, left, right)
    wanted = wanted[:, None] if wanted.ndim == 1 else wanted
    inputs = [Input(first), Input(second)]
    t = layers.dot(inputs, axes, normalize=normalize, name="mine")
    assert t.shape == (None, *wanted.shape[1:])
    np.testing.assert_allclose(Model(inputs, t).predict([x, y]), wanted, rtol=1e-4, atol=1e-5)


def test_dot_drops_masks():
    inputs = [Input((3, 2)), Input((3, 2))]
    model = Model(inputs, Dense(1)(Dot(axes=2)([Masking()(t) for t in inputs])))
    assert model.compute_mask([np.ones((1, 3, 2)), np.ones((1, 3, 2))]) is None


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: Dot("1", name="mine"), TypeError, "Invalid type for `axes` - should be a list or an int."),
        (lambda: Dot((1,), name="mine"), ValueError, "Invalid format for `axes` - should contain two elements."),
        (lambda: Dot((1, 1.5), name="mine"), ValueError, 'Invalid format for `axes` - list elements should be "int".'),
        (lambda: Dot(1, name="mine")(Input((3,))), ValueError, "A `Dot` layer should be called on a list of 2 inputs."),
        (lambda: Dot(1, name="mine")([Input((3,))] * 3), ValueError, "A `Dot` layer should be called on a list of 2 inputs."),
        (
            lambda: Dot(1, name="mine")([Input((3,)), Input((4,))]),
            ValueError,
            "Dimension incompatibility 3 != 4. Layer shapes:",
        ),
        (lambda: Dot(0, name="mine")([Input((3,)), Input((3,))]), ValueError, "expected `axes` without 0, the batch"),
        (lambda: Dot(2, name="mine")([Input((3,)), Input((3,))]), ValueError, r"expected an axis in \[-2, 2\), got 2"),
        (lambda: Dot(1, name="mine")([A, B[:4]]), ValueError, "Can not merge tensors with different batch sizes."),
    ],
)
def test_dot_says_what_does_not_fit(make, error, message):
    with pytest.raises(error, match=message) as caught:
        make()
    assert "Layer mine" in str(caught.value)
