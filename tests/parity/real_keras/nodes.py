"""Layers and models that are called several times, on masked and plain inputs: get_*_at, losses and updates for inputs, messages."""

from parts import attempt, each, names_and_shapes, one_of, results_of

DECIDED = {
    (
        "only Keras raises AttributeError: 'Layer model_",
        "has multiple inbound nodes",
    ): "input and output of a model remain its own when it is called again",
    (
        "only Keras raises AttributeError: 'Layer sequential_",
        "has multiple inbound nodes",
    ): "input and output of a model remain its own when it is called again",
    ".few on.node 0.output_mask: True in Keras": "the mask of a model's own output, which Keras's first node of a model forgets",
    ".few on.alone.output_mask: True in Keras": "the mask of a model's own output, which Keras's first node of a model forgets",
    ".result.after[1].node 0.output_mask: True in Keras": "the mask of a model's own output, which Keras's first node of a model forgets",
}


def layer_of(what, number):
    from keras import backend as K
    from keras import layers, models

    made = {
        "Dense": lambda: layers.Dense(number, kernel_regularizer="l2"),
        "Active": lambda: layers.Dense(number, activation="tanh", activity_regularizer="l2"),
        "Norm": lambda: layers.BatchNormalization(momentum=0.0, epsilon=0.1),
        "LSTM": lambda: layers.LSTM(number, return_sequences=True),
        "Distributed": lambda: layers.TimeDistributed(layers.Dense(number)),
        "Spread": lambda: layers.TimeDistributed(layers.BatchNormalization(momentum=0.0, epsilon=0.1)),
        "Both": lambda: layers.Bidirectional(layers.GRU(number, return_sequences=True)),
        "Lambda": lambda: layers.Lambda(lambda v: K.tanh(v)),
        "Dropout": lambda: layers.Dropout(0.0),
        "Model": lambda: models.Sequential(
            [layers.Dense(number, input_shape=(4, 3), activity_regularizer="l2"), layers.BatchNormalization(momentum=0.0)]
        ),
        "Recurrent": lambda: models.Sequential([layers.SimpleRNN(number, return_sequences=True, input_shape=(4, 3))]),
        "Permute": lambda: layers.Permute((2, 1)),
    }
    return made[what]()


WHAT = "Dense Active Norm LSTM Distributed Spread Both Lambda Dropout Model Recurrent Permute".split()


def shape_of(tensor):
    from keras import backend as K

    if isinstance(tensor, (list, tuple)):
        return [shape_of(part) for part in tensor]
    return None if tensor is None else K.int_shape(tensor)


def at_nodes(layer, inputs=()):
    """What a layer says of each of its calls, of one too many, and of calls on these inputs."""
    count = len(layer._inbound_nodes)
    result = {"count": count}
    for i in range(count + 1):
        result[f"node {i}"] = each(
            input=lambda i=i: shape_of(layer.get_input_at(i)),
            output=lambda i=i: shape_of(layer.get_output_at(i)),
            input_shape=lambda i=i: layer.get_input_shape_at(i),
            output_shape=lambda i=i: layer.get_output_shape_at(i),
            input_mask=lambda i=i: layer.get_input_mask_at(i) is None,
            output_mask=lambda i=i: layer.get_output_mask_at(i) is None,
        )
    result["alone"] = each(
        input=lambda: shape_of(layer.input),
        output=lambda: shape_of(layer.output),
        input_shape=lambda: layer.input_shape,
        output_shape=lambda: layer.output_shape,
        input_mask=lambda: layer.input_mask is None,
        output_mask=lambda: layer.output_mask is None,
    )
    if not inputs:
        return result
    result["losses"] = len(layer.losses)
    result["updates"] = len(layer.updates)
    inside = getattr(layer, "layer", layer)
    result["inside"] = len(inside.losses), len(inside.updates)
    result["losses for"] = [attempt(lambda x=x: len(layer.get_losses_for(x))) for x in [None, *inputs]]
    result["updates for"] = [attempt(lambda x=x: len(layer.get_updates_for(x))) for x in [None, *inputs]]
    return result


def program(what, number, calls, x, seed):
    """The layer on several tensors: inputs, masked inputs, its own output."""

    def run():
        from keras import layers, models

        layer = layer_of(what, number)
        entries = [layers.Input(part.shape[1:]) for part in x]
        fed, outputs, sources = [], [], []
        for how, which in calls:
            tensor = entries[which]
            if how == "masked":
                tensor = layers.Masking(0.0)(tensor)
            elif how == "scaled":
                tensor = layers.Activation("sigmoid")(tensor)
            elif how == "own" and outputs and what in ("Norm", "Lambda", "Dropout"):
                tensor, which = outputs[-1], sources[-1]
            fed.append(tensor)
            outputs.append(layer(tensor))
            sources.append(which)
        result = {"before a model": at_nodes(layer, fed)}
        used = sorted(set(sources))
        ends = [layers.GlobalMaxPooling1D()(layers.Lambda(lambda v: v * 1.0)(y)) for y in outputs]
        model = models.Model([entries[i] for i in used], layers.concatenate(ends) if len(ends) > 1 else ends[0])
        few = models.Model(entries[sources[-1]], outputs[-1])
        # Of two calls on one tensor, Keras counts the losses and updates of both for each.
        once = len({("plain" if how == "own" else how, which) for how, which in calls}) == len(calls)
        result["of models"] = [
            [
                once and len(m.losses),
                once and len(m.updates),
                len(m.layers),
                [len(y._inbound_nodes) for y in m.layers],
                m.count_params(),
            ]
            for m in (model, few)
        ]
        for name, m in (("model", model), ("few", few)):
            result[f"{name} on"] = attempt(lambda m=m: at_nodes(m))
        result["mask"] = attempt(lambda: few.compute_mask(few.inputs[0], None) is None)
        outer = layers.Input(x[sources[-1]].shape[1:])
        again = few(outer)
        result["after"] = [at_nodes(layer), at_nodes(few), shape_of(again)]
        more = models.Model(outer, again)
        result["more"] = [len(more.losses), len(more.updates), more.predict(x[sources[-1]]).shape]
        result["weights"] = names_and_shapes(model.weights)
        result["results"] = results_of(model, [x[i] for i in used] if len(used) > 1 else x[used[0]], seed)
        if what in ("Norm", "Spread", "Model"):  # TensorFlow leaves the order of several updates to chance
            del result["results"]["weights"], result["results"]["after"]
        if what not in ("Model", "Recurrent") or once:  # a second call alike has the node of the first
            model.summary()
        few.summary()
        more.summary()
        return result

    return run


def cases(random, count):
    for i in range(count):
        rows, what, number = int(random.randint(2, 5)), WHAT[i % len(WHAT)], int(random.randint(1, 4))
        x = [random.standard_normal((rows, 4, 3)).astype("float32") for _ in range(2)]
        for part in x:
            part[random.uniform(size=part.shape[:2]) < 0.3] = 0
            part[:, 0] = 0.5
        calls = [
            (one_of(random, "plain", "masked", "scaled", "own"), int(random.randint(2))) for _ in range(random.randint(1, 4))
        ]
        yield f"{i}:{what}{number} {calls}", program(what, number, calls, x, int(random.randint(1e6)))
