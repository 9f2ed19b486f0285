"""As in Keras 2.2.5, `call` decides how many outputs a layer has, and compute_output_shape which shapes they have."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Dense, Input, Layer, Masking
from lamella.models import Model

A, B = np.random.default_rng(1).normal(size=(2, 4, 3)).astype("f4")


class Free(Layer):
    """Returns `make(inputs)`; claims the shapes `claim(input_shape)`."""

    def __init__(self, make, claim, **kwargs):
        super().__init__(**kwargs)
        self.make, self.claim, self.calls = make, claim, 0

    def call(self, inputs):
        self.calls += 1
        return self.make(inputs)

    def compute_output_shape(self, input_shape):
        return self.claim(input_shape)


def test_one_tensor_where_two_shapes_are_claimed():
    """keras-gcn: compute_output_shape returns the shapes of both inputs."""
    ends = [Input((3,)), Input((3,))]
    layer = Free(lambda x: x[0] - x[1], lambda shape: shape)
    y = layer(ends)
    assert K.int_shape(y) == (None, 3) and layer.output_shape == (None, 3) and layer.calls == 1
    model = Model(ends, Dense(1, kernel_initializer="ones")(y))
    np.testing.assert_allclose(model.predict([A, B]), (A - B).sum(1, keepdims=True), rtol=1e-5, atol=1e-6)


def test_three_tensors_where_one_shape_is_claimed():
    """keras-self-attention: ResidualScaledDotProductAttention with its weights."""
    x = Input((3,))
    outputs = Free(lambda x: (x, 2.0 * x, K.sum(x, axis=-1)), lambda shape: shape)(x)
    assert [K.int_shape(y) for y in outputs] == [(None, 3), (None, 3), (None,)]
    found = Model(x, outputs).predict(A)
    for y, wanted in zip(found, (A, 2 * A, A.sum(1)), strict=True):
        np.testing.assert_allclose(y, wanted, rtol=1e-5)


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_list_of_one_is_one_tensor(kind):
    x = Input((3,))
    y = Free(lambda x: kind([3.0 * x]), lambda shape: [shape])(x)
    assert K.int_shape(y) == (None, 3)
    np.testing.assert_allclose(Model(x, y).predict(A), 3 * A, rtol=1e-6)


def test_a_call_that_fails_on_zeros_has_the_claimed_outputs():
    def picky(x):
        if float(K.sum(K.abs(x))) == 0:
            raise ArithmeticError("zeros")
        return [x, -x]

    x = Input((3,))
    first, _ = Free(lambda x: (x, x), lambda shape: [shape] * 3)(x)
    np.testing.assert_array_equal(Model(x, first).predict(A), A)
    outputs = Free(picky, lambda shape: [shape, shape])(x)
    np.testing.assert_array_equal(Model(x, outputs).predict(A)[1], -A)


def test_a_call_that_needs_its_mask():
    class Counts(Layer):
        """The sum of the rows that the mask keeps, and their number."""

        supports_masking = True

        def call(self, inputs, mask=None):
            kept = K.cast(K.expand_dims(mask[0]), "float32")
            return [K.sum(inputs[0] * kept, axis=1) + inputs[1], K.sum(kept, axis=1)]

        def compute_output_shape(self, input_shape):
            return input_shape[1]

        def compute_mask(self, inputs, mask=None):
            return None

    x, b = Input((None, 3)), Input((3,))
    outputs = Counts()([Masking()(x), b])
    assert [K.int_shape(y) for y in outputs] == [(None, 3), (None, 1)]
    rows = np.stack([A, B])
    rows[0, 1:3] = 0
    sums, counts = Model([x, b], outputs).predict([rows, A[:2]])
    np.testing.assert_allclose(sums, rows.sum(1) + A[:2], rtol=1e-5)
    assert counts.ravel().tolist() == [2, 4]


def test_large_inputs_are_not_tried():
    layer = Free(lambda x: x[:, 0], lambda shape: (shape[0], 3))
    assert K.int_shape(layer(Input(batch_shape=(2**21, 2, 3)))) == (2**21, 3) and layer.calls == 0
