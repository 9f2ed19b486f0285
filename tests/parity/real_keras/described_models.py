"""Models as texts and back: to_json, to_yaml, get_config, whole files and layers.serialize, with classes and functions of the script."""

import json
import os

import numpy as np
from parts import as_json, attempt, one_of, set_random_weights

DECIDED = {
    "reverse_state_order: only in lamella": "StackedRNNCells has all arguments in its config",
}


def custom_objects():
    from keras import backend as K
    from keras import constraints, initializers, layers, regularizers
    from keras.layers.wrappers import Wrapper

    class Scale(layers.Layer):
        def __init__(self, start=1.0, **kwargs):
            super().__init__(**kwargs)
            self.start = start

        def build(self, input_shape):
            self.w = self.add_weight(name="w", shape=(input_shape[-1],), initializer=initializers.Constant(self.start))
            super().build(input_shape)

        def call(self, inputs):
            return inputs * self.w

        def get_config(self):
            return dict(super().get_config(), start=self.start)

    class Nested(layers.Layer):
        """Its config holds another layer."""

        def __init__(self, inner, **kwargs):
            super().__init__(**kwargs)
            self.inner = inner

        def call(self, inputs):
            return self.inner(inputs)

        def compute_output_shape(self, input_shape):
            return self.inner.compute_output_shape(input_shape)

        def get_config(self):
            return dict(super().get_config(), inner=layers.serialize(self.inner))

        @classmethod
        def from_config(cls, config, custom_objects=None):
            config = dict(config)
            return cls(layers.deserialize(config.pop("inner"), custom_objects), **config)

    class Wrapped(Wrapper):
        def build(self, input_shape):
            self.layer.build(input_shape)
            super().build()

        def call(self, inputs):
            return self.layer.call(inputs) + inputs

        def compute_output_shape(self, input_shape):
            return input_shape

    class Half(initializers.Initializer):
        def __init__(self, of=1.0):
            self.of = of

        def __call__(self, shape, dtype=None):
            return K.constant(self.of / 2, shape=shape, dtype=dtype)

        def get_config(self):
            return {"of": self.of}

    class Sum(regularizers.Regularizer):
        def __init__(self, rate=0.1):
            self.rate = rate

        def __call__(self, x):
            return self.rate * K.sum(K.abs(x))

        def get_config(self):
            return {"rate": float(self.rate)}

    class Below(constraints.Constraint):
        def __init__(self, most=0.3):
            self.most = most

        def __call__(self, w):
            return K.minimum(w, self.most)

        def get_config(self):
            return {"most": self.most}

    def swish(x):
        return x * K.sigmoid(x)

    def close(y, p):
        return K.mean(K.cast(K.less(K.abs(y - p), 0.5), K.floatx()), axis=-1)

    def cubic(y, p):
        return K.mean(K.abs(y - p) ** 3, axis=-1)

    classes = Scale, Nested, Wrapped, Half, Sum, Below
    return {cls.__name__: cls for cls in classes} | {"swish": swish, "close": close, "cubic": cubic}


def layers_of(random, own, width):
    """Random layers, most of them with something of the script."""
    from keras import layers, regularizers

    units = int(random.randint(1, 4))
    makers = [
        lambda: layers.Dense(units, activation=own["swish"], kernel_initializer=own["Half"](0.4)),
        lambda: layers.Dense(
            units, kernel_regularizer=own["Sum"](), bias_constraint=own["Below"](), activity_regularizer=regularizers.l1(0.01)
        ),
        lambda: layers.Dense(
            units, kernel_initializer="Half", kernel_constraint="Below", bias_regularizer="Sum", activation="swish"
        ),
        lambda: layers.Activation(own["swish"]),
        lambda: layers.Activation("swish"),
        lambda: own["Scale"](0.5),
        lambda: own["Nested"](layers.Activation("tanh")),
        # Weights of a layer inside a layer of a script count in lamella, so that there are none here.
        lambda: own["Nested"](layers.Activation(own["swish"]), name="outer"),
        lambda: own["Wrapped"](layers.Dense(width, activation="swish")),
        lambda: layers.BatchNormalization(
            momentum=0.0, beta_constraint=own["Below"](0.2), gamma_initializer="half" if units == 9 else "ones"
        ),
        lambda: layers.PReLU(alpha_regularizer=own["Sum"](0.2), alpha_initializer=own["Half"]()),
        lambda: layers.LeakyReLU(np.float32(0.25)),
    ]
    return one_of(random, *makers)()


