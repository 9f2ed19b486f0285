"""Recurrent layers with random values of their arguments: masks, states that stay, go in and come out, both directions, stacks."""

import json

import numpy as np
from layers_of_images import maybe
from parts import attempt, facts_of, one_of, results_of, set_random_weights

NAMES = """SimpleRNN GRU LSTM SimpleRNN GRU LSTM Bidirectional Bidirectional RNN StackedRNNCells ConvLSTM2D TimeDistributed
LSTM GRU Stateful Stateful BidirectionalStates InitialState Constants""".split()
GATES = ["sigmoid", "hard_sigmoid", "tanh"]
DECIDED = {
    "supports_masking: False in Keras, True here": "an attribute of Bidirectional that nothing reads, as it has its own masks",
    ".config.config.output_layers[0][2]: 1 in Keras, 0 here": "in Keras the output of an unrolled layer and its state are one tensor",
    ".config.config.output_layers[0][2]: 2 in Keras, 0 here": "likewise, the first outputs of Bidirectional",
    ".config.config.output_layers[1][2]: 3 in Keras, 1 here": "likewise",
    "reverse_state_order: only in lamella": "StackedRNNCells has all arguments in its config",
}


def arguments_of(random, name, flags=True):
    named = {}
    maybe(random, named, "activation", "tanh", "relu", "sigmoid", "linear", "elu")
    if name != "SimpleRNN":
        maybe(random, named, "recurrent_activation", *GATES)
        maybe(random, named, "implementation", 1, 2, rate=0.6)
    if name == "GRU":
        maybe(random, named, "reset_after", True, False)
    if name == "LSTM":
        maybe(random, named, "unit_forget_bias", True, False)
    maybe(random, named, "use_bias", True, False)
    for prefix in ("kernel", "recurrent", "bias"):
        maybe(random, named, f"{prefix}_regularizer", "l1", "l2", "l1_l2", rate=0.2)
        maybe(random, named, f"{prefix}_constraint", "max_norm", "non_neg", "unit_norm", rate=0.2)
    if flags:
        maybe(random, named, "activity_regularizer", "l1", "l2", rate=0.2)
        for flag in ("return_sequences", "return_state", "go_backwards", "unroll"):
            maybe(random, named, flag, True, False)
    return named


class Scaled:
    """Makes the class of a cell that multiplies by its constant; keras.layers is imported when a program runs."""

    def __new__(cls):
        from keras import backend as K
        from keras import layers

        class ScaledCell(layers.Layer):
            def __init__(self, units, **options):
                self.units = self.state_size = units
                super().__init__(**options)

            def build(self, input_shape):
                step, constant = input_shape if isinstance(input_shape, list) else (input_shape, None)
                self.kernel = self.add_weight(shape=(step[-1], self.units), initializer="ones", name="kernel")
                if constant is not None:
                    self.scale = self.add_weight(shape=(constant[-1], self.units), initializer="ones", name="scale")
                self.built = True

            def call(self, inputs, states, constants=None):
                output = K.dot(inputs, self.kernel) + 0.5 * states[0]
                return (output * K.tanh(K.dot(constants[0], self.scale)) if constants else output), [output]

            def get_config(self):
                return dict(super().get_config(), units=self.units)

        return ScaledCell


def layer_of(name, units, named, choice):
    """The layer, and its call on the inputs."""
    from keras import layers

    named = dict(named)
    flags = {flag: named.pop(flag) for flag in list(named) if flag.startswith("return") or flag in ("unroll", "go_backwards")}
    kind = getattr(layers, choice["kind"])
    if name in ("Bidirectional", "BidirectionalStates"):
        mode = None if name == "BidirectionalStates" else choice["merge_mode"]
        return layers.Bidirectional(kind(units, **named, **flags), merge_mode=mode)
    if name == "RNN":
        return layers.RNN(getattr(layers, choice["kind"] + "Cell")(units, **named), **flags)
    if name == "StackedRNNCells":
        cells = [getattr(layers, kind + "Cell")(units + i) for i, kind in enumerate(choice["cells"])]
        return layers.RNN(cells if choice["listed"] else layers.StackedRNNCells(cells), **flags)
    if name == "Constants":
        return layers.RNN(Scaled()(units), **flags)
    if name == "TimeDistributed":
        return layers.TimeDistributed(kind(units, **named, **flags))
    return kind(units, **named, **flags)


def arrays(random, *shape):
    return random.standard_normal(shape).astype("float32")


