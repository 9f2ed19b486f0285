"""The compiled loss as tensors of the graph: model.total_loss, targets, sample_weights and model.losses, beside fit's numbers."""

import numpy as np
import pytest

import lamella as keras
from lamella import backend as K
from lamella.layers import LSTM, BatchNormalization, Dense, Dropout, Embedding, Input, Lambda, Layer, Masking, TimeDistributed
from lamella.models import Model, Sequential

rng = np.random.RandomState(3)


def fed_values(model, x, y, weights=None):
    """The arrays for the placeholders."""
    inputs, targets, sample_weights = model._standardize_user_data(x, y, weights)
    return [*inputs, *targets, *sample_weights]


def values_and_gradients(model, x, y, weights=None, phase=0):
    """total_loss and its gradients for the trained weights, by K.function."""
    trained = model._collected_trainable_weights
    gradients = model.optimizer.get_gradients(model.total_loss, trained)
    fed = model._feed_inputs + model._feed_targets + model._feed_sample_weights + [K.learning_phase()]
    found = K.function(fed, [model.total_loss, *gradients])([*fed_values(model, x, y, weights), phase])
    return found[0], found[1:]


def check_as_in_steps(model, x, y, weights=None):
    """total_loss is what evaluate reports, and its gradients are those of a training step."""
    total, gradients = values_and_gradients(model, x, y, weights)
    numbers = np.atleast_1d(model.test_on_batch(x, y, weights))
    assert total == pytest.approx(numbers[0], rel=2e-5)
    every = zip(model.trainable_weights, model.gradients_on_batch(x, y, weights), strict=True)
    steps = {id(weight): gradient for weight, gradient in every}
    trained = [steps.pop(id(weight)) for weight in model._collected_trainable_weights]
    assert len(trained) == len(gradients) > 0 and not any(gradient.any() for gradient in steps.values())
    for found, wanted in zip(gradients, trained, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
    assert any(np.abs(g).max() > 1e-4 for g in gradients)


def test_saliency_and_gradient_norms_by_hand():
    model = Sequential([Dense(3, input_shape=(4,), kernel_regularizer=keras.regularizers.l2(0.1)), Dense(2)])
    model.compile("sgd", "mse")
    x, y, w = rng.normal(size=(5, 4)), rng.normal(size=(5, 2)), np.array([1.0, 0.0, 2.0, 1.0, 0.5])
    a, b, c, d = model.get_weights()
    hidden = x @ a + b
    e = hidden @ c + d - y
    total = (w * (e**2).mean(1)).sum() / 4 + 0.1 * (a**2).sum()  # four weights differ from 0
    dout = w[:, None] * e / 4
    wanted = [total, dout @ c.T @ a.T, dout @ c.T, x.T @ dout @ c.T + 0.2 * a, dout.sum(0)]
    of = [model.input, model.layers[0].output, model.layers[0].kernel, model.layers[1].bias]
    slopes = K.gradients(model.total_loss, of)
    norm = K.sqrt(sum(K.sum(K.square(g)) for g in K.gradients(model.total_loss, model.trainable_weights)))
    function = K.function(model.inputs + model.targets + model.sample_weights, [model.total_loss, *slopes, norm])
    *found, norm = function([x, y, w])
    for value, plain in zip(found, wanted):
        np.testing.assert_allclose(value, plain, rtol=1e-4, atol=1e-6)
    every = [wanted[3], (dout @ c.T).sum(0), hidden.T @ dout, wanted[4]]
    assert norm == pytest.approx(np.sqrt(sum((g**2).sum() for g in every)), rel=1e-4)


def test_several_outputs_weights_and_an_output_without_a_loss():
    x = Input((3,))
    hidden = Dense(4, activation="tanh", kernel_regularizer="l2", activity_regularizer="l1")(x)
    outputs = [
        Dense(3, activation="softmax", name="kind", kernel_regularizer=keras.regularizers.l1_l2(0.1, 0.2))(hidden),
        Dense(1, name="size")(hidden),
        Dense(1, name="rest")(hidden),
    ]
    model = Model(x, outputs)
    model.add_loss(K.mean(K.square(hidden)))
    factor = K.variable(0.3)
    losses = {"kind": "sparse_categorical_crossentropy", "size": lambda y, p: K.mean(K.square(y - p), -1)}
    with pytest.warns(UserWarning, match="missing from loss dictionary"):
        model.compile("sgd", losses, loss_weights={"kind": factor})
    assert model.targets[2] is None and model.sample_weights[2] is None and len(model._feed_targets) == 2
    assert [K.int_shape(t) for t in model._feed_targets] == [(None, None)] * 2
    assert [K.int_shape(t) for t in model._feed_sample_weights] == [(None,)] * 2
    assert model._feed_output_names == ["kind", "size"] and model.loss_functions[2] is None
    assert model.loss_weights_list == [factor, 1.0, 1.0] and model.sample_weight_modes == [None] * 3
    data, y = rng.normal(size=(6, 3)), [rng.randint(0, 3, 6), rng.normal(size=6)]
    weights = [np.array([1.0, 2.0, 0.0, 1.0, 0.5, 0.5]), None]
    check_as_in_steps(model, data, y, weights)
    before = values_and_gradients(model, data, y)[0]
    K.set_value(factor, 2.0)
    assert values_and_gradients(model, data, y)[0] > before + 0.5
    check_as_in_steps(model, data, y, weights)
    model.fit(data, y, verbose=0)  # its last batch adds losses of layers, which must not be counted again
    check_as_in_steps(model, data, y, weights)


@pytest.mark.parametrize("mode", [None, "temporal"])
def test_masks_and_weights_of_time_steps(mode):
    model = Sequential([Embedding(7, 3, mask_zero=True, input_length=4), LSTM(3, return_sequences=True)])
    model.add(TimeDistributed(Dense(2, activation="softmax")))
    model.compile("adam", "categorical_crossentropy", sample_weight_mode=mode)
    assert K.int_shape(model.sample_weights[0]) == ((None,) if mode is None else (None, None))
    x = np.array([[1, 2, 0, 0], [3, 4, 5, 6], [6, 1, 2, 0]])
    y = np.eye(2)[rng.randint(0, 2, (3, 4))]
    weights = rng.uniform(0.5, 2, (3,) if mode is None else (3, 4))
    check_as_in_steps(model, x, y, weights)
    dense = Sequential([Masking(input_shape=(4, 2)), TimeDistributed(Dense(1))])
    dense.compile("sgd", "mse", sample_weight_mode=mode)
    data = rng.normal(size=(3, 4, 2))
    data[0, 2:] = 0
    check_as_in_steps(dense, data, rng.normal(size=(3, 4, 1)), weights)


class Sparse(Layer):
    """Adds a loss in its call."""

    def call(self, inputs):
        self.add_loss(0.1 * K.sum(K.abs(inputs)), inputs=inputs)
        return inputs * 2


def test_losses_of_layers_in_nested_models():
    inner = Sequential([Dense(3, activity_regularizer="l2", input_shape=(2,)), Sparse(), Dense(2, kernel_regularizer="l1")])
    x = Input((2,))
    model = Model(x, Dense(1)(inner(x)))
    model.compile("sgd", "mae")
    data, y = rng.normal(size=(5, 2)), rng.normal(size=(5, 1))
    check_as_in_steps(model, data, y)
    model.train_on_batch(data, y)
    check_as_in_steps(model, data, y)
    penalties = sum(model.losses)
    gradients = K.gradients(penalties, inner.trainable_weights[:1])
    total, slope = K.function([x], [penalties, *gradients])([data])
    first, bias, last = (inner.get_weights()[i] for i in (0, 1, 2))
    hidden = data @ first + bias
    assert total == pytest.approx(0.01 * (hidden**2).sum() + 0.1 * np.abs(hidden).sum() + 0.01 * np.abs(last).sum(), rel=1e-5)
    np.testing.assert_allclose(slope, data.T @ (0.02 * hidden + 0.1 * np.sign(hidden)), rtol=1e-4, atol=1e-6)


def test_penalties_of_a_layer_in_several_models_inside_count_once():
    """Those of weights once, those of outputs once for each call, and numbers as often as they were added."""
    shared = Dense(3, kernel_regularizer="l2", activity_regularizer="l1", kernel_initializer="ones")
    ends = [Input((2,)), Input((2,))]
    parts = []
    for _ in ends:
        x = Input((2,))
        parts.append(Model(x, Dense(1, kernel_regularizer="l1")(shared(x))))
    model = Model(ends, [part(x) for part, x in zip(parts, ends)])
    model.add_loss([1, 1])
    model.compile("sgd", ["mse", "mse"])
    a, b = (rng.normal(size=(4, 2)).astype("f4") for _ in ends)
    zeros = [np.zeros((4, 1))] * 2
    total, *losses = model.test_on_batch([a, b], zeros)
    hidden = [x @ np.ones((2, 3)) for x in (a, b)]
    weights = 0.01 * 6 + 0.01 * sum(np.abs(part.get_weights()[2]).sum() for part in parts)
    wanted = weights + 0.01 * sum(np.abs(h).sum() for h in hidden) + 2
    assert total - sum(losses) == pytest.approx(wanted, rel=1e-5)
    assert sum(float(v) for v in model.losses) == pytest.approx(wanted, rel=1e-5)


def test_gradients_of_the_sum_of_losses_are_those_of_the_regularizers():
    layers = [
        Dense(3, input_shape=(2,), kernel_regularizer=keras.regularizers.l1_l2(0.1, 0.2)),
        Dense(2, bias_regularizer="l2"),
    ]
    model = Sequential([*layers, Dense(1)])
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    a, _, _, d, *_ = model.get_weights()
    assert [float(v) for v in model.losses] == pytest.approx([0.1 * np.abs(a).sum() + 0.2 * (a**2).sum(), 0.01 * (d**2).sum()])
    slopes = K.gradients(sum(model.losses), model.trainable_weights)
    assert [s is None for s in slopes] == [False, True, True, False, True, True]
    first, second = K.function([], [slopes[0], slopes[3]])([])
    np.testing.assert_allclose(first, 0.1 * np.sign(a) + 0.4 * a, rtol=1e-5)
    np.testing.assert_allclose(second, 0.02 * d, rtol=1e-5)
    symbolic = K.function([x := K.placeholder((2, 2))], [keras.regularizers.l1(0.5)(x)])
    assert symbolic([[[1, -2], [3, 0]]])[0] == pytest.approx(3.0)


def test_losses_have_the_values_of_the_last_run():
    x = Input((2,))
    hidden = Dense(3, activity_regularizer="l2")(x)
    model = Model(x, Dense(1)(hidden))
    model.add_loss([K.sum(hidden), K.sum(x)])
    model.compile("sgd", None)
    assert [float(v) for v in model.losses] == [0, 0, 0] and float(sum(model.losses)) == 0
    data = rng.normal(size=(4, 2))
    model.test_on_batch(data, None)
    a, b = model.get_weights()[:2]
    found = data @ a + b
    wanted = [0.01 * (found**2).sum(), found.sum(), data.sum()]
    assert sorted(float(v) for v in model.losses) == pytest.approx(sorted(wanted), rel=1e-5)
    assert float(sum(model.losses)) == pytest.approx(sum(wanted), rel=1e-5)


def test_a_loss_that_reads_tensors_of_the_model():
    x = Input((4,))
    mean, spread = Dense(2, name="mean")(x), Dense(2, name="spread")(x)
    out = Dense(4)(Lambda(lambda v: v[0] + K.exp(v[1]))([mean, spread]))

    def divergence(y, p):
        return K.mean(K.square(y - p), -1) - 0.5 * K.sum(1 + spread - K.square(mean) - K.exp(spread), axis=-1)

    model = Model(x, out)
    model.compile("rmsprop", divergence)
    data = rng.normal(size=(6, 4))
    check_as_in_steps(model, data, data)


def test_a_custom_update_is_a_training_step():
    def build():
        model = Sequential([Dense(3, input_shape=(2,), activation="relu", kernel_regularizer="l2"), Dense(1)])
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
        return model

    model, other = build(), build()
    other.set_weights(model.get_weights())
    updates = model.optimizer.get_updates(params=model._collected_trainable_weights, loss=model.total_loss)
    fed = model._feed_inputs + model._feed_targets + model._feed_sample_weights
    step = K.function(fed, [model.total_loss], updates=updates)
    for _ in range(3):
        x, y = rng.normal(size=(5, 2)), rng.normal(size=(5, 1))
        loss = step(fed_values(model, x, y))[0]
        assert loss == pytest.approx(other.train_on_batch(x, y), rel=1e-5)
        for ours, theirs in zip(model.get_weights(), other.get_weights()):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_the_learning_phase_counts():
    model = Sequential([BatchNormalization(input_shape=(3,)), Dropout(0.5), Dense(1)])
    model.compile("sgd", "mse")
    x, y = rng.normal(size=(8, 3)) * 5, rng.normal(size=(8, 1))
    inference = [values_and_gradients(model, x, y)[0] for _ in range(2)]
    training = [values_and_gradients(model, x, y, phase=1)[0] for _ in range(2)]
    assert inference[0] == inference[1] == pytest.approx(model.test_on_batch(x, y), rel=1e-5)
    assert training[0] != training[1]
    np.testing.assert_array_equal(model.layers[0].get_weights()[2], 0)  # no state has changed


def test_data_for_the_placeholders():
    model = Sequential([Dense(3, input_shape=(2,), activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = rng.normal(size=(4, 2)), np.array([0, 2, 1, 2])
    inputs, targets, weights = model._standardize_user_data(x, y, class_weight={0: 1.0, 1: 2.0, 2: 3.0})
    assert targets[0].shape == (4, 1)
    np.testing.assert_array_equal(weights[0], [1, 3, 2, 3])
    np.testing.assert_array_equal(model._standardize_user_data(x, y)[2][0], np.ones(4))
    assert model._standardize_user_data(x)[1:] == ([], [])
    with pytest.raises(ValueError, match="not a multiple of batch_size=3"):
        model._standardize_user_data(x, y, batch_size=3)
    with pytest.raises(ValueError, match="check_array_lengths"):
        model._standardize_user_data(x, y, check_array_lengths=False)


def test_errors_say_what_to_do():
    model = Sequential([Dense(1, input_shape=(2,))])
    assert not hasattr(model, "total_loss")
    with pytest.raises(AttributeError, match="targets exists after compile"):
        model.targets
    unbuilt = Sequential([Dense(1)])
    unbuilt.compile("sgd", "mse")
    with pytest.raises(AttributeError, match="sample_weights exists when the model has an input shape"):
        unbuilt.sample_weights
    model.compile("sgd", "mse")
    with pytest.raises(AttributeError, match="call add_loss before compile"):
        model.total_loss = model.total_loss * 2
    assert model.total_loss is model.total_loss
    first = model.total_loss
    model.compile("sgd", "mae")
    assert model.total_loss is not first
    model.compile("sgd", lambda y, p: K.constant(float(np.asarray(y).sum())) * p)
    with pytest.raises(TypeError, match="does not compute with symbolic tensors.*gradients_on_batch"):
        model.total_loss


def test_a_loss_that_is_constant_counts():
    model = Sequential([Dense(1, use_bias=False, input_shape=(2,), kernel_regularizer="l2", kernel_initializer="ones")])
    model.compile("sgd", lambda y, p: K.constant(3.0))
    total, gradients = values_and_gradients(model, np.ones((2, 2)), np.ones((2, 1)))
    assert total == pytest.approx(3.02)
    np.testing.assert_allclose(gradients[0], 0.02 * np.ones((2, 1)), rtol=1e-6)


class WithTargets(Model):
    """Has attributes of its own with these names."""

    def __init__(self):
        super().__init__()
        self.dense = Dense(1)
        self.targets, self.sample_weights, self.loss_functions = [1], "mine", {}

    def call(self, inputs):
        return self.dense(inputs)


def test_attributes_of_a_users_model_stay():
    model = WithTargets()
    model.compile("sgd", "mse")
    x, y = rng.normal(size=(4, 2)), rng.normal(size=(4, 1))
    model.fit(x, y, verbose=0)
    assert model.targets == [1] and model.sample_weights == "mine" and model.loss_functions == {}
    assert values_and_gradients(model, x, y)[0] == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-5)


def test_a_loss_whose_y_has_more_columns_than_the_output():
    model = Sequential([Dense(2, input_shape=(3,))])
    model.compile("sgd", lambda y, p: K.sum(K.square(y[:, :2] - p), -1) * y[:, 4])
    check_as_in_steps(model, rng.normal(size=(4, 3)), rng.normal(size=(4, 5)))