def sequence_layers_of(random, own):
    from keras import layers

    units = int(random.randint(1, 4))
    makers = [
        lambda: layers.LSTM(units, activation="swish", recurrent_regularizer=own["Sum"]()),
        lambda: layers.GRU(units, kernel_constraint=own["Below"](), recurrent_activation=own["swish"]),
        lambda: layers.RNN(
            [layers.SimpleRNNCell(2, activation="swish"), layers.LSTMCell(units, bias_initializer=own["Half"]())]
        ),
        lambda: layers.TimeDistributed(own["Scale"](0.3)),
        lambda: layers.TimeDistributed(layers.Dense(units, activation="swish")),
    ]
    layer = one_of(random, *makers)()
    return [layer] if not isinstance(layer, layers.TimeDistributed) else [layer, layers.Flatten()]


def built(random, own, width):
    from keras import layers, models
    from keras.utils import CustomObjectScope

    with CustomObjectScope(own):
        sequences = random.uniform() < 0.4
        entry = layers.Input((3, width) if sequences else (width,))
        x = entry
        if sequences:
            for layer in sequence_layers_of(random, own):
                x = layer(x)
        for _ in range(random.randint(1, 4)):
            x = layers_of(random, own, x._keras_shape[-1])(x)
        kind = one_of(random, "graph", "inside", "sequential")
        model = models.Model(entry, x)
        if kind == "graph":
            return model
        outer = layers.Input(entry._keras_shape[1:])
        if kind == "inside":
            return models.Model(outer, layers.Dense(2, activation="swish")(model(outer)))
        return models.Sequential([model, layers.Dense(2, activation=own["swish"])])


def program(width, rows, loss, seed):
    def run():
        from keras import layers, models
        from keras.utils import CustomObjectScope, get_custom_objects

        random, own = np.random.RandomState(seed), custom_objects()
        model = built(random, own, width)
        set_random_weights(model, random)
        x = random.standard_normal((rows, *model.input_shape[1:])).astype("float32")
        result = {
            "predicted": model.predict(x),
            "json": json.loads(model.to_json(indent=1)),
            "config": as_json(model.get_config()),
        }
        result["keys"] = list(json.loads(model.to_json(sort_keys=True)))
        weights = model.get_weights()

        def again(made):
            made.set_weights(weights)
            return [
                made.predict(x),
                as_json(made.get_config()) == as_json(model.get_config()),
                [layer.name for layer in made.layers],
            ]

        result["of json"] = attempt(lambda: again(models.model_from_json(model.to_json(), own)))
        result["of yaml"] = attempt(lambda: again(models.model_from_yaml(model.to_yaml(), own)))
        result["of config"] = attempt(lambda: again(type(model).from_config(model.get_config(), own)))
        with CustomObjectScope(own):
            result["in a scope"] = attempt(lambda: again(models.model_from_json(model.to_json())))
            clone = attempt(lambda: again(models.clone_model(model)))
            result["clone"] = clone if isinstance(clone, dict) else clone[::2]  # in its config, Keras adds mask=None to calls
        get_custom_objects().update(own)
        result["registered"] = attempt(lambda: again(type(model).from_config(model.get_config())))
        get_custom_objects().clear()
        fails = attempt(lambda: again(models.model_from_json(model.to_json())))
        result["without"] = "raises" if isinstance(fails, dict) else fails
        result["layers"] = [
            attempt(lambda layer=layer: as_json(layers.deserialize(layers.serialize(layer), own).get_config()))
            for layer in model.layers
        ]
        y = random.standard_normal((rows, *model.output_shape[1:]))
        model.compile("sgd", own["cubic"] if loss == "cubic" else loss, metrics=[own["close"], "mae"])
        result["steps"] = [model.train_on_batch(x, y) for _ in range(2)]
        file = f"described_{seed}.h5"
        model.save(file)
        loaded = attempt(models.load_model, file, own)
        if not isinstance(loaded, dict):
            result["loaded"] = [
                loaded.predict(x),
                loaded.metrics_names,
                attempt(loaded.train_on_batch, x, y),
                loaded.get_weights(),
            ]
            again_loaded = attempt(models.load_model, file, own, compile=False)
            result["not compiled"] = [attempt(again_loaded.evaluate, x, y, verbose=0), again_loaded.predict(x).shape]
        else:
            result["loaded"] = loaded
        result["alone"] = "raises" if isinstance(attempt(models.load_model, file), dict) else "loads"
        os.remove(file)
        return result

    return run


def cases(random, count):
    for i in range(count):
        width, rows = int(random.randint(1, 5)), int(random.randint(2, 5))
        loss = one_of(random, "cubic", "mse", "mae")
        yield f"{i}:{width, rows, loss}", program(width, rows, loss, int(random.randint(1e6)))
