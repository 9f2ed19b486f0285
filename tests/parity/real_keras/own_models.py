"""Sequential models that grow and shrink, are nested and built late, and subclasses of Model, random ones of each."""

import numpy as np
from graphs import facts_of_model, without_scopes
from parts import attempt, one_of, results_of, set_random_weights

DECIDED = {
    ".before[1]: only Keras raises AttributeError: 'The layer has never been called": "the input_shape of a model that has none yet",
    "build_input_shape: only in lamella": "the config of a Sequential says its input, so that it can be built from it",
    "has multiple inbound nodes": "pop of a Sequential that holds a model fails in Keras",
}


def layer_of(what, number, first):
    from keras import layers

    made = {
        "Dense": lambda: layers.Dense(number, activation="tanh", **first),
        "Norm": lambda: layers.BatchNormalization(momentum=0.0, epsilon=0.1, **first),
        "Activation": lambda: layers.Activation("sigmoid", **first),
        "Penalty": lambda: layers.ActivityRegularization(l2=0.1, **first),
    }
    return made[what]()


def sequential(steps, width, declared, nested, name):
    from keras import layers, models

    model = models.Sequential(name=name)
    if declared == "input layer":
        model.add(layers.InputLayer((width,)))
    for i, (what, number) in enumerate(steps):
        first = {"input_shape": (width,)} if i == 0 and declared == "input shape" else {}
        layer = layer_of(what, number, first)
        if nested and i == len(steps) // 2:
            layer = models.Sequential([layer, layers.Dense(number)])
        model.add(layer)
    return model


def grown(steps, width, declared, nested, pops, x, seed):
    def run():
        from keras import layers

        model = sequential(steps, width, declared, nested, None)
        result = {"built": [model.built, len(model.layers), attempt(lambda: len(model.get_weights()))]}
        if declared == "later":
            result["unbuilt"] = attempt(lambda: [layer.name for layer in model.layers])
            model.build((None, width))
        for _ in range(pops):
            model.pop()
            result["popped"] = attempt(facts_of_model, model)
        model.add(layers.Dense(2, activation="softmax"))
        result["model"] = facts_of_model(model)
        set_random_weights(model, np.random.RandomState(seed))
        result["classes"] = [model.predict_classes(x), model.predict_proba(x)]
        model.summary()
        return result | {"results": results_of(model, x, seed)}

    return run


def fitted_before_built(steps, width, x, y, seed):
    """Compiled before it knows its input: the first batch builds it."""

    def run():
        model = sequential(steps, width, "never", False, "late")
        model.compile("sgd", "mse", metrics=["mae"])
        result = {"before": [model.built, attempt(lambda: model.input_shape)]}
        model.fit(x, y(steps), epochs=1, verbose=0)
        result["names"] = without_scopes(model.weights)
        result["shapes"] = [model.built, model.metrics_names, len(model.layers)]
        set_random_weights(model, np.random.RandomState(seed))
        result["history"] = model.fit(x, y(steps), epochs=2, batch_size=2, shuffle=False, verbose=0).history
        return result | {"weights": model.get_weights(), "predicted": model.predict(x)}

    return run


def subclass(number, way):
    from keras import backend as K
    from keras import layers, models

    class Net(models.Model):
        def __init__(self):
            super().__init__(name="net")
            self.first = layers.Dense(number, activation="relu", kernel_regularizer="l2", name="hidden")
            self.norm = layers.BatchNormalization(momentum=0.0)
            self.last = layers.Dense(2)
            self.more = layers.Dense(1) if way == "two outputs" else None
            if way == "shared":
                self.again = self.first

        def call(self, inputs, training=None, mask=None):
            if way == "two inputs":
                inputs = inputs[0] + K.tanh(inputs[1])
            x = self.first(inputs)
            x = self.norm(x)
            if way == "two outputs":
                return [self.last(x), self.more(x)]
            return self.last(x)

    return Net()


def subclassed(number, way, x, seed):
    def run():
        model = subclass(number, way)
        result = {"before": [model.built, len(model.layers), attempt(model.summary), attempt(model.get_config)]}
        count = 2 if way == "two outputs" else 1
        model.compile("sgd", "mse", metrics=["mae"], loss_weights=[0.5] * count)
        data = [x, 2 * x] if way == "two inputs" else x
        y = [np.ones((len(x), 2)), np.zeros((len(x), 1))][:count]
        y = y if count > 1 else y[0]
        model.train_on_batch(data, y)
        result["weights"] = without_scopes(model.weights), without_scopes(model.trainable_weights)
        result["counts"] = [model.count_params(), len(model.losses), len(model.updates), model.metrics_names, model.built]
        result["names"] = [model.input_names, model.output_names, [layer.name for layer in model.layers]]
        set_random_weights(model, np.random.RandomState(seed))
        result["predicted"] = model.predict(data)
        result["history"] = model.fit(data, y, epochs=2, batch_size=2, shuffle=False, verbose=0).history
        result["evaluated"] = model.evaluate(data, y, verbose=0)
        result["after"] = model.get_weights()
        result["saved"] = attempt(model.to_json)
        model.save_weights("net.h5")
        model.set_weights([0 * weight for weight in model.get_weights()])
        model.load_weights("net.h5")
        return result | {"loaded": model.get_weights(), "summary": attempt(model.summary)}

    return run


def cases(random, count):
    for i in range(count):
        rows, width = int(random.randint(2, 6)), int(random.randint(1, 5))
        steps = [(one_of(random, "Dense", "Dense", "Norm", "Activation", "Penalty"), int(random.randint(1, 4)))]
        steps += [
            (one_of(random, "Dense", "Norm", "Activation"), int(random.randint(1, 4))) for _ in range(random.randint(1, 4))
        ]
        x, seed = random.standard_normal((rows, width)).astype("float32"), int(random.randint(1e6))
        declared, nested = one_of(random, "input layer", "input shape", "later"), bool(random.uniform() < 0.4)
        pops, way = int(random.randint(0, 2)), one_of(random, "plain", "shared", "two inputs", "two outputs")
        targets = np.round(np.abs(random.standard_normal((rows, 4))), 1)

        def y(steps, width=width, targets=targets):
            return targets[:, : next((number for what, number in reversed(steps) if what == "Dense"), width)]

        if i % 3 == 0:
            text, program = f"{steps} {declared} {nested} {pops}", grown(steps, width, declared, nested, pops, x, seed)
        elif i % 3 == 1:
            text, program = f"late {steps}", fitted_before_built(steps, width, x, y, seed)
        else:
            text, program = f"subclass {way} {width} {rows}", subclassed(int(random.randint(1, 4)), way, x, seed)
        yield f"{i}: {text}", program
