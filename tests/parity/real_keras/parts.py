"""What the rooms of layers and models compare: each part of a program on its own, so that one error does not hide the others."""

import functools
import json

import numpy as np


def one_of(random, *choices):
    """One of the choices, drawn by the generator of a room; rooms bind the generator."""
    return choices[random.randint(len(choices))]


def programs(kinds, random, count):
    """The cases of a room whose programs are functions of a generator and of `one_of` of this generator: each kind in turn."""
    for i in range(count):
        make = kinds[i % len(kinds)]
        yield f"{i}:{make.__name__}", functools.partial(_run, make, random.randint(2**31))


def _run(make, seed):
    random = np.random.RandomState(seed)
    return make(random, functools.partial(one_of, random))


def attempt(function, *arguments, **options):
    """What the function returns, or that it raises."""
    try:
        return function(*arguments, **options)
    except Exception as error:
        return {"raised": type(error).__name__, "message": str(error)[:200]}


def each(**functions):
    """{name: what the function returns or raises}."""
    return {name: attempt(function) for name, function in functions.items()}


def as_json(config):
    """The configuration as a file would hold it; NumPy's numbers are plain numbers in lamella."""

    def plain(value):
        return (
            value.item() if isinstance(value, np.generic) else value.tolist() if isinstance(value, np.ndarray) else str(value)
        )

    return json.loads(json.dumps(config, default=plain))


def names_and_shapes(weights):
    from keras import backend as K

    return [(w.name, tuple(K.int_shape(w))) for w in weights]


def set_random_weights(model, random):
    """Weights between -0.8 and 0.8; between 0.2 and 0.8 where they are variances."""
    names = [w.name for layer in model.layers for w in layer.weights]  # get_weights has this order, model.weights another
    values = []
    for name, w in zip(names, model.get_weights(), strict=True):
        signs = 1 if "variance" in name else random.choice([-1, 1], w.shape)
        values.append(signs * random.uniform(0.2, 0.8, w.shape))
    model.set_weights(values)


def facts_of(layer):
    """What scripts read of a layer."""
    return each(
        name=lambda: layer.name,
        config=lambda: as_json(layer.get_config()),
        again=lambda: as_json(type(layer).from_config(layer.get_config()).get_config()) == as_json(layer.get_config()),
        output_shape=lambda: layer.output_shape,
        input_shape=lambda: layer.input_shape,
        count=lambda: layer.count_params(),
        weights=lambda: names_and_shapes(layer.weights),
        trainable=lambda: names_and_shapes(layer.trainable_weights),
        others=lambda: names_and_shapes(layer.non_trainable_weights),
        losses=lambda: (
            hasattr(layer, "layer") or len(layer.losses)
        ),  # those of wrappers lack the activity regularizer's in Keras
        updates=lambda: len(layer.updates),
        supports_masking=lambda: layer.supports_masking,
        masked=lambda: [mask is not None for mask in np.atleast_1d(np.array(layer.output_mask, object))],
        trains=lambda: layer.trainable,
        stateful=lambda: layer.stateful,
        nodes=lambda: len(layer._inbound_nodes),
    )


def results_of(model, x, seed, steps=2, loss="mean_squared_error"):
    """Predictions, two steps of training with momentum, and what they change."""
    from keras import optimizers

    set_random_weights(model, np.random.RandomState(seed))
    random = np.random.RandomState(seed + 1)
    result = {"predict": attempt(model.predict, x)}
    result["one batch"] = outputs = attempt(model.predict_on_batch, x)
    if isinstance(outputs, dict):
        return result
    single = not isinstance(outputs, list)
    y = [random.standard_normal(output.shape) for output in ([outputs] if single else outputs)]
    model.compile(optimizers.SGD(lr=0.05, momentum=0.9), loss)
    result["losses"] = [attempt(model.train_on_batch, x, y[0] if single else y) for _ in range(steps)]
    result["weights"] = model.get_weights()
    result["after"] = attempt(model.test_on_batch, x, y[0] if single else y)
    return result
