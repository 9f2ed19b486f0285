"""Each loss and each metric of Keras on random values, by name, in evaluate and in one step of training."""

import numpy as np

LOSSES = """mean_squared_error mean_absolute_error mean_absolute_percentage_error mean_squared_logarithmic_error squared_hinge hinge
categorical_hinge logcosh categorical_crossentropy sparse_categorical_crossentropy binary_crossentropy kullback_leibler_divergence
poisson cosine_proximity""".split()
DECIDED = {
    "categorical_hinge: only Keras raises": "Keras does not know this loss as a metric",
    ": nan in Keras": "the mean with all sample weights 0, and the gradient of x / sum(x) where all x are 0, are 0 here",
}


def targets(name, random, rows, classes):
    if name == "sparse_categorical_crossentropy":
        return random.randint(0, classes, (rows, 1))
    if "hinge" in name and "categorical" not in name:
        return np.sign(random.standard_normal((rows, classes)))
    if name in ("categorical_crossentropy", "categorical_hinge"):
        return np.eye(classes)[random.randint(0, classes, rows)]
    return random.uniform(0, 1, (rows, classes))


def program(name, x, y, weight, activation, loss_weight):
    def run():
        from keras import layers, models

        model = models.Sequential([layers.Dense(weight.shape[1], activation=activation, input_shape=weight.shape[:1])])
        model.compile("sgd", name, metrics=[name, "accuracy"], loss_weights=[loss_weight])
        model.set_weights([weight, np.zeros(weight.shape[1])])
        before = model.evaluate(x, y, batch_size=4, verbose=0)
        step = model.train_on_batch(x, y, sample_weight=np.arange(len(x)) / 3)
        return {"names": model.metrics_names, "before": before, "step": step, "weights": model.get_weights()}

    return run


def cases(random, count):
    for i in range(count):
        name = LOSSES[i % len(LOSSES)]
        rows, features, classes = random.randint(1, 11), random.randint(1, 6), random.randint(2, 6)
        x, y = random.standard_normal((rows, features)).astype("float32"), targets(name, random, rows, classes)
        weight = random.standard_normal((features, classes)).astype("float32")
        activation = str(random.choice(["linear", "softmax", "sigmoid", "relu", "tanh"]))
        yield f"{i}:{name}", program(name, x, y, weight, activation, float(random.uniform(0.2, 2)))
