"""What custom layers in packages of 2018 to 2020 do, apart from the usual: each is short here and computes known numbers."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import RNN, Bidirectional, Dense, Embedding, Input, Layer
from lamella.models import Model, Sequential, load_model

RNG = np.random.default_rng(4)


class EmbeddingWithTable(Embedding):
    def compute_output_shape(self, input_shape):
        return [super().compute_output_shape(input_shape), (self.input_dim, self.output_dim)]

    def compute_mask(self, inputs, mask=None):
        return [super().compute_mask(inputs, mask), None]

    def call(self, inputs):
        return [super().call(inputs), self.embeddings + 0.0]


class Similarity(Layer):
    """Scores of all words of a table, whose number is known when the layer is built."""

    def build(self, input_shape):
        self.bias = self.add_weight("bias", (int(input_shape[1][0]),), initializer="ones")
        super().build(input_shape)

    def compute_output_shape(self, input_shape):
        return input_shape[0][:-1] + (input_shape[1][0],)

    def call(self, inputs):
        return K.bias_add(K.dot(inputs[0], K.transpose(inputs[1])), self.bias)


def test_a_table_of_weights_has_a_known_number_of_rows(tmp_path):
    words = Input((None,))
    embedded, table = EmbeddingWithTable(7, 3, name="words")(words)
    assert table.shape == (7, 3)
    model = Model(words, Similarity(name="scores")([embedded, table]))
    model.compile("sgd", "mse")
    assert model.output_shape == (None, None, 7) and [w.shape for w in model.get_weights()] == [(7, 3), (7,)]
    x = RNG.integers(0, 7, (4, 5))
    model.train_on_batch(x, np.zeros((4, 5, 7)))
    weights, bias = model.get_weights()
    np.testing.assert_allclose(model.predict(x), weights[x] @ weights.T + bias, rtol=1e-5, atol=1e-6)
    path = str(tmp_path / "model.h5")
    model.save(path)
    again = load_model(path, custom_objects={"EmbeddingWithTable": EmbeddingWithTable, "Similarity": Similarity})
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


@pytest.mark.parametrize("made", ["zeros_like", "arange", "shape"])
def test_plus_equals_adds_a_tensor_to_what_k_made(made):
    class Shifted(Layer):
        def call(self, inputs):
            if made == "zeros_like":
                y = K.zeros_like(inputs) + 2
            elif made == "arange":
                y = K.expand_dims(K.cast(K.arange(0, 3), K.floatx()), 0)
            else:
                y = K.cast(K.shape(inputs)[1], K.floatx())
            y += inputs
            y *= inputs
            return y

    model = Sequential([Dense(3, input_shape=(3,), use_bias=False), Shifted()])
    model.compile("sgd", "mse")
    x = RNG.normal(size=(2, 3)).astype("f4")
    hidden = x @ model.get_weights()[0]
    offset = {"zeros_like": 2.0, "arange": np.arange(3.0), "shape": 3.0}[made]
    loss = model.train_on_batch(x, np.zeros((2, 3)))
    assert loss == pytest.approx(np.mean(((hidden + offset) * hidden) ** 2), rel=1e-5)


class Sliced(Layer):
    """A cell that keeps parts of its weights, which are tensors of the graph."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight("kernel", (input_shape[-1], 2 * self.units), initializer="glorot_uniform")
        self.of_input, self.of_gate = self.kernel[:, : self.units], self.kernel[:, self.units :]
        super().build(input_shape)

    def call(self, inputs, states):
        y = K.sigmoid(K.dot(inputs, self.of_gate)) * states[0] + K.dot(inputs, self.of_input)
        return y, [y]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def test_a_class_slices_its_weights_while_a_file_is_loaded(tmp_path):
    model = Sequential([Bidirectional(RNN(Sliced(3)), input_shape=(4, 2)), Dense(1)])
    model.compile("sgd", "mse")
    path = str(tmp_path / "model.h5")
    model.save(path)
    again = load_model(path, custom_objects={"Sliced": Sliced})
    x = RNG.normal(size=(5, 4, 2)).astype("f4")
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_outputs_have_no_length():
    """Agents of reinforcement learning ask in this way whether a model has several outputs."""
    model = Sequential([Dense(2, input_shape=(3,))])
    assert not hasattr(model.output, "__len__")
    with pytest.raises(TypeError, match=r"has no len\(\)"):
        len(model.output)
    assert len(K.ones((4, 2)) * 2) == 4


def test_the_largest_of_nothing_is_minus_infinity():
    x = np.zeros((2, 0, 3), "f4")
    np.testing.assert_array_equal(K.eval(K.max(K.constant(x), axis=1)), np.full((2, 3), -np.inf))
    np.testing.assert_array_equal(K.eval(K.min(K.constant(x), axis=1, keepdims=True)), np.full((2, 1, 3), np.inf))


def test_a_function_whose_last_input_is_the_phase_may_get_no_value_for_it():
    x = Input((2,))
    phase = K.learning_phase()
    function = K.function([x, phase], [K.in_train_phase(2 * x, x)])
    ones = np.ones((3, 2), "f4")
    np.testing.assert_array_equal(function([ones])[0], ones)
    np.testing.assert_array_equal(function([ones, 1])[0], 2 * ones)
    with pytest.raises(ValueError, match="expected 2 values, got 0"):
        function([])


def test_a_function_needs_no_values_for_inputs_without_effect():
    """Packages that show activations feed the inputs of a model, and neither y nor the weights of samples."""
    model = Sequential([Dense(2, input_shape=(3,))])
    model.compile("sgd", "mse")
    x = RNG.normal(size=(4, 3)).astype("f4")
    inputs = model._feed_inputs + model._feed_targets + model._feed_sample_weights
    function = K.function(inputs, model.outputs)
    values, y, weights = model._standardize_user_data(x, None)
    for factor in (1, 2):  # the second call reads the weights anew
        model.set_weights([factor * w for w in model.get_weights()])
        np.testing.assert_allclose(function(values + y + weights)[0], model.predict(x), rtol=1e-6)
    with pytest.raises(ValueError, match="expected 3 values, got 1"):
        K.function(inputs, [model.total_loss])(values)


def test_an_optimizer_gives_gradients_of_activations():
    model = Sequential([Dense(2, input_shape=(3,))])
    model.compile("sgd", "mse")
    x, y = RNG.normal(size=(4, 3)).astype("f4"), RNG.normal(size=(4, 2)).astype("f4")
    gradients = model.optimizer.get_gradients(model.total_loss, [model.layers[0].output])
    function = K.function(model._feed_inputs + model._feed_targets + model._feed_sample_weights, gradients)
    values, targets, weights = model._standardize_user_data(x, y)
    np.testing.assert_allclose(function(values + targets + weights)[0], (model.predict(x) - y) / 4, rtol=1e-4, atol=1e-6)
