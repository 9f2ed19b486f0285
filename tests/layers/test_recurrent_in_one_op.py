"""The op over all steps of a recurrent layer gives the same numbers as the plain loop over steps."""

import numpy as np
import pytest

from lamella import layers
from lamella.core import config
from lamella.core.random import Stream
from lamella.layers.recurrent import rnn
from lamella.ops.tape import Tape, value_of

N, T, F, UNITS = 7, 6, 5, 9
KINDS = {
    "SimpleRNN": (layers.SimpleRNN, {}),
    "GRU": (layers.GRU, {}),
    "GRU reset after": (layers.GRU, {"reset_after": True}),
    "LSTM": (layers.LSTM, {}),
    "CuDNNGRU": (layers.CuDNNGRU, {}),
    "CuDNNLSTM": (layers.CuDNNLSTM, {}),
}
PLAIN = [name for name in KINDS if "CuDNN" not in name]


@pytest.fixture
def float64():
    before = config.floatx()
    config.set_floatx("float64")
    yield
    config.set_floatx(before)


def the_loop(*_, **__):
    return None


def no_loop(*_, **__):
    raise AssertionError("the loop ran")


def results(layer, arrays, mask, training):
    """Outputs and states, and the gradients of a weighted sum of them with respect to weights, inputs and initial states."""
    first_step = Stream()
    first_step.set_state({"seed": 1, "step": 0, "epoch": 0})
    with Tape(layer.trainable_weights) as tape:
        x, *states = [tape.watch(a) for a in arrays]
        named = {} if mask is None else {"mask": mask}
        out = first_step.run(lambda: layer(x, initial_state=states, training=training, **named))
    rng = np.random.default_rng(5)
    gradients = tape.gradients([(y, rng.normal(size=y.shape)) for y in out])
    return [value_of(y) for y in out] + gradients


def both_ways(monkeypatch, layer, mask=None, training=False):
    rng = np.random.default_rng(1)
    states = 2 if "LSTM" in type(layer).__name__ else 1
    arrays = [rng.normal(size=(N, T, F)), *(rng.normal(size=(N, UNITS)) for _ in range(states))]
    layer(arrays[0])
    layer.set_weights([0.5 * rng.normal(size=w.shape) for w in layer.weights])
    with monkeypatch.context() as patched:
        patched.setattr(rnn, "over_time", no_loop)
        found = results(layer, arrays, mask, training)
    with monkeypatch.context() as patched:
        patched.setattr(rnn, "in_one_op", the_loop)
        wanted = results(layer, arrays, mask, training)
    assert len(found) == len(wanted) == 1 + states + 3 + 1 + states - (0 if layer.cell.bias is not None else 1)
    for got, right in zip(found, wanted, strict=True):
        assert got.dtype == right.dtype == np.float64 and got.shape == right.shape
        np.testing.assert_allclose(got, right, rtol=0, atol=1e-13 * max(1.0, np.abs(right).max()))


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("go_backwards", [False, True])
def test_op_and_loop_give_the_same_numbers(monkeypatch, float64, name, return_sequences, go_backwards):
    kind, options = KINDS[name]
    layer = kind(UNITS, return_sequences=return_sequences, go_backwards=go_backwards, return_state=True, **options)
    both_ways(monkeypatch, layer)


@pytest.mark.parametrize("name", PLAIN)
def test_masks_of_any_pattern(monkeypatch, float64, name):
    kind, options = KINDS[name]
    mask = np.random.default_rng(2).random((N, T)) < 0.5
    mask[0], mask[1], mask[:, 2] = False, True, False
    both_ways(monkeypatch, kind(UNITS, return_sequences=True, return_state=True, **options), mask)


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("implementation", [1, 2])
def test_the_same_dropout_masks(monkeypatch, float64, name, implementation):
    kind, options = KINDS[name]
    if kind is not layers.SimpleRNN:
        options = {**options, "implementation": implementation}
    for rates in ({"dropout": 0.3}, {"recurrent_dropout": 0.4}, {"dropout": 0.3, "recurrent_dropout": 0.4}):
        both_ways(monkeypatch, kind(UNITS, return_state=True, **rates, **options), training=True)


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh", "sigmoid", "hard_sigmoid"])
def test_every_activation_of_the_kernel(monkeypatch, float64, activation):
    both_ways(monkeypatch, layers.LSTM(UNITS, activation=activation, use_bias=False, return_state=True))
    both_ways(monkeypatch, layers.GRU(UNITS, recurrent_activation=activation, return_state=True))


def test_rnn_over_a_cell_also_uses_the_op(monkeypatch):
    monkeypatch.setattr(rnn, "over_time", no_loop)
    assert layers.RNN(layers.GRUCell(3))(np.zeros((2, 4, 5), "float32")).shape == (2, 3)


class Twice(layers.SimpleRNNCell):
    """A custom cell with the weights of SimpleRNNCell."""

    def call(self, inputs, states, training=None):
        y, states = super().call(inputs, states, training)
        return 2 * y, states


def test_cells_without_a_kernel_use_the_loop():
    x = np.ones((2, 3, 4), "float32")
    layer = layers.LSTM(3, activation="softsign", weights=None)
    assert layer(x).shape == (2, 3)
    twice, once = layers.RNN(Twice(3, name="cell")), layers.SimpleRNN(3)
    once(x), twice(x)
    twice.set_weights(once.get_weights())
    np.testing.assert_array_equal(twice(x), 2 * once(x))
    with pytest.raises(ValueError, match=r"mask should have `shape=\(samples, time\)`, got \(2, 2\)"):
        once(x, mask=np.ones((2, 2), bool))
    with pytest.raises(ValueError, match="expected at least one time step"):
        once(x[:, :0])
