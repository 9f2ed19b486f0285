"""ConvLSTM2D, CuDNNLSTM and CuDNNGRU: tests in addition to the numbers of test_golden_layers.py."""

import json

import numpy as np
import pytest
from lamella.layers.convolutional_recurrent import ConvRNN2D

from lamella import backend as K
from lamella import layers, ops
from lamella.core.cudnn_layout import cudnn_from_plain, plain_from_cudnn
from lamella.layers import GRU, LSTM, Bidirectional, ConvLSTM2D, ConvLSTM2DCell, CuDNNGRU, CuDNNLSTM, Input, Masking
from lamella.models import Model, Sequential
from tests.layers.test_recurrent import data

# cuDNN -----------------------------------------------------------------------------------------------


def test_the_kernel_of_a_cudnn_gate_is_transposed():
    kernel = data(3, 8)
    plain = plain_from_cudnn(kernel, 2)
    for gate in range(4):
        own = slice(2 * gate, 2 * gate + 2)
        np.testing.assert_array_equal(plain[:, own], kernel[:, own].reshape(2, 3).T)
    np.testing.assert_array_equal(cudnn_from_plain(plain, 2), kernel)
    square = data(2, 6)
    np.testing.assert_array_equal(plain_from_cudnn(square, 2)[:, 2:4], square[:, 2:4].T)


@pytest.mark.parametrize("kind", [CuDNNLSTM, CuDNNGRU])
def test_the_plain_layer_with_plain_weights_computes_the_same(kind):
    x = data(3, 5, 4)
    layer = kind(2, return_sequences=True, bias_initializer="random_uniform", go_backwards=True)
    y = layer(x)
    kernel, recurrent, bias = layer.get_weights()
    more = {} if kind is CuDNNLSTM else {"reset_after": True}
    plain = (LSTM if kind is CuDNNLSTM else GRU)(
        2, recurrent_activation="sigmoid", return_sequences=True, go_backwards=True, **more
    )
    plain(x)
    bias = bias[:8] + bias[8:] if kind is CuDNNLSTM else bias.reshape(2, 6)
    plain.set_weights([plain_from_cudnn(kernel, 2), plain_from_cudnn(recurrent, 2), bias])
    np.testing.assert_allclose(y, plain(x), rtol=1e-6)


@pytest.mark.parametrize("kind", [CuDNNLSTM, CuDNNGRU])
def test_models_of_cudnn_layers(kind, tmp_path):
    model = Sequential([Bidirectional(kind(3, return_sequences=True), input_shape=(5, 4)), kind(2, stateful=False)])
    model.compile("adam", "mse")
    before = model.get_weights()
    model.fit(data(6, 5, 4), data(6, 2), verbose=0)
    assert all((a != b).any() for a, b in zip(before, model.get_weights()))
    model.save_weights(tmp_path / "weights.h5")
    again = Sequential.from_config(json.loads(json.dumps(model.get_config())))
    again.load_weights(tmp_path / "weights.h5")
    np.testing.assert_array_equal(again.predict(data(6, 5, 4)), model.predict(data(6, 5, 4)))
    names = {"kernel_initializer", "recurrent_initializer", "bias_initializer", "kernel_regularizer", "recurrent_regularizer"}
    names |= {"bias_regularizer", "activity_regularizer", "kernel_constraint", "recurrent_constraint", "bias_constraint"}
    names |= {"name", "trainable", "dtype", "units", "return_sequences", "return_state", "stateful", "go_backwards"}
    assert set(model.layers[1].get_config()) == names | ({"unit_forget_bias"} if kind is CuDNNLSTM else set())


def test_cudnn_layers_refuse_masks_and_missing_arguments():
    model = Sequential([Masking(input_shape=(5, 4)), CuDNNGRU(2, name="net")])
    with pytest.raises(ValueError, match="Layer net: Masking is not supported for CuDNN RNNs."):
        model.predict(data(2, 5, 4))
    with pytest.raises(TypeError, match="activation"):
        CuDNNLSTM(2, activation="relu")
    layer = CuDNNLSTM(2, bias_initializer="zeros")
    layer(data(1, 2, 3))
    np.testing.assert_array_equal(layer.get_weights()[2], [*[0] * 10, 1, 1, *[0] * 4])


# ConvLSTM2D ------------------------------------------------------------------------------------------


def test_both_data_formats_compute_the_same():
    x = data(2, 3, 5, 6, 2)
    last = ConvLSTM2D(3, (3, 2), strides=(2, 1), padding="same", return_sequences=True, return_state=True, dropout=0.3)
    first = ConvLSTM2D(
        3, (3, 2), strides=(2, 1), padding="same", return_sequences=True, return_state=True, data_format="channels_first"
    )
    y, h, c = last(x)
    symbolic = first(Input((3, 2, 5, 6)))
    first.set_weights(last.get_weights())
    found = first(x.transpose(0, 1, 4, 2, 3))
    assert [t.shape[1:] for t in symbolic] == [t.shape[1:] for t in found]
    np.testing.assert_allclose(found[0].transpose(0, 1, 3, 4, 2), y, rtol=1e-6)
    for a, b in zip(found[1:], (h, c)):
        np.testing.assert_allclose(a.transpose(0, 2, 3, 1), b, rtol=1e-6)
    assert (last(x, training=True)[0] != y).any()


