"""Products of keras.backend, bias_add, normalization, cross-entropies and in_top_k."""

import numpy as np
from on_tensors import array, axis, program, shape

DECIDED = {
    (".gradients: only Keras raises TypeError", "Expected bool, but got 3"): "the slopes of a sum of bools, which are none",
    (
        "only Keras raises RuntimeError",
        "with `tf.Variable`s is not supported",
    ): "in-place operators make tensors of variables here",
    (".numpy: only Keras raises AttributeError", "'numpy."): "lamella computes with arrays where TensorFlow wants a tensor",
    (
        "only Keras raises TypeError",
        "in list of allowed values",
    ): "TensorFlow has no such function of this dtype, lamella computes it",
    (".partly: only Keras raises TypeError", "Failed to convert elements of"): "a size that is not known before the run",
    ("dot [", "only Keras raises ValueError", "Shape must be rank 2 but is rank 1"): "K.dot of a vector, as in Theano",
    ("crossentropy", "only Keras raises ValueError", "Unexpected channels axis"): "axis -2 is an axis, too",
    (".static[", " in Keras, None here"): "a static size that lamella does not know",
    "static[0][2][0]: None in Keras, 1 here": "a static size that only lamella knows",
    "partly.static[0][2][1]: None in Keras, 1 here": "likewise",
    "batch_normalization": "an array belongs to `axis` in each rank, as the docstring says; K's gradients by mean and variance are 0",
}


def sizes(random, rank):
    return [int(n) for n in random.randint(1, 5, rank)]


def dot(random):
    a, b = sizes(random, random.randint(1, 5)), sizes(random, random.randint(2, 5))
    b[-2] = a[-1]
    if random.rand() < 0.3:
        a, b = sizes(random, 2), sizes(random, 2)
        b[0] = a[1]
    return "dot", lambda K, a, b: K.dot(a, b), [array(random, a), array(random, b)]


def batch_dot(random):
    batch = int(random.randint(1, 5))
    a, b = [batch, *sizes(random, random.randint(1, 4))], [batch, *sizes(random, random.randint(1, 4))]
    i, j = int(random.randint(1, len(a))), int(random.randint(1, len(b)))
    axes = [(i, j), [i, j], [i - len(a), j], None][random.randint(4)]
    if axes is None:
        i, j = len(a) - 1, max(len(b) - 2, 1)
    elif random.rand() < 0.3 and i < len(b):
        axes = j = i
    b[j] = a[i]
    return f"batch_dot {axes}", lambda K, a, b: K.batch_dot(a, b, axes=axes), [array(random, a), array(random, b)]


def bias_add(random):
    data_format = [None, "channels_last", "channels_first"][random.randint(3)]
    x = array(random, sizes(random, random.randint(2, 6)))
    channels = x.shape[1] if data_format == "channels_first" else x.shape[-1]
    full = x.shape[2:] + (channels,) if data_format == "channels_first" else x.shape[1:]
    b = array(random, [channels] if random.rand() < 0.6 else full)
    return f"bias_add {data_format}", lambda K, x, b: K.bias_add(x, b, data_format), [x, b]


def batch_normalization(random):
    x = array(random, sizes(random, random.randint(2, 6)))
    at = int(random.randint(1, x.ndim)) - (x.ndim if random.rand() < 0.5 else 0)
    each = [array(random, [x.shape[at]], low=0.1) for _ in range(4)]
    missing = random.randint(4)

    def body(K, x, mean, var, beta, gamma):
        gamma, beta = gamma if missing & 1 else None, beta if missing & 2 else None
        return K.batch_normalization(x, mean, var, beta, gamma, axis=at, epsilon=1e-2)

    return f"batch_normalization {at} {missing}", body, [x, *each]


def normalize_batch_in_training(random):
    x = array(random, sizes(random, random.randint(2, 6)))
    at = int(random.randint(1, x.ndim))
    axes = [i for i in range(x.ndim) if i != at]
    given = random.rand() < 0.7

    def body(K, x, gamma, beta):
        y = K.normalize_batch_in_training(x, gamma if given else None, beta if given else None, axes, epsilon=0.1)
        if axes == [0, 1, 2]:  # Keras's variance is unbiased, see the docstring; TensorFlow has no gradient of the mean
            return [y[0], K.stop_gradient(y[1])]
        return list(y)

    return f"normalize_batch_in_training {axes} {given}", body, [x, *(array(random, [x.shape[at]]) for _ in range(2))]


def crossentropy(random):
    logits, at = bool(random.rand() < 0.5), -1
    of = shape(random, 2, 4)
    y = array(random, of, low=-2 if logits else 0.01, high=2 if logits else 1)
    kind = ["categorical", "sparse_categorical", "binary"][random.randint(3)]
    name = f"{kind}_crossentropy"
    if kind == "binary":
        target = array(random, of, low=0, high=1)
        return f"{name} {logits}", lambda K, t, y: getattr(K, name)(t, y, from_logits=logits), [target, y]
    if kind == "categorical":
        at = -1 if logits else axis(random, len(of))  # Keras ignores the axis of logits
        target = array(random, of, low=0, high=1)
        target /= target.sum(-1, keepdims=True)  # TensorFlow's gradients by logits assume it
    else:
        labels = of[:-1] if random.rand() < 0.5 else (*of[:-1], 1)
        target = array(random, labels, str(random.choice(["int32", "float32"])), 0, 0)
        target += random.randint(0, of[-1], labels).astype(target.dtype)
    return (
        f"{name} {logits} {at}",
        lambda K, t, y: getattr(K, name)(K.stop_gradient(t), y, from_logits=logits, axis=at),
        [target, y],
    )


def in_top_k(random):
    rows, classes = sizes(random, 2)
    y, k = array(random, [rows, classes]), int(random.randint(1, classes + 2))
    labels = random.randint(0, classes, rows).astype("int32")
    return f"in_top_k {k}", lambda K, y, t: K.in_top_k(y, t, k), [y, labels]


def cases(random, count):
    kinds = [dot, batch_dot, bias_add, batch_normalization, normalize_batch_in_training, crossentropy, crossentropy, in_top_k]
    for i in range(count):
        name, body, arrays = kinds[i % len(kinds)](random)
        arrays = [np.asarray(a) for a in arrays]
        yield f"{i}:{name} {[(a.dtype.name, a.shape) for a in arrays]}", program(body, arrays)
