"""The callbacks that decide by the logs (EarlyStopping, ReduceLROnPlateau, ModelCheckpoint, TerminateOnNaN) and those that write them.

A callback before them puts made-up values into the logs, so that every turn of a curve occurs.
"""

import contextlib
import os
import tempfile

import numpy as np
from parts import set_random_weights
from typed import typed

DECIDED = {
    "only Keras raises KeyError": "a value that is missing in the name of a file is nan, with a warning",
}
NAMES = ["val_loss", "acc", "val_acc", "score", "fmeasure", "lr"]


def writer(curves):
    from keras.callbacks import Callback

    class Writer(Callback):
        def on_epoch_end(self, epoch, logs=None):
            for name, values in curves.items():
                if values[epoch] is not None:
                    logs[name] = values[epoch]

    return Writer()


def choose(random, **choices):
    """Some of the arguments, with random values."""
    return {n: values[random.randint(len(values))] for n, values in choices.items() if random.rand() < 0.6}


def early_stopping(random):
    from keras.callbacks import EarlyStopping

    return EarlyStopping(
        **choose(
            random,
            monitor=[*NAMES, "loss"],
            min_delta=[0, 0.05, 0.2],
            patience=[0, 1, 2, 3],
            verbose=[0, 1],
            mode=["auto", "min", "max"],
            baseline=[None, 0.4, 0.6],
        )
    )


def reduce_lr(random):
    from keras.callbacks import ReduceLROnPlateau

    return ReduceLROnPlateau(
        **choose(
            random,
            monitor=[*NAMES, "loss"],
            factor=[0.1, 0.5],
            patience=[0, 1, 2],
            verbose=[0, 1],
            mode=["auto", "min", "max"],
            min_delta=[0.0, 0.05],
            cooldown=[0, 1, 2],
            min_lr=[0, 2.0**-8],  # the float32 of 0.004 is above 0.004, so that Keras reduces it again
        )
    )


def checkpoint(random):
    from keras.callbacks import ModelCheckpoint

    path = ["w.{epoch:02d}.h5", "w.{epoch}-{score:.2f}.hdf5", "best.h5", "w.{epoch:03d}-{loss:.3f}.h5"][random.randint(4)]
    return ModelCheckpoint(
        path,
        **choose(
            random,
            monitor=NAMES,
            verbose=[0, 1],
            save_best_only=[False, True],
            save_weights_only=[False, True],
            mode=["auto", "min", "max"],
            period=[1, 2, 3],
        ),
    )


def scheduler(random):
    from keras.callbacks import LearningRateScheduler

    schedules = [
        lambda e: 0.1 / (e + 1),
        lambda e, lr: lr * 0.9,
        lambda e: float(np.float32(0.01)),
        lambda epoch, rate=None: 0.03,
    ]
    return LearningRateScheduler(schedules[random.randint(4)], verbose=random.randint(2))


def csv_logger(random):
    from keras.callbacks import CSVLogger

    if random.rand() < 0.3:
        with open("log.csv", "w") as file:
            file.write("")
    return CSVLogger("log.csv", **choose(random, separator=[",", ";", "\t"], append=[False, True]))


def terminate(random):
    from keras.callbacks import TerminateOnNaN

    return TerminateOnNaN()


def written():
    """The files: their names, the text of those that are text, the weights of the others."""
    import h5py

    found = {}
    for name in sorted(os.listdir()):
        if name.endswith("csv"):
            with open(name) as file:
                found[name] = file.read()  # Keras ends lines with \r\n on Linux, too
        else:
            with h5py.File(name, "r") as file:
                group = file.get("model_weights", file)
                found[name] = ["model_weights" in file, "optimizer_weights" in file, len(group.attrs["layer_names"])]
    return found


def program(seed):
    def run():
        from keras import backend as K
        from keras import layers, models

        random = np.random.RandomState(seed)
        model = models.Sequential([layers.Dense(1, input_shape=(2,))])
        set_random_weights(model, random)
        model.compile("sgd", "mse", metrics=[[], ["mae"]][random.randint(2)])
        epochs = random.randint(1, 8)
        names = [n for n in NAMES[:-1] if random.rand() < 0.6]
        gap = random.rand() < 0.1
        curves = {n: [round(float(v), 2) for v in random.uniform(0, 1, 20)] for n in names}
        if gap:
            curves = {n: [None if i == 2 else v for i, v in enumerate(c)] for n, c in curves.items()}
        x, y = random.standard_normal((6, 2)), random.standard_normal((6, 1))
        if random.rand() < 0.1:
            x[3, 0] = np.inf
        makers = [early_stopping, reduce_lr, checkpoint, scheduler, csv_logger, terminate]
        chosen = [makers[i] for i in random.permutation(6)[: random.randint(1, 4)]]
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            callbacks = [writer(curves), *[make(random) for make in chosen]]
            result = {"callbacks": [make.__name__ for make in chosen], "fits": []}
            for _ in range(random.randint(1, 3)):
                history = model.fit(x, y, batch_size=4, epochs=epochs, verbose=0, shuffle=False, callbacks=callbacks)
                result["fits"].append(
                    [typed(history.history), list(history.history), history.epoch, float(K.get_value(model.optimizer.lr))]
                )
            result["files"] = written()
        attributes = [
            "best",
            "wait",
            "stopped_epoch",
            "cooldown_counter",
            "epochs_since_last_save",
            "patience",
            "min_delta",
            "monitor",
        ]
        result["after"] = [typed({a: getattr(c, a) for a in attributes if hasattr(c, a)}) for c in callbacks[1:]]
        return result | {"weights": model.get_weights()}

    return run


def cases(random, count):
    for i in range(count):
        yield f"{i}", program(random.randint(2**31))
