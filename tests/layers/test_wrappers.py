"""TimeDistributed and Bidirectional: tests in addition to the numbers of test_golden_layers.py."""

import json

import numpy as np
import pytest

from lamella import layers
from lamella.layers import (
    GRU,
    LSTM,
    RNN,
    BatchNormalization,
    Bidirectional,
    Conv2D,
    Dense,
    Dropout,
    GRUCell,
    Input,
    LSTMCell,
    Masking,
    SimpleRNN,
    TimeDistributed,
)
from lamella.layers.wrappers import Wrapper
from lamella.models import Model, Sequential
from tests.layers.test_recurrent import CellWithConstants, MinimalRNNCell, data


def round_trip(model, tmp_path, **named):
    model.save_weights(tmp_path / "weights.h5")
    again = type(model).from_config(json.loads(json.dumps(model.get_config())), **named)
    again.load_weights(tmp_path / "weights.h5")
    return again


# TimeDistributed -------------------------------------------------------------------------------------


def test_the_inner_layer_is_applied_to_each_step(tmp_path):
    model = Sequential([TimeDistributed(Conv2D(2, 3, activation="relu"), input_shape=(None, 6, 5, 1), name="each")])
    conv = model.layers[0].layer
    assert model.output_shape == (None, None, 4, 3, 2)
    assert [w.name for w in model.weights] == ["each/kernel:0", "each/bias:0"]
    x = data(3, 4, 6, 5, 1)
    y = model.predict(x)
    for t in range(4):
        np.testing.assert_allclose(y[:, t], conv(x[:, t]), rtol=1e-6)
    np.testing.assert_array_equal(round_trip(model, tmp_path).predict(x), y)


def test_a_model_inside_trains_step_by_step_or_at_once(tmp_path):
    for batch in (None, 4):
        source = Input((3,))
        inner = Model(source, Dense(2)(BatchNormalization()(source)))
        outer = Input(batch_shape=(batch, 5, 3))
        model = Model(outer, TimeDistributed(inner)(outer))
        model.compile("sgd", "mse")
        before = inner.get_weights()
        model.fit(data(4, 5, 3), data(4, 5, 2), batch_size=4, verbose=0)
        assert all((a != b).any() for a, b in zip(before, inner.get_weights()))
        assert len(model.layers[1].get_weights()) == 6
        np.testing.assert_array_equal(
            round_trip(model, tmp_path).predict(data(4, 5, 3), batch_size=4), model.predict(data(4, 5, 3), batch_size=4)
        )


def test_with_a_fixed_batch_size_each_step_is_normalized_separately():
    x = data(4, 5, 3) * np.arange(1, 6, dtype="float32")[:, None]
    at_once, by_step = (
        TimeDistributed(BatchNormalization(epsilon=1e-7)),
        TimeDistributed(BatchNormalization(epsilon=1e-7), batch_input_shape=(4, 5, 3)),
    )
    y = by_step(x, training=True)
    np.testing.assert_allclose(y.std(axis=0), 1, rtol=1e-4)
    flat = at_once(x, training=True)
    np.testing.assert_allclose(flat.reshape(20, 3).std(axis=0), 1, rtol=1e-4)
    assert (np.abs(flat.std(axis=0) - 1) > 0.1).any()


def test_an_inner_dropout_is_active_only_in_training():
    x = np.ones((8, 4, 6), "float32")
    layer = TimeDistributed(Dropout(0.5))
    assert layer.uses_learning_phase
    assert set(np.unique(layer(x, training=True))) == {0.0, 2.0}
    np.testing.assert_array_equal(layer(x), x)


