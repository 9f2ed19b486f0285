"""The names of columns: metrics as texts, functions, lambdas and objects, some twice, for outputs whose layers have odd names or none."""

import functools

import numpy as np
import parts
from parts import set_random_weights
from typed import typed

DECIDED = {
    "scope name": "TensorFlow takes no name with a blank for a layer, and no lambda as a metric",
}


def of_rows(y, p):
    from keras import backend as K

    return K.mean(K.abs(y - p), axis=-1)


def one_number(y, p):
    from keras import backend as K

    return K.max(K.abs(y - p))


def made(k):
    """A metric as scripts make them in a function."""
    from keras.metrics import top_k_categorical_accuracy

    def inner(y, p):
        return top_k_categorical_accuracy(y, p, k=k)

    if k == 2:
        inner.__name__ = "top_two"
    return inner


class Called:
    def __init__(self, name):
        if name:
            self.__name__ = name

    def __call__(self, y, p):
        return one_number(y, p)


def choices():
    from keras import losses, metrics

    return [
        "acc", "accuracy", "ce", "crossentropy", "mse", "MSE", "mae", "mean_squared_error", "cosine", "binary_accuracy", "hinge", "poisson",
        "categorical_accuracy", "top_k_categorical_accuracy", "logcosh", "kullback_leibler_divergence", of_rows, one_number,
        lambda y, p: one_number(y, p), made(1), made(2), losses.mean_absolute_error, metrics.binary_crossentropy, metrics.cosine,
        functools.partial(one_number), Called("called"), Called(None),
    ]  # fmt: skip


def program(seed):
    def run():
        from keras import layers, models

        random = np.random.RandomState(seed)

        one_of = functools.partial(parts.one_of, random)
        inputs = layers.Input((3,))
        count, last = one_of(1, 1, 2, 3), one_of("sigmoid", "softmax")
        width = one_of(1, 2, 3) if last == "sigmoid" else 3
        kinds = [
            lambda: layers.Dense(width, activation=last),
            lambda: layers.Dense(width, activation=last, name=one_of("loss", "acc", "a/b", "Out 1")),
        ]
        outputs = [one_of(*kinds)()(inputs) for _ in range(count)]
        model = models.Model(inputs, outputs[0] if count == 1 and random.rand() < 0.5 else outputs)
        set_random_weights(model, random)
        all_of, names = choices(), model.output_names
        some = [all_of[i] for i in random.randint(0, len(all_of), random.randint(0, 4))]
        metrics = one_of(some, some, {n: one_of(some, one_of(*all_of)) for n in names}, {names[0]: some}, some[:1] * 2)
        weighted = one_of(None, None, some[:2], {names[-1]: some[:1]})
        loss = (
            one_of("mse", "binary_crossentropy", "categorical_crossentropy", one_number, of_rows)
            if width > 1
            else one_of("mse", "binary_crossentropy")
        )
        loss = one_of(loss, [loss] * count, dict.fromkeys(names, loss))
        model.compile("sgd", loss, metrics, weighted_metrics=weighted)
        x, y = (
            random.standard_normal((6, 3)),
            [np.eye(max(width, 2))[random.randint(0, max(width, 2), 6)][:, :width] for _ in range(count)],
        )
        weight = [random.uniform(0.5, 1, 6) for _ in range(count)]
        weight = weight if count > 1 else weight[0]
        result = {"outputs": names, "names": model.metrics_names}
        history = model.fit(x, y, batch_size=4, verbose=0, shuffle=False, sample_weight=weight, validation_data=(x, y))
        result |= {"history": typed(history.history), "order": list(history.history), "params": typed(history.params)}
        return result | {"evaluate": typed(model.evaluate(x, y, verbose=0, batch_size=6))}

    return run


def cases(random, count):
    for i in range(count):
        yield f"{i}", program(random.randint(2**31))
