"""Convolutions, pooling and locally connected layers of keras.backend in both data formats."""

import numpy as np
from on_tensors import array, program

DECIDED = {
    ("'causal', 'channels_first'", "only Keras raises ValueError"): "lamella pads channels_first, too",
    (".numpy: only Keras raises AttributeError", "'numpy."): "lamella computes with arrays where TensorFlow wants a tensor",
    (
        "only Keras raises TypeError",
        "in list of allowed values",
    ): "TensorFlow has no such function of this dtype, lamella computes it",
    ("local_conv", ".partly: only lamella raises ValueError"): "the sizes follow from those of the kernel alone",
    ("transpose", ".static[0][2][0]: ", " in Keras, None here"): "the batch size that output_shape has",
    (".static[", "]: None in Keras, "): "a static size that only lamella knows",
}


def sizes(random, count, low=1, high=4):
    return tuple(int(n) for n in random.randint(low, high, count))


def image(random, rank, channels, data_format, least):
    spatial = sizes(random, rank, least, least + 4)
    batch = int(random.randint(1, 3))
    return array(random, (batch, channels, *spatial) if data_format == "channels_first" else (batch, *spatial, channels))


def form(random):
    return [None, "channels_last", "channels_last", "channels_first"][random.randint(4)]


def convolution(random):
    rank, data_format = int(random.randint(1, 4)), form(random)
    channels, filters = sizes(random, 2)
    window, strides, dilation = sizes(random, rank), sizes(random, rank, 1, 3), (1,) * rank
    if random.rand() < 0.3:
        strides, dilation = (1,) * rank, sizes(random, rank, 1, 3)
    padding = str(random.choice(["valid", "same", "causal"] if rank == 1 else ["valid", "same"]))
    x = image(random, rank, channels, data_format, 7)
    kernel = array(random, (*window, channels, filters))
    if rank == 1:
        strides, dilation = strides[0], dilation[0]

    def body(K, x, kernel):
        function = getattr(K, f"conv{rank}d")
        return function(x, kernel, strides=strides, padding=padding, data_format=data_format, dilation_rate=dilation)

    return f"conv{rank}d {strides, padding, data_format, dilation}", body, [x, kernel]


def transposed(random):
    rank, data_format = int(random.randint(2, 4)), form(random)
    channels, filters = sizes(random, 2)
    window, strides = sizes(random, rank), sizes(random, rank, 1, 3)
    padding = str(random.choice(["valid", "same"]))
    x = image(random, rank, channels, data_format, 2)
    spatial = x.shape[2:] if data_format == "channels_first" else x.shape[1:-1]
    each = zip(spatial, strides, window, strict=True)
    out = [n * s if padding == "same" else (n - 1) * s + k for n, s, k in each]
    out = (x.shape[0], filters, *out) if data_format == "channels_first" else (x.shape[0], *out, filters)

    def body(K, x, kernel):
        return getattr(K, f"conv{rank}d_transpose")(x, kernel, out, strides=strides, padding=padding, data_format=data_format)

    return f"conv{rank}d_transpose {strides, padding, data_format}", body, [x, array(random, (*window, filters, channels))]


def separable(random):
    rank, data_format = int(random.randint(1, 3)), form(random)
    channels, filters, multiplier = sizes(random, 3)
    window, stride, dilation = sizes(random, rank), int(random.randint(1, 3)), 1
    if random.rand() < 0.3:
        stride, dilation = 1, 2
    padding = str(random.choice(["valid", "same"]))
    x = image(random, rank, channels, data_format, 6)
    depthwise = array(random, (*window, channels, multiplier))
    pointwise = array(random, ((1,) * rank) + (channels * multiplier, filters))
    named = {"padding": padding, "data_format": data_format}
    named |= {"strides": (stride,) * rank, "dilation_rate": (dilation,) * rank}
    if rank == 2 and random.rand() < 0.5:
        return f"depthwise_conv2d {named}", lambda K, x, d: K.depthwise_conv2d(x, d, **named), [x, depthwise]
    name = f"separable_conv{rank}d"
    return f"{name} {named}", lambda K, x, d, p: getattr(K, name)(x, d, p, **named), [x, depthwise, pointwise]


def pooling(random):
    rank, data_format = int(random.randint(2, 4)), form(random)
    x = image(random, rank, int(random.randint(1, 4)), data_format, 4)
    window = sizes(random, rank)
    # TensorFlow's pool3d on a CPU places windows that are smaller than the stride wrongly.
    strides = tuple(int(random.randint(1, n + 1)) for n in window)
    padding, mode = str(random.choice(["valid", "same"])), str(random.choice(["max", "avg"]))
    if random.rand() < 0.2 and mode == "max" and rank == 2:
        x = np.round(x * 5).astype(str(random.choice(["int32", "int64"])))

    def body(K, x):
        function = getattr(K, f"pool{rank}d")
        return function(x, window, strides=strides, padding=padding, data_format=data_format, pool_mode=mode)

    return f"pool{rank}d {window, strides, padding, data_format, mode}", body, [x]


def local(random):
    rank = int(random.randint(1, 3))
    data_format = None if rank == 1 else form(random)
    channels, filters = sizes(random, 2)
    window, strides = sizes(random, rank), sizes(random, rank, 1, 3)
    x = image(random, rank, channels, data_format, 4)
    spatial = x.shape[2:] if data_format == "channels_first" else x.shape[1:-1]
    out = tuple((n - k) // s + 1 for n, k, s in zip(spatial, window, strides, strict=True))
    kernel = array(random, (int(np.prod(out)), int(np.prod(window)) * channels, filters))
    if rank == 1:
        return f"local_conv1d {window, strides}", lambda K, x, w: K.local_conv1d(x, w, window, strides), [x, kernel]
    body = lambda K, x, w: K.local_conv2d(x, w, window, strides, out, data_format)
    return f"local_conv2d {window, strides, data_format}", body, [x, kernel]


def cases(random, count):
    kinds = [convolution, pooling, transposed, separable, convolution, local]
    for i in range(count):
        name, body, arrays = kinds[i % len(kinds)](random)
        yield f"{i}:{name} {[a.shape for a in arrays]}", program(body, arrays, kernels=True)