def test_masks_of_inner_layers():
    x = data(2, 3, 4, 5)
    x[0, 1] = x[1, 0, 2] = 0
    steps = (x != 0).any(-1)
    inner = Input((3, 4, 5))
    masked = Masking()(inner)
    words = TimeDistributed(LSTM(2, name="words"))
    model = Model(inner, [masked, words(masked)])
    found, summed = model.predict(x)
    np.testing.assert_array_equal(words.compute_mask(found, steps), steps.any(-1))
    lstm = words.layer
    np.testing.assert_allclose(summed.reshape(6, 2), lstm(x.reshape(6, 4, 5), mask=steps.reshape(6, 4)), rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(model.layers[-1].get_output_mask_at(0).shape, (None, 3))
    # An inner layer that computes its own masks.
    own = TimeDistributed(Masking())
    np.testing.assert_array_equal(own.compute_mask(x), steps)
    assert own.makes_masks and not TimeDistributed(Dense(2)).makes_masks
    np.testing.assert_array_equal(TimeDistributed(Dense(2)).compute_mask(x[..., 0, :], steps[..., 0]), steps[..., 0])
    with pytest.raises(TypeError, match="does not support masking"):
        TimeDistributed(Conv2D(1, 1)).compute_mask(data(2, 3, 4, 4, 1), np.ones((2, 3), bool))


def test_regularizers_of_the_inner_layer_are_counted_once():
    layer = TimeDistributed(Dense(2, activity_regularizer="l2", kernel_regularizer="l1"))
    x = Input((3, 4))
    model = Model(x, layer(x))
    model.compile("sgd", "mse")
    values = data(5, 3, 4)
    y = model.predict(values)
    want = np.square(y).mean() + 0.01 * np.square(y).sum() + 0.01 * np.abs(model.get_weights()[0]).sum()
    assert model.evaluate(values, np.zeros_like(y), verbose=0) == pytest.approx(want, rel=1e-5)


def test_errors_of_time_distributed():
    with pytest.raises(ValueError, match="TimeDistributed: expected a layer, got 3"):
        TimeDistributed(3)
    with pytest.raises(ValueError, match="Input 0 is incompatible with layer each: expected min_ndim=3, found ndim=2"):
        TimeDistributed(Dense(2), name="each")(Input((3,)))
    with pytest.raises(ValueError, match="Layer each: expected a layer with one output, net has 2"):
        TimeDistributed(GRU(2, return_state=True, name="net"), name="each")(Input((3, 4, 5)))


def test_a_wrapper_keeps_frozen_layers_frozen():
    inner = Dense(2, trainable=False)
    wrapped = TimeDistributed(inner)
    assert not wrapped.trainable and not inner.trainable
    wrapped.trainable = True
    assert inner.trainable
    assert isinstance(wrapped, Wrapper)
    config = layers.serialize(wrapped)
    assert config["config"]["layer"] == layers.serialize(inner)
    assert layers.deserialize(json.loads(json.dumps(config))).get_config() == wrapped.get_config()


# Bidirectional ---------------------------------------------------------------------------------------

MERGES = {
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
    "concat": lambda a, b: np.concatenate([a, b], -1),
}


@pytest.mark.parametrize("kind", [SimpleRNN, GRU, LSTM])
@pytest.mark.parametrize("mode", [*MERGES, None])
@pytest.mark.parametrize("sequences", [False, True])
def test_both_directions_are_merged(kind, mode, sequences):
    x, mask = data(3, 5, 4), np.array([[1, 1, 1, 0, 0], [0, 1, 0, 1, 1], [1, 1, 1, 1, 1]], bool)
    layer = Bidirectional(kind(2, return_sequences=sequences, return_state=True), merge_mode=mode)
    source = Input((5, 4))
    shapes = [tuple(t.shape[1:]) for t in layer(source)]
    found = layer(x, mask=mask)
    forward, backward = layer.forward_layer, layer.backward_layer
    a, *states = forward(x, mask=mask)
    b, *others = backward(x, mask=mask)
    assert backward.go_backwards and not forward.go_backwards
    b = b[:, ::-1] if sequences else b
    outputs = [a, b] if mode is None else [MERGES[mode](a, b)]
    assert [y.shape[1:] for y in found] == shapes
    for y, want in zip(found, [*outputs, *states, *others], strict=True):
        np.testing.assert_allclose(y, want, rtol=1e-6)
    made = layer.compute_mask(x, mask)
    assert len(made) == len(found)
    assert all((m is mask) == sequences for m in made[: len(outputs)]) and not any(m is not None for m in made[len(outputs) :])


def test_names_weights_and_files_of_both_directions(tmp_path):
    model = Sequential(
        [Bidirectional(LSTM(2, name="net", return_sequences=True), input_shape=(5, 4), name="both"), Bidirectional(GRU(3))]
    )
    assert [w.name for w in model.layers[0].weights] == [
        f"both/{direction}_net/{name}:0"
        for direction in ("forward", "backward")
        for name in ("kernel", "recurrent_kernel", "bias")
    ]
    assert (model.layers[0].get_weights()[0] != model.layers[0].get_weights()[3]).any()
    model.compile("adam", "mse")
    before = model.get_weights()
    model.fit(data(6, 5, 4), data(6, 6), verbose=0)
    assert all((a != b).any() for a, b in zip(before, model.get_weights()))
    again = round_trip(model, tmp_path)
    np.testing.assert_array_equal(again.predict(data(6, 5, 4)), model.predict(data(6, 5, 4)))
    config = model.layers[0].get_config()
    assert config["layer"]["config"]["name"] == "net" and not config["layer"]["config"]["go_backwards"]
    assert config["merge_mode"] == "concat" and "weights" not in config
    copy = Bidirectional(LSTM(2, return_sequences=True), weights=model.layers[0].get_weights())
    np.testing.assert_array_equal(copy(data(6, 5, 4)), model.layers[0](data(6, 5, 4)))


def test_initial_states_of_both_directions():
    source, target = Input((5, 4)), Input((3, 4))
    encoder = Bidirectional(LSTM(2, return_state=True))
    _, *states = encoder(source)
    decoder = Bidirectional(LSTM(2, return_sequences=True))
    model = Model([source, target], decoder(target, initial_state=states))
    again = Model.from_config(json.loads(json.dumps(model.get_config())))
    again.set_weights(model.get_weights())
    inputs = [data(6, 5, 4), data(6, 3, 4, seed=1)]
    found = model.predict(inputs)
    np.testing.assert_array_equal(again.predict(inputs), found)
    _, *given = encoder(inputs[0])
    forward = decoder.forward_layer(inputs[1], initial_state=given[:2])
    backward = decoder.backward_layer(inputs[1], initial_state=given[2:])[:, ::-1]
    np.testing.assert_allclose(found, np.concatenate([forward, backward], -1), rtol=1e-6)
    with pytest.raises(ValueError, match="the state should be a list containing the states of the underlying RNNs"):
        decoder(target, initial_state=states[:3])
    with pytest.raises(ValueError, match="Layer has 2 states but was passed 3 initial states"):
        decoder(target, initial_state=[*states, *states[:2]])


def test_constants_and_custom_cells_in_both_directions():
    x, c = Input((5, 4)), Input((2,))
    layer = Bidirectional(RNN(CellWithConstants(3)))
    model = Model([x, c], layer(x, constants=c))
    inputs = [data(6, 5, 4), data(6, 2, seed=1)]
    found = model.predict(inputs)
    halves = [each(inputs[0], constants=inputs[1]) for each in (layer.forward_layer, layer.backward_layer)]
    np.testing.assert_allclose(found, np.concatenate(halves, -1), rtol=1e-6)
    assert layer.get_config()["num_constants"] == 1
    again = Model.from_config(
        json.loads(json.dumps(model.get_config())), custom_objects={"CellWithConstants": CellWithConstants}
    )
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(inputs), found)
    stacked = Bidirectional(RNN([MinimalRNNCell(3), GRUCell(2)]), merge_mode="sum")
    assert stacked(data(2, 3, 4)).shape == (2, 2)
    assert len({w.name for w in stacked.weights}) == 10


