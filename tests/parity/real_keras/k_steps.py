"""K.rnn, map_fn, foldl, foldr and CTC on random sequences."""

import numpy as np
from on_tensors import array, attempt, program

DECIDED = {
    (".numpy: only Keras raises AttributeError", "'numpy."): "lamella computes with arrays where TensorFlow wants a tensor",
    (".partly: only Keras raises TypeError", "Failed to convert elements of"): "a size that is not known before the run",
    (
        "rnn (",
        "only Keras raises InvalidArgumentError",
        "TensorArray",
    ): "TensorFlow reads the last step of all outputs once only",
    ("only Keras raises ValueError", "enters the loop with shape"): "a state whose size is not known in the loop",
    (".static[", " in Keras, None here"): "a static size that lamella does not know",
    (".static[", "]: None in Keras, "): "a static size that only lamella knows",
    (".int_shape[1]: None in Keras, ",): "likewise",
}


def rnn(random):
    batch, steps, size = (int(n) for n in random.randint(1, 5, 3))
    x, state = array(random, (batch, steps, size)), array(random, (batch, size))
    w = array(random, (size, size), low=-1, high=1)
    mask = None if random.rand() < 0.5 else random.randint(0, 2, (batch, steps)).astype(bool)
    backwards, unroll = bool(random.rand() < 0.5), bool(random.rand() < 0.5)
    states, constant = int(random.randint(1, 3)), bool(random.rand() < 0.4)

    def body(K, x, w, *initial):
        def step(x, states):
            h = K.tanh(K.dot(states[0], states[-1]) + x)  # w is a constant: tensors from outside of a step are refused here
            if constant:
                h = h * states[-2]
            return h + 1, [h, states[1] + h][: len(initial)]

        given = None if mask is None else K.constant(mask, dtype="bool")
        constants = [K.constant(0.5), w] if constant else [w]
        named = {"go_backwards": backwards, "mask": given, "constants": constants, "unroll": unroll, "input_length": steps}
        last, outputs, final = K.rnn(step, x, list(initial), **named)
        return [last, outputs, *final]

    name = f"rnn {backwards, unroll, mask is not None, states, constant}"
    return name, body, [x, w, *[state] * states]


def folds(random):
    x = array(random, [int(n) for n in random.randint(1, 5, random.randint(1, 4))])
    start = array(random, x.shape[1:])
    return [
        ("map_fn", lambda K, x: K.map_fn(lambda e: K.sum(K.square(e)), x), [x]),
        ("map_fn dtype", lambda K, x: K.map_fn(lambda e: K.cast(e * 3, "int32"), x, dtype="int32"), [x]),
        ("map_fn of two", lambda K, x, y: K.map_fn(lambda e: e[0] * e[1], (x, y), dtype="float32"), [x, x + 1]),
        ("foldl", lambda K, x: K.foldl(lambda a, e: a * 0.5 + e, x), [x]),
        ("foldr", lambda K, x: K.foldr(lambda a, e: a * 0.5 + e, x), [x]),
        ("foldl from", lambda K, x, s: K.foldl(lambda a, e: a * e + 1, x, initializer=s), [x, start]),
        ("foldr from", lambda K, x, s: K.foldr(lambda a, e: a * e + 1, x, initializer=s), [x, start]),
    ][random.randint(7)]


def probabilities(random, batch, steps, classes):
    y = random.uniform(0.05, 1, (batch, steps, classes))
    return (y / y.sum(-1, keepdims=True)).astype("float32")


def ctc_cost(random):
    batch, steps, classes = int(random.randint(1, 4)), int(random.randint(4, 8)), int(random.randint(2, 5))
    labels = random.randint(0, classes - 1, (batch, 2)).astype("float32")
    lengths = random.randint(1, 3, (batch, 1)).astype("int32")
    times = np.full((batch, 1), steps, "int32")

    def body(K, y):
        return K.ctc_batch_cost(K.constant(labels), y, K.constant(times, dtype="int32"), K.constant(lengths, dtype="int32"))

    return "ctc_batch_cost", body, [probabilities(random, batch, steps, classes)]


def ctc_decode(random):
    batch, steps, classes = int(random.randint(1, 4)), int(random.randint(2, 8)), int(random.randint(2, 5))
    y, times = probabilities(random, batch, steps, classes), random.randint(1, steps + 1, batch).astype("int32")
    greedy, width, paths = bool(random.rand() < 0.5), int(random.randint(2, 9)), int(random.randint(1, 3))

    def run():
        from keras import backend as K

        given = K.constant(y), K.constant(times, dtype="int32")
        labels, scores = K.ctc_decode(*given, greedy=greedy, beam_width=width, top_paths=paths)
        return attempt(lambda: [[K.eval(each) for each in labels], K.eval(scores)])

    return f"ctc_decode {greedy, width, paths}", run


def cases(random, count):
    for i in range(count):
        if i % 5 == 4:
            name, run = ctc_decode(random)
            yield f"{i}:{name}", run
            continue
        name, body, arrays = [rnn, folds, rnn, ctc_cost][i % 5](random)
        yield f"{i}:{name} {[a.shape for a in arrays]}", program(body, arrays, kernels=True)
