"""Small nets of many kinds fed in many forms: lists, whole numbers, float64, one axis; stateful layers, averages, shared layers."""

import numpy as np
from parts import set_random_weights
from typed import typed

DECIDED = {}


def stateful(random):
    from keras import layers, models

    kind = [layers.SimpleRNN, layers.GRU, layers.LSTM][random.randint(3)]
    model = models.Sequential([kind(3, stateful=True, batch_input_shape=(2, 4, 2)), layers.Dense(1)])
    return model, random.standard_normal((8, 4, 2)), random.standard_normal((8, 1)), "mse"


def normalized(random):
    from keras import layers, models

    model = models.Sequential([layers.Dense(4, input_shape=(3,)), layers.BatchNormalization(momentum=0.8), layers.Dense(1)])
    return model, random.standard_normal((8, 3)), random.standard_normal((8, 1)), "mse"


def embedded(random):
    from keras import layers, models

    model = models.Sequential(
        [layers.Embedding(6, 3, mask_zero=bool(random.rand() < 0.5)), layers.LSTM(3), layers.Dense(3, activation="softmax")]
    )
    return model, random.randint(0, 6, (8, 4)), random.randint(0, 3, 8), "sparse_categorical_crossentropy"


def convolved(random):
    from keras import layers, models

    stack = [layers.Conv2D(3, 2, activation="tanh", input_shape=(4, 4, 1)), layers.MaxPooling2D(), layers.Flatten()]
    model = models.Sequential([*stack, layers.Dense(1, activation="sigmoid")])
    return model, random.randint(0, 3, (8, 4, 4, 1)).astype("uint8"), random.randint(0, 2, 8), "binary_crossentropy"


def scalar(random):
    from keras import layers, models

    model = models.Sequential([layers.Dense(1, input_shape=(1,)), layers.Dense(1, activation="sigmoid")])
    return model, random.standard_normal(8), random.randint(0, 2, 8), "binary_crossentropy"


def shared(random):
    from keras import layers, models

    a, b = layers.Input((3,)), layers.Input((3,))
    layer = layers.Dense(2, activation="tanh", activity_regularizer="l2")
    model = models.Model([a, b], layers.Dense(1)(layers.subtract([layer(a), layer(b)])))
    return model, [random.standard_normal((8, 3)), random.standard_normal((8, 3))], random.standard_normal(8), "mae"


def refed(value, random):
    """The same values in another type: float64, float32, whole numbers or lists as they are."""
    if isinstance(value, list):
        return [refed(part, random) for part in value]
    return value.astype("float32") if value.dtype.kind == "f" and random.rand() < 0.5 else value


def program(seed):
    def run():
        from keras import optimizers

        random = np.random.RandomState(seed)
        make = [stateful, normalized, embedded, convolved, scalar, shared][random.randint(6)]
        model, x, y, loss = make(random)
        set_random_weights(model, random)
        metrics = [[], ["acc"], ["mae"], ["acc", "mse"]][random.randint(4)]
        model.compile(optimizers.SGD(0.05, momentum=0.5), loss, metrics=metrics)
        x, y = refed(x, random), refed(y, random)
        result = {
            "kind": make.__name__,
            "train": [typed(model.train_on_batch(x[:2] if make is stateful else x, y[:2] if make is stateful else y))],
        }
        if make is not normalized:  # the first means of Keras's moving averages are not biased to their initial values
            result["test"] = typed(model.evaluate(x, y, batch_size=2, verbose=0))
            result["predicted"] = model.predict(x, batch_size=2)
        if make is stateful and random.rand() < 0.7:
            model.reset_states()
        history = model.fit(x, y, batch_size=2, epochs=random.randint(1, 4), verbose=0, shuffle=False)
        result["history"] = typed(history.history)
        if make is not normalized:
            result["after"] = typed(model.evaluate(x, y, batch_size=2, verbose=0))
        names = [w.name.split("/")[-1].split(":")[0] for layer in model.layers for w in layer.weights]
        kept = zip(names, model.get_weights(), strict=True)
        return result | {"weights": [w for n, w in kept if not n.startswith("moving")]}

    return run


def cases(random, count):
    for i in range(count):
        yield f"{i}", program(random.randint(2**31))