def test_states_of_both_directions_continue():
    model = Sequential([Bidirectional(GRU(2, stateful=True), batch_input_shape=(3, 5, 4))])
    x = data(3, 5, 4)
    first, second = model.predict(x), model.predict(x)
    assert model.stateful and (first != second).any()
    model.reset_states()
    np.testing.assert_array_equal(model.predict(x), first)
    np.testing.assert_array_equal(model.predict(x), second)
    assert all(
        (state.value != 0).any()
        for each in (model.layers[0].forward_layer, model.layers[0].backward_layer)
        for state in each.states
    )
    with pytest.raises(AttributeError, match="Layer must be stateful"):
        Bidirectional(GRU(2)).reset_states()


def test_trainable_of_both_directions():
    layer = Bidirectional(SimpleRNN(2, trainable=False))
    layer(data(2, 3, 4))
    assert layer.trainable and len(layer.trainable_weights) == 6
    layer.trainable = False
    assert not layer.trainable_weights and len(layer.non_trainable_weights) == 6
    assert not layer.forward_layer.trainable and not layer.backward_layer.trainable


def test_errors_of_bidirectional():
    with pytest.raises(ValueError, match='Merge mode should be one of {"sum", "mul", "ave", "concat", None}'):
        Bidirectional(LSTM(2), merge_mode="max")
    with pytest.raises(ValueError, match="Bidirectional: expected a recurrent layer, got <Dense"):
        Bidirectional(Dense(2))
    with pytest.raises(ValueError, match="incompatible with layer both: expected ndim=3, found ndim=2"):
        Bidirectional(LSTM(2), name="both")(Input((3,)))


