"""Models around recurrent layers: encoders and decoders with their models for inference, attention, wrappers around models."""

import numpy as np
import parts
from parts import attempt, facts_of, results_of, set_random_weights
from typed import typed

DECIDED = {}


def arguments(one_of, kind):
    """Some arguments of a recurrent layer."""
    named = {
        "recurrent_regularizer": one_of(None, "l2"),
        "kernel_constraint": one_of(None, "max_norm"),
        "use_bias": one_of(True, False),
    }
    named |= {"activation": one_of("tanh", "sigmoid"), "dropout": 0.0, "unroll": one_of(False, False, True)}
    if kind != "SimpleRNN":
        named |= {"implementation": one_of(1, 2), "recurrent_activation": one_of("sigmoid", "hard_sigmoid")}
    if kind == "GRU":
        named["reset_after"] = one_of(True, False)
    return named


def fitted(model, x, y, **options):
    history = model.fit(x, y, verbose=0, shuffle=False, **options)
    # Outputs of one layer share a name in Keras, and have two in lamella.
    return typed(history.history if len(model.outputs) == 1 else history.history["loss"]), model.get_weights()


def translator(random, one_of):
    """An encoder whose states start a decoder, and the two models of inference that decode step by step."""
    from keras import layers, models

    kind, units, steps = one_of("LSTM", "GRU", "SimpleRNN"), int(random.randint(2, 5)), int(random.randint(2, 5))
    named = arguments(one_of, kind)
    decoder_named = dict(named, unroll=False)
    make = getattr(layers, kind)
    count = 2 if kind == "LSTM" else 1
    entry = layers.Input((steps, 3)) if named["unroll"] else layers.Input((None, 3))
    masked = one_of(True, False)
    read = layers.Masking(0.0)(entry) if masked else entry
    _, *states = make(units, return_state=True, **named)(read)
    target = layers.Input((None, 2))
    decoder = make(units, return_sequences=True, return_state=True, **decoder_named)
    sequence, *_ = decoder(target, initial_state=states if one_of(True, False) or count > 1 else states[0])
    dense = layers.Dense(2, activation="softmax")
    model = models.Model([entry, target], dense(sequence))
    set_random_weights(model, random)
    model.compile("rmsprop", "categorical_crossentropy", metrics=["acc"])
    x, t = random.standard_normal((4, steps, 3)).astype("float32"), random.standard_normal((4, 3, 2)).astype("float32")
    x[random.rand(4, steps) < 0.3] = 0
    y = np.eye(2)[random.randint(0, 2, (4, 3))]
    result = {"fit": fitted(model, [x, t], y, batch_size=2, epochs=2), "predicted": model.predict([x, t])}
    encode = models.Model(entry, states)
    given = [layers.Input((units,)) for _ in range(count)]
    output, *after = decoder(target, initial_state=given)
    decode = models.Model([target, *given], [dense(output), *after])
    values = encode.predict(x)
    values = values if isinstance(values, list) else [values]
    step, outputs = t[:, :1], []
    for _ in range(3):
        step, *values = decode.predict([step, *values])
        outputs.append(step)
    config = attempt(lambda: models.Model.from_config(model.get_config()).count_params())
    clone = attempt(lambda: with_weights(models.clone_model(model), model).predict([x, t]))
    return result | {"decoded": outputs, "states": values, "config": config, "clone": clone, "layer": facts_of(decoder)}


def with_weights(model, other):
    model.set_weights(other.get_weights())
    return model


