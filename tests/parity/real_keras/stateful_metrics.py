"""Metrics with state, custom functions as losses and metrics, and helpers of layer_utils on random nets."""

import numpy as np
from on_tensors import attempt

DECIDED = {}


def stateful(random):
    x, y = random.standard_normal((10, 3)), random.randint(0, 2, (10, 2)).astype(float)
    w, size, epochs = random.standard_normal((3, 2)), int(random.randint(1, 6)), int(random.randint(1, 4))

    def run():
        from keras import backend as K
        from keras import layers, metrics, models

        class Positives(layers.Layer):
            def __init__(self, name="positives", **kwargs):
                super().__init__(name=name, **kwargs)
                self.stateful = True
                self.count = K.variable(0, dtype="int32")

            def reset_states(self):
                K.set_value(self.count, 0)

            def __call__(self, y_true, y_pred):
                found = K.sum(K.cast(K.greater(y_pred * y_true, 0), "int32"))
                before = self.count * 1
                self.add_update(K.update_add(self.count, found), inputs=[y_true, y_pred])
                return before + found

        def largest(y_true, y_pred):
            return K.max(K.abs(y_true - y_pred))

        def ranked(y_true, y_pred):
            return metrics.top_k_categorical_accuracy(y_true, y_pred, k=1)

        model = models.Sequential([layers.Dense(2, input_shape=(3,))])
        model.compile("sgd", "mse", metrics=[Positives(), largest, ranked, "mae"], weighted_metrics=["mape"])
        model.set_weights([w, np.zeros(2)])
        history = model.fit(
            x, y, batch_size=size, epochs=epochs, verbose=0, shuffle=False, validation_data=(x[:4], y[:4])
        ).history
        scores = model.evaluate(x, y, batch_size=size, verbose=0)
        numbers = {name: [float(v) for v in values] for name, values in history.items()}  # counts are floats here
        return [numbers, [float(s) for s in scores], model.metrics_names, model.stateful_metric_names]

    return f"stateful {size, epochs}", run


def custom_loss(random):
    x, y = random.standard_normal((8, 3)), random.standard_normal((8, 2))
    w, factor = random.standard_normal((3, 2)), float(random.uniform(0.1, 2))
    kind = int(random.randint(5))

    def run():
        from keras import backend as K
        from keras import layers, losses, models

        def function(y_true, y_pred):
            error = y_true - y_pred
            return [
                lambda: K.mean(K.switch(K.less(K.abs(error), factor), K.square(error), 2 * K.abs(error)), axis=-1),
                lambda: K.sum(K.clip(K.abs(error), 0.1, factor), axis=-1) + K.logsumexp(y_pred, axis=-1),
                lambda: factor * losses.mean_squared_error(y_true, y_pred) + K.mean(K.l2_normalize(y_pred, -1)),
                lambda: K.mean(K.maximum(factor * error, (factor - 1) * error), axis=-1),
                lambda: K.var(error, axis=-1) + K.std(y_pred, axis=-1) + K.mean(K.pow(K.sigmoid(error), factor)),
            ][kind]()

        model = models.Sequential([layers.Dense(2, input_shape=(3,))])
        model.compile("sgd", function, metrics=[function])
        model.set_weights([w, np.zeros(2)])
        steps = [model.train_on_batch(x, y, sample_weight=np.arange(1, 9) / 4) for _ in range(2)]
        return [steps, model.test_on_batch(x, y), model.get_weights(), model.metrics_names]

    return f"loss {kind} {factor:.2f}", run


def described(random):
    units = [int(n) for n in random.randint(1, 20, 3)]
    length, positions = [None, 60, 100][random.randint(3)], [None, [0.3, 0.6, 0.8, 1.0]][random.randint(2)]

    def run():
        from keras import layers, models
        from keras.utils import layer_utils, multi_gpu_model

        a, b = layers.Input((units[0],), name="a"), layers.Input((units[0],), name="b")
        both = layers.Dense(units[1], name="shared")
        y = layers.Add(name="sum")([both(a), both(b)])
        model = models.Model([a, b], layers.Dense(units[2], name="out")(layers.BatchNormalization(name="norm")(y)))
        model.get_layer("shared").trainable = False
        lines = []
        layer_utils.print_summary(model, line_length=length, positions=positions, print_fn=lines.append)
        sources = [t.name.split(":")[0] for t in layer_utils.get_source_inputs(model.output)]
        counts = [layer_utils.count_params(model.trainable_weights), model.count_params()]
        gpus = [attempt(lambda: multi_gpu_model(model, 1)), attempt(lambda: multi_gpu_model(model, [0]))]
        return [lines, sources, counts, [g if isinstance(g, str) else "a model" for g in gpus]]

    return f"described {units, length, positions is None}", run


def cases(random, count):
    for i in range(count):
        name, run = [stateful, custom_loss, described][i % 3](random)
        yield f"{i}:{name}", run
