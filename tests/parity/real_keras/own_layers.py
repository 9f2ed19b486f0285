"""Random stacks of the layers that scripts write themselves, after Keras 2's guides, with masks, wrappers and Lambda around them."""

from graphs import facts_of_model
from parts import attempt, facts_of, one_of, results_of

BLOCKS = """Mine Mine Pair Masked Adds Counts Holds Scaled Attend Lambda LambdaWith Distributed DistributedModel DistributedTwice Cell Cells
Both Functions Phase Masking Recurrent Pooled""".split()
FUNCTIONS = "Lambda", "LambdaWith", "Scaled", "Functions", "DistributedTwice"
DECIDED = {
    "config.reverse_state_order: only in lamella": "StackedRNNCells has all arguments in its config",
    "config.kernel_regularizer: only in lamella": "arguments that a class's own get_config forgets are kept",
    "Unknown layer: Cell": "Bidirectional finds the class of a script's cell without custom_object_scope",
}


def classes():
    """Classes of layers as in the guides; keras is imported when a program runs."""
    from keras import backend as K
    from keras import constraints, initializers, layers, regularizers

    class Mine(layers.Layer):
        def __init__(self, output_dim, kernel_regularizer=None, **kwargs):
            self.output_dim, self.kernel_regularizer = output_dim, regularizers.get(kernel_regularizer)
            super().__init__(**kwargs)
            self.supports_masking = True

        def build(self, input_shape):
            self.kernel = self.add_weight(
                name="kernel", shape=(input_shape[-1], self.output_dim), initializer="uniform", trainable=True,
                regularizer=self.kernel_regularizer,
            )  # fmt: skip
            self.frozen = self.add_weight(name="frozen", shape=(1,), initializer=initializers.Constant(0.5), trainable=False)
            super().build(input_shape)

        def call(self, x):
            return K.dot(x, self.kernel) + self.frozen

        def compute_output_shape(self, input_shape):
            return (*input_shape[:-1], self.output_dim)

        def get_config(self):
            return dict(super().get_config(), output_dim=self.output_dim)

    class Pair(layers.Layer):
        def build(self, input_shape):
            assert isinstance(input_shape, list)
            self.scale = self.add_weight(
                "scale", shape=(input_shape[0][-1],), initializer="ones", constraint=constraints.NonNeg()
            )
            super().build(input_shape)

        def call(self, x):
            return [x[0] * self.scale, K.max(x[1], axis=-1, keepdims=True)]

        def compute_output_shape(self, input_shape):
            return [input_shape[0], (*input_shape[1][:-1], 1)]

        def compute_mask(self, inputs, mask=None):
            return [None, None]

    class Masked(layers.Layer):
        """Uses the mask, and hands none on."""

        def __init__(self, **kwargs):
            self.supports_masking = True
            super().__init__(**kwargs)
            self.supports_masking = True

        def call(self, x, mask=None):
            return x if mask is None else x * K.expand_dims(K.cast(mask, K.floatx()))

        def compute_mask(self, inputs, mask=None):
            return None

    class Adds(layers.Layer):
        def call(self, x):
            self.add_loss(0.01 * K.sum(K.square(x)), inputs=x)
            return x

    class Counts(layers.Layer):
        def build(self, input_shape):
            self.count = self.add_weight(name="count", shape=(), initializer="zeros", trainable=False)
            self.stateful = True
            super().build(input_shape)

        def call(self, x):
            self.add_update([(self.count, self.count + 1.0)], x)
            return x * 1.0

    class Holds(layers.Layer):
        def build(self, input_shape):
            self.inner = layers.Dense(input_shape[-1], activation="tanh", name="inner")  # Keras forgets its penalties
            self.inner.build(input_shape)
            self._trainable_weights += self.inner.trainable_weights
            super().build(input_shape)

        def call(self, x, factor=1.0):
            return self.inner.call(x) * factor

    class Cell(layers.Layer):
        def __init__(self, units, **kwargs):
            self.units = self.state_size = units
            super().__init__(**kwargs)

        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="uniform", name="kernel")
            self.recurrent_kernel = self.add_weight(
                shape=(self.units, self.units), initializer="uniform", name="recurrent_kernel"
            )
            self.built = True

        def call(self, inputs, states):
            output = K.tanh(K.dot(inputs, self.kernel) + K.dot(states[0], self.recurrent_kernel))
            return output, [output]

        def get_config(self):
            return dict(super().get_config(), units=self.units)

    class Phase(layers.Layer):
        def call(self, x, training=None):
            return K.in_train_phase(lambda: x * 2, x, training=training)

    return {cls.__name__: cls for cls in (Mine, Pair, Masked, Adds, Counts, Holds, Cell, Phase)}


