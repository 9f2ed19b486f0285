"""Each loss and each metric of Keras on random values: by name in evaluate and a step of training, and called on tensors of each rank."""

import numpy as np
from on_tensors import program as on_tensors
from parts import one_of

LOSSES = """mean_squared_error mean_absolute_error mean_absolute_percentage_error mean_squared_logarithmic_error squared_hinge hinge
categorical_hinge logcosh categorical_crossentropy sparse_categorical_crossentropy binary_crossentropy kullback_leibler_divergence
poisson cosine_proximity""".split()
METRICS = """binary_accuracy categorical_accuracy sparse_categorical_accuracy top_k_categorical_accuracy
sparse_top_k_categorical_accuracy""".split()
ALIASES = "mse MSE mae MAE mape MAPE msle MSLE kld KLD cosine".split()
DECIDED = {
    ".numpy: only Keras raises": "losses of arrays are computed",
    ".variable: only Keras raises": "categorical_crossentropy divides its argument in place, which variables do not have",
    ".gradients: only Keras raises": "gradients of functions without gradients are zeros",
}


def targets(name, random, shape, classes):
    if name.startswith("sparse"):
        return random.randint(0, classes, (*shape, 1))
    if "hinge" in name and "categorical" not in name:
        return np.sign(random.standard_normal((*shape, classes)))
    if "categorical" in name:
        return np.eye(classes)[random.randint(0, classes, shape)]
    if name == "binary_accuracy":
        return random.randint(0, 2, (*shape, classes)).astype(float)
    return random.uniform(0, 1, (*shape, classes))


def program(name, x, y, weight, activation, loss_weight, more, weights, of_classes):
    def run():
        from keras import layers, losses, models

        model = models.Sequential([layers.Dense(weight.shape[1], activation=activation, input_shape=x.shape[1:])])
        # Keras knows categorical_hinge as a loss only.
        metric = losses.categorical_hinge if name == "categorical_hinge" else name
        mode = "temporal" if weights.ndim == 2 else None
        model.compile("sgd", name, [metric, more], [loss_weight], mode, weighted_metrics=[metric])
        model.set_weights([weight, np.zeros(weight.shape[1])])
        before = model.evaluate(x, y, batch_size=4, verbose=0)
        step = model.train_on_batch(x, y, sample_weight=weights, class_weight=of_classes)
        after = model.evaluate(x, y, batch_size=4, verbose=0, sample_weight=weights)
        return {"names": model.metrics_names, "before": before, "step": step, "after": after, "weights": model.get_weights()}

    return run


def in_models(random, name):
    rows, features, classes = random.randint(2, 11), random.randint(1, 6), random.randint(2, 6)
    beside = [int(n) for n in random.randint(1, 4, one_of(random, 0, 0, 1, 2))]
    x = random.standard_normal((rows, *beside, features)).astype("float32")
    y = targets(name, random, (rows, *beside), classes)
    if name.startswith("sparse") and not beside and random.rand() < 0.5:
        y = y[:, 0]
    weight = random.standard_normal((features, classes)).astype("float32")
    # All outputs of a row may be 0 with relu: then x / sum(x) is NaN in Keras.
    activation = one_of(random, "linear", "softmax", "sigmoid", "tanh", *["relu"] * (name != "categorical_crossentropy"))
    if name == "categorical_crossentropy" and activation in ("linear", "tanh"):
        activation = "sigmoid"
    more = (
        one_of(random, "acc", "accuracy", "ce", "crossentropy", *METRICS[:1], "MSE", "mape", "cosine")
        if y.shape[-1] == classes
        else "acc"
    )
    weights = np.arange(rows) / 3
    if len(beside) == 1 and random.rand() < 0.5:
        weights = weights[:, None] + np.arange(x.shape[1]) / 2
    of_classes = None
    if not beside and "categorical" in name and random.rand() < 0.5:
        of_classes = {i: float(random.uniform(0.2, 2)) for i in range(classes)}
    values = x, y, weight, activation, float(random.uniform(0.2, 2)), more, weights, of_classes
    return f"{name} {x.shape} {y.shape} {activation} {more} {weights.ndim} {of_classes is not None}", program(name, *values)


def of_tensors(random, name):
    """The function on tensors of one to four axes; top_k has two."""
    rank = 2 if "top_k" in name else int(random.randint(1 if "categorical" not in name else 2, 5))
    shape, classes = [int(n) for n in random.randint(1, 5, rank - 1)], int(random.randint(2, 6))
    y = targets(name, random, shape, classes).astype("float32")
    p = random.uniform(0.05, 0.95, (*shape, classes)).astype("float32")
    if random.rand() < 0.5 and "crossentropy" not in name:
        p = (2 * p - 1).astype("float32")
    k = int(random.randint(1, classes + 1))
    some = {"k": k} if "top_k" in name else {}
    by = one_of(random, "losses", "metrics") if name in LOSSES and name != "categorical_hinge" else "metrics"
    by = "losses" if name in ("categorical_hinge", "kld", "KLD") else by
    got = bool(random.rand() < 0.3) and not some

    def body(K, y, p):
        import keras

        module = getattr(keras, by)
        function = module.get(name) if got else getattr(module, name)
        return function(K.stop_gradient(y), p, **some)

    return f"{by}.{name} {got} {some} {y.shape} {p.shape}", on_tensors(body, [y, p])


def descriptions(random, name):
    """What get, serialize and deserialize give, also for names that do not exist."""
    wrong = one_of(random, "Mse", "accuracy", "mean_squared", "", "acc", 3, None)

    def run():
        from keras import losses, metrics
        from parts import each

        found = {}
        for by, module in (("losses", losses), ("metrics", metrics)):
            found[by] = each(
                name=lambda module=module: module.get(name).__name__,
                same=lambda module=module: module.get(name) is getattr(module, name),
                given=lambda module=module: module.get(module.get(name)) is module.get(name),
                serialized=lambda module=module: module.serialize(module.get(name)),
                read=lambda module=module: module.deserialize(name).__name__,
                wrong=lambda module=module: str(getattr(module.get(wrong), "__name__", module.get(wrong))),
            )
        return found

    return f"description of {name}, {wrong}", run


def cases(random, count):
    for i in range(count):
        if i % 3 == 0:
            text, run = in_models(random, LOSSES[i // 3 % len(LOSSES)])
        elif i % 12 == 1:
            text, run = descriptions(random, one_of(random, *LOSSES, *METRICS, *ALIASES))
        else:
            text, run = of_tensors(random, one_of(random, *LOSSES, *METRICS, *METRICS, *ALIASES))
        yield f"{i}:{text}", run
