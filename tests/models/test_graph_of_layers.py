"""Functional models: order, shapes, shared layers, several inputs and outputs, nesting, penalties, the plan."""

import numpy as np
import pytest

from lamella.core.phase import learning_phase
from lamella.layers import Activation, Add, BatchNormalization, Dense, Dropout, Input, Layer, add, concatenate
from lamella.models import Model, Sequential

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 5, 8)).astype("float32")


def two_towers():
    a, b = Input((8,), name="a"), Input((8,), name="b")
    shared = Dense(4, activation="tanh", name="shared")
    left, right = shared(a), shared(b)
    joined = concatenate([left, right], name="joined")
    first = Dense(3, name="first")(joined)
    second = add([first, Dense(3, name="side")(left)], name="second")
    return Model([a, b], [first, second], name="towers")


def test_several_inputs_and_outputs_and_a_shared_layer():
    model = two_towers()
    w = {layer.name: layer.get_weights() for layer in model.layers}
    left, right = (np.tanh(x @ w["shared"][0] + w["shared"][1]) for x in (A, B))
    first = np.concatenate([left, right], 1) @ w["first"][0] + w["first"][1]
    second = first + left @ w["side"][0] + w["side"][1]
    for got, expected in zip(model.run([A, B]), [first, second]):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    assert (model.input_names, model.output_names) == (["a", "b"], ["first", "second"])
    assert (model.input_shapes, model.output_shapes) == ([(None, 8)] * 2, [(None, 3)] * 2)
    assert model.count_params() == 36 + 27 + 15


def test_layers_are_in_keras_order():
    # The layers farthest from the outputs are first. Layers of the same distance are in the order of a walk from the outputs.
    assert [layer.name for layer in two_towers().layers] == ["a", "b", "shared", "joined", "first", "side", "second"]


def test_weights_follow_the_layers():
    model = two_towers()
    assert [w.name for w in model.weights] == [
        "shared/kernel:0", "shared/bias:0", "first/kernel:0", "first/bias:0", "side/kernel:0", "side/bias:0",
    ]  # fmt: skip
    weights = model.get_weights()
    model.set_weights([w + 1 for w in weights])
    np.testing.assert_array_equal(model.get_layer("first").get_weights()[0], weights[2] + 1)
    with pytest.raises(ValueError, match="but the layer was expecting 6 weights"):
        model.set_weights(weights[:-1])


def test_get_layer():
    model = two_towers()
    assert model.get_layer("side").name == "side" and model.get_layer(index=0).name == "a"
    with pytest.raises(ValueError, match="No such layer: c"):
        model.get_layer("c")
    with pytest.raises(ValueError, match="retrieve layer at index 7 but model only has 7 layers"):
        model.get_layer(index=7)
    with pytest.raises(ValueError, match="Provide either a layer name or layer index"):
        model.get_layer()


def test_a_model_on_inner_tensors_of_another_shares_its_layers():
    model = two_towers()
    features = Model(model.inputs, model.get_layer("joined").output)
    w = model.get_layer("first").get_weights()
    np.testing.assert_allclose(features.run([A, B])[0] @ w[0] + w[1], model.run([A, B])[0], rtol=1e-5, atol=1e-6)


def test_nested_models():
    inner = Sequential([Dense(4, input_dim=8, activation="relu"), Dense(3)], name="inner")
    a, b = Input((8,)), Input((8,))
    outer = Model([a, b], Add()([inner(a), inner(b)]))
    np.testing.assert_allclose(outer.run([A, B])[0], inner.run([A])[0] + inner.run([B])[0], rtol=1e-6)
    assert outer.count_params() == inner.count_params() == 51
    assert [w.name for w in outer.weights] == [w.name for w in inner.weights]
    inner.trainable = False
    assert outer.trainable_weights == [] and len(outer.non_trainable_weights) == 4


def test_a_nested_model_of_two_inputs_and_outputs():
    inner = two_towers()
    a, b = Input((8,)), Input((8,))
    first, second = inner([b, a])
    assert first.shape == (None, 3)
    outer = Model([a, b], [second, first])
    expected = inner.run([B, A])
    np.testing.assert_array_equal(outer.run([A, B])[0], expected[1])
    np.testing.assert_array_equal(outer.run([A, B])[1], expected[0])


def test_a_model_called_on_arrays_computes():
    model = two_towers()
    for got, expected in zip(model([A, B]), model.run([A, B])):
        np.testing.assert_array_equal(got, expected)


def test_a_batch_norm_in_a_frozen_nested_model_uses_its_moving_statistics():
    inner = Sequential([BatchNormalization(input_shape=(8,))])
    x = Input((8,))
    outer = Model(x, inner(x))
    trained = outer.run([A], training=True)[0]
    np.testing.assert_allclose(trained.mean(0), 0, atol=1e-5)
    inner.trainable = False
    before = inner.get_weights()
    np.testing.assert_array_equal(outer.run([A], training=True)[0], outer.run([A])[0])
    for p, q in zip(before, inner.get_weights()):
        np.testing.assert_array_equal(p, q)


def test_training_and_inference():
    x = Input((8,))
    model = Model(x, Dropout(0.5)(x))
    assert model.uses_learning_phase and not two_towers().uses_learning_phase
    np.testing.assert_array_equal(model.run([A])[0], A)
    assert 0 < (model.run([A], training=True)[0] == 0).mean() < 1
    outer = Model(y := Input((8,)), model(y))
    assert 0 < (outer.run([A], training=True)[0] == 0).mean() < 1
    fixed = Model(x, Dropout(0.5)(x, training=True))
    assert 0 < (fixed.run([A])[0] == 0).mean() < 1


