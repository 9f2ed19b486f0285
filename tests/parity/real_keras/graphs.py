"""Random graphs of layers: shared layers and models inside, several inputs and outputs, frozen parts, copies and descriptions."""

import json

import numpy as np
from parts import as_json, attempt, each, names_and_shapes, one_of, results_of, set_random_weights

DECIDED = {
    "][3].mask: only in Keras": "clone_model passes mask=None, which stays in the config of the copy",
    "_1' here": "two outputs of one layer have two names, as in tf.keras; in Keras they share one entry of the history",
    "_1_loss' here": "two outputs of one layer have two names",
    ".config.trainable: only in lamella": "the config of a frozen model says so",
}


def steps_of(random, inputs):
    """A list of (what, sources, number): each makes one more tensor."""
    count, steps = inputs, []
    for _ in range(random.randint(2, 9)):
        what = one_of(
            random, "Dense", "Dense", "Shared", "Shared", "Add", "Multiply", "Concatenate", "Inner", "InnerGraph", "Again",
            "Activation", "PReLU", "Norm", "Dropout", "Reshape", "Two", "Merge", "Lambda", "Recur", "Convolve", "Deep", "Pair",
        )  # fmt: skip
        sources = [int(random.randint(max(0, count - 4), count)) for _ in range(2)]
        steps.append((what, sources, int(random.randint(1, 4))))
        count += 2 if what in ("Two", "Pair") else 1
    return steps


def scaled(x, by):
    from keras import backend as K

    return K.tanh(x * by) + K.mean(x, axis=-1, keepdims=True)


class Builder:
    """Makes the tensors of the steps; layers that are used again are kept."""

    def __init__(self):
        self.shared, self.regularized, self.inner, self.layers = {}, {}, {}, []

    def keep(self, layer):
        self.layers.append(layer)
        return layer

    def width(self, tensor):
        return tensor._keras_shape[-1]

    def tensors(self, what, x, y, number):
        from keras import layers, models

        if what == "Dense":
            name = f"named_{len(self.layers)}" if number == 3 else None
            return [self.keep(layers.Dense(number + 1, activation="tanh", kernel_regularizer="l2", name=name))(x)]
        if what == "Shared":
            key = self.width(x)
            layer = self.shared.setdefault(key, layers.Dense(3, activity_regularizer="l2" if number == 1 else None))
            if layer.activity_regularizer and x in self.regularized:
                # Keras finds losses by their inputs: of calls on one tensor it counts those outside of the model, too.
                return [self.regularized[x]]
            self.regularized[x] = self.keep(layer)(x)
            return [self.regularized[x]]
        if what in ("Add", "Multiply"):
            if self.width(x) != self.width(y):
                y = self.keep(layers.Dense(1 if number == 1 else self.width(x)))(y)
            return [self.keep(getattr(layers, what)())([x, y])]
        if what == "Concatenate":
            return [layers.concatenate([x, y, x])]
        if what == "Inner":
            stack = [
                layers.Dense(2, input_shape=(self.width(x),)),
                layers.Dropout(0.0),
                layers.Dense(number, activation="relu"),
            ]
            self.inner[self.width(x)] = self.keep(models.Sequential(stack, name="stack" if number == 3 else None))
            return [self.inner[self.width(x)](x)]
        if what == "InnerGraph":
            a, b = layers.Input((self.width(x),)), layers.Input((self.width(y),))
            inner = models.Model([a, b], layers.add([layers.Dense(number)(a), layers.Dense(number, use_bias=False)(b)]))
            return [self.keep(inner)([x, y])]
        if what == "Two":
            a = layers.Input((self.width(x),))
            inner = models.Model(a, [layers.Dense(number)(a), layers.Dense(2)(layers.BatchNormalization(momentum=0.0)(a))])
            return inner(x)
        if what == "Merge":
            kind = ["Subtract", "Average", "Maximum", "Minimum"][number - 1]
            wide = y if self.width(x) == self.width(y) else layers.Dense(self.width(x), activation="elu")(y)
            return [self.keep(getattr(layers, kind)())([x, wide]) if number > 1 else layers.dot([x, wide], 1)]
        if what == "Lambda":
            return [layers.Lambda(scaled, arguments={"by": number / 2}, name="scaled" if number == 1 else None)(x)]
        if what == "Recur":
            repeated = layers.RepeatVector(2)(x)
            kind = [layers.GRU, layers.LSTM, layers.SimpleRNN, layers.SimpleRNN][number - 1]
            layer = layers.Bidirectional(kind(2), merge_mode="sum") if number == 4 else kind(number, recurrent_regularizer="l2")
            return [self.keep(layer)(repeated)]
        if what == "Convolve":
            image = layers.Reshape((self.width(x), 1))(x)
            image = layers.Conv1D(number, 2, padding="same", activation="tanh", bias_regularizer="l1")(image)
            return [layers.GlobalAveragePooling1D()(image) if number < 3 else layers.GlobalMaxPooling1D()(image)]
        if what == "Deep":
            inner = models.Sequential(
                [layers.Dense(2, activation="tanh", kernel_regularizer="l2", input_shape=(self.width(x),))]
            )
            outer = self.inner[self.width(x)] = self.keep(models.Sequential([inner, layers.Dense(number)]))
            return [outer(x)]
        if what == "Pair":
            state = layers.Dense(2)(y)
            return layers.GRU(2, return_state=True)(layers.RepeatVector(2)(x), initial_state=state)
        if what == "Again":
            return [self.inner.get(self.width(x), layers.Activation("sigmoid"))(x)]
        if what == "PReLU":
            return [self.keep(layers.PReLU(alpha_regularizer="l2"))(x)]
        if what == "Norm":
            return [layers.BatchNormalization(momentum=0.0, epsilon=0.1)(x)]  # never frozen: that is decided otherwise
        if what == "Reshape":
            return [layers.Flatten()(layers.Reshape((1, self.width(x)))(x))]
        return [layers.Dropout(0.0)(x) if what == "Dropout" else layers.Activation("tanh")(x)]


