"""Functions of keras.backend that move, copy, join and pick items."""

import numpy as np
from on_tensors import array, axis, program, shape

DECIDED = {
    ("get_variable_shape", "has no attribute 'get_variable_shape'"): "a function of Keras's tensorflow_backend alone",
    ("gather", ".gradients: only Keras raises AttributeError", "'IndexedSlices'"): "K.eval takes the gradient of rows, too",
    ("arange", "only Keras raises ValueError", "Requires start "): "an empty range, as NumPy has",
    (".numpy: only Keras raises AttributeError", "'numpy."): "lamella computes with arrays where TensorFlow wants a tensor",
    (
        "only Keras raises TypeError",
        "in list of allowed values",
    ): "TensorFlow has no such function of this dtype, lamella computes it",
    (".partly: only Keras raises TypeError", "Failed to convert elements of"): "a size that is not known before the run",
    ("constant (", "only Keras raises TypeError", "of type 'float'"): "a constant is converted to its dtype",
    "count_params ()": "a float in Keras",
    "batch_flatten": "a size that Keras does not know",
}


def reshaped(random):
    x = array(random, shape(random))
    sizes = [int(s) for s in random.permutation([*x.shape, 1])]
    if random.rand() < 0.6:
        sizes[random.randint(len(sizes))] = -1
    to = tuple(sizes) if random.rand() < 0.5 else sizes
    return f"reshape {to}", lambda K, x: K.reshape(x, to), [x]


def permuted(random):
    x = array(random, shape(random, 1))
    pattern = tuple(map(int, random.permutation(x.ndim)))
    return f"permute_dimensions {pattern}", lambda K, x: K.permute_dimensions(x, pattern), [x]


def joined(random):
    of = shape(random, 1, 4)
    at = axis(random, len(of))
    if random.rand() < 0.5:
        at = int(random.randint(-len(of) - 1, len(of) + 1))
        return f"stack {at}", lambda K, *x: K.stack(list(x), axis=at), [array(random, of) for _ in range(random.randint(1, 4))]
    parts = []
    for _ in range(random.randint(1, 4)):
        sizes = list(of)
        sizes[at] = random.randint(1, 4)
        parts.append(array(random, sizes))
    return f"concatenate {at}", lambda K, *x: K.concatenate(list(x), axis=at), parts


def repeated(random):
    x = array(random, shape(random, 1, 4), str(random.choice(["float32", "int32"])))
    at, times = axis(random, x.ndim), int(random.randint(1, 4))
    place = at % x.ndim  # at -1 Keras tiles axes of unknown size
    each = [int(n) for n in random.randint(1, 4, x.ndim)]
    name, body = [
        ("repeat_elements", lambda K, x: K.repeat_elements(x, times, place)),
        ("tile", lambda K, x: K.tile(x, each)),
        ("tile by tuple", lambda K, x: K.tile(x, tuple(each))),
        ("repeat", lambda K, x: K.repeat(x, times)),
        ("flatten", lambda K, x: K.flatten(x)),
        ("batch_flatten", lambda K, x: K.batch_flatten(x)),
    ][random.randint(6)]
    return f"{name} {times, at, each}", body, [x]


def expanded(random):
    x = array(random, shape(random, 0, 4))
    at = int(random.randint(-x.ndim - 1, x.ndim + 1))
    if random.rand() < 0.5:
        return f"expand_dims {at}", lambda K, x: K.expand_dims(x, at), [x]
    x = np.expand_dims(x, at)
    return f"squeeze {at}", lambda K, x: K.squeeze(x, at), [x]


def picked(random):
    x = array(random, shape(random, 1, 4))
    axes = [int(a) for a in random.permutation(x.ndim)[: random.randint(1, x.ndim + 1)]]
    start = [int(random.randint(0, n)) for n in x.shape]
    size = [int(random.choice([-1, n - s])) for n, s in zip(x.shape, start, strict=True)]
    indices = array(random, shape(random, 0, 3), "int32", 0, x.shape[0] - 1)
    last = x.shape[-1]
    return [
        (f"reverse {axes}", lambda K, x: K.reverse(x, axes), [x]),
        (f"reverse {axes[0]}", lambda K, x: K.reverse(x, axes[0]), [x]),
        (f"slice {start, size}", lambda K, x: K.slice(x, start, size), [x]),
        ("gather", lambda K, x, i: K.gather(x, i), [x, indices]),
        ("one_hot", lambda K, i: K.one_hot(i, int(last)), [indices]),
        ("[...]", lambda K, x: x[..., -1], [x]),
        ("[::-1]", lambda K, x: x[::-1], [x]),
        ("[1:, None]", lambda K, x: x[:, None], [x]),
    ][random.randint(8)]


def padded(random):
    rank = int(random.randint(3, 6))
    x = array(random, random.randint(1, 4, rank))
    pads = [tuple(int(n) for n in random.randint(0, 3, 2)) for _ in range(rank - 2)]
    pads = tuple(pads)
    data_format = [None, "channels_last", "channels_first"][random.randint(3)]
    if rank == 3:
        return f"temporal_padding {pads}", lambda K, x: K.temporal_padding(x, pads[0]), [x]
    name = f"spatial_{rank - 2}d_padding"
    return f"{name} {pads} {data_format}", lambda K, x: getattr(K, name)(x, pads, data_format), [x]


def resized(random):
    data_format = str(random.choice(["channels_last", "channels_first"]))
    factors = [int(n) for n in random.randint(1, 4, 3)]
    if random.rand() < 0.3:
        x = array(random, random.randint(1, 4, 5))
        return f"resize_volumes {factors} {data_format}", lambda K, x: K.resize_volumes(x, *factors, data_format), [x]
    x, how = array(random, random.randint(1, 5, 4)), str(random.choice(["nearest", "bilinear"]))
    body = lambda K, x: K.resize_images(x, *factors[:2], data_format, interpolation=how)
    return f"resize_images {factors[:2]} {data_format} {how}", body, [x]


def made(random):
    of, dtype = shape(random, 0, 3), [None, "float64", "int32", "bool"][random.randint(4)]
    start, stop, step = int(random.randint(-3, 3)), int(random.randint(3, 9)), [1, 2, -1, 3][random.randint(4)]
    return [
        (f"zeros {of, dtype}", lambda K: K.stop_gradient(K.zeros(of, dtype)), []),
        (f"ones {of, dtype}", lambda K: K.stop_gradient(K.ones(of, dtype)), []),
        (f"eye {stop, dtype}", lambda K: K.stop_gradient(K.eye(stop, dtype)), []),
        (f"arange {start, stop, step, dtype}", lambda K: K.arange(start, stop, step, dtype or "int32"), []),
        (f"arange {start}", lambda K: K.arange(start), []),
        (f"constant {of, dtype}", lambda K: K.constant(2.5, dtype, shape=of), []),
        (f"count_params {of}", lambda K: K.count_params(K.zeros(of)), []),
        (f"get_variable_shape {of}", lambda K: [*K.get_variable_shape(K.zeros(of))], []),
    ][random.randint(8)]


def cases(random, count):
    kinds = [reshaped, permuted, joined, repeated, expanded, picked, padded, resized, made]
    for i in range(count):
        name, body, arrays = kinds[i % len(kinds)](random)
        yield f"{i}:{name} {[(a.dtype.name, a.shape) for a in arrays]}", program(body, arrays)
