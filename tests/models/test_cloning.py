"""clone_model: the same architecture with new weights; and Sequential.pop."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Activation, Add, BatchNormalization, Dense, Dropout, Input, Layer, Masking, concatenate
from lamella.models import Model, Sequential, clone_model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 4)).astype("float32")


def listed(value):
    return value if isinstance(value, list) else [value]


def same(clone, model, x=X):
    """Check that the clone, with the model's weights, computes the same as the model, and shares no array with it."""
    assert [w.shape for w in clone.weights] == [w.shape for w in model.weights]
    assert not {id(w) for w in clone.weights} & {id(w) for w in model.weights}
    assert not any(a is b for a in clone.layers for b in model.layers if not isinstance(a, type(Input((1,))._keras_history[0])))
    assert [layer.name for layer in clone.layers] == [layer.name for layer in model.layers]
    clone.set_weights(model.get_weights())
    for a, b in zip(listed(clone.predict(x)), listed(model.predict(x)), strict=True):
        np.testing.assert_array_equal(a, b)


class Doubled(Layer):
    """A custom layer that is not registered."""

    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape):
        self.w = self.add_weight("w", (input_shape[-1],), initializer="uniform")
        super().build(input_shape)

    def call(self, inputs):
        return inputs * self.factor * self.w


def test_the_clone_of_a_sequential_is_a_sequential():
    model = Sequential([Dense(3, input_dim=4, name="a"), BatchNormalization(), Doubled(3.0), Dropout(0.5)], name="stack")
    model.compile("sgd", "mse")
    model.train_on_batch(X, np.ones((6, 3)))
    clone = clone_model(model)
    assert type(clone) is Sequential and clone.name == "stack" and clone.optimizer is None
    assert not np.array_equal(clone.get_weights()[0], model.get_weights()[0])
    same(clone, model)


def test_a_sequential_built_from_data_is_cloned_built():
    model = Sequential([Dense(3), Dense(2)])
    assert not clone_model(model).built
    model.predict(X)
    same(clone_model(model), model)


def test_shared_layers_several_outputs_and_arguments_of_calls():
    a, b = Input((4,), name="a"), Input((4,), name="b")
    shared = Dense(5, activation="tanh", name="shared")
    left, right = shared(a), shared(b)
    noisy = Dropout(0.5)(left, training=True)
    joined = concatenate([noisy, right])
    model = Model([a, b], [Dense(3)(joined), Add()([shared(a), right])], name="towers")
    clone = clone_model(model)
    assert clone.input_names == ["a", "b"] and clone.output_names == model.output_names and clone.name == "towers"
    assert clone.get_layer("shared").get_output_at(1).shape == (None, 5)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone.predict([X, X])[1], model.predict([X, X])[1])
    # training=True is part of the call, so half of the values are dropped also in predict.
    assert not np.array_equal(clone.predict([X, X])[0], clone.predict([X, X])[0])


def test_nested_models_and_frozen_layers():
    inside = Sequential([Doubled(input_shape=(4,)), BatchNormalization()], name="inside")
    inside.trainable = False
    x = Input((4,))
    graph = Model(x, [inside(x), inside(Dense(4)(x))], name="graph")
    y = Input((4,))
    model = Model(y, graph(y))
    model.get_layer("graph").get_layer("inside").layers[0].trainable = False
    clone = clone_model(model)
    nested = clone.get_layer("graph").get_layer("inside")
    assert nested is not inside and not nested.trainable and not nested.layers[0].trainable and nested.layers[1].trainable
    assert len(clone.trainable_weights) == len(model.trainable_weights) == 2
    same(clone, model)


def test_training_a_clone_does_not_change_the_model():
    x = Input((4,))
    h = BatchNormalization()(Dense(3)(x))
    model = Model(x, h)
    kept = model.get_weights()
    clone = clone_model(model)
    clone.compile("sgd", "mse")
    clone.fit(X, np.ones((6, 3)), epochs=2, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(kept, model.get_weights()))


def test_a_clone_passes_masks_on():
    x = Input((3, 2))
    model = Model(x, Activation("tanh")(Masking(0.0)(x)))
    clone = clone_model(model)
    data = np.array([[[0, 0], [1, 2], [0, 0]]], "float32")
    np.testing.assert_array_equal(clone.compute_mask(data), [[False, True, False]])