class Probe(Layer):
    """A layer that adds a loss and reads the learning phase."""

    def call(self, inputs):
        self.add_loss(inputs[0, 0])
        self.phase = learning_phase()
        return inputs


def test_losses_from_call_and_activity_regularizers_are_of_the_last_run():
    x = Input((8,))
    probe = Probe()
    y = Dense(4, activity_regularizer="l2", kernel_regularizer="l1", use_bias=False)(probe(x))
    model = Model(x, y)
    for data in (A, B):
        out = model.run([data], training=True)[0]
        kernel = model.get_weights()[0]
        expected = 0.01 * np.abs(kernel).sum() + 0.01 * (out**2).sum() + data[0, 0]
        assert sum(float(p()) for p in model.penalties) == pytest.approx(expected, rel=1e-5)
    assert probe.phase == 1
    outer = Model(z := Input((8,)), model(z))
    for data in (A, B, A):
        out = outer.run([data])[0]
    expected = 0.01 * np.abs(kernel).sum() + 0.01 * (out**2).sum() + A[0, 0]
    assert sum(float(p()) for p in outer.penalties) == pytest.approx(expected, rel=1e-5)
    assert probe.phase == 0


def test_losses_of_calls_on_arrays_do_not_accumulate():
    layer = Dense(4, activity_regularizer="l2")
    model = Sequential([Dense(4, input_dim=8, activity_regularizer="l2")])
    for x in (A, B):
        out = layer(x)
        assert [float(v) for v in layer.losses] == pytest.approx([0.01 * (out**2).sum()], rel=1e-5)
        out = model(x)
        assert [float(v) for v in model.losses] == pytest.approx([0.01 * (out**2).sum()], rel=1e-5)


def test_slots_are_reused_along_a_chain():
    model = Sequential([Dense(4, input_dim=8), Activation("relu"), Dense(2)])
    model.run([A])
    assert [step[2:] for step in model._plan.steps] == [(0, 0)] * 3


def test_an_input_that_is_also_an_output_and_an_unused_input():
    a, b = Input((8,)), Input((8,))
    y = Dense(2)(a)
    model = Model([a, b], [y, a])
    out = model.run([A, B])
    np.testing.assert_array_equal(out[1], A)
    assert out[0].shape == (5, 2)


def test_two_outputs_of_one_layer_have_different_names():
    a, b = Input((8,)), Input((8,))
    dense = Dense(2, name="d")
    assert Model([a, b], [dense(a), dense(b)]).output_names == ["d", "d_1"]


def test_deep_models_do_not_recurse():
    x = first = Input((2,))
    layer = Activation("linear")
    for _ in range(3000):
        x = layer(x)
    np.testing.assert_array_equal(Model(first, x).run([A[:, :2]])[0], A[:, :2])


def test_messages():
    a, b = Input((8,), name="a"), Input((8,), name="b")
    y = Dense(2, name="y")(a)
    with pytest.raises(ValueError, match='Graph disconnected: cannot obtain value for tensor .*at layer "a"'):
        Model(b, y)
    with pytest.raises(ValueError, match="The list of inputs passed to the model is redundant"):
        Model([a, a], y)
    with pytest.raises(ValueError, match="must be the output of a Keras `Layer`"):
        Model(a, np.zeros(3))
    with pytest.raises(ValueError, match='The name "y" is used 2 times in the model. All layer names should be unique'):
        Model(a, Dense(2, name="y")(y))
    with pytest.raises(TypeError, match="expected inputs and outputs"):
        Model()
    with pytest.raises(TypeError, match="is symbolic: it has no value"):
        np.asarray(y)
    with pytest.raises(TypeError, match="add_loss expects a value made inside call"):
        Dense(2).add_loss(y)


def test_a_model_on_an_inner_tensor_has_no_config():
    a = Input((8,))
    middle = Dense(4)(a)
    y = Dense(2)(middle)
    with pytest.warns(UserWarning, match="Model inputs must come from"):
        model = Model(middle, y)
    assert model.run([A[:, :4]])[0].shape == (5, 2)
    with pytest.raises(NotImplementedError, match="is the output of a layer; no config"):
        model.get_config()


def test_attributes_of_layers_and_tensors():
    x = Input((8,))
    shared = Dense(2, name="shared")
    first, second = shared(x), shared(Activation("tanh", name="squashed")(x))
    model = Model(x, add([first, second], name="sum"))
    model.compile("sgd", "mse")
    found = model.activations_on_batch(A)
    # "shared" is called twice, so its output is ambiguous.
    assert set(found) == {model.layers[0].name, "squashed", "sum"}
    np.testing.assert_allclose(found["squashed"], np.tanh(A), rtol=1e-5)
    np.testing.assert_array_equal(found["sum"], model.predict(A))
    w, b = model.get_weights()
    y = np.zeros((len(A), 2), "f4")
    dy = 2 * model.predict(A) / y.size
    dw, db = model.gradients_on_batch(A, y)
    np.testing.assert_allclose(dw, (A + np.tanh(A)).T @ dy, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(db, 2 * dy.sum(0), rtol=1e-4, atol=1e-6)
    assert all(np.array_equal(p, q) for p, q in zip(model.get_weights(), (w, b)))
