"""Weights handed between models: their order in nested and partly frozen models, files by name with other shapes, switches of trainable."""

import warnings

import numpy as np
from graphs import without_scopes
from parts import attempt, one_of, set_random_weights

DECIDED = {
    "wrong[0]: only lamella raises ValueError": "a list with too few weights, of which Keras sets what there is",
    "wrong[1]: only lamella raises ValueError": "a list with too many weights, whose rest Keras ignores",
    "skipping alone[": "skip_mismatch also without by_name, where Keras ignores it",
}


def stack(random, width, depth, kinds=("Dense", "Dense", "Norm", "PReLU", "model", "Activation")):
    """A Sequential or graph of a few layers, some of them models again."""
    from keras import layers, models

    parts = []
    for _ in range(random.randint(1, 4)):
        kind = one_of(random, *kinds)
        units = int(random.randint(1, 4))
        if kind == "Dense":
            parts.append(
                layers.Dense(
                    units, use_bias=bool(random.uniform() < 0.7), name=one_of(random, None, f"dense_of_{depth}{len(parts)}")
                )
            )
        elif kind == "Norm":
            parts.append(layers.BatchNormalization(momentum=0.0, scale=bool(random.uniform() < 0.7)))
        elif kind == "PReLU":
            parts.append(layers.PReLU())
        elif kind == "model" and depth < 2 and not parts:
            parts.append(stack(random, width, depth + 1, kinds))
        else:
            parts.append(layers.Activation("tanh"))
    entry = layers.Input((width,))
    x = entry
    for part in parts:
        x = part(x)
    model = models.Model(entry, x)
    if random.uniform() < 0.3:
        return models.Sequential([model, layers.Dense(2)])
    return model


def described(model):
    return {
        "weights": without_scopes(model.weights),
        "trainable": without_scopes(model.trainable_weights),
        "others": without_scopes(model.non_trainable_weights),
        "layers": [[len(layer.weights), len(layer.trainable_weights), layer.trainable] for layer in model.layers],
    }


def every_layer(model):
    for layer in model.layers:
        yield layer
        yield from every_layer(layer) if hasattr(layer, "layers") else ()


def of_leaves(model):
    """The weights of each layer that is no model; those of partly frozen models have another order in lamella, as decided."""
    return [layer.get_weights() for layer in every_layer(model) if not hasattr(layer, "layers")]


def switching(x, seed):
    """trainable of layers and models is switched before and after compile."""

    def run():
        random = np.random.RandomState(seed)
        # Without BatchNormalization: when it is frozen it takes its averages in lamella, as decided.
        model = stack(random, x.shape[1], 0, ("Dense", "Dense", "PReLU", "model", "Activation"))
        set_random_weights(model, np.random.RandomState(seed))
        result = {"fresh": described(model)}
        for layer in every_layer(model):
            if random.uniform() < 0.3:
                layer.trainable = False
        if random.uniform() < 0.2:
            model.trainable = False
        result["frozen"] = described(model)
        model.compile("sgd", "mse")
        y = np.ones((len(x), *model.output_shape[1:]))
        result["first"] = attempt(model.train_on_batch, x, y)
        result["after"] = of_leaves(model)
        for layer in every_layer(model):
            if random.uniform() < 0.3:
                layer.trainable = not layer.trainable
        if random.uniform() < 0.3:
            model.trainable = not model.trainable
        result["switched"] = described(model)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            result["second"] = attempt(model.train_on_batch, x, y)
        result["warned"] = sum("iscrepancy" in str(w.message) for w in warned)
        result["still"] = of_leaves(model)
        model.compile("sgd", "mse")
        result["third"] = attempt(model.train_on_batch, x, y)
        model.summary()
        return result | {"last": of_leaves(model), "evaluated": model.evaluate(x, y, verbose=0)}

    return run


def handing(x, seed):
    """get_weights and set_weights of models and of models inside; copies; wrong lists."""

    def run():
        from keras import models

        random = np.random.RandomState(seed)
        model = stack(random, x.shape[1], 0)
        set_random_weights(model, random)
        result = {"described": described(model), "predicted": model.predict(x)}
        copy = type(model).from_config(model.get_config())
        copy.set_weights(model.get_weights())
        result["copied"] = copy.predict(x)
        values = model.get_weights()
        wrong = [
            values[:-1],
            values + [np.ones(1)],
            [w.T for w in values],
            [w + 1 for w in values],
            [np.ones((9, 9))] * len(values),
        ]
        result["wrong"] = [attempt(model.set_weights, some) for some in wrong]
        result["then"] = model.get_weights()
        for layer in every_layer(model):
            result[f"of {layer.name}"] = [layer.get_weights(), attempt(layer.set_weights, [w * 2 for w in layer.get_weights()])]
        result["doubled"] = model.predict(x)
        clone = attempt(models.clone_model, model)
        if not isinstance(clone, dict):
            result["clone"] = [len(clone.layers), len(clone.trainable_weights), attempt(clone.set_weights, model.get_weights())]
            result["clone"].append(clone.predict(x))
        return result

    return run


def loading(i, x, seed):
    """load_weights of a changed model: in order, by name, with layers skipped or of other shapes."""

    def run():
        from keras import layers, models

        random = np.random.RandomState(seed)
        file = f"moving_{i}.h5"

        def made(units, more):
            steps = [
                layers.Dense(units[0], input_shape=(x.shape[1],), name="a"),
                layers.Dense(units[1], name="b", use_bias=units[1] != 3),
            ]
            steps += [layers.BatchNormalization(name="n"), layers.Dense(units[2], name=one_of(random, "c", "d"))]
            model = models.Sequential(steps + [layers.Dense(2, name="new")] * more)
            set_random_weights(model, random)
            return model

        sizes = [int(v) for v in random.randint(2, 4, 3)]
        first, same = made(sizes, False), made(sizes, False)
        others = [made([int(v) for v in random.randint(2, 4, 3)], bool(random.uniform() < 0.3)) for _ in range(3)]
        whole = bool(random.uniform() < 0.3)
        (first.save if whole else first.save_weights)(file)
        result = {"whole": whole}
        for n, model in enumerate([same, *others]):
            for name, options in {
                "plain": {},
                "by name": {"by_name": True},
                "skipping": {"by_name": True, "skip_mismatch": True},
                "reshaping": {"reshape": True},
                "reshaping by name": {"by_name": True, "reshape": True},
                "skipping alone": {"skip_mismatch": True},
            }.items():
                before = model.get_weights()
                error = attempt(model.load_weights, file, **options)
                result[f"{n} {name}"] = [error, None if isinstance(error, dict) and name != "skipping" else model.get_weights()]
                model.set_weights(before)
        with open(file, "rb") as raw:
            result["exists"] = len(raw.read()) > 0
        result["overwriting"] = attempt(first.save_weights, file, overwrite=True)
        return result | {"absent": attempt(same.load_weights, "absent.h5")}

    return run


def cases(random, count):
    for i in range(count):
        x = random.standard_normal((int(random.randint(2, 5)), int(random.randint(1, 4)))).astype("float32")
        seed = int(random.randint(1e6))
        name, run = [("switching", switching(x, seed)), ("handing", handing(x, seed)), ("loading", loading(i, x, seed))][i % 3]
        yield f"{i}:{name} {x.shape}", run
