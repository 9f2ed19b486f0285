"""SimpleRNN, GRU, LSTM and RNN over any cell: tests in addition to the numbers of test_golden_layers.py."""

import json

import numpy as np
import pytest

from lamella import backend as K
from lamella import initializers, layers, ops
from lamella.core.random import Stream, draw_key
from lamella.layers import (
    GRU,
    LSTM,
    RNN,
    ConvLSTM2D,
    Dense,
    GRUCell,
    Input,
    Layer,
    LSTMCell,
    Masking,
    SimpleRNN,
    SimpleRNNCell,
    StackedRNNCells,
)
from lamella.models import Model, Sequential, clone_model, load_model
from lamella.ops.tape import Tape

KINDS = [SimpleRNN, GRU, LSTM]
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def first_step():
    stream = Stream()
    stream.set_state({"seed": 1, "step": 0, "epoch": 0})
    return stream


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


class MinimalRNNCell(Layer):
    """The cell of Keras's guide."""

    def __init__(self, units, **kwargs):
        self.units = units
        self.state_size = units
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), initializer="uniform", name="recurrent_kernel")
        self.built = True

    def call(self, inputs, states):
        output = K.dot(inputs, self.kernel) + K.dot(states[0], self.recurrent_kernel)
        return output, [output]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class CellWithConstants(Layer):
    def __init__(self, units, **kwargs):
        self.units = units
        self.state_size = units
        super().__init__(**kwargs)

    def build(self, input_shape):
        x, constant = input_shape
        self.kernel = self.add_weight("kernel", (x[-1], self.units))
        self.recurrent_kernel = self.add_weight("recurrent_kernel", (self.units, self.units))
        self.constant_kernel = self.add_weight("constant_kernel", (constant[-1], self.units))
        self.built = True

    def call(self, inputs, states, constants):
        y = K.dot(inputs, self.kernel) + K.dot(states[0], self.recurrent_kernel) + K.dot(constants[0], self.constant_kernel)
        return y, [y]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


# Numbers ---------------------------------------------------------------------------------------------


@kinds
def test_a_mask_with_holes_repeats_outputs_and_keeps_states(kind):
    x, mask = data(3, 5, 4), np.array([[0, 1, 0, 1, 1], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]], bool)
    layer = kind(2, return_sequences=True, return_state=True)
    y, *states = layer(x, mask=mask)
    for row in range(3):
        kept = np.flatnonzero(mask[row])
        want = np.zeros((5, 2), "float32")
        if len(kept):
            alone, *last = layer(x[row : row + 1, kept])
            for step in range(5):
                done = np.count_nonzero(kept <= step)
                want[step] = alone[0, done - 1] if done else 0
            for state, expected in zip(states, last):
                np.testing.assert_allclose(state[row], expected[0], rtol=1e-5, atol=1e-6)
        else:
            assert all((state[row] == 0).all() for state in states)
        np.testing.assert_allclose(y[row], want, rtol=1e-5, atol=1e-6)


@kinds
def test_a_mask_of_the_wrong_shape_raises_with_the_layers_name(kind):
    with pytest.raises(ValueError, match=r"Layer net: mask should have `shape=\(samples, time\)`, got \(3, 4\)"):
        kind(2, name="net")(data(3, 5, 4), mask=np.ones((3, 4), bool))
    with pytest.raises(ValueError, match="^Layer s: mask should"):  # the layer's name is in the message
        kind(2, name="s")(data(3, 5, 4), mask=np.ones((3, 4), bool))