def block(what, number, x, own):
    """The layer and what it gives of x [N, T, F]; sequences stay sequences."""
    from keras import backend as K
    from keras import layers, models

    if what == "Pair":
        layer = own["Pair"]()
        return layer, layers.concatenate(layer([x, x]))
    if what in ("Masked", "Adds", "Counts", "Holds", "Phase"):
        layer = own[what]()
        return layer, layer(x, factor=0.5) if what == "Holds" and number == 2 else layer(x)
    if what == "Scaled":
        return (layer := layers.Lambda(lambda v, by: v * by, arguments={"by": 0.5 * number})), layer(x)
    if what == "Attend":
        scores = layers.Softmax(axis=1)(layers.Dense(1)(x))
        return (layer := layers.Multiply()), layer([x, scores])
    if what == "Lambda":
        return (layer := layers.Lambda(lambda v: K.concatenate([v, K.abs(v)])[:, :, : 2 * number])), layer(x)
    if what == "LambdaWith":
        layer = layers.Lambda(lambda v: v[:, :, ::-1], output_shape=lambda shape: shape, mask=lambda inputs, mask: mask)
        return layer, layer(x)
    if what == "Functions":

        def half(v):
            return 0.5 * v

        def squares(w):
            return 0.1 * K.sum(w * w)

        def small(w):
            return K.clip(w, -0.4, 0.4)

        layer = layers.Dense(
            number,
            activation=half,
            kernel_regularizer=squares,
            kernel_constraint=small,
            bias_initializer=lambda shape, dtype=None: K.constant(0.3, shape=shape),
        )
        return layer, layer(x)
    if what == "DistributedModel":
        width = K.int_shape(x)[-1]
        inner = models.Sequential([layers.Dense(3, input_shape=(width,), activation="relu"), layers.Dense(number)])
        return (layer := layers.TimeDistributed(inner)), layer(x)
    if what == "DistributedTwice":
        wide = layers.Lambda(lambda v: K.expand_dims(v, 2))(x)
        layer = layers.TimeDistributed(layers.TimeDistributed(layers.Dense(number, activity_regularizer="l2")))
        return layer, layers.Lambda(lambda v: v[:, :, 0])(layer(wide))
    made = {
        "Mine": lambda: own["Mine"](number, "l2" if number == 1 else None, activity_regularizer="l1" if number == 2 else None),
        "Distributed": lambda: layers.TimeDistributed(own["Mine"](number)),
        "Cell": lambda: layers.RNN(own["Cell"](number), return_sequences=True, go_backwards=number == 2),
        "Cells": lambda: layers.RNN([own["Cell"](2), layers.GRUCell(number), own["Cell"](1)], return_sequences=True),
        "Both": lambda: layers.Bidirectional(layers.RNN(own["Cell"](number), return_sequences=True), merge_mode="ave"),
        "Masking": lambda: layers.Masking(0.0),
        "Recurrent": lambda: layers.LSTM(number, return_sequences=True),
        "Pooled": lambda: layers.AveragePooling1D(2, strides=1, padding="same"),
    }
    return (layer := made[what]()), layer(x)


def program(steps, x, seed):
    def run():
        from keras import layers, models

        own, facts = classes(), {}
        entry = tensor = layers.Input(x.shape[1:])
        for i, (what, number) in enumerate(steps):
            layer, tensor = block(what, number, tensor, own)
            left_out = ("config", "again", *(("weights", "trainable") if what == "Holds" else ()))  # names of inner weights
            facts[f"{i}{what}"] = {name: value for name, value in facts_of(layer).items() if name not in left_out}
        model = models.Model(entry, layers.Dense(2)(tensor))
        result = {"facts": facts, "model": facts_of_model(model), "results": results_of(model, x, seed)}
        model.summary()
        if any(
            what in FUNCTIONS for what, _ in steps
        ):  # which are bytes in Keras's configs, and have to have names in lamella's
            del result["model"]["config"], result["model"]["described"]
        else:
            result["again"] = attempt(lambda: models.Model.from_config(model.get_config(), own).count_params())
        return result | {"evaluated": model.evaluate(x, model.predict(x) + 1, verbose=0)}

    return run


def cases(random, count):
    for i in range(count):
        steps = [(BLOCKS[i % len(BLOCKS)], int(random.randint(1, 4)))]
        steps += [(one_of(random, *BLOCKS), int(random.randint(1, 4))) for _ in range(random.randint(0, 3))]
        steps = [steps[j] for j in random.permutation(len(steps))]
        x = random.standard_normal((int(random.randint(2, 5)), 4, 3)).astype("float32")
        x[random.uniform(size=x.shape[:2]) < 0.3] = 0
        yield f"{i}: {' '.join(f'{what}{number}' for what, number in steps)}", program(steps, x, int(random.randint(1e6)))
