"""Each optimizer with all its arguments over many steps: the weights, its state, its configuration, and changes between fits."""

import functools

import numpy as np
import parts
from parts import set_random_weights
from typed import typed

COMMON = {"clipnorm": [0.05, 0.5, 2.0], "clipvalue": [0.01, 0.2]}
MOMENTS = {"lr": [0.01, 0.1], "beta_1": [0.5, 0.9], "beta_2": [0.9, 0.999], "epsilon": [None, 1e-3, 0.1]}
ARGUMENTS = {
    "SGD": {"lr": [0.01, 0.3], "momentum": [0.0, 0.5, 0.9], "decay": [0.0, 0.1], "nesterov": [False, True]},
    "RMSprop": {"lr": [0.001, 0.05], "rho": [0.5, 0.9], "epsilon": [None, 1e-3], "decay": [0.0, 0.1]},
    "Adagrad": {"lr": [0.01, 0.2], "epsilon": [None, 1e-3], "decay": [0.0, 0.1]},
    "Adadelta": {"lr": [0.5, 1.0], "rho": [0.5, 0.95], "epsilon": [None, 1e-3], "decay": [0.0, 0.1]},
    "Adam": MOMENTS | {"decay": [0.0, 0.1], "amsgrad": [False, True]},
    "Adamax": MOMENTS | {"decay": [0.0, 0.1]},
    "Nadam": MOMENTS | {"schedule_decay": [0.004, 0.1]},
}
DECIDED = {}


def arguments_of(name, random):
    """Some of the arguments, with random values."""
    return {n: values[random.randint(len(values))] for n, values in (ARGUMENTS[name] | COMMON).items() if random.rand() < 0.5}


def model_of(random):
    from keras import constraints, layers, models, regularizers

    one_of = functools.partial(parts.one_of, random)
    first = {
        "kernel_constraint": one_of(None, constraints.max_norm(0.7), constraints.unit_norm(axis=1), constraints.non_neg()),
        "bias_constraint": one_of(None, constraints.min_max_norm(0.2, 0.5, 0.9)),
        "kernel_regularizer": one_of(None, regularizers.l1(0.02), regularizers.l2(0.1)),
        "bias_regularizer": one_of(None, regularizers.l1_l2(0.01, 0.03)),
    }
    model = models.Sequential([layers.Dense(4, activation="tanh", input_shape=(3,), **first), layers.Dense(3), layers.Dense(2)])
    set_random_weights(model, random)
    return model, one_of


def state_of(optimizer):
    weights = [np.asarray(w) for w in optimizer.get_weights()]  # Keras has a number of NumPy for the steps
    return {"weights": weights, "count": len(optimizer.weights), "config": typed(optimizer.get_config())}


def by_hand(model, optimizer, x, y):
    """Steps with K.function and get_updates, as scripts do that train without fit."""
    from keras import backend as K

    target = K.placeholder((None, 2))
    loss = K.mean(K.square(target - model.output))
    updates = optimizer.get_updates(loss=loss, params=model.trainable_weights)
    step = K.function([model.input, target], [loss], updates=updates)
    return [step([x, y])[0] for _ in range(4)]


def program(name, seed):
    def run():
        from keras import backend as K
        from keras import optimizers

        random = np.random.RandomState(seed)
        model, one_of = model_of(random)
        optimizer = getattr(optimizers, name)(**arguments_of(name, random))
        x, y = random.standard_normal((12, 3)), random.standard_normal((12, 2))
        result = {"new": state_of(optimizer)}
        if random.rand() < 0.2:
            return result | {
                "losses": by_hand(model, optimizer, x, y),
                "weights": model.get_weights(),
                "end": state_of(optimizer),
            }
        model.layers[1].trainable = bool(random.rand() < 0.7)
        model.compile(optimizer, "mse")
        fit = {"batch_size": one_of(3, 5, 12), "epochs": one_of(1, 4), "shuffle": False, "verbose": 0}
        result["first"] = model.fit(x, y, **fit).history["loss"]
        result["after first"] = state_of(optimizer), model.get_weights()
        change = random.randint(5)
        if change == 0:
            K.set_value(optimizer.lr, 0.02)
        elif change == 1:
            # Not the count of steps of Nadam: its momentum schedule follows the count in lamella, in Keras the number of steps.
            kept = [w if name == "Nadam" and np.ndim(w) == 0 else w + 0.1 * np.abs(w) for w in optimizer.get_weights()]
            optimizer.set_weights(kept)
        elif change == 2:
            model.layers[1].trainable = True
            model.compile(optimizer, "mae")
        elif change == 3:
            K.set_value(optimizer.lr, K.get_value(optimizer.lr) / 2)
            model.compile(type(optimizer).from_config(optimizer.get_config()), "mse")
        result["second"] = model.fit(x, y, **fit).history["loss"]
        return result | {
            "weights": model.get_weights(),
            "end": state_of(model.optimizer),
            "lr": float(K.get_value(model.optimizer.lr)),
        }

    return run


def cases(random, count):
    names = list(ARGUMENTS)
    for i in range(count):
        yield f"{i}:{names[i % len(names)]}", program(names[i % len(names)], random.randint(2**31))
