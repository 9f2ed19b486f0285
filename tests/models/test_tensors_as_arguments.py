"""Symbolic tensors as arguments of a layer's call: masks, and additional arguments of custom layers."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import GRU, LSTM, RNN, Bidirectional, Dense, Input, Lambda, Layer, LSTMCell, Masking, TimeDistributed
from lamella.models import Model, clone_model, load_model, model_from_json
from lamella.optimizers import SGD

RNG = np.random.default_rng(3)
X = RNG.normal(size=(4, 5, 3)).astype("f4")
HOLES = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [0, 0, 1, 0, 1], [1, 1, 0, 0, 0]], bool)


class Weighted(Layer):
    """inputs * weight * (the argument `by`, or 1)."""

    def build(self, input_shape):
        self.w = self.add_weight("w", (input_shape[-1],), initializer="ones")
        super().build(input_shape)

    def call(self, inputs, by=None, terms=()):
        y = inputs * self.w
        y = y if by is None else y * by
        for term in terms:
            y = y + term
        return y


RECURRENT = [
    lambda: LSTM(4),
    lambda: GRU(4, return_sequences=True, go_backwards=True),
    lambda: RNN(LSTMCell(3), return_sequences=True),
    lambda: Bidirectional(GRU(2, return_sequences=True)),
]


@pytest.mark.parametrize("make", RECURRENT, ids=["lstm", "gru", "rnn", "bidirectional"])
def test_a_recurrent_layer_uses_the_mask_that_is_given(make):
    layer = make()
    x, mask = Input((5, 3)), Input((5,), dtype="bool")
    model = Model([x, mask], layer(x, mask=mask))
    expected = layer(X, mask=HOLES)
    np.testing.assert_array_equal(model.predict([X, HOLES]), expected)
    assert np.abs(expected - layer(X)).max() > 1e-3


def test_a_mask_computed_from_the_input_is_used():
    x = Input((5, 3))
    padded = np.where(HOLES[..., None], X, 0)
    layer = LSTM(4)
    for mask in (Masking().compute_mask(x), K.any(K.not_equal(x, 0.0), axis=-1)):
        np.testing.assert_allclose(Model(x, layer(x, mask=mask)).predict(padded), layer(X, mask=HOLES), rtol=1e-6)


def test_a_given_mask_precedes_the_mask_of_the_input():
    x, mask = Input((5, 3)), Input((5,), dtype="bool")
    layer = LSTM(4)
    model = Model([x, mask], layer(Masking()(x), mask=mask))
    padded = X.copy()
    padded[:, 4] = 0
    np.testing.assert_array_equal(model.predict([padded, HOLES]), layer(padded, mask=HOLES))
    # So does an array.
    fixed = Model(x, layer(Masking()(x), mask=HOLES))
    np.testing.assert_array_equal(fixed.predict(padded), layer(padded, mask=HOLES))


def test_initial_states_with_a_mask():
    x, h, mask = Input((5, 3)), Input((4,)), Input((5,), dtype="bool")
    layer = GRU(4)
    model = Model([x, h, mask], layer(x, initial_state=h, mask=mask))
    start = RNG.normal(size=(4, 4)).astype("f4")
    np.testing.assert_array_equal(model.predict([X, start, HOLES]), layer(X, initial_state=start, mask=HOLES))


def test_layers_whose_call_has_a_mask_get_it():
    x, mask = Input((5, 3)), Input((5,), dtype="bool")
    total = Lambda(lambda v, mask=None: K.sum(v * K.expand_dims(K.cast(mask, "float32")), axis=1), output_shape=(3,))
    model = Model([x, mask], total(x, mask=mask))
    np.testing.assert_allclose(model.predict([X, HOLES]), (X * HOLES[..., None]).sum(1), rtol=1e-5, atol=1e-6)
    inside = TimeDistributed(Dense(2))
    outer = Model([x, mask], inside(x, mask=mask))
    np.testing.assert_array_equal(outer.predict([X, HOLES]), inside(X))


def test_tensors_in_list_arguments_of_custom_layers_get_gradients():
    x, other = Input((3,)), Input((3,))
    by, term = Dense(3, name="by"), Dense(3, name="term")
    model = Model([x, other], Weighted(name="end")(x, by=by(other), terms=[term(other), other]))
    assert [layer.name for layer in model.layers if layer.weights] == ["by", "term", "end"]
    model.compile(SGD(lr=0.01), "mse")
    a, b = RNG.normal(size=(2, 8, 3)).astype("f4")
    kernel, bias, kernel2, bias2, w = model.get_weights()
    expected = a * w * (b @ kernel + bias) + (b @ kernel2 + bias2) + b
    np.testing.assert_allclose(model.predict([a, b]), expected, rtol=1e-4, atol=1e-5)
    before = model.get_weights()
    model.fit([a, b], np.zeros((8, 3)), epochs=1, verbose=0)
    assert all(np.abs(new - old).max() > 1e-5 for new, old in zip(model.get_weights(), before))


def masked_model():
    x, mask = Input((5, 3), name="x"), Input((5,), dtype="bool", name="mask")
    h = LSTM(4, return_sequences=True, name="first")(x, mask=mask)
    return Model([x, mask], GRU(2, name="second")(h, mask=mask))


def test_files_configs_and_clones_keep_the_tensors(tmp_path):
    model = masked_model()
    expected = model.predict([X, HOLES])
    model.compile("sgd", "mse")
    model.save(str(tmp_path / "m.h5"))
    twins = [load_model(str(tmp_path / "m.h5")), model_from_json(model.to_json()), clone_model(model)]
    for twin in twins:
        twin.set_weights(model.get_weights())
        np.testing.assert_array_equal(twin.predict([X, HOLES]), expected)
    nodes = next(entry for entry in model.get_config()["layers"] if entry["name"] == "second")["inbound_nodes"]
    assert nodes == [[["first", 0, 0, {"mask": ["mask", 0, 0]}]]]


def test_a_model_of_such_calls_inside_another():
    inner = masked_model()
    x, mask = Input((5, 3)), Input((5,), dtype="bool")
    outer = Model([x, mask], inner([x, mask]))
    np.testing.assert_array_equal(outer.predict([X, HOLES]), inner.predict([X, HOLES]))


def test_a_tensor_of_another_graph_raises():
    x, mask = Input((5, 3)), Input((5,), dtype="bool", name="far")
    with pytest.raises(ValueError, match="Graph disconnected.*far"):
        Model(x, LSTM(2)(x, mask=mask))
    with pytest.raises(ValueError, match="Layer net was called on arrays, with the symbolic tensors"):
        LSTM(2, name="net")(X, mask=mask)


def test_gradients_and_functions_of_k_with_the_argument():
    x, other = Input((3,)), Input((3,))
    y = Weighted()(x, by=other)
    slope = K.function([x, other], K.gradients(K.sum(y), [other]))
    a, b = RNG.normal(size=(2, 4, 3)).astype("f4")
    np.testing.assert_allclose(slope([a, b])[0], a, rtol=1e-6)