def program(name, units, named, choice, x, seed):
    def run():
        from keras import layers, models

        layer = layer_of(name, units, named, choice)
        entry = layers.Input(x.shape[1:] if choice["known"] else (None, *x.shape[2:]))
        masked = layers.Masking(0.0)(entry) if choice["masked"] and x.ndim == 3 else entry
        entries, values, more = [entry], [x], {}
        if name in ("InitialState", "BidirectionalStates", "Constants"):
            count = {"LSTM": 2}.get(choice["kind"], 1) * (2 if name == "BidirectionalStates" else 1)
            beside = [layers.Input((units if name != "Constants" else 2,)) for _ in range(1 if name == "Constants" else count)]
            random = np.random.RandomState(seed)
            entries, values = [entry, *beside], [x, *[arrays(random, len(x), *b._keras_shape[1:]) for b in beside]]
            more = {"constants" if name == "Constants" else "initial_state": beside}
        in_list = more and choice["listed"] and name != "Constants"
        outputs = layer([masked, *beside]) if in_list else layer(masked, **more)
        model = models.Model(entries, outputs)
        shape = attempt(layer.compute_output_shape, (None, *x.shape[1:]))
        again = attempt(lambda: models.Model.from_config(model.get_config(), {"ScaledCell": Scaled()}).count_params())
        facts = {
            "computed": shape,
            "again": again,
            "layer": facts_of(layer),
            "config": attempt(lambda: json.loads(model.to_json())),
        }
        return facts | {"results": results_of(model, values if len(values) > 1 else x, seed)}

    return run


def stateful_program(units, named, choice, x, seed):
    """Several batches whose states stay, forgotten in between."""

    def run():
        from keras import backend as K
        from keras import layers, models

        layer = getattr(layers, choice["kind"])(units, stateful=True, **named)
        entry = layers.Input(batch_shape=(2, *x.shape[1:]))
        model = models.Model(entry, layer(layers.Masking(0.0)(entry) if choice["masked"] else entry))
        set_random_weights(model, np.random.RandomState(seed))
        result = {"first": model.predict(x, batch_size=2), "second": model.predict(x, batch_size=2)}
        result["stateful"] = model.stateful, len(model.state_updates), len(model.updates)
        result["states"] = [K.get_value(state) for state in layer.states]
        model.reset_states()
        result["third"] = model.predict(x[:2], batch_size=2)
        layer.reset_states([np.full((2, units), 0.5) for _ in layer.states])
        result["given"] = model.predict(x[:2], batch_size=2)
        model.compile("sgd", "mse")
        y = model.predict_on_batch(x[:2])
        y = [0 * v for v in y] if isinstance(y, list) else 0 * y
        result["steps"] = [model.train_on_batch(x[:2], y) for _ in range(2)]
        result["tested"] = model.test_on_batch(x[:2], y)
        result["weights"] = model.get_weights()
        result["last"] = model.predict_on_batch(x[:2])
        return result

    return run


def cases(random, count):
    for i in range(count):
        name, kind = NAMES[i % len(NAMES)], one_of(random, "SimpleRNN", "GRU", "LSTM")
        kind = name if name in ("SimpleRNN", "GRU", "LSTM", "ConvLSTM2D") else kind
        units, rows, steps, features = (int(v) for v in random.randint(1, 5, 4))
        named = arguments_of(random, kind)
        choice = {
            "kind": kind,
            "merge_mode": one_of(random, "sum", "mul", "ave", "concat", None),
            "cells": [one_of(random, "SimpleRNN", "GRU", "LSTM") for _ in range(2)],
            "listed": bool(random.uniform() < 0.5),
            "masked": bool(random.uniform() < 0.5),
            "known": bool(named.get("unroll") or random.uniform() < 0.6),
        }
        x = arrays(random, rows, steps, features)
        if name == "ConvLSTM2D":
            named = {k: v for k, v in named.items() if k not in ("unroll", "implementation", "reset_after")}
            named |= {"kernel_size": int(random.randint(1, 4))}
            maybe(random, named, "padding", "same", "valid")
            maybe(random, named, "strides", 1, 2, (2, 1))
            x, choice["known"] = arrays(random, rows, steps, 5, 4, features), True
        if name == "TimeDistributed":
            named.pop("return_state", None)
            x, choice["known"] = arrays(random, rows, 2, steps, features), True
        if x.ndim == 3:
            x[random.uniform(size=x.shape[:2]) < 0.3] = 0
        text = f"{i}:{name}({units}, {named}) {choice} {x.shape}"
        seed = int(random.randint(1e6))
        if name == "Stateful":
            named.pop("unroll", None)
            yield text, stateful_program(units, named, choice, arrays(random, 4, steps, features), seed)
        else:
            yield text, program(name, units, named, choice, x, seed)
