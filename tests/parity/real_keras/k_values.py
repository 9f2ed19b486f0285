"""Values of keras.backend that change: updates, K.function, the learning phase, switch, floatx, names, printing."""

import numpy as np
from on_tensors import array, attempt, shape

DECIDED = {
    "both fed and fetched": "TensorFlow does not return what it was given",
    ".printed": "print_tensor prints to stdout; TensorFlow prints to stderr",
}


def updates(random):
    start, by, momentum = array(random, (2, 3)), array(random, (2, 3)), float(random.uniform(0, 1))
    name = ["update", "update_add", "update_sub"][random.randint(3)]

    def run():
        from keras import backend as K

        v, p = K.variable(start), K.placeholder((2, 3))
        f = K.function([p], [K.sum(v * p), v + 0], updates=[getattr(K, name)(v, p * 2)])
        first = f([by])
        w = K.variable(start)
        g = K.function([p], [], updates=[(w, w * 2 + p)])
        nothing = g([by])
        K.set_value(v, K.get_value(v) * 2)
        K.batch_set_value([(w, K.get_value(w) + 1)])
        return [first[0], f([by])[0], K.get_value(v), nothing, K.batch_get_value([v, w])]

    return f"function with {name} {momentum}", run


def phases(random):
    a, b = array(random, (2, 3)), array(random, (2, 3))
    training = [None, True, False, 0, 1][random.randint(5)]
    name = ["in_train_phase", "in_test_phase"][random.randint(2)]
    lazily = bool(random.rand() < 0.5)

    def run():
        from keras import backend as K

        x, y = K.placeholder((2, 3)), K.placeholder((None, 3))
        given = (lambda: x * 2, lambda: y + 1) if lazily else (x * 2, y + 1)
        z = getattr(K, name)(*given, training=training)
        f = K.function([x, y, K.learning_phase()], [z])
        result = [f([a, b, 0]), f([a, b, 1]), K.int_shape(z)]
        K.set_learning_phase(1)
        later = getattr(K, name)(x, y)
        return [*result, K.function([x, y], [later])([a, b]), K.learning_phase()]

    return f"{name} {training, lazily}", run


def switches(random):
    rank = int(random.randint(1, 4))
    a = array(random, random.randint(1, 4, rank))
    condition = random.randint(0, 2, a.shape[: random.randint(0, rank + 1)])
    lazily = bool(random.rand() < 0.5)

    def run():
        from keras import backend as K

        x, c = K.placeholder(a.shape), K.placeholder(condition.shape, dtype="bool")
        given = (lambda: x * 2, lambda: x - 1) if lazily else (x * 2, x - 1)
        z = K.switch(c, *given)
        slope = K.gradients(K.sum(z * z), [x])
        return {
            "numbers": attempt(lambda: K.function([x, c], [z, *slope])([a, condition.astype(bool)])),
            "less": attempt(lambda: K.function([x], [K.switch(K.less(x, 0.5), K.zeros_like(x), x)])([a])),
            "scalar": attempt(lambda: K.function([x], [K.switch(K.sum(x) > 0, x, -x)])([a])),
            "static": (K.int_shape(z), K.dtype(z)),
        }

    return f"switch {a.shape, condition.shape, lazily}", run


def floats(random):
    a = array(random, (2, 3), "float64")
    to = str(random.choice(["float64", "float32"]))

    def run():
        from keras import backend as K

        before = K.floatx(), K.epsilon()
        try:
            K.set_floatx(to)
            K.set_epsilon(1e-3)
            v, p = K.variable(a), K.placeholder((2, 3))
            values = [K.dtype(v), K.dtype(p), K.dtype(K.constant(1)), K.cast_to_floatx(a), K.cast_to_floatx([1, 2])]
            values += [
                K.function([p], [K.softmax(p * v), K.mean(K.square(p)), K.argmax(p)])([a]),
                K.eval(K.random_normal((2,))).dtype,
            ]
            values += [K.eval(K.binary_crossentropy(K.zeros((2,)), K.ones((2,)))), K.floatx(), K.epsilon()]
            values += [K.eval(K.zeros_like(v)), K.eval(K.arange(3))]
        finally:
            K.set_floatx(before[0])
            K.set_epsilon(before[1])
        return values

    return f"floatx {to}", run


def names(random):
    numbers = array(random, shape(random, 0, 3))

    def run():
        from keras import backend as K

        v = K.print_tensor(K.variable(numbers), "v is ")
        with K.name_scope("a_scope"):
            w = K.variable(numbers, name="w")
        is_tensor = K.is_keras_tensor(w)
        uids = [K.get_uid("a"), K.get_uid("a"), K.get_uid("b")]
        K.reset_uids()
        uids.append(K.get_uid("a"))
        K.set_image_data_format("channels_first")
        forms = [K.image_data_format(), K.normalize_data_format(None), K.normalize_data_format("Channels_Last"), K.backend()]
        return [
            K.eval(v * 1),
            w.name.split("/")[-1],
            is_tensor,
            uids,
            forms,
            K.is_sparse(w),
            K.count_params(w) if numbers.ndim else 1,
        ]

    return f"names {numbers.shape}", run


def draws(random):
    low, high = sorted(map(float, random.uniform(-2, 2, 2)))
    p, seed = float(random.uniform(0, 1)), int(random.randint(100))

    def facts(x):
        return [x.dtype, x.shape, bool(x.min() >= low), bool(x.max() <= high)]

    def run():
        from keras import backend as K

        uniform = K.eval(K.random_uniform((50, 40), low, high, seed=seed))
        normal = K.eval(K.random_normal((50, 40), low, 0.1, seed=seed))
        cut = K.eval(K.truncated_normal((50, 40), low, 0.1, seed=seed))
        binomial = K.eval(K.random_binomial((50, 40), p, seed=seed))
        variables = [
            K.random_uniform_variable((50, 40), low, high, seed=seed),
            K.random_normal_variable((50, 40), low, 0.1, seed=seed),
        ]
        kept = K.eval(K.dropout(K.ones((50, 40)), p * 0.9, seed=seed))
        return {
            "uniform": [*facts(uniform), *facts(K.get_value(variables[0]))],
            "normal": [
                bool(abs(x.mean() - low) < 0.02 and abs(x.std() - 0.1) < 0.02) for x in (normal, K.get_value(variables[1]))
            ],
            "cut": [bool(abs(cut - low).max() < 0.2001), bool(abs(cut.std() - 0.088) < 0.01)],
            "binomial": [binomial.dtype, np.unique(binomial).tolist(), bool(abs(binomial.mean() - p) < 0.06)],
            "dropout": [kept.dtype, bool(abs(kept.mean() - 1) < 0.2), np.unique(kept.round(3)).tolist()],
        }

    return f"draws {low:.2f} {high:.2f} {p:.2f}", run


def cases(random, count):
    kinds = [updates, phases, switches, floats, names, draws]
    for i in range(count):
        name, run = kinds[i % len(kinds)](random)
        yield f"{i}:{name}", run