def attention(random, one_of):
    """Sequences weighed by a softmax over their steps, with the layers that scripts use for it."""
    from keras import backend as K
    from keras import layers, models

    steps, units = int(random.randint(2, 5)), int(random.randint(2, 4))
    entry = layers.Input((steps, 2))
    kind = one_of("LSTM", "GRU")
    sequence = getattr(layers, kind)(units, return_sequences=True, **arguments(one_of, kind))(entry)
    sequence = (
        layers.Bidirectional(layers.SimpleRNN(units, return_sequences=True))(sequence) if one_of(True, False) else sequence
    )
    width = sequence._keras_shape[-1]
    form = one_of("dot", "multiply", "lambda", "permute")
    scores = layers.TimeDistributed(layers.Dense(1, activation="tanh"))(sequence)
    if form == "permute":
        scores = layers.Permute((2, 1))(layers.Dense(steps, activation="softmax")(layers.Permute((2, 1))(sequence)))
        output = layers.Lambda(lambda v: K.sum(v, axis=1))(layers.multiply([sequence, scores]))
    else:
        weights = layers.Activation("softmax")(layers.Flatten()(scores))
        if form == "dot":
            output = layers.dot([weights, sequence], axes=1, normalize=one_of(True, False))
        elif form == "multiply":
            weighed = layers.multiply([sequence, layers.Permute([2, 1])(layers.RepeatVector(width)(weights))])
            output = layers.Lambda(lambda v: K.sum(v, axis=-2), output_shape=(width,))(weighed)
        else:
            output = layers.Lambda(lambda v: K.batch_dot(K.expand_dims(v[0], 1), v[1])[:, 0])([weights, sequence])
    model = models.Model(entry, layers.Dense(2)(output))
    x = random.standard_normal((3, steps, 2)).astype("float32")
    return {"shape": model.output_shape, "results": results_of(model, x, 8)}


def wrapped(random, one_of):
    """TimeDistributed and Bidirectional around models and layers of each kind, also nested, with masks."""
    from keras import layers, models

    inside = one_of("model", "sequential", "conv", "rnn", "both", "twice", "flat")
    shape = {"conv": (2, 4, 4, 1), "rnn": (2, 3, 2), "both": (2, 3, 2), "twice": (2, 3, 2), "flat": (2, 3, 2)}.get(
        inside, (3, 2)
    )
    entry = layers.Input(shape)
    masked = layers.Masking(0.0)(entry) if len(shape) == 2 and one_of(True, False) else entry
    if inside == "model":
        a = layers.Input((2,))
        # Keras loses the activity regularizers of a model inside.
        layer = layers.TimeDistributed(models.Model(a, layers.Dense(3)(layers.Dense(2, activation="tanh")(a))))
    elif inside == "sequential":
        layer = layers.TimeDistributed(
            models.Sequential([layers.Dense(2, input_shape=(2,), kernel_regularizer="l1"), layers.PReLU()])
        )
    elif inside == "conv":
        layer = layers.TimeDistributed(one_of(layers.Conv2D(2, 2), layers.MaxPooling2D(), layers.GlobalAveragePooling2D()))
    elif inside == "rnn":
        layer = layers.TimeDistributed(layers.GRU(2, return_sequences=one_of(True, False)))
    elif inside == "both":
        layer = layers.TimeDistributed(layers.Bidirectional(layers.SimpleRNN(2), merge_mode=one_of("sum", "concat", "mul")))
    elif inside == "twice":
        layer = layers.TimeDistributed(layers.TimeDistributed(layers.Dense(2, activation="relu")))
    else:
        layer = layers.TimeDistributed(layers.Flatten())
    output = layer(masked)
    output = layers.TimeDistributed(layers.Flatten())(output) if len(output._keras_shape) > 3 else output
    final = layers.Bidirectional(layers.LSTM(2, return_sequences=one_of(True, False)), merge_mode=one_of("ave", "concat"))(
        output
    )
    model = models.Model(entry, final)
    x = random.standard_normal((3, *shape)).astype("float32")
    if len(shape) == 2:
        x[random.rand(*x.shape[:2]) < 0.3] = 0
    again = attempt(lambda: models.Model.from_config(model.get_config()).count_params())
    return {"inside": inside, "again": again, "layer": facts_of(layer), "results": results_of(model, x, 9)}


def cases(random, count):
    return parts.programs([translator, attention, wrapped], random, count)
