"""Losses, metrics, activations, initializers, regularizers and constraints: numbers, configs, and `get` of each kind of name."""

import numpy as np
from on_tensors import array, attempt, shape

DECIDED = {
    "both fed and fetched": "TensorFlow does not return what it was given",
    (":Orthogonal", "result[0]: 'float64' in Keras"): "an array of float64 in Keras, of which K.variable makes floatx",
    (":orthogonal", "result[0]: 'float64' in Keras"): "an array of float64 in Keras, of which K.variable makes floatx",
}

LOSSES = """mean_squared_error mean_absolute_error mean_absolute_percentage_error mean_squared_logarithmic_error squared_hinge hinge
categorical_hinge logcosh categorical_crossentropy binary_crossentropy kullback_leibler_divergence poisson cosine_proximity mse MSE mae
MAE mape MAPE msle MSLE kld KLD cosine""".split()
METRICS = """binary_accuracy categorical_accuracy sparse_categorical_accuracy top_k_categorical_accuracy
sparse_top_k_categorical_accuracy""".split()
ACTIVATIONS = "softmax elu selu softplus softsign relu tanh sigmoid exponential hard_sigmoid linear".split()


def evaluated(function, *arrays):
    from keras import backend as K

    inputs = [K.placeholder(a.shape) for a in arrays]
    y = function(*inputs)
    return K.function(inputs, [y])(list(arrays)), K.int_shape(y)


def losses(random):
    name = str(random.choice(LOSSES))
    a, b = (array(random, shape(random, 2, 4), low=0, high=1) for _ in range(2))
    b = array(random, a.shape, low=0.01, high=1)

    def run():
        from keras import losses

        function = losses.get(name)
        same = losses.deserialize(losses.serialize(function)) is function
        return [
            evaluated(function, a, b),
            losses.serialize(function),
            same,
            attempt(lambda: losses.get(None)),
            losses.get(run) is run,
        ]

    return name, run


def metrics(random):
    name = str(random.choice(METRICS))
    rows, classes = (int(n) for n in random.randint(1, 6, 2))
    y = array(random, (rows, classes))
    k = int(random.randint(1, 6))
    t = (
        random.randint(0, classes, (rows, 1)).astype("float32")
        if "sparse" in name
        else array(random, (rows, classes), low=0, high=1)
    )
    t = t.round() if name == "binary_accuracy" else t

    def run():
        from keras import metrics

        function = metrics.get(name)
        named = {"k": k} if "top_k" in name else {}
        return [evaluated(lambda t, y: function(t, y, **named), t, y), metrics.serialize(function)]

    return f"{name} {rows, classes, k}", run


def activations(random):
    name = str(random.choice(ACTIVATIONS))
    x = array(random, shape(random, 1, 4))
    named = {}
    if name == "softmax":
        x, named = array(random, shape(random, 2, 4)), {"axis": -1}
    if name == "relu":
        named = {"alpha": float(random.rand()), "max_value": 1.5, "threshold": float(random.rand())}
    if name == "elu":
        named = {"alpha": float(random.rand())}

    def run():
        from keras import activations

        function = activations.get(name)
        names = [
            activations.serialize(function),
            activations.deserialize(name) is function,
            activations.get(None) is activations.linear,
        ]
        custom = activations.deserialize("mine", custom_objects={"mine": abs}) is abs
        return [evaluated(lambda x: function(x, **named), x), names, custom, attempt(lambda: activations.get("unknown"))]

    return f"{name} {x.shape}", run


def deviation(name, named, of):
    """The standard deviation of an initializer that draws; None for the others."""
    given = {
        "RandomNormal": 0.2,
        "TruncatedNormal": 0.3 * 0.88,
        "normal": 0.05,
        "random_normal": 0.05,
        "truncated_normal": 0.044,
    }
    if name in given:
        return given[name]
    if name in ("RandomUniform", "uniform"):
        return (named.get("maxval", 0.05) - named.get("minval", -0.05)) / 12**0.5
    fans = {"fan_in": of[0], "fan_out": of[1], "fan_avg": sum(of) / 2, "lecun": of[0], "he": of[0] / 2, "glorot": sum(of) / 2}
    fan = fans.get(named.get("mode", name.split("_")[0]))
    return None if fan is None else (named.get("scale", 1) / fan) ** 0.5


