"""Attacks on classifiers as packages for Keras 2 make them: the logits by `output.op.inputs`, and placeholders for one image."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import LSTM, Activation, Conv2D, Dense, Flatten, Input, SeparableConv2D
from lamella.models import Model, Sequential, load_model

RNG = np.random.RandomState(0)
X = RNG.randn(5, 4).astype("f4")


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def classifier():
    return Sequential([Dense(6, activation="relu", input_shape=(4,)), Dense(3, activation="softmax")])


def test_the_operation_of_a_softmax_has_the_logits():
    model = classifier()
    (logits,) = model.output.op.inputs
    assert model.output.op.type == "Softmax"
    assert model.output.op.inputs[0] is logits
    assert logits.shape == (None, 3)
    w, b, v, c = model.get_weights()
    for scale in (1, 2):
        model.set_weights([w, b, scale * v, c])
        z = np.maximum(X @ w + b, 0) @ (scale * v) + c
        found = K.function([model.input], [logits, model.output])([X])
        np.testing.assert_allclose(found[0], z, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found[1], softmax(z), rtol=1e-5, atol=1e-6)


def test_questions_for_operations_leave_a_model_as_it_is(tmp_path):
    model = classifier()
    before = model.get_config(), [len(layer._outbound_nodes) for layer in model.layers]
    assert model.output.op.inputs[0].op.inputs[0] is model.layers[0].output
    assert (model.get_config(), [len(layer._outbound_nodes) for layer in model.layers]) == before
    model.compile("sgd", "categorical_crossentropy")
    model.save(str(tmp_path / "m.h5"))
    np.testing.assert_array_equal(load_model(str(tmp_path / "m.h5")).predict(X), model.predict(X))


class Doubled(Dense):
    def call(self, inputs):
        return 2 * super().call(inputs)


@pytest.mark.parametrize(
    "layer, kind",
    [
        (Conv2D(2, 3, activation="tanh"), "Tanh"),
        (SeparableConv2D(2, 3, activation="sigmoid"), "Sigmoid"),
        (Conv2D(2, 3, activation="exponential"), "Exp"),
        (Activation("softplus"), "Softplus"),
        (Conv2D(2, 3), "Conv2D"),
        (Conv2D(2, 3, activation="hard_sigmoid"), "Conv2D"),
        (Conv2D(2, 3, activation=lambda x: K.relu(x) + 1), "Conv2D"),
        (Doubled(2, activation="relu"), "Doubled"),
    ],
)
def test_operations_of_other_layers(layer, kind):
    x = Input((5, 5, 2))
    y = layer(x)
    assert y.op.type == kind
    (before,) = y.op.inputs
    if kind == type(layer).__name__ or isinstance(layer, Activation):
        assert before is x
        return
    image = RNG.randn(2, 5, 5, 2).astype("f4")
    z, found = K.function([x], [before, y])([image])
    function = {"Tanh": np.tanh, "Sigmoid": lambda v: 1 / (1 + np.exp(-v)), "Exp": np.exp}[kind]
    np.testing.assert_allclose(found, function(z), rtol=1e-5, atol=1e-6)


def test_an_activation_inside_of_a_call_is_no_operation_of_its_own():
    x = Input((3, 2))
    assert LSTM(2)(x).op.inputs == (x,)


def test_the_gradient_of_a_loss_of_the_logits_for_one_image():
    model = Sequential([Flatten(input_shape=(2, 2)), Dense(3, activation="softmax")])
    label, image = K.placeholder(shape=(1,)), RNG.randn(1, 2, 2).astype("f4")
    (logits,) = model.output.op.inputs
    loss = K.sparse_categorical_crossentropy(label, logits, from_logits=True)
    assert loss.shape == (1,)
    loss = K.squeeze(loss, axis=0)
    assert loss.shape == ()
    (slope,) = K.gradients(loss, model.input)
    value, found = K.function([model.input, label], [loss, slope])([image, [2]])
    w, b = model.get_weights()
    p = softmax(image.reshape(1, 4) @ w + b)
    np.testing.assert_allclose(value, -np.log(p[0, 2]), rtol=1e-5)
    np.testing.assert_allclose(found.reshape(1, 4), (p - [[0, 0, 1]]) @ w.T, rtol=1e-4, atol=1e-6)


def test_a_batch_without_a_size_may_be_squeezed():
    x = Input((3,))
    y = K.squeeze(x, axis=0)
    assert y.shape == (3,)
    run = K.function([x], [y])
    np.testing.assert_array_equal(run([X[:1, :3]])[0], X[0, :3])
    with pytest.raises(ValueError, match="expected axis 0 of .* to have size 1"):
        run([X[:2, :3]])
    with pytest.raises(ValueError, match=r"cannot be applied to tensors of shape \(None, 3\)"):
        K.squeeze(x, axis=1)


def test_sizes_that_fit_no_batch_are_refused():
    with pytest.raises(ValueError, match=r"cannot be applied to tensors of shape \(None, 3\), \(2, 4\)"):
        K.dot(Input((3,)), K.placeholder((2, 4)))


def test_a_model_of_logits_trains_the_weights_of_the_layer():
    model = classifier()
    logits = Model(model.input, model.output.op.inputs[0])
    logits.compile("sgd", "mse")
    before = model.get_weights()
    logits.train_on_batch(X, np.ones((5, 3)))
    assert all((a != b).any() for a, b in zip(before, model.get_weights()))
