"""Names of weights of layers inside others: those of the real Keras 2.2.5."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import GRU, LSTM, RNN, Bidirectional, Dense, GRUCell, Input, Layer, LSTMCell, TimeDistributed
from lamella.models import Model, Sequential, clone_model


class BuiltInside(Layer):
    def build(self, input_shape):
        self.first, self.second = Dense(2, name="first"), Dense(2, name="second")
        self.first.build(input_shape)
        self.second.build(input_shape)
        with K.name_scope("part"):
            self.scale = self.add_weight("scale", (2,), initializer="ones")
        self.offset = K.variable(np.zeros(2), name="offset")
        self.stack = Sequential([Dense(2, input_shape=(4,), name="third")])
        super().build(input_shape)

    def call(self, x):
        return (self.first(x) + self.second(x) + self.stack(x)) * self.scale + self.offset

    def compute_output_shape(self, shape):
        return (shape[0], 2)


class CalledInside(Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = Dense(2, name="first")

    def call(self, x):
        return self.first(x)


def named(layer, *shape):
    layer(Input(shape))
    return {w.name.removesuffix(":0") for w in layer.weights}


def of(*layers):
    return {f"{layer}/{weight}" for layer in layers for weight in ("kernel", "bias")}


BUILT = {"kernel", "bias", "kernel_1", "bias_1", "part/scale", "third/kernel", "third/bias"}


def test_layers_inside_custom_layers():
    layer = BuiltInside(name="outer")
    assert named(layer, 4) == {f"outer/{name}" for name in BUILT}
    assert layer.offset.name == "outer/offset:0"
    assert named(CalledInside(name="outer"), 4) == of("outer/first")
    assert named(TimeDistributed(BuiltInside(), name="each"), 3, 4) == {f"each/{name}" for name in BUILT}


def test_sequential_that_its_call_builds():
    model = Sequential([Dense(3, name="a"), Sequential([Dense(2, name="b")], name="inner")], name="outer")
    assert named(model, 4) == of("outer/a", "outer/inner/b")
    model = Sequential([Dense(3, name="a"), Sequential([Dense(2, name="b")], name="inner")], name="outer")
    model.build((None, 4))
    assert {w.name.removesuffix(":0") for w in model.weights} == of("a", "inner/b")
    assert named(Sequential([Dense(3, input_shape=(4,), name="a")]), 4) == of("a")


def test_sequential_inside_wrappers():
    stack = Sequential([LSTM(2, return_sequences=True, name="a"), Bidirectional(GRU(3, name="g"), name="b")])
    lstm = {"a/kernel", "a/recurrent_kernel", "a/bias"}
    gru = {f"b/{way}_g/{name}" for way in ("forward", "backward") for name in ("kernel", "recurrent_kernel", "bias")}
    assert named(TimeDistributed(stack, name="each"), 2, 3, 4) == {f"each/{name}" for name in lstm | gru}
    stack = Sequential([Dense(2, name="a"), Dense(3, name="b")])
    assert named(TimeDistributed(TimeDistributed(stack), name="each"), 2, 3, 4) == of("each/a", "each/b")


def test_cells_of_recurrent_layers():
    cells = ("kernel", "recurrent_kernel", "bias", "kernel_1", "recurrent_kernel_1", "bias_1")
    assert named(RNN([LSTMCell(2), GRUCell(2)], name="r"), 3, 4) == {f"r/{name}" for name in cells}
    both = Bidirectional(RNN([LSTMCell(2), GRUCell(2)], name="r"), name="both")
    assert named(both, 3, 4) == {f"both/{way}_r/{name}" for way in ("forward", "backward") for name in cells}


def test_variables_in_scopes():
    with K.name_scope("q") as scope:
        names = [K.variable(1.0).name, K.variable(1.0, name="a").name, K.variable(1.0, name="a").name]
        with K.name_scope("r") as inside:
            names.append(K.variable(1.0, name="a").name)
    assert names == ["q/Variable:0", "q/a:0", "q/a_1:0", "q/r/a:0"] and (scope, inside) == ("q/", "q/r/")
    assert K.variable(1.0, name="a").name == "a:0"


@pytest.mark.parametrize("order", [["b", "a"], ["a", "b"]])
def test_clone_calls_a_shared_layer_in_keras_order(order):
    a, b = Input((3,), name="a"), Input((3,), name="b")
    shared = Dense(3, name="shared")
    outputs = {"a": shared(a), "b": shared(b)}
    clone = clone_model(Model([a, b], [outputs[name] for name in order]))
    calls = clone.get_layer("shared")._inbound_nodes
    assert [node.inputs[0].name for node in calls] == order[::-1]
    assert [entry[1] for entry in clone.get_config()["output_layers"]] == [1, 0]


def test_a_name_scope_may_be_a_whole_path_or_none():
    """As TensorFlow's."""
    with K.name_scope("a") as a, K.name_scope("b"):
        assert a == "a/" and K.variable(0, name="x").name == "a/b/x:0"
        with K.name_scope(a):
            assert K.variable(0, name="y").name == "a/y:0"
        for root in (None, ""):
            with K.name_scope(root) as path:
                assert path == "" and K.variable(0, name="z").name == "z:0"