def test_a_masked_sequence_equals_a_shorter_one():
    x = data(6, 5, 4)
    x[:3, 3:] = 0
    model = Sequential(
        [Masking(input_shape=(5, 4)), Bidirectional(LSTM(3, return_sequences=True)), TimeDistributed(Dense(2)), GRU(2)]
    )
    model.compile("sgd", "mse")
    short = Sequential(
        [Masking(input_shape=(3, 4)), *[layers.deserialize(layers.serialize(layer)) for layer in model.layers[1:]]]
    )
    short.set_weights(model.get_weights())
    np.testing.assert_allclose(model.predict(x)[:3], short.predict(x[:3, :3]), rtol=1e-5, atol=1e-7)


def test_a_users_wrapper_calls_build_without_a_shape(float64):
    class Twice(Wrapper):
        def build(self, input_shape=None):
            self.layer.build(input_shape)
            self.layer.built = True
            super().build()

        def compute_output_shape(self, input_shape):
            return self.layer.compute_output_shape(input_shape)

        def call(self, inputs):
            return 2.0 * self.layer.call(inputs)

    dense = Dense(2)
    model = Sequential([Twice(dense, input_shape=(3,))])
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(model.predict(x), 2 * x @ dense.get_weights()[0], rtol=1e-12)


def test_weights_of_both_directions_inside_time_distributed_keep_their_names():
    """The names that the real Keras 2.2.5 gives."""
    layer = TimeDistributed(TimeDistributed(Bidirectional(LSTM(1, name="a"))), name="outer")
    layer(Input((3, 4, 2, 2)))
    parts = ["kernel:0", "recurrent_kernel:0", "bias:0"]
    assert [w.name for w in layer.weights] == [f"outer/{way}_a/{part}" for way in ("forward", "backward") for part in parts]
    cells = TimeDistributed(Bidirectional(RNN([GRUCell(2), LSTMCell(2)], name="b")), name="outer")
    cells(Input((3, 4, 2)))
    assert [w.name for w in cells.weights][:4] == [f"outer/forward_b/{part}" for part in [*parts, "kernel_1:0"]]


def test_weights_of_a_model_inside_two_wrappers_keep_their_names():
    inner = Sequential([Dense(2, input_shape=(4,), name="c"), Dense(1, name="d")])
    layer = TimeDistributed(TimeDistributed(inner))
    layer(Input((2, 3, 4)))
    assert [w.name for w in layer.weights] == ["c/kernel:0", "c/bias:0", "d/kernel:0", "d/bias:0"]
