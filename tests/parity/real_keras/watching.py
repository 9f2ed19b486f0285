"""The calls that callbacks get: which hooks, in which order, with which logs and params, during fit, evaluate and predict."""

import functools

import numpy as np
import parts
from parts import set_random_weights
from typed import typed

HOOKS = [f"on_{mode}_{when}" for mode in ("train", "test", "predict") for when in ("begin", "end")]
HOOKS += [f"on_{mode}_batch_{when}" for mode in ("train", "test", "predict") for when in ("begin", "end")]
HOOKS += ["on_epoch_begin", "on_epoch_end", "on_batch_begin", "on_batch_end"]
DECIDED = {
    "size[1]: 1 in Keras": "the size of a step with steps_per_epoch is the number of samples",
    "samples: ['int', ": "with steps, where each step takes all samples, params have no number of samples",
    "batch_size: None in Keras, ['int', 32]": "evaluate and predict with steps keep the default",
}


def recorder(calls, params, stop):
    """A callback that notes each call, and stops training at one of them."""
    from keras.callbacks import Callback

    def hook(name):
        def call(self, *arguments, **keywords):
            noted = [dict(a) if isinstance(a, dict) else a for a in arguments]
            noted = [len(a["outputs"]) if isinstance(a, dict) and "outputs" in a else a for a in noted]
            noted += keywords.values()  # by position or by name
            calls.append([name, typed([{} if a is None else a for a in noted])])
            if len(calls) == stop:
                self.model.stop_training = True
            if name in ("on_train_begin", "on_test_begin", "on_predict_begin"):
                params.append(typed(self.params))
            if name.startswith(("on_train_batch", "on_test_batch")):
                getattr(Callback, name)(self, *arguments, **keywords)

        return call

    return type("Recorder", (Callback,), {name: hook(name) for name in HOOKS})()


def stateful_metric():
    from keras import backend as K
    from keras.layers import Layer

    class Positives(Layer):
        def __init__(self):
            super().__init__(name="positives")
            self.stateful = True
            self.count = K.variable(0)

        def reset_states(self):
            K.set_value(self.count, 0)

        def __call__(self, y_true, y_pred):
            count = self.count + K.sum(K.cast(K.greater(y_pred, 0), K.floatx()))
            self.add_update([K.update(self.count, count)], inputs=[y_true, y_pred])
            return count

    return Positives()


def program(seed):
    def run():
        from keras import layers, models

        random = np.random.RandomState(seed)

        one_of = functools.partial(parts.one_of, random)
        inputs = layers.Input((3,))
        outputs = [layers.Dense(2, name=f"out_{i}")(inputs) for i in range(one_of(1, 1, 2))]
        model = models.Model(inputs, outputs)
        set_random_weights(model, random)
        metrics = one_of(None, ["mae"], ["mae", stateful_metric()] if len(outputs) == 1 else ["acc"])
        model.compile("sgd", "mse", metrics)
        rows = random.randint(2, 9)
        x, y = random.standard_normal((rows, 3)), [random.standard_normal((rows, 2)) for _ in outputs]
        calls, params = [], []
        steps = one_of(None, None, None, 2)
        validation = one_of(
            {}, {"validation_data": (x[:2], [part[:2] for part in y])}, {"validation_split": 0.4} if steps is None else {}
        )
        # Validation takes a stop back in Keras.
        callbacks = [recorder(calls, params, 0 if validation else random.randint(0, 40))]
        if steps and validation:
            validation["validation_steps"] = 1
        frequency = {"validation_freq": one_of(1, 2, [2])} if validation else {}
        batch = {"batch_size": one_of(1, 2, 4, None)} if steps is None else {"steps_per_epoch": steps}
        history = model.fit(
            x,
            y,
            epochs=one_of(1, 2, 4),
            initial_epoch=one_of(0, 0, 1),
            verbose=0,
            shuffle=False,
            callbacks=callbacks,
            **batch,
            **validation,
            **frequency,
        )
        result = {"history": typed(history.history), "order": list(history.history), "epoch": history.epoch}
        if steps is None:
            result["evaluate"] = typed(model.evaluate(x, y, verbose=0, callbacks=callbacks, batch_size=batch["batch_size"]))
            model.predict(x, callbacks=callbacks, batch_size=batch["batch_size"])
        else:
            model.predict(x, callbacks=callbacks, steps=2)
        return result | {"calls": [c[0] for c in calls], "logs": calls, "params": params}

    return run


def cases(random, count):
    for i in range(count):
        yield f"{i}", program(random.randint(2**31))
