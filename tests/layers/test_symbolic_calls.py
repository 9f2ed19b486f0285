"""layer.call(x) of a symbolic tensor is a call of the layer."""

import pickle

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import (
    LSTM,
    Add,
    BatchNormalization,
    Bidirectional,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    GlobalMaxPooling1D,
    Input,
    Lambda,
    TimeDistributed,
)
from lamella.models import Model, Sequential

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Dense(3), (4,)),
        (Conv2D(2, 3), (5, 5, 2)),
        (BatchNormalization(), (4,)),
        (LSTM(3, return_state=True), (5, 2)),
        (Bidirectional(LSTM(3, return_sequences=True), merge_mode="sum"), (5, 2)),
        (TimeDistributed(Dense(2)), (5, 2)),
        (GlobalMaxPooling1D(), (5, 2)),
        (Embedding(3, 2), (4,)),
        (Lambda(lambda x: 2 * x), (4,)),
        (Sequential([Dense(2, input_shape=(4,)), Dense(1)]), (4,)),
    ],
    ids=lambda each: type(each).__name__ if not isinstance(each, tuple) else "",
)
def test_it_gives_what_the_layer_gives(layer, shape):
    x = Input(shape)
    called, made = layer(x), layer.call(x)
    called, made = (each if isinstance(each, list) else [each] for each in (called, made))
    assert [K.int_shape(y) for y in made] == [K.int_shape(y) for y in called]
    data = RNG.integers(0, 3, (2, *shape)).astype("f4")
    for one, other in zip(K.function([x], called)([data]), K.function([x], made)([data]), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(Model(x, made).trainable_weights) == len(layer.trainable_weights)


def test_arguments_by_position_and_lists():
    x = Input((1000,))
    dropped = K.function([x], [Dropout(0.5).call(x, True)])([np.ones((1, 1000))])[0]
    assert 350 < (dropped == 0).sum() < 650 and set(np.unique(dropped)) == {0, 2}
    y = Input((1000,))
    one, two = RNG.normal(size=(2, 3, 1000)).astype("f4")
    np.testing.assert_array_equal(K.function([x, y], [Add().call([x, y])])([one, two])[0], one + two)


def test_subclasses_run_their_own_code_once():
    class Doubled(Dense):
        def call(self, inputs):
            return 2 * super().call(inputs)

    x, layer = Input((3,)), Doubled(2)
    layer(x)
    data = RNG.normal(size=(4, 3)).astype("f4")
    wanted = 2 * data @ layer.get_weights()[0]
    np.testing.assert_allclose(K.function([x], [layer(x)])([data])[0], wanted, rtol=1e-5)
    with pytest.raises(TypeError, match="is symbolic"):
        layer.call(x)


def test_a_model_whose_call_uses_the_call_of_its_layers():
    class Twice(Model):
        def __init__(self):
            super().__init__()
            self.first, self.second = Dense(4, activation="tanh"), Sequential([Dense(1, input_shape=(4,))])

        def call(self, inputs):
            return self.second.call(self.first.call(inputs))

    model, x = Twice(), RNG.normal(size=(8, 3)).astype("f4")
    model.compile("sgd", "mse")
    before = model.predict(x)
    a, b, c, d = model.get_weights()
    np.testing.assert_allclose(before, np.tanh(x @ a + b) @ c + d, rtol=1e-4, atol=1e-6)
    model.train_on_batch(x, before - 1)
    assert model.get_weights()[3] == pytest.approx(d - 0.01 * 2, abs=1e-6)


def test_the_calls_of_plans_are_found_by_name():
    # cloudpickle pickles a function that it does not find by name with all its globals, some of which cannot be pickled.
    for layer in (Dense, Dropout, LSTM, Add, Lambda):
        call = next(vars(c)["call"] for c in layer.__mro__ if "call" in vars(c))
        assert pickle.loads(pickle.dumps(call)) is call and pickle.loads(pickle.dumps(call.on_values)) is call.on_values
