"""Recurrent layers that keep or hand over states: inside models, shared by models, and in the encoder and decoder of a guide."""

import numpy as np
from graphs import without_scopes
from parts import attempt, one_of, set_random_weights

DECIDED = {}
KINDS = "SimpleRNN", "GRU", "LSTM", "Cells"  # of a stateful ConvLSTM2D inside a model, Keras wants the inner input fed


def recurrent(kind, units, **named):
    from keras import layers

    if kind == "Cells":
        return layers.RNN([layers.GRUCell(units), layers.LSTMCell(units)], **named)
    return getattr(layers, kind)(units, **named)


def every_layer(model):
    for layer in model.layers:
        yield from every_layer(layer) if hasattr(layer, "layers") else [layer]


def states_of(model):
    """The values of all states that are kept."""
    from keras import backend as K

    stateful = [layer for layer in every_layer(model) if getattr(layer, "stateful", False)]
    return [[K.get_value(state) for state in layer.states] for layer in stateful]


def kept(kind, units, shape, mask, nesting, calls, x, y, seed):
    """Stateful layers inside models, over several batches, with resets between."""

    def run():
        from keras import layers, models

        first = layers.Masking(0.0, batch_input_shape=shape) if mask else layers.Activation("linear", batch_input_shape=shape)
        stack = [first, recurrent(kind, units, stateful=True, return_sequences=nesting == "two")]
        if nesting == "two":
            stack.append(recurrent(kind, 2, stateful=True))
        inner = models.Sequential(stack)
        if nesting == "graph":
            entry = layers.Input(batch_shape=shape)
            out = layers.Dense(2)(layers.Flatten()(inner(entry)))
            model = models.Model(entry, out)
        else:
            model = models.Sequential([inner, layers.Flatten(), layers.Dense(2)])
        set_random_weights(model, np.random.RandomState(seed))
        model.compile("sgd", "mse")
        result = {"stateful": [model.stateful, inner.stateful, [layer.stateful for layer in inner.layers]]}
        result["updates"] = [len(model.state_updates), len(model.weights), without_scopes(model.weights)]
        done = []
        for call in calls:
            if call == "reset":
                model.reset_states()
            elif call == "reset inner":
                inner.reset_states()
            elif call == "reset layer":
                inner.layers[1].reset_states()
            elif call == "set":
                values = [np.full(s.shape, 0.1 * (i + 1)) for i, s in enumerate(states_of(inner)[0])]
                done.append(attempt(inner.layers[1].reset_states, values if len(values) > 1 else values[0]))
            elif call == "predict":
                done.append(model.predict(x, batch_size=shape[0]))
            elif call == "inner":
                done.append(inner.predict(x[: shape[0]], batch_size=shape[0]))
            elif call == "train":
                done.append(model.train_on_batch(x[: shape[0]], y[: shape[0]]))
            elif call == "fit":
                history = model.fit(x, y, batch_size=shape[0], epochs=2, shuffle=False, verbose=0, validation_data=(x, y))
                done += [history.history["loss"], history.history["val_loss"]]
            elif call == "evaluate":
                done.append(model.evaluate(x, y, batch_size=shape[0], verbose=0))
            done.append([call, states_of(model)])
        return result | {"done": done, "wrong": attempt(model.predict, x[:1]), "weights": model.get_weights()}

    return run


def handed(kind, units, tokens, merged, x, seed):
    """Encoder and decoder: trained as one model, then run as two that share its layers, with states as inputs and outputs."""

    def run():
        from keras import layers, models

        size = 5
        entry = layers.Input((None, size), name="encoder_in")
        before = layers.Masking(0.0)(entry) if merged else entry
        encoder = recurrent(kind, units, return_state=True)
        _, *states = encoder(before)
        given = layers.Input((None, size), name="decoder_in")
        decoder = recurrent(kind, units, return_sequences=True, return_state=True)
        sequence, *_ = decoder(given, initial_state=states)
        last = layers.Dense(size, activation="softmax", name="last")
        model = models.Model([entry, given], last(sequence))
        set_random_weights(model, np.random.RandomState(seed))
        model.compile("sgd", "categorical_crossentropy", metrics=["acc"])
        y = np.eye(size)[tokens]
        result = {"trained": [model.train_on_batch([x, y], np.roll(y, -1, 1)) for _ in range(2)]}
        result["predicted"] = model.predict([x, y])
        coder = models.Model(entry, states)
        held = [layers.Input((units,)) for _ in states]
        step, *after = decoder(given, initial_state=held)
        stepper = models.Model([given, *held], [last(step), *after])
        values = coder.predict(x)
        values = values if isinstance(values, list) else [values]
        token, words = y[:, :1], []
        for _ in range(4):
            probabilities, *values = stepper.predict([token, *values])
            words.append(probabilities.argmax(-1))
            token = np.eye(size)[words[-1]]
        result |= {"words": words, "values": values, "nodes": [len(decoder._inbound_nodes), len(last._inbound_nodes)]}
        result["shapes"] = [coder.output_shape, stepper.output_shape, decoder.get_output_shape_at(1)]
        model.summary()
        stepper.summary()
        result["copy"] = attempt(lambda: without_scopes(models.Model.from_config(stepper.get_config()).weights))
        result["whole"] = attempt(lambda: models.Model.from_config(model.get_config()).count_params())
        return result | {"weights": model.get_weights()}

    return run


CALLS = "predict predict inner train fit evaluate reset set".split()


def cases(random, count):
    for i in range(count):
        seed, units = int(random.randint(1e6)), int(random.randint(1, 4))
        if i % 3 == 2:
            kind, tokens, merged = KINDS[i // 3 % 3], random.randint(0, 5, (3, 4)), bool(random.uniform() < 0.5)
            x = random.standard_normal((3, 3, 5)).astype("float32")
            x[:, 1:][random.uniform(size=(3, 2)) < 0.4] = 0
            yield f"{i}: {kind} {units} {merged} handed", handed(kind, units, tokens, merged, x, seed)
            continue
        kind, nesting = one_of(random, *KINDS), one_of(random, "one", "two", "graph")
        batch = int(random.randint(1, 4))
        shape = (batch, 3, 2)
        x, y = random.standard_normal((2 * batch, *shape[1:])).astype("float32"), random.standard_normal((2 * batch, 2))
        mask = random.uniform() < 0.4
        if mask:
            x[random.uniform(size=x.shape[:2]) < 0.3] = 0
        calls = [one_of(random, *CALLS, *(["reset inner", "reset layer"])) for _ in range(random.randint(2, 7))]
        yield f"{i}: {kind} {units} {nesting} {mask} {calls}", kept(kind, units, shape, bool(mask), nesting, calls, x, y, seed)