def initializers(random):
    of = tuple(int(n) for n in random.randint(30, 60, 2))
    seed, scale = int(random.randint(99)), float(random.uniform(0.5, 2))
    mode, kind = str(random.choice(["fan_in", "fan_out", "fan_avg"])), str(random.choice(["normal", "uniform"]))
    name, named = [
        ("Zeros", {}),
        ("Ones", {}),
        ("Constant", {"value": scale}),
        ("RandomNormal", {"mean": scale, "stddev": 0.2, "seed": seed}),
        ("RandomUniform", {"minval": -scale, "maxval": scale / 2, "seed": seed}),
        ("TruncatedNormal", {"mean": scale, "stddev": 0.3}),
        ("VarianceScaling", {"scale": scale, "mode": mode, "distribution": kind, "seed": seed}),
        ("Orthogonal", {"gain": scale, "seed": seed}),
        ("Identity", {"gain": scale}),
        *((n, {}) for n in "glorot_normal glorot_uniform he_normal he_uniform lecun_normal lecun_uniform".split()),
        *(
            (n, {})
            for n in "zero one normal uniform zeros ones orthogonal identity constant random_normal truncated_normal".split()
        ),
    ][random.randint(26)]

    def run():
        from keras import backend as K
        from keras import initializers

        made = initializers.get({"class_name": name, "config": named}) if name[0].isupper() else initializers.get(name)
        again = initializers.deserialize(initializers.serialize(made))
        x = made(of)
        x = x if isinstance(x, np.ndarray) else K.eval(x)  # Orthogonal and Identity of Keras give arrays
        expected = deviation(name, named, of)
        about = [expected is None or bool(abs(x.std() / expected - 1) < 0.15), bool(x.max() - x.min() > 1e-6)]
        exact = x if name.lower() in ("zeros", "ones", "constant", "identity", "zero", "one") else abs(x).max() > 0
        return [x.dtype, x.shape, about, exact, initializers.serialize(made), again.get_config(), type(made).__name__]

    return f"{name} {named} {of}", run


def regularizers(random):
    x = array(random, shape(random, 1, 4))
    a, b = (float(v) for v in random.uniform(0, 1, 2))

    def run():
        from keras import backend as K
        from keras import regularizers

        made = [regularizers.l1(a), regularizers.l2(b), regularizers.l1_l2(a, b), regularizers.L1L2(l2=b), regularizers.l1_l2()]
        made.append(regularizers.get("l1_l2") if a < 0.1 else regularizers.get({"class_name": "L1L2", "config": {"l1": a}}))
        configs = [regularizers.serialize(m) for m in made]
        again = [regularizers.deserialize(c) for c in configs]
        return [[K.eval(m(K.variable(x))) for m in made], configs, [m.get_config() for m in again], regularizers.get(None)]

    return f"regularizers {x.shape}", run


def constraints(random):
    x = array(random, shape(random, 2, 4))
    at = [0, 1, [0, 1], x.ndim - 1][random.randint(4)]
    low, high, rate = float(random.uniform(0, 1)), float(random.uniform(1, 2)), float(random.uniform(0, 1))

    def run():
        from keras import backend as K
        from keras import constraints

        made = [constraints.MaxNorm(high, at), constraints.NonNeg(), constraints.UnitNorm(at)]
        made += [constraints.MinMaxNorm(low, high, rate, at), constraints.max_norm(low), constraints.get("non_neg")]
        made += [constraints.get(n) for n in ("max_norm", "unit_norm", "min_max_norm", "UnitNorm", "MaxNorm")]
        configs = [constraints.serialize(m) for m in made]
        again = [constraints.deserialize(c).get_config() for c in configs]
        return [[K.eval(m(K.variable(x) * 1)) for m in made], configs, again, constraints.get(None)]

    return f"constraints {x.shape} {at}", run


def cases(random, count):
    kinds = [losses, metrics, activations, initializers, regularizers, constraints, initializers]
    for i in range(count):
        name, run = kinds[i % len(kinds)](random)
        yield f"{i}:{name}", run