def test_functions_of_k_share_their_variables():
    scale = K.variable([1.0, 2.0, 3.0, 4.0])
    x = Input((4,))
    model = Model(x, Dense(2)(x * scale + K.mean(x, axis=-1, keepdims=True)))
    clone = clone_model(model)
    same(clone, model)
    K.set_value(scale, [0.0] * 4)
    np.testing.assert_array_equal(clone.predict(X), model.predict(X))


def test_on_other_inputs():
    model = Sequential([Dense(2, input_dim=4)])
    on = Input((4,), name="on")
    clone = clone_model(model, input_tensors=on)
    assert clone.inputs == [on]
    same(clone, model)
    a, b = Input((4,)), Input((4,))
    model = Model([a, b], Dense(3)(concatenate([a, b])))
    x = Input((4,))
    with pytest.warns(UserWarning, match="must come from"):
        clone = clone_model(model, [x, Activation("relu")(x)])
    clone.set_weights(model.get_weights())
    whole = Model(x, clone([x, Activation("relu")(x)]))
    np.testing.assert_allclose(whole.predict(X), model.predict([X, np.maximum(X, 0)]), rtol=1e-6)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ([Input((4,)), Input((4,))], "at most one tensor"),
        ([], "at most one tensor"),
        (Dense(4)(Input((4,))), "other than an `InputLayer`"),
        ("x", "expected tensors as inputs, got str"),
    ],
)
def test_inputs_on_which_a_sequential_cannot_be_cloned(tensors, message):
    with pytest.raises(ValueError, match=message):
        clone_model(Sequential([Dense(2, input_dim=4)]), tensors)


def test_what_cannot_be_cloned():
    with pytest.raises(ValueError, match="Expected `model` argument to be a `Model` instance"):
        clone_model(Dense(3))
    x = Input((4,))
    model = Model(x, Dense(2)(x))
    with pytest.raises(ValueError, match="has 1 inputs, got 2 input_tensors"):
        clone_model(model, [x, x])
    assert clone_model(model, Input((5,))).get_weights()[0].shape == (5, 2)


def test_on_tensors_that_no_layer_made():
    placeholder, variable = K.placeholder((None, 4)), K.variable(X)
    stack = Sequential([Dense(2, input_dim=4, name="d")])
    x = Input((4,), name="x")
    for model, given in ((stack, placeholder * 2), (Model(x, Dense(2)(x)), variable), (stack, X)):
        clone = clone_model(model, given)
        assert type(clone) is type(model) and clone.input_names == [f"input_wrapper_for_{model.input_names[0]}"]
        clone.set_weights(model.get_weights())
        (got,) = K.function([placeholder], [clone.output])([X / 2])
        np.testing.assert_allclose(got, model.predict(X), rtol=1e-5, atol=1e-6)


def test_pop_of_a_compiled_model():
    model = Sequential([Dense(5, input_dim=4), Dense(3), Dense(3)])
    model.compile("adam", "mse")
    model.train_on_batch(X, np.ones((6, 3)))
    top = model.layers[-1]
    kept = top.get_weights()
    model.pop()
    want = X @ model.layers[0].get_weights()[0] + model.layers[0].get_weights()[1]
    want = want @ model.layers[1].get_weights()[0] + model.layers[1].get_weights()[1]
    np.testing.assert_allclose(model.predict(X), want, rtol=1e-4, atol=1e-6)
    before = model.get_weights()
    first = model.evaluate(X, np.ones((6, 3)), verbose=0)
    np.testing.assert_allclose(first, np.mean((want - 1) ** 2), rtol=1e-4)
    model.fit(X, np.ones((6, 3)), epochs=30, verbose=0)
    assert model.evaluate(X, np.ones((6, 3)), verbose=0) < first
    assert all(np.array_equal(a, b) for a, b in zip(kept, top.get_weights()))
    assert not np.array_equal(before[0], model.get_weights()[0])
    model.add(Dense(1, name="top"))
    model.train_on_batch(X, np.ones((6, 1)))
    assert model.output_shape == (None, 1)


def test_coordinates_of_inputs_and_outputs():
    x = Input((4,), name="x")
    first, second = Dense(3, name="first"), Dense(3, name="second")
    first(x)
    model = Model(x, [second(x), first(x)])
    assert model._input_coordinates == [(model.get_layer("x"), 0, 0)]
    assert model._output_coordinates == [(second, 0, 0), (first, 1, 0)]
    assert model._feed_inputs == [x] and model._feed_input_names == ["x"] and model._feed_input_shapes == [(None, 4)]
