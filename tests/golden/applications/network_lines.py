"""What the record of Keras's networks holds of each, and the weights with which it was computed: for Keras and lamella alike."""

import json

import numpy as np


def lines_of(model):
    """A line of JSON for each layer: class, name, config, the layers that it reads, its weights, how many of them are trained.

    Left out of configs are the dtype, which lamella writes only where one was given, and a Lambda's function, of which Keras
    writes the code.
    """
    lines = []
    for layer, entry in zip(model.layers, model.get_config()["layers"], strict=True):
        left_out = {"name", "dtype"} | ({"function", "function_type", "mask"} if entry["class_name"] == "Lambda" else set())
        config = {key: value for key, value in _plain(entry["config"]).items() if key not in left_out}
        reads = [[x[0] for x in node] for node in entry["inbound_nodes"]]
        weights = [[_last(w.name), [int(d) for d in w.shape]] for w in layer.weights]
        parts = [entry["class_name"], layer.name, config, reads, weights, len(layer.trainable_weights)]
        lines.append(json.dumps(parts, sort_keys=True))
    return lines


def _plain(value):
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, dict) else value


def _last(name):
    """kernel, of conv1/kernel:0 or conv1/kernel_1:0."""
    return name.split("/")[-1].split(":")[0].split("_1")[0]


def numbers(count, index):
    """Numbers from -1 to 1 that depend on the index alone."""
    i = np.arange(1 << 16, dtype=np.uint32)
    for _ in range(2):
        i = (i ^ (i >> np.uint32(16))) * np.uint32(0x45D9F3B)
    i ^= i >> np.uint32(16)
    table = (i >> np.uint32(8)).astype(np.float32) / np.float32(1 << 23) - np.float32(1)
    # 65521 is prime, so no side of a weight divides it.
    return np.resize(np.roll(table[:65521], -7919 * index), count)


def weights_of(model):
    """Arrays for model.set_weights, by the place of each in the model alone; the scale of activations stays what it is."""
    arrays = []
    for index, weight in enumerate(w for layer in model.layers for w in layer.weights):
        shape, kind = [int(d) for d in weight.shape], _last(weight.name)
        u = numbers(int(np.prod(shape)), index).reshape(shape)
        if kind == "moving_variance":
            u = 1 + u / 2
        elif kind == "gamma":
            u = 1 + u / 4
        elif kind.endswith("kernel"):
            fan_in = np.prod(shape[:2] if kind == "depthwise_kernel" else shape[:-1])
            u = u * np.float32(np.sqrt(6 / fan_in))
        else:
            u = u / 4
        arrays.append(u)
    return arrays


def images_of(model):
    """Two images."""
    shape = (2, *(int(d) for d in model.input_shape[1:]))
    return numbers(int(np.prod(shape)), 12345).reshape(shape)


def features_of(model):
    """The tensor before the classifier."""
    return model.layers[-5 if model.name.startswith("mobilenet_") else -2].output


def some(features):
    """Some 24 of each image's features."""
    rows = np.asarray(features).reshape(len(features), -1)
    return rows[:, :: max(1, rows.shape[1] // 24)][:, :24]
