"""Embedding: rows of its table, their gradient, masks, lengths, and indices that are not a row."""

import re

import numpy as np
import pytest

from lamella import ops
from lamella.layers import Dense, Embedding, Flatten, GlobalMaxPooling2D, Input
from lamella.models import Model, Sequential
from lamella.ops.tape import Tape

TABLE = np.random.default_rng(0).normal(size=(6, 2)).astype("float32")


def made(**arguments):
    layer = Embedding(6, 2, weights=[TABLE], name="mine", **arguments)
    layer.build((None, None))
    layer.set_weights([TABLE])
    return layer


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "float32", "float64", "bool"])
def test_rows_of_the_table_for_numbers_of_any_dtype(dtype):
    x = np.array([[1, 0, 1], [0, 1, 0]], dtype)
    layer = made()
    y = layer(x)
    np.testing.assert_array_equal(y, TABLE[x.astype(int)])
    assert y.dtype == np.float32 and layer.compute_output_shape((None, 3)) == (None, 3, 2)
    assert layer.weights[0].name == "mine/embeddings:0"


def test_fractions_are_truncated():
    np.testing.assert_array_equal(made()(np.array([[1.9, -0.9, 5.99]])), TABLE[[[1, 0, 5]]])


def test_the_initial_table_is_uniform():
    layer = Embedding(1000, 20)
    layer.build((None, None))
    (table,) = layer.get_weights()
    assert table.shape == (1000, 20) and np.abs(table).max() <= 0.05
    assert table.std() == pytest.approx(0.1 / np.sqrt(12), rel=0.02)


@pytest.mark.parametrize("wrong", [-1, 6, 1e12, -1e12, np.nan, np.inf])
@pytest.mark.parametrize("training", [True, False])
def test_an_index_that_is_not_a_row_raises_and_changes_nothing(wrong, training):
    model = Sequential([Embedding(6, 2, input_length=3, name="mine"), Flatten(), Dense(1)])
    model.compile("adam", "mse")
    x = np.zeros((4, 3))
    before = model.get_weights()
    x[2, 1] = wrong
    with pytest.raises(
        ValueError, match=r"Layer mine: expected numbers in \[0, 6\), its input_dim, got " + re.escape(f"{wrong:g}")
    ):
        model.train_on_batch(x, np.zeros((4, 1))) if training else model.predict(x)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_the_gradient_sums_rows_that_occur_several_times():
    layer = made()
    x = np.array([[1, 1, 5], [1, 0, 5]])
    dy = np.arange(12.0, dtype="float32").reshape(2, 3, 2)
    with Tape(layer.trainable_weights) as tape:
        (gradient,) = tape.gradients(ops.sum(ops.multiply(layer(x), dy)))
    wanted = np.zeros_like(TABLE)
    for row, each in zip(x.ravel(), dy.reshape(-1, 2)):
        wanted[row] += each
    np.testing.assert_array_equal(gradient, wanted)


def test_a_mask_where_numbers_are_not_0():
    x = np.array([[3, 0, 1], [0, 0, 0.5]])
    layer = made(mask_zero=True)
    assert layer.supports_masking
    np.testing.assert_array_equal(layer.compute_mask(x), [[True, False, True], [False, False, True]])
    model = Sequential([Embedding(6, 2, mask_zero=True), Dense(2)])
    np.testing.assert_array_equal(model.compute_mask(x), layer.compute_mask(x))
    assert made().compute_mask(x) is None and made().compute_mask(x, x != 0) is None


def test_a_loss_does_not_count_masked_steps():
    table = np.array([[0.0], [1.0], [2.0]])
    model = Sequential([Embedding(3, 1, mask_zero=True, weights=[table], input_length=3)])
    model.compile("sgd", "mse")
    x = np.array([[2, 0, 1]])
    # Only steps 0 and 2 are counted, and the mean is over the batch: (4 + 1) / 2.
    assert model.evaluate(x, np.zeros((1, 3, 1)), verbose=0) == pytest.approx(2.5)


def test_a_first_layer_needs_no_input_shape():
    assert Sequential([Embedding(6, 2)]).output_shape == (None, None, 2)
    assert Sequential([Embedding(6, 2, input_length=4), Flatten()]).output_shape == (None, 8)
    assert Sequential([Embedding(6, 2, batch_input_shape=(3, 5))]).output_shape == (3, 5, 2)
    images = Sequential([Embedding(6, 2, input_length=(3, 4)), GlobalMaxPooling2D()])
    assert images.input_shape == (None, 3, 4) and images.output_shape == (None, 2)
    whole = Model(t := Input((None,), dtype="int32"), Embedding(6, 2)(t))
    assert whole.predict(np.array([[1, 2]], "int32")).dtype == np.float32


def test_inputs_of_another_length():
    message = r'Layer mine: "input_length" is 4, but received input has shape \(None, 3\)'
    with pytest.raises(ValueError, match=message):
        made(input_length=4)(Input((3,)))
    with pytest.raises(ValueError, match=r'"input_length" is \(3, None\), but received input has shape \(None, 3\)'):
        made(input_length=(3, None))(Input((3,)))
    assert made(input_length=(None, 5)).compute_output_shape((None, 3, None)) == (None, 3, 5, 2)
    free = Input((None,))
    model = Model(free, made(input_length=4)(free))
    assert model.output_shape == (None, 4, 2)
    with pytest.raises(ValueError, match=r'"input_length" is 4, but received input has shape \(2, 3\)'):
        model.predict(np.zeros((2, 3)))


@pytest.mark.parametrize("argument", ["input_dim", "output_dim"])
def test_sizes_of_the_table(argument):
    for value in (0, -1, 2.5, "a", None):
        with pytest.raises(ValueError, match=f"Layer mine: expected {argument} to be a positive integer, got"):
            Embedding(**{"input_dim": 3, "output_dim": 2, argument: value, "name": "mine"})


def test_arguments_of_keras_1():
    with pytest.warns(UserWarning, match=r'Embedding\(6, 2, embeddings_initializer="ones", embeddings_constraint="non_neg"\)'):
        layer = Embedding(6, 2, init="ones", W_constraint="non_neg", dropout=0.2)
    assert layer.get_config()["embeddings_constraint"]["class_name"] == "NonNeg"


def test_text_is_learned():
    rng = np.random.default_rng(0)
    x = rng.integers(1, 20, (64, 5))
    y = (x[:, :1] < 10).astype("float32")
    model = Sequential([Embedding(20, 8, input_length=5), Flatten(), Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["acc"])
    history = model.fit(x, y, epochs=150, verbose=0).history
    assert history["acc"][-1] == 1.0


def test_indices_that_float32_cannot_represent_raise():
    layer = Embedding(2**24 + 2, 1, embeddings_initializer="zeros", name="mine")
    with pytest.raises(ValueError, match="Layer mine: float32 holds whole numbers up to 16777216 only, got 16777216; give the"):
        layer(np.array([[2**24 + 1]]))
    model = Sequential([Embedding(2**24 + 2, 1, embeddings_initializer="zeros", dtype="int32", input_length=1)])
    model.layers[0].embeddings.value[2**24 + 1] = 7
    assert model.predict(np.array([[2**24 + 1]])).tolist() == [[[7.0]]]
