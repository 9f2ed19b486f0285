"""Recurrent layers of each kind whose states stay over batches, epochs and resets, and custom cells."""

import numpy as np
import parts
from parts import attempt, each, facts_of, results_of, set_random_weights
from recurrent_models import arguments, fitted

DECIDED = {
    "supports_masking: False in Keras, True here": "an attribute of Bidirectional that nothing reads, as it has its own masks",
    "reverse_state_order: only in lamella": "StackedRNNCells has all arguments in its config",
}


def staying(random, one_of):
    """A stateful layer of one of many kinds over batches, epochs and resets."""
    from keras import backend as K
    from keras import layers, models

    kind = one_of("LSTM", "GRU", "SimpleRNN")
    named, units = arguments(one_of, kind), int(random.randint(1, 4))
    form = one_of("plain", "state", "cells", "images", "stack", "return")  # in Keras, Bidirectional forgets that it is stateful
    shape = (2, 3, 2)
    if form == "images":
        layer = layers.ConvLSTM2D(units, 2, stateful=True, return_sequences=one_of(True, False), padding="same")
        shape = (2, 2, 4, 3, 1)
    elif form == "cells":
        cells = [getattr(layers, k + "Cell")(units + i) for i, k in enumerate([kind, one_of("LSTM", "GRU", "SimpleRNN")])]
        layer = layers.RNN(cells, stateful=True, return_sequences=one_of(True, False))
    else:
        layer = getattr(layers, kind)(
            units, stateful=True, return_sequences=form == "stack", return_state=form == "state", **named
        )
    entry = layers.Input(batch_shape=shape)
    output = layer(layers.Masking(0.0)(entry) if len(shape) == 3 and one_of(True, False) else entry)
    if form == "stack":
        output = getattr(layers, kind)(units, stateful=True, go_backwards=one_of(True, False))(output)
    model = models.Model(entry, output)
    set_random_weights(model, random)
    x = random.standard_normal((6, *shape[1:])).astype("float32")
    x[random.rand(*x.shape[:2]) < 0.2] = 0
    result = {"first": model.predict(x, batch_size=2), "second": model.predict_on_batch(x[:2])}
    y = model.predict(x, batch_size=2)
    y = [0 * v for v in y] if isinstance(y, list) else 0 * y
    model.compile("sgd", "mse")
    result["fit"] = fitted(model, x, y, batch_size=2, epochs=2)
    result["states"] = attempt(lambda: [K.get_value(state) for state in layer.states])
    result["tested"] = model.evaluate(x, y, batch_size=2, verbose=0)
    if one_of(True, False):
        model.reset_states()
        result["reset"] = attempt(lambda: [K.get_value(state) for state in layer.states])
    elif form in ("plain", "return", "stack"):
        result["given"] = each(
            right=lambda: layer.reset_states([np.full((2, units), 0.25) for _ in layer.states]),
            few=lambda: layer.reset_states([]),
            wrong=lambda: layer.reset_states([np.zeros((3, units)) for _ in layer.states]),
            one=lambda: layer.reset_states(np.full((2, units), 0.5)),
        )
    result["last"] = model.predict(x, batch_size=2)
    result["updates"] = [len(model.updates), len(model.state_updates), len(layer.updates), model.stateful]
    return result | {"layer": facts_of(layer)}


def own_cell():
    from keras import backend as K
    from keras import layers, regularizers

    class Leaky(layers.Layer):
        """Two states of different sizes, and an output that is neither."""

        def __init__(self, units, rate=0.5, **options):
            self.units, self.rate = units, rate
            self.state_size, self.output_size = (units, 2), units + 2
            super().__init__(**options)

        def build(self, input_shape):
            self.kernel = self.add_weight(
                "kernel", (input_shape[-1], self.units), initializer="ones", regularizer=regularizers.l2(0.02)
            )
            self.mix = self.add_weight(name="mix", shape=(self.units, 2), initializer="ones")
            super().build(input_shape)

        def call(self, inputs, states):
            slow = self.rate * states[0] + (1 - self.rate) * K.tanh(K.dot(inputs, self.kernel))
            count = states[1] + K.dot(slow, self.mix)
            return K.concatenate([slow, count]), [slow, count]

        def get_config(self):
            return dict(super().get_config(), units=self.units, rate=self.rate)

    return Leaky


def cells(random, one_of):
    """RNN of a custom cell, alone, in a list or both ways."""
    from keras import layers, models, utils

    leaky, units = own_cell(), int(random.randint(1, 4))
    flags = {"return_sequences": one_of(True, False), "go_backwards": one_of(True, False), "unroll": one_of(True, False)}
    form = one_of("alone", "list", "below", "both", "state", "given")
    entry = layers.Input((3, 2))
    masked = layers.Masking(0.0)(entry) if one_of(True, False) else entry
    entries = [entry]
    if form == "list":
        layer = layers.RNN([leaky(units), layers.GRUCell(2), leaky(units, 0.1)], **flags)
    elif form == "below":
        layer = layers.RNN([layers.LSTMCell(3), leaky(units)], **flags)
    else:
        layer = layers.RNN(leaky(units), return_state=form == "state", **flags)
    if form == "both":
        with utils.CustomObjectScope({"Leaky": leaky}):
            mode = one_of("sum", "concat")
            layer = layers.Bidirectional(layers.RNN(leaky(units), **dict(flags, go_backwards=False)), merge_mode=mode)
    if form == "given":
        entries += [layers.Input((units,)), layers.Input((2,))]
        output = layer(masked, initial_state=entries[1:])
    else:
        output = layer(masked)
    model = models.Model(entries, output)
    values = [random.standard_normal((3, *e._keras_shape[1:])).astype("float32") for e in entries]
    values[0][random.rand(3, 3) < 0.3] = 0
    with utils.CustomObjectScope({"Leaky": leaky}):
        again = attempt(lambda: models.Model.from_config(model.get_config()).count_params())
    return {"again": again, "layer": facts_of(layer), "results": results_of(model, values if len(values) > 1 else values[0], 7)}


def cases(random, count):
    return parts.programs([staying, staying, cells], random, count)