def test_models_of_convlstm_train_and_start_from_states(tmp_path):
    x, h, c = Input((3, 5, 5, 2)), Input((5, 5, 4)), Input((5, 5, 4))
    layer = ConvLSTM2D(4, 3, padding="same", dropout=0.2, recurrent_dropout=0.2)
    model = Model([x, h, c], layer(x, initial_state=[h, c]))
    model.compile("adam", "mse")
    inputs = [data(2, 3, 5, 5, 2), data(2, 5, 5, 4), data(2, 5, 5, 4, seed=1)]
    before = model.get_weights()
    model.fit(inputs, data(2, 5, 5, 4), verbose=0)
    assert all((a != b).any() for a, b in zip(before, model.get_weights()))
    again = Model.from_config(json.loads(json.dumps(model.get_config())))
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(inputs), model.predict(inputs))
    assert (model.predict([inputs[0], *[0 * s for s in inputs[1:]]]) != model.predict(inputs)).any()
    with pytest.raises(ValueError, match="Layer has 2 states but was passed 1 initial states"):
        layer(x, initial_state=h)
    with pytest.raises(ValueError, match="An `initial_state` was passed that is not compatible"):
        layer(x, initial_state=[Input((4,)), Input((4,))])


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_the_cell_calls_its_convolution_methods(data_format):
    class Doubled(ConvLSTM2DCell):
        def input_conv(self, x, w, b=None, padding="valid"):
            return super().input_conv(2 * x, w, b, padding)

        def recurrent_conv(self, x, w):
            return super().recurrent_conv(-x, w)

    shape = (2, 3, 4, 4, 1) if data_format == "channels_last" else (2, 3, 1, 4, 4)
    arguments = dict(filters=2, kernel_size=3, padding="same", data_format=data_format)
    plain, custom = ConvRNN2D(ConvLSTM2DCell(**arguments)), ConvRNN2D(Doubled(**arguments))
    x = data(*shape)
    plain(x)
    custom(x)
    kernel, recurrent, bias = plain.get_weights()
    custom.set_weights([kernel / 2, -recurrent, bias])
    np.testing.assert_allclose(custom(x), plain(x), rtol=1e-5, atol=1e-7)


def test_a_mask_skips_steps():
    x, mask = data(2, 4, 5, 5, 1), np.array([[1, 0, 1, 0], [1, 1, 1, 1]], bool)
    layer = ConvLSTM2D(2, 3)
    y = layer(x, mask=mask)
    np.testing.assert_allclose(y[:1], layer(x[:1, [0, 2]]), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(y[1:], layer(x[1:]), rtol=1e-5, atol=1e-7)


def test_states_and_errors_of_convlstm():
    layer = ConvLSTM2D(2, 3, stateful=True, padding="same", batch_input_shape=(2, 3, 4, 4, 1), name="net")
    x = data(2, 3, 4, 4, 1)
    first, second = layer(x), layer(x)
    assert (first != second).any()
    assert [K.int_shape(state) for state in layer.states] == [(2, 4, 4, 2)] * 2
    layer.reset_states()
    np.testing.assert_array_equal(layer(x), first)
    with pytest.raises(ValueError, match="Layer net: a stateful layer needs to know the size of its maps"):
        ConvLSTM2D(2, 3, stateful=True, name="net")(Input(batch_shape=(2, 3, None, 4, 1)))
    with pytest.raises(TypeError, match="Unrolling isn't possible with convolutional RNNs."):
        ConvLSTM2D(2, 3, unroll=True)
    with pytest.raises(TypeError, match="It is not possible at the moment to stack convolutional cells."):
        ConvRNN2D([ConvLSTM2DCell(2, 3)])
    with pytest.raises(ValueError, match="expected ndim=5, found ndim=4"):
        layer(Input((4, 4, 1)))
    with pytest.raises(ValueError, match="the kernel \\(5, 5\\) is larger than the input"):
        ConvLSTM2D(2, 5)(Input((3, 4, 4, 1)))


def test_the_base_class_runs_the_cell():
    x = data(2, 3, 4, 4, 1)
    base, layer = ConvRNN2D(ConvLSTM2DCell(2, 3)), ConvLSTM2D(2, 3)
    base(x)
    layer(x)
    layer.set_weights(base.get_weights())
    np.testing.assert_array_equal(base(x), layer(x))
    assert layers.ConvRNN2D is ConvRNN2D  # as in Keras 2.2.4


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("kind", ["ConvLSTM2D", "LSTM"])
def test_a_step_in_one_op_gives_the_numbers_of_its_formula(kind, data_format):
    """An activation that only a function computes selects the formula."""

    def model(activation):
        if kind == "LSTM":
            layer, shape = layers.RNN(layers.LSTMCell(3, activation=activation), return_sequences=True), (4, 5)
        else:
            layer = layers.ConvLSTM2D(3, 2, data_format=data_format, activation=activation, return_sequences=True)
            shape = (4, 5, 6, 7)
        made = Sequential([layers.InputLayer(input_shape=shape), layer])
        made.compile("sgd", "mse")
        return made

    one, formula = model("tanh"), model(lambda x: ops.tanh(x))
    formula.set_weights(one.get_weights())
    x = np.random.default_rng(0).standard_normal((2, *one.input_shape[1:])).astype(np.float32)
    np.testing.assert_allclose(one.predict(x), formula.predict(x), rtol=0, atol=1e-6)
    target = np.zeros((2, *one.output_shape[1:]), np.float32)
    for _ in range(2):
        losses = [each.train_on_batch(x, target) for each in (one, formula)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for a, b in zip(one.get_weights(), formula.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