def built(widths, steps, outputs, added):
    from keras import backend as K
    from keras import layers, models

    builder = Builder()
    entries = [layers.Input((width,), name=f"in_{width}" if width == 4 else None) for width in widths]
    tensors = list(entries)
    for what, (i, j), number in steps:
        tensors += builder.tensors(what, tensors[i], tensors[j], number)
    ends = list(dict.fromkeys(tensors[i] for i in outputs))
    if not all(hasattr(end, "_keras_history") and end not in entries for end in ends):
        ends = [layers.Activation("linear")(end) if end in entries else end for end in ends]
    model = models.Model(entries, ends if len(ends) > 1 else ends[0])
    if added:
        model.add_loss(K.mean(K.square(ends[0])))
    return model, builder


def without_functions(config):
    """The config without what it says of the functions of Lambdas, which Keras marshals and lamella refuses to write to files."""
    for layer in config["layers"]:
        if layer["class_name"] == "Lambda":
            layer["config"] = {n: layer["config"][n] for n in ("name", "trainable", "dtype", "arguments")}
    return config


def without_scopes(weights):
    """Names and shapes of weights; TensorFlow numbers the names of layers anew in each copy."""
    return [(name.rsplit("/", 1)[-1], shape) for name, shape in names_and_shapes(weights)]


def facts_of_model(model):
    from keras import backend as K

    return each(
        layers=lambda: [layer.name for layer in model.layers],
        nodes=lambda: [len(layer._inbound_nodes) for layer in model.layers],
        inputs=lambda: [(K.int_shape(x), x.dtype if isinstance(x.dtype, str) else x.dtype.name) for x in model.inputs],
        outputs=lambda: [K.int_shape(x) for x in model.outputs],
        names=lambda: (model.name, model.input_names, model.output_names),
        shapes=lambda: (model.input_shape, model.output_shape),
        computed=lambda: model.compute_output_shape(model.input_shape),
        weights=lambda: without_scopes(model.weights),
        trainable=lambda: without_scopes(model.trainable_weights),
        others=lambda: without_scopes(model.non_trainable_weights),
        counts=lambda: (model.count_params(), len(model.losses), len(model.updates), len(model.state_updates)),
        at=lambda: [[K.int_shape(x.get_output_at(i)) for i in range(len(x._inbound_nodes))] for x in model.layers],
        got=lambda: [(model.get_layer(index=i).name, model.get_layer(x.name) is x) for i, x in enumerate(model.layers)],
        inbound=lambda: [
            [[x.name for x in np.atleast_1d(np.array(node.inbound_layers, object))] for node in layer._inbound_nodes]
            for layer in model.layers
        ],
        config=lambda: without_functions(as_json(model.get_config())),
        described=lambda: any(type(layer).__name__ == "Lambda" for layer in model.layers) or json.loads(model.to_json()),
    )


def program(widths, steps, outputs, added, frozen, x, seed):
    def run():
        from keras import models

        model, builder = built(widths, steps, outputs, added)
        result = {"model": facts_of_model(model)}
        set_random_weights(model, np.random.RandomState(seed))
        model.summary()
        model.summary(line_length=72, positions=[0.4, 0.6, 0.8, 1.0])
        data = x if len(x) > 1 else x[0]
        for name, make in (
            ("again", lambda: type(model).from_config(model.get_config())),
            ("clone", lambda: models.clone_model(model)),
        ):
            copy = attempt(make)
            result[name] = copy if isinstance(copy, dict) else facts_of_model(copy)
            if not isinstance(copy, dict):
                copy.set_weights(model.get_weights())
                result[f"{name} predicts"] = copy.predict(data)
        for i in frozen:
            if i < len(builder.layers):
                builder.layers[i].trainable = False
        result["frozen"] = facts_of_model(model)
        result["results"] = attempt(results_of, model, data, seed)
        result["metrics"] = model.metrics_names
        for layer in builder.layers:
            layer.trainable = not layer.trainable
        result["thawed"] = [len(model.trainable_weights), len(model._collected_trainable_weights)]
        return result

    return run


def cases(random, count):
    for i in range(count):
        widths = [int(v) for v in random.randint(1, 5, random.randint(1, 4))]
        widths = widths if widths.count(4) < 2 else [min(width, 3) for width in widths]
        steps = steps_of(random, len(widths))
        made = len(widths) + sum(2 if what in ("Two", "Pair") else 1 for what, *_ in steps)
        outputs = [made - 1, *random.randint(len(widths), made, random.randint(3))]
        for j in range(len(widths)):  # each input is used
            steps.append(("Add", [int(outputs[0]) if j == 0 else made + j - 1, j], 2))
        outputs = [made + len(widths) - 1, *(int(v) for v in outputs[1:])]
        frozen = [int(v) for v in random.randint(0, 6, random.randint(0, 3))]
        rows = int(random.randint(2, 5))
        x = [random.standard_normal((rows, width)).astype("float32") for width in widths]
        added = bool(random.uniform() < 0.2)
        text = f"{i}: {widths} {' '.join(f'{what}{sources}{number}' for what, sources, number in steps)} {outputs}"
        yield text, program(widths, steps, outputs, added, frozen, x, int(random.randint(1e6)))
