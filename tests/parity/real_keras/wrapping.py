"""Wrappers around wrappers and models: TimeDistributed and Bidirectional, nested, of masked sequences, with states, frozen and thawed."""

import numpy as np
from graphs import without_scopes
from parts import attempt, facts_of, names_and_shapes, one_of, results_of, set_random_weights

DECIDED = {
    "supports_masking: False in Keras, True here": "an attribute of Bidirectional that nothing reads, as it has its own masks",
    ("cell.config.cells[", ".config.name: "): "GRU, LSTM and SimpleRNN are their own cells, which take no names",
    "reverse_state_order: only in lamella": "StackedRNNCells has all arguments in its config",
}
MERGES = "concat", "sum", "mul", "ave"


def recurrent(random, regularized=True, **named):
    """A recurrent layer of some kind; sequences stay sequences."""
    from keras import layers

    units = int(random.randint(1, 4))
    named = {"return_sequences": True} | named
    if random.uniform() < 0.3:
        named["go_backwards"] = True
    if random.uniform() < 0.3:
        named["kernel_regularizer"] = "l2"
    if regularized and random.uniform() < 0.2:
        named["activity_regularizer"] = "l2"
    makers = [
        lambda: layers.SimpleRNN(units, **named),
        lambda: layers.GRU(units, reset_after=bool(random.uniform() < 0.5), **named),
        lambda: layers.LSTM(units, implementation=int(random.randint(1, 3)), **named),
        lambda: layers.RNN(layers.LSTMCell(units), **{k: v for k, v in named.items() if k != "kernel_regularizer"}),
        lambda: layers.RNN(
            [layers.GRUCell(2), layers.SimpleRNNCell(units)], **{k: v for k, v in named.items() if k != "kernel_regularizer"}
        ),
    ]
    return one_of(random, *makers)()


def two_sided(random, **named):
    from keras import layers

    return layers.Bidirectional(recurrent(random, **named), merge_mode=one_of(random, *MERGES))


def plain_model(random, width):
    """A model of vectors: sequential, a graph with a layer used twice, or with a model inside."""
    from keras import layers, models

    units = int(random.randint(1, 4))
    kind = one_of(random, "sequential", "graph", "nested")
    stack = models.Sequential(
        [layers.Dense(units, activation="tanh", kernel_regularizer="l2", input_shape=(width,)), layers.Dense(2)]
    )
    if kind == "sequential":
        return stack
    entry, layer = layers.Input((width,)), layers.Dense(width, activation="sigmoid", use_bias=bool(random.uniform() < 0.5))
    x = layers.add([layer(entry), layer(layer(entry))])
    return models.Model(entry, stack(x) if kind == "nested" else layers.Dense(units)(x))


def sequence_model(random, width, steps):
    """A model of sequences, without activity regularizers, which Keras forgets of models inside TimeDistributed."""
    from keras import layers, models

    entry = layers.Input((steps, width))
    x = recurrent(random, regularized=False)(layers.Masking(0.0)(entry) if random.uniform() < 0.5 else entry)
    if random.uniform() < 0.5:
        x = two_sided(random, regularized=False, return_sequences=False)(x)
    return models.Model(entry, x)


def of_sequences(random, steps, width):
    """A layer for [N, T, F]."""
    from keras import layers

    makers = [
        lambda: layers.TimeDistributed(layers.Dense(int(random.randint(1, 4)), activation="tanh", activity_regularizer="l2")),
        lambda: layers.TimeDistributed(plain_model(random, width)),
        lambda: layers.TimeDistributed(layers.BatchNormalization(momentum=0.0, epsilon=0.1)),
        lambda: layers.TimeDistributed(layers.LeakyReLU(0.2)),
        lambda: layers.TimeDistributed(layers.Dropout(0.0)),
        lambda: two_sided(random),
        lambda: two_sided(random, return_sequences=False),
        lambda: sequence_model(random, width, steps),
        lambda: layers.Bidirectional(recurrent(random, name="named"), merge_mode=one_of(random, *MERGES), name="both"),
    ]
    return one_of(random, *makers)()


def of_sequences_of_sequences(random, shape):
    """A layer for [N, S, T, F]."""
    from keras import layers

    makers = [
        lambda: layers.TimeDistributed(two_sided(random)),
        lambda: layers.TimeDistributed(recurrent(random, return_sequences=False)),
        lambda: layers.TimeDistributed(sequence_model(random, shape[2], shape[1])),
        lambda: layers.TimeDistributed(layers.TimeDistributed(plain_model(random, shape[2]))),
        lambda: layers.TimeDistributed(layers.TimeDistributed(layers.Dense(2))),
        lambda: layers.TimeDistributed(layers.Conv1D(2, 2, padding=one_of(random, "same", "causal", "valid"))),
        lambda: layers.TimeDistributed(layers.Flatten()),
        lambda: layers.TimeDistributed(layers.GlobalMaxPooling1D()),
        lambda: layers.TimeDistributed(layers.TimeDistributed(layers.PReLU())),
    ]
    return one_of(random, *makers)()


