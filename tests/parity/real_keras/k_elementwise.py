"""Functions of keras.backend from each item of one or two arrays, also of integers and bools, with broadcasting."""

from on_tensors import array, axis, broadcast_to, program, shape

DECIDED = {
    (
        "cast ",
        "is both fed and fetched",
    ): "TensorFlow refuses to feed and fetch one tensor, which a cast to its own dtype returns",
    (".gradients: only Keras raises TypeError", "Expected bool, but got 3"): "the slopes of a sum of bools, which are none",
    ("l2_normalize", "only Keras raises TypeError", "Expected int"): "integers, of which lamella makes floats",
    (".numpy: only Keras raises AttributeError", "'numpy."): "lamella computes with arrays where TensorFlow wants a tensor",
    (
        "only Keras raises TypeError",
        "in list of allowed values",
    ): "TensorFlow has no such function of this dtype, lamella computes it",
    (".partly: only Keras raises TypeError", "Failed to convert elements of"): "a size that is not known before the run",
    (
        "only Keras raises RuntimeError",
        "with `tf.Variable`s is not supported",
    ): "in-place operators make tensors of variables here",
    "result.numpy.": "Keras makes float32 of arrays where an argument is one",
}

PLAIN = """abs exp round sign sin cos square softsign sigmoid hard_sigmoid tanh softplus softmax relu elu identity stop_gradient
zeros_like ones_like transpose""".split()
POSITIVE = ["sqrt", "log"]
PAIRS = "maximum minimum equal not_equal greater greater_equal less less_equal".split()
OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": lambda a, b: a**b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
}


def plain(random):
    name = str(random.choice(PLAIN))
    x = array(random, shape(random), str(random.choice(["float32", "float32", "float64", "int32"])))
    x = x.astype("float32") if name == "relu" else x
    return name, lambda K, x: getattr(K, name)(x), [x]


def positive(random):
    name = str(random.choice(POSITIVE))
    return name, lambda K, x: getattr(K, name)(x), [array(random, shape(random), low=-0.1, high=3)]


def with_arguments(random):
    x = array(random, shape(random), str(random.choice(["float32", "float64", "int32"])))
    low, high, number = [*sorted(map(float, random.uniform(-2, 2, 2))), float(random.uniform(0.1, 2))]
    if x.dtype.kind == "i":
        low, high = -1, 1
    name = str(random.choice(["clip", "relu", "elu", "pow", "softmax", "cast", "zeros_like", "ones_like", "l2_normalize"]))
    at = axis(random, x.ndim)
    x = x.astype("float32") if name == "relu" else x  # activations compute in float32 and float64
    dtype = str(random.choice(["float32", "float64", "int32", "bool", "int64"]))
    ceiling = None if random.rand() < 0.5 else high + 2
    alpha = float(random.choice([0.0, 0.2, 1.5]))
    threshold = float(random.choice([0.0, 0.5, -0.5]))
    power = [2, 3, 0, 1, 2.0, 0.5, -1][random.randint(7)]
    bodies = {
        "clip": lambda K, x: K.clip(x, low, high),
        "relu": lambda K, x: K.relu(x, alpha=alpha, max_value=ceiling, threshold=threshold),
        "elu": lambda K, x: K.elu(x, number),
        "pow": lambda K, x: K.pow(x, power),
        "softmax": lambda K, x: K.softmax(x, axis=at),
        "cast": lambda K, x: K.cast(x, dtype),
        "zeros_like": lambda K, x: K.zeros_like(x, dtype=dtype),
        "ones_like": lambda K, x: K.ones_like(x, dtype=dtype),
        "l2_normalize": lambda K, x: K.l2_normalize(x, axis=at),
    }
    return f"{name} {low, high, number, at, dtype, ceiling, alpha, threshold, power}", bodies[name], [x]


def pairs(random):
    kind = str(random.choice(["float32", "float32", "float64"]))  # of integers / gives floatx here, as layers take no float64
    of = shape(random)
    a, b = array(random, of, kind), array(random, broadcast_to(random, of), kind)
    if random.rand() < 0.5:
        a, b = b, a
    if random.rand() < 0.5:
        name = str(random.choice(PAIRS))
        return name, lambda K, a, b: getattr(K, name)(a, b), [a, b]
    name = str(random.choice(list(OPERATORS)))
    return name, lambda K, a, b: OPERATORS[name](a, b), [a, b]


def cases(random, count):
    for i in range(count):
        name, body, arrays = [plain, with_arguments, pairs, positive][i % 4](random)
        yield f"{i}:{name} {[(a.dtype.name, a.shape) for a in arrays]}", program(body, arrays)
