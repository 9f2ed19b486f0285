"""What fit, evaluate and predict print with verbose=1 and verbose=2: the lines but for times and for the steps of a bar on its way."""

import contextlib
import functools
import io
import re

import numpy as np
import parts
from parts import set_random_weights

DECIDED = {}
EPOCH = re.compile(r"Epoch \d+/\d+")


def lines(printed):
    """The lines, of a bar only the last state. In lamella the line of an epoch begins with its number; in Keras it follows it."""
    parts = [line.rstrip() for line in printed.replace("\b", "").replace("\r", "\n").split("\n")]
    parts = [line for line in parts if line and " - ETA: " not in line]
    joined = []
    for line in parts:
        if joined and EPOCH.fullmatch(joined[-1]):
            joined[-1] += f" - {line.removeprefix(' - ')}"
        else:
            joined.append(line)
    return joined


def batches(x, y, size):
    while True:
        for i in range(0, len(x), size):
            yield x[i : i + size], [part[i : i + size] for part in y]


def program(seed):
    def run():
        from keras import layers, models
        from keras.callbacks import LambdaCallback

        random = np.random.RandomState(seed)

        one_of = functools.partial(parts.one_of, random)
        inputs = layers.Input((3,))
        outputs = [layers.Dense(2, activation="softmax", name=f"out_{i}")(inputs) for i in range(one_of(1, 1, 2))]
        model = models.Model(inputs, outputs)
        set_random_weights(model, random)
        model.compile("sgd", one_of("mse", "categorical_crossentropy"), metrics=one_of(None, ["acc"], ["mae", "acc"]))
        rows = 4 * random.randint(1, 6)  # of unequal batches, Keras shows other values than it returns
        scale = one_of(1.0, 1e-3, 1e-2)
        x, y = random.standard_normal((rows, 3)), [scale * np.eye(2)[random.randint(0, 2, rows)] for _ in outputs]
        verbose = one_of(1, 1, 2, 2, 0)
        common = {"epochs": one_of(1, 2, 3), "initial_epoch": one_of(0, 0, 1), "verbose": verbose, "shuffle": False}
        if random.rand() < 0.3:
            common["callbacks"] = [LambdaCallback(on_epoch_end=lambda e, logs: logs.update(lr=0.5))]
        validation = one_of(
            {}, {"validation_data": (x[:4], [part[:4] for part in y])}, {"validation_split": 0.5} if rows % 8 == 0 else {}
        )
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            how = one_of("arrays", "arrays", "steps", "generator")
            if how == "arrays":
                model.fit(x, y, batch_size=one_of(None, 1, 4), **common, **validation, validation_freq=one_of(1, 2))
            elif how == "steps":
                model.fit(x, y, steps_per_epoch=one_of(1, 3), **common)
            else:
                validation.pop("validation_split", None)
                model.fit_generator(batches(x, y, 4), steps_per_epoch=one_of(1, 3, 12), **common, **validation)
            print("evaluate")
            model.evaluate(x, y, batch_size=one_of(None, 3), verbose=one_of(0, 1))
            model.evaluate_generator(batches(x, y, 4), 3, verbose=one_of(0, 1))
            print("predict")
            model.predict(x, batch_size=one_of(None, 3), verbose=one_of(0, 1))
            model.predict_generator(batches(x, y, 4), 3, verbose=one_of(0, 1))
        return {"how": how, "lines": lines(printed.getvalue())}

    return run


def cases(random, count):
    for i in range(count):
        yield f"{i}", program(random.randint(2**31))