def of_images(random):
    """A layer for [N, T, H, W, C]."""
    from keras import layers

    named = {"padding": one_of(random, "same", "valid"), "return_sequences": bool(random.uniform() < 0.5)}
    makers = [
        lambda: layers.Bidirectional(layers.ConvLSTM2D(2, 2, **named), merge_mode=one_of(random, *MERGES)),
        lambda: layers.TimeDistributed(layers.Conv2D(2, 2, strides=int(random.randint(1, 3)))),
        lambda: layers.TimeDistributed(layers.SeparableConv2D(2, 2)),
        lambda: layers.TimeDistributed(layers.GlobalAveragePooling2D()),
        lambda: layers.TimeDistributed(layers.TimeDistributed(layers.MaxPooling1D(2))),
        lambda: layers.TimeDistributed(layers.UpSampling2D()),
    ]
    return one_of(random, *makers)()


def switched(model, layer):
    """The counts of weights that train while the layer, and what it wraps, is frozen and thawed."""
    counts = []
    for part in (layer, getattr(layer, "layer", layer), layer):
        part.trainable = not part.trainable
        counts.append([len(model.trainable_weights), len(model.non_trainable_weights), len(model.losses), len(model.updates)])
    return counts


def program(shape, x, masked, free, again, seed):
    def run():
        from keras import layers, models

        random = np.random.RandomState(seed)
        entry = layers.Input((None, *shape[1:]) if free else shape)
        tensor = layers.Masking(0.0)(entry) if masked else entry
        layer = (
            of_sequences(random, *shape)
            if len(shape) == 2
            else of_images(random)
            if len(shape) == 4
            else of_sequences_of_sequences(random, shape)
        )
        result = {"fresh": attempt(lambda: [layer.name, type(layer).__name__, layer.trainable])}
        y = layer(tensor)
        if again:
            y = layers.concatenate([y, layer(layers.Lambda(lambda v: v * 0.5)(entry))])
        rank = len(y._keras_shape)
        if rank == 3 and random.uniform() < 0.5:
            second = two_sided(random, return_sequences=False)
            y = second(y)
            result["second"] = facts_of(second)
        model = models.Model(entry, y)
        result["layer"] = facts_of(layer)
        result["again"] = (
            attempt(lambda: without_scopes(models.Model.from_config(model.get_config()).weights)) if not again else 0
        )
        result["computed"] = attempt(layer.compute_output_shape, (None, *shape))
        result["results"] = results_of(model, x, seed)
        result["order"] = names_and_shapes(model.weights), [np.shape(w) for w in layer.get_weights()]
        model.summary()  # after a switch Keras adds what compile saw as trainable to what is frozen now
        result["switched"] = switched(model, layer)
        result["inner"] = attempt(lambda: [layer.layer.name, layer.layer.input_shape, layer.layer.output_shape])
        return result

    return run


def with_states(kind, mode, sequences, x, initial, seed):
    """Bidirectional recurrent layers that return states, and may get initial ones; stateful ones keep none in Keras's predict."""

    def run():
        from keras import layers, models

        layer = layers.Bidirectional(getattr(layers, kind)(3, return_sequences=sequences, return_state=True), merge_mode=mode)
        entry = layers.Input(batch_shape=x.shape)
        count = (4 if kind == "LSTM" else 2) * initial
        states = [layers.Input(batch_shape=(len(x), 3)) for _ in range(count)]
        fed = [x, *[np.random.RandomState(seed + i).standard_normal((len(x), 3)) for i in range(count)]]
        model = models.Model([entry, *states], layer(entry, initial_state=states) if initial else layer(entry))
        set_random_weights(model, np.random.RandomState(seed))
        result = {"facts": facts_of(layer), "predicted": [model.predict(fed, batch_size=len(x)) for _ in range(2)]}
        return result | {"copy": attempt(lambda: models.Model.from_config(model.get_config()).count_params())}

    return run


def cases(random, count):
    for i in range(count):
        rows, seed = int(random.randint(2, 4)), int(random.randint(1e6))
        if i % 5 == 4:
            kind, mode = one_of(random, "SimpleRNN", "GRU", "LSTM"), one_of(random, *MERGES, None)
            initial, sequences = int(random.randint(2)), bool(random.uniform() < 0.5)
            x = random.standard_normal((rows, 4, 2)).astype("float32")
            yield f"{i}: {kind} {mode} {sequences} {initial}", with_states(kind, mode, sequences, x, initial, seed)
            continue
        shape = one_of(random, (4, 3), (5, 2), (3, 4, 2), (2, 3, 3), (3, 4, 5, 2))
        x = random.standard_normal((rows, *shape)).astype("float32")
        masked = len(shape) == 2 and random.uniform() < 0.6
        if masked:
            x[random.uniform(size=x.shape[:2]) < 0.3] = 0
            x[:, 0] = 0.5
        free, again = len(shape) == 2 and random.uniform() < 0.3, random.uniform() < 0.2
        yield f"{i}: {shape} {masked} {free} {again}", program(shape, x, bool(masked), bool(free), bool(again), seed)