@kinds
def test_backwards_is_forwards_of_the_reversed_input(kind):
    x, mask = data(3, 5, 4), np.array([[0, 1, 0, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)
    layer = kind(2, return_sequences=True, go_backwards=True)
    y = layer(x, mask=mask)
    forward = kind(2, return_sequences=True)
    forward(x)
    forward.set_weights(layer.get_weights())
    np.testing.assert_array_equal(forward(x[:, ::-1], mask=mask[:, ::-1]), y)


@pytest.mark.parametrize("implementation", [1, 2])
@kinds
def test_dropout_masks_are_the_same_at_each_step_and_new_in_each_call(kind, implementation):
    """With identity kernels and without recurrence, the outputs show the masks."""
    arguments = dict(activation="linear", use_bias=False, kernel_initializer="ones", recurrent_initializer="zeros")
    if kind is not SimpleRNN:
        arguments |= dict(recurrent_activation="sigmoid", implementation=implementation)
    layer = kind(3, dropout=0.5, return_sequences=True, **arguments)
    x = np.ones((64, 6, 4), "float32")
    y = layer(x, training=True)
    again = layer(x, training=True)
    if kind is SimpleRNN:
        np.testing.assert_array_equal(y, np.repeat(y[:, :1], 6, axis=1))
        assert set(np.unique(y)) == {0.0, 2.0, 4.0, 6.0, 8.0}
    assert (y != again).any()
    np.testing.assert_array_equal(layer(x), layer(x))


@pytest.mark.parametrize("cell", [GRUCell(3), GRUCell(3, implementation=2), LSTMCell(3), LSTMCell(3, implementation=2)])
def test_implementation_1_draws_a_mask_for_each_gate(cell):
    cell.dropout = 0.5
    masks = cell.masked(np.ones((50, 4), "float32"), "dropout", True)
    assert len(masks) == (cell.gates if cell.implementation == 1 else 1)
    assert len({mask.tobytes() for mask in masks}) == len(masks)
    assert all(set(np.unique(mask)) == {0.0, 2.0} for mask in masks)


@pytest.mark.parametrize(("kind", "reset_after"), [(GRU, False), (GRU, True), (LSTM, False)])
def test_dropout_of_both_implementations_equals_the_formula(kind, reset_after, float64):
    """The formula uses the same masks. The state is masked only where it is multiplied by weights."""
    more = {"reset_after": True} if reset_after else {}

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))

    for implementation in (1, 2):
        layer = kind(
            3, dropout=0.3, recurrent_dropout=0.4, implementation=implementation, recurrent_activation="sigmoid",
            bias_initializer="random_uniform", return_sequences=True, **more,
        )  # fmt: skip
        x, cell = np.random.default_rng(1).normal(size=(5, 4, 2)), layer.cell
        layer(x)
        count = cell.gates if implementation == 1 else 1
        y = first_step().run(lambda: layer(x, training=True))
        # The same step again: masks of the inputs are drawn first.
        mx = first_step().run(lambda: [ops.dropout(np.ones((5, 2)), rate=0.3, key=draw_key()) for _ in range(count)])
        mh = first_step().run(lambda: [ops.dropout(np.ones((5, 3)), rate=0.4, key=draw_key()) for _ in range(2 * count)])
        kernel, recurrent, bias = layer.get_weights()
        gates = cell.gates
        mx, mh = mx * (gates // count), mh[count:] * (gates // count)
        columns = [slice(3 * g, 3 * g + 3) for g in range(gates)]
        h = c = np.zeros((5, 3))
        b0, b1 = (bias[0], bias[1]) if reset_after else (bias, np.zeros_like(bias))
        for t in range(4):
            px = [(x[:, t] * mx[g]) @ kernel[:, own] + b0[own] for g, own in enumerate(columns)]
            ph = [(h * mh[g]) @ recurrent[:, own] + b1[own] for g, own in enumerate(columns)]
            if kind is LSTM:
                i, f, o = (sigmoid(px[g] + ph[g]) for g in (0, 1, 3))
                c = f * c + i * np.tanh(px[2] + ph[2])
                h = o * np.tanh(c)
            else:
                z, r = sigmoid(px[0] + ph[0]), sigmoid(px[1] + ph[1])
                inner = r * ph[2] if reset_after else (r * h * mh[2]) @ recurrent[:, columns[2]]
                h = z * h + (1 - z) * np.tanh(px[2] + inner)
            np.testing.assert_allclose(y[:, t], h, rtol=1e-12)


def test_the_forget_bias_is_1_and_identity_fills_each_gate():
    layer = LSTM(2, bias_initializer="zeros", recurrent_initializer=initializers.Identity(0.5))
    layer(data(1, 2, 3))
    _, recurrent, bias = layer.get_weights()
    np.testing.assert_array_equal(bias, [0, 0, 1, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(recurrent, np.tile(0.5 * np.eye(2), (1, 4)))
    assert layer.get_config()["recurrent_initializer"] == {"class_name": "Identity", "config": {"gain": 0.5}}


# Cells of users --------------------------------------------------------------------------------------


def test_a_custom_cell_trains_is_saved_and_stacked(tmp_path):
    for cell in (MinimalRNNCell(3), [MinimalRNNCell(4), GRUCell(2), MinimalRNNCell(3)]):
        x = Input((5, 4))
        model = Model(x, RNN(cell, name="net")(x))
        model.compile("sgd", "mse")
        before = model.get_weights()
        model.fit(data(6, 5, 4), data(6, 3), epochs=1, verbose=0)
        assert all((a != b).any() for a, b in zip(before, model.get_weights()))
        assert len({w.name for w in model.weights}) == len(model.weights)
        assert [w.name for w in model.weights][:2] == ["net/kernel:0", "net/recurrent_kernel:0"]
        path = tmp_path / "model.h5"
        model.save(path)
        again = load_model(path, custom_objects={"MinimalRNNCell": MinimalRNNCell})
        np.testing.assert_array_equal(again.predict(data(6, 5, 4)), model.predict(data(6, 5, 4)))


def test_a_cell_that_is_not_a_layer():
    class Counting:
        state_size = 1

        def call(self, inputs, states):
            return states[0] + 1, [states[0] + 1]

    y = RNN(Counting(), return_sequences=True)(data(2, 3, 4))
    np.testing.assert_array_equal(y, [[[1], [2], [3]]] * 2)


def test_constants_as_argument_and_in_the_list(tmp_path):
    x, c = Input((5, 4)), Input((2,))
    layer = RNN(CellWithConstants(3))
    model = Model([x, c], layer(x, constants=c))
    inputs = [data(6, 5, 4), data(6, 2, seed=1)]
    kernel, recurrent, constant = layer.get_weights()
    h = np.zeros((6, 3), "float32")
    for t in range(5):
        h = inputs[0][:, t] @ kernel + h @ recurrent + inputs[1] @ constant
    np.testing.assert_allclose(model.predict(inputs), h, rtol=1e-5, atol=1e-6)
    assert layer.get_config()["num_constants"] == 1
    known = {"CellWithConstants": CellWithConstants}
    again = Model.from_config(json.loads(json.dumps(model.get_config())), custom_objects=known)
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(inputs), model.predict(inputs))
    # A state and a constant in a flat list.
    start = Input((3,))
    flat = layers.deserialize(layers.serialize(layer), known)
    second = Model([x, start, c], flat([x, start, c]))
    flat.set_weights(layer.get_weights())
    np.testing.assert_array_equal(second.predict([inputs[0], np.zeros((6, 3)), inputs[1]]), model.predict(inputs))
    np.testing.assert_array_equal(layer(inputs[0], constants=inputs[1]), model.predict(inputs))
    with pytest.raises(ValueError, match="Layer rnn_.*An `initial_state` was passed that is not compatible"):
        layer(x, initial_state=Input((4,)), constants=[c, c])
    assert layer.get_config()["num_constants"] == 1
    with pytest.raises(ValueError, match="RNN cell does not support constants"):
        RNN(MinimalRNNCell(3))(x, constants=c)


def test_stacked_cells_set_all_weights_and_keep_the_order_of_states():
    cells = [LSTMCell(3), SimpleRNNCell(2)]
    with pytest.warns(UserWarning, match="reverse_state_order"):
        stack = StackedRNNCells(cells, reverse_state_order=True)
    assert stack.state_size == (2, 3, 3) and stack.output_size == 2
    assert StackedRNNCells(cells).state_size == (3, 3, 2)
    layer = RNN(stack, return_state=True)
    y, last, h, c = layer(data(2, 4, 3))
    np.testing.assert_array_equal(y, last)
    assert h.shape == c.shape == (2, 3)
    weights = [w + 1 for w in stack.get_weights()]
    stack.set_weights(weights)
    assert all((a == b).all() for a, b in zip(weights, layer.get_weights(), strict=True))
    config = stack.get_config()
    assert config["reverse_state_order"] and [c["class_name"] for c in config["cells"]] == ["LSTMCell", "SimpleRNNCell"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RNN(3), "`cell` should have a `call` method"),
        (lambda: RNN(type("C", (), {"call": None})()), "should have an attribute `state_size`"),
        (lambda: StackedRNNCells([LSTMCell(2), 3]), "All cells must have a `call` method"),
        (lambda: LSTM(0, name="net"), "Layer net: expected units to be a positive integer, got 0"),
        (lambda: GRU(2, dropout=float("nan"), name="net"), "Layer net, dropout: expected a finite number"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# Initial states --------------------------------------------------------------------------------------


@kinds
def test_initial_states_of_another_layer_and_of_a_file(kind, tmp_path):
    """The last states of an encoder are the initial states of a decoder. In the file they are inbound tensors."""
    source, result = Input((5, 4)), Input((3, 2))
    _, *states = kind(3, return_state=True, dropout=0.3, name="encoder")(source)
    decoded = kind(3, return_sequences=True, name="decoder")(result, initial_state=states)
    model = Model([source, result], Dense(1)(decoded))
    model.compile("adam", "mse")
    inputs = [data(6, 5, 4), data(6, 3, 2, seed=1)]
    before = model.get_weights()
    model.fit(inputs, data(6, 3, 1), verbose=0)
    assert all((a != b).any() for a, b in zip(before, model.get_weights()))
    config = {layer["name"]: layer for layer in model.get_config()["layers"]}["decoder"]
    assert [place[::2] for place in config["inbound_nodes"][0]][1:] == [["encoder", 1 + i] for i in range(len(states))]
    model.save(tmp_path / "model.h5")
    np.testing.assert_array_equal(load_model(tmp_path / "model.h5").predict(inputs), model.predict(inputs))
    states = model.get_layer("encoder")(inputs[0])[1:]
    by_hand = model.layers[-1](model.get_layer("decoder")(inputs[1], initial_state=states))
    np.testing.assert_allclose(by_hand, model.predict(inputs), rtol=1e-6)


def test_initial_states_get_gradients():
    layer = SimpleRNN(3)
    x, h = data(2, 4, 5), data(2, 3)
    layer(x)
    with Tape(layer.trainable_weights) as tape:
        start = tape.watch(h)
        loss = K.sum(layer(x, initial_state=start))
        assert np.abs(tape.gradients(loss)[-1]).min() > 0


@kinds
def test_initial_states_that_do_not_fit(kind):
    x, layer = Input((5, 4)), kind(3, name="net")
    count = 2 if kind is LSTM else 1
    with pytest.raises(ValueError, match=f"Layer has {count} states but was passed {count + 1} initial states."):
        layer(x, initial_state=[Input((3,)) for _ in range(count + 1)])
    with pytest.raises(ValueError, match="An `initial_state` was passed that is not compatible with `cell.state_size`"):
        layer(x, initial_state=[Input((4,)) for _ in range(count)])
    with pytest.raises(ValueError, match="mix of Keras tensors and non-Keras tensors"):
        layer(x, initial_state=[Input((3,)), np.zeros((2, 3))])
    with pytest.raises(ValueError, match=r"Layer net: expected 2 rows in initial state 0, got shape \(3, 3\)"):
        layer(data(2, 5, 4), initial_state=[np.zeros((3, 3))] * count)


def test_an_array_as_initial_state_is_part_of_the_call():
    x, layer = Input((5, 4)), SimpleRNN(3)
    start = data(2, 3)
    model = Model(x, layer(x, initial_state=start))
    assert len(model.inputs) == 1
    np.testing.assert_array_equal(model.predict(data(2, 5, 4)), layer(data(2, 5, 4), initial_state=start))
    again = Model.from_config(json.loads(json.dumps(model.get_config())))
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(data(2, 5, 4)), model.predict(data(2, 5, 4)))


# Stateful layers -------------------------------------------------------------------------------------


def stateful_model(kind, **arguments):
    model = Sequential([kind(3, stateful=True, batch_input_shape=(2, 4, 5), name="net", **arguments), Dense(1)])
    model.compile("sgd", "mse")
    return model


@kinds
def test_states_continue_in_predict_evaluate_and_fit(kind):
    model = stateful_model(kind)
    layer, x, y = model.layers[0], data(2, 4, 5), data(2, 1)
    reference = kind(3, return_state=True)
    reference(x)
    reference.set_weights(layer.get_weights())
    _, *first = reference(x)
    _, *second = reference(x, initial_state=first)
    values = lambda: [K.get_value(state) for state in layer.states]
    assert all((state == 0).all() for state in values())
    model.predict(x)
    np.testing.assert_array_equal(values(), first)
    model.evaluate(x, y, verbose=0)
    np.testing.assert_array_equal(values(), second)
    model.reset_states()
    assert all((state == 0).all() for state in values())
    model.fit(x, y, epochs=1, verbose=0)
    np.testing.assert_allclose(values(), first, rtol=1e-5)


@kinds
def test_shapes_summary_and_functions_do_not_change_states(kind, capsys):
    model = stateful_model(kind)
    layer = model.layers[0]
    model.summary()
    model.run([data(2, 4, 5)])
    model.run_inside([data(2, 4, 5)])
    K.function([model.input], [model.output])([data(2, 4, 5)])
    assert all((K.get_value(state) == 0).all() for state in layer.states)
    assert [update.variable for update in layer.updates] == layer.states


def test_reset_states_takes_values_and_refuses_others():
    layer = stateful_model(LSTM).layers[0]
    h, c = data(2, 3), data(2, 3, seed=1)
    layer.reset_states([h, c])
    for wrong, message in (
        ([h], "Layer net expects 2 states, but it received 1 state values. Input received:"),
        ([c, h[:1]], r"State 1 is incompatible with layer net: expected shape=\(2, 3\), found shape=\(1, 3\)"),
    ):
        with pytest.raises(ValueError, match=message):
            layer.reset_states(wrong)
        np.testing.assert_array_equal([K.get_value(state) for state in layer.states], [h, c])
    with pytest.raises(AttributeError, match="Layer must be stateful."):
        LSTM(3).reset_states()
    with pytest.raises(ValueError, match="If a RNN is stateful, it needs to know its batch size."):
        LSTM(3, stateful=True).reset_states()
    assert LSTM(3).states == [None, None]


def test_a_stateful_layer_without_a_batch_size_or_with_another_one():
    with pytest.raises(ValueError, match="Layer net: If a RNN is stateful, it needs to know its batch size."):
        GRU(3, stateful=True, name="net")(Input((4, 5)))
    model = stateful_model(GRU)
    before = K.get_value(model.layers[0].states[0])
    with pytest.raises(ValueError, match="Layer net: a stateful layer with a batch size of 2 got a batch of 3 samples"):
        model.predict_on_batch(data(3, 4, 5))
    with pytest.raises(ValueError, match=r"Input 0 is incompatible with layer net: expected shape=\(2, None, 5\)"):
        model.layers[0](data(3, 4, 5))
    np.testing.assert_array_equal(K.get_value(model.layers[0].states[0]), before)


def test_the_state_of_the_batch_before_is_a_constant():
    layer = SimpleRNN(3, stateful=True, batch_input_shape=(2, 4, 5), activation="linear")
    x = data(2, 4, 5)
    layer(x)
    layer.reset_states(start := data(2, 3, seed=3))
    plain = SimpleRNN(3, activation="linear")
    plain(x)
    plain.set_weights(layer.get_weights())

    def gradients(network, **arguments):
        with Tape(network.trainable_weights) as tape:
            return tape.gradients(K.sum(K.square(network(x, **arguments))))

    for a, b in zip(gradients(layer), gradients(plain, initial_state=start), strict=True):
        np.testing.assert_array_equal(a, b)


# Models ----------------------------------------------------------------------------------------------


@kinds
def test_the_layer_and_the_loss_get_the_mask(kind):
    x = data(4, 5, 3)
    x[0, 2:] = x[1, :3] = 0
    model = Sequential([Masking(input_shape=(5, 3)), kind(2, return_sequences=True), Dense(1)])
    model.compile("sgd", "mse")
    y = data(4, 5, 1)
    found = model.predict(x)
    mask = (x != 0).any(-1)
    want = ((found - y)[..., 0] ** 2 * mask).mean() / mask.mean()
    assert model.evaluate(x, y, verbose=0) == pytest.approx(want, rel=1e-5)
    # Only the last output: the loss gets no mask.
    last = Sequential([Masking(input_shape=(5, 3)), kind(2)])
    last.compile("sgd", "mse")
    want = ((last.predict(x) - data(4, 2)) ** 2).mean()
    assert last.evaluate(x, data(4, 2), verbose=0) == pytest.approx(want, rel=1e-5)


def test_one_layer_called_twice_and_a_free_number_of_steps():
    a, b = Input((None, 3)), Input((4, 3))
    layer = GRU(2, return_state=True)
    model = Model([a, b], [layer(a)[0], layer(b)[1]])
    assert model.output_shape == [(None, 2), (None, 2)]
    first, second = data(1, 7, 3), data(1, 4, 3)
    found = model.predict([first, second])
    np.testing.assert_array_equal(found[0], layer(first)[0])
    np.testing.assert_array_equal(found[1], layer(second)[1])


def test_shapes_masks_and_configs_of_return_state():
    layer = LSTM(2, return_state=True, return_sequences=True, unroll=True)
    assert layer.compute_output_shape((None, 5, 3)) == [(None, 5, 2), (None, 2), (None, 2)]
    mask = np.ones((4, 5), bool)
    assert layer.compute_mask(data(4, 5, 3), mask) == [mask, None, None]
    assert LSTM(2).compute_mask(data(4, 5, 3), mask) is None
    with pytest.raises(ValueError, match="Cannot unroll a RNN if the time dimension is undefined."):
        layer(Input((None, 3)))
    with pytest.raises(ValueError, match="Input 0 is incompatible with layer .*: expected ndim=3, found ndim=2"):
        layer(Input((3,)))
    config = layer.get_config()
    assert "cell" not in config and config["units"] == 2 and config["implementation"] == 1
    assert LSTM.from_config({**config, "implementation": 0}).implementation == 1
    with pytest.warns(UserWarning, match="The `implementation` argument in `SimpleRNN` has been deprecated"):
        assert "implementation" not in SimpleRNN(2, implementation=2).get_config()


def test_losses_and_freezing_include_the_cell():
    layer = LSTM(2, kernel_regularizer="l2", name="net")
    layer(data(1, 2, 3))
    assert len(layer.losses) == len(layer.cell.losses) == 1
    assert [w.name for w in layer.trainable_weights] == ["net/kernel:0", "net/recurrent_kernel:0", "net/bias:0"]
    layer.cell.trainable = False
    assert not layer.trainable_weights and len(layer.non_trainable_weights) == 3


def test_float64_weights_of_a_layer_of_float64():
    for layer in (LSTM(2, dtype="float64"), RNN(GRUCell(2), dtype="float64")):
        x = Input((3, 4), dtype="float64")
        model = Model(x, layer(x))
        assert {str(w.dtype) for w in layer.weights} == {"float64"}
        assert model.predict(np.ones((2, 3, 4))).dtype == np.float64


def test_a_clone_has_cells_of_the_same_classes():
    x = Input((5, 4))
    model = Model(x, RNN([MinimalRNNCell(3), GRUCell(2)])(x))
    twin = clone_model(model)
    assert type(twin.layers[1].cell.cells[0]) is MinimalRNNCell
    twin.set_weights(model.get_weights())
    np.testing.assert_array_equal(twin.predict(data(2, 5, 4)), model.predict(data(2, 5, 4)))


@pytest.mark.parametrize(
    ("layer", "shape", "sizes"),
    [
        (lambda: LSTM(3), (None, 2), [(3,), (3,)]),
        (lambda: GRU(3), (5, 2), [(3,)]),
        (lambda: RNN([LSTMCell(3), GRUCell(4)]), (5, 2), [(3,), (3,), (4,)]),
        (lambda: ConvLSTM2D(3, 2), (5, 4, 4, 2), [(3, 3, 3), (3, 3, 3)]),
    ],
)
def test_initial_states_of_symbolic_inputs(layer, shape, sizes):
    layer, x = layer(), Input(shape)
    layer(x)
    states = layer.get_initial_state(x)
    assert [K.int_shape(s) for s in states] == [(None, *size) for size in sizes]
    data = np.ones((2, *(n or 6 for n in shape)), "f4")
    for state, size in zip(K.function([x], states)([data]), sizes, strict=True):
        np.testing.assert_array_equal(state, np.zeros((2, *size)))


@pytest.mark.parametrize(
    "make", [lambda: LSTM(2, name="r"), lambda: layers.Bidirectional(GRU(2), name="r"), lambda: RNN(LSTMCell(2), name="r")]
)
def test_no_inputs_are_refused_by_name(make):
    for nothing in ([], ()):
        with pytest.raises(ValueError, match="^Layer r: expected a tensor, and its initial states"):
            make()(nothing)
