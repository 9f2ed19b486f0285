"""Errors of ops and of users' functions name the layer, output, metric or weight where they happened, and the shapes there."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.constraints import MaxNorm
from lamella.layers import LSTM, Activation, Conv2D, Dense, Flatten, Input, Lambda, Layer, Masking
from lamella.models import Model, Sequential

X, Y = np.ones((2, 4)), np.ones((2, 3))


class Fails(Layer):
    """Its call can be tried out on zeros."""

    def call(self, inputs):
        if np.asarray(K.get_value(K.sum(inputs))) != 0:
            raise ValueError("no ones, please")
        return inputs * 1.0


def note_of(function, *given, **named):
    with pytest.raises(Exception) as caught:
        function(*given, **named)
    return getattr(caught.value, "__notes__", [])


def test_a_layer_of_a_script():
    model = Sequential([Dense(4, input_shape=(4,), kernel_initializer="identity"), Fails(name="mine")])
    model.compile("sgd", "mse")
    wanted = ["in the call of layer 'mine' (Fails) on values of shape (2, 4)"]
    for method, given in ((model.predict, (X,)), (model.train_on_batch, (X, X)), (model.evaluate, (X, X))):
        assert note_of(method, *given) == wanted
    inside = Model(*(lambda x: (x, Dense(1)(model(x))))(Input((4,), name="x")))
    assert note_of(inside.predict, X) == [
        *wanted,
        f"in the call of layer '{model.name}' (Sequential) on values of shape (2, 4)",
    ]


def test_a_kernel_of_another_dtype():
    model = Sequential([Dense(2, dtype="float64", input_shape=(4,)), Dense(1, name="narrow")])
    assert note_of(model.predict, X) == ["in the call of layer 'narrow' (Dense) on values of shape (2, 2)"]


def test_layers_in_one_call_and_with_masks():
    model = Sequential([Conv2D(2, 3, name="first", input_shape=(5, 5, 1)), Activation("relu", name="second"), Flatten()])
    model.layers[0].kernel.value = np.ones((3, 3, 2, 2), "float32")
    (note,) = note_of(model.predict, np.ones((1, 5, 5, 1)))
    assert "'first' (Conv2D)" in note and note.endswith("on values of shape (1, 5, 5, 1)")
    masked = Sequential(
        [
            Masking(input_shape=(3, 4)),
            LSTM(4, return_sequences=True),
            Lambda(lambda z: z @ np.ones((K.int_shape(z)[0], 1)), name="odd", output_shape=(3, 1)),
        ]
    )
    assert note_of(masked.predict, np.ones((2, 3, 4))) == ["in the call of layer 'odd' (Lambda) on values of shape (2, 3, 4)"]


def test_losses_metrics_and_constraints():
    def loss(y, p):
        raise ValueError("no")

    x = Input((4,))
    model = Model(x, [Dense(3, name="a")(x), Dense(3, name="b")(x)])
    model.compile("sgd", ["mse", loss])
    assert note_of(model.train_on_batch, X, [Y, Y]) == [
        "in the loss of output 'b', y of shape (2, 3) and predictions of shape (2, 3)"
    ]
    model.compile("sgd", "mse", metrics={"a": loss})
    assert note_of(model.test_on_batch, X, [Y, Y]) == [
        "in metric 'a_loss_1' of output 'a', y of shape (2, 3) and predictions of shape (2, 3)"
    ]
    model = Sequential([Dense(3, name="c", input_shape=(4,), kernel_constraint=MaxNorm(axis=9))])
    model.compile("sgd", "mse")
    before = model.get_weights()
    assert note_of(model.train_on_batch, X, Y) == ["in the constraint of c/kernel:0, of shape (4, 3)"]
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))


def test_a_network_that_gets_no_input_raises_the_error_itself():
    network = Sequential([Dense(3, input_shape=(4,))])
    network.build()
    for masked in (False, True):
        with pytest.raises(IndexError):
            network._planned(frozen=False, masked=masked)([], False)
