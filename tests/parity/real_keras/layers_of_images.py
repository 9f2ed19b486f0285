"""Each layer of images, sequences and volumes with random values of its arguments: alone in a model, on odd sizes."""

import numpy as np
from parts import attempt, facts_of, one_of, results_of

ACTIVATIONS = "linear relu tanh sigmoid softplus softsign elu selu hard_sigmoid".split()
CONVOLUTIONS = """Conv1D Conv2D Conv3D SeparableConv1D SeparableConv2D DepthwiseConv2D Conv2DTranspose Conv3DTranspose
LocallyConnected1D LocallyConnected2D""".split()
POOLS = "MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D".split()
WHOLE = [f"Global{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3)]
OTHERS = [f"{kind}{rank}D" for kind in ("UpSampling", "ZeroPadding", "Cropping", "SpatialDropout") for rank in (1, 2, 3)]
NAMES = [*CONVOLUTIONS, *POOLS, *CONVOLUTIONS, *WHOLE, *CONVOLUTIONS, *OTHERS]
DECIDED = {
    (":LocallyConnected1D{", ".layer.config.data_format: only in lamella"): "it keeps what it was given",
    (":SpatialDropout", ".layer.config.data_format: only in lamella"): "it keeps what it was given",
    (
        ":LocallyConnected1D{",
        "'channels_first'",
        "only lamella raises ValueError",
    ): "channels_first, which Keras stores and does not use",
    "leaves nothing of the input": "Cropping of all rows is refused",
    ".result.computed: (None, -1": "a negative size",
    (
        ":Conv2DTranspose{",
        "'dilation_rate'",
        "Dimension value must be integer or None",
    ): "dilation of Conv2DTranspose on unknown sizes, which fails in TensorFlow 1, too",
    "the output would be empty": "a kernel larger than the input is refused",
}


def sizes(random, rank, low, high, equal=None):
    """One number, or one for each axis."""
    if random.uniform() < 0.4 or equal:
        return int(random.randint(low, high))
    values = tuple(int(v) for v in random.randint(low, high, rank))
    return values if random.uniform() < 0.8 else list(values)


def maybe(random, arguments, name, *values, rate=0.5):
    if random.uniform() < rate:
        arguments[name] = one_of(random, *values)


def convolution(random, name, rank):
    arguments = {"kernel_size": sizes(random, rank, 1, 4)}
    if name != "DepthwiseConv2D":
        arguments["filters"] = int(random.randint(1, 5))
    equal = "Separable" in name or "Depthwise" in name
    if random.uniform() < 0.5:
        arguments["strides"] = sizes(random, rank, 1, 4, equal)
    elif "Locally" not in name and name != "Conv3DTranspose" and random.uniform() < 0.5:
        arguments["dilation_rate"] = sizes(random, rank, 1, 3, name == "Conv2DTranspose" or equal)
    paddings = ["valid", "same", "SAME"] if "Locally" not in name else ["valid"]
    if (
        name == "Conv3D"
        and (np.broadcast_to(arguments.get("strides", 1), 3) > np.broadcast_to(arguments["kernel_size"], 3)).any()
    ):
        # Where a stride is above the kernel's size, TensorFlow's conv3d leaves out first places, which neither its own formula of
        # "same" nor its conv2d does.
        paddings = ["valid"]
    maybe(random, arguments, "padding", *paddings, *(["causal"] if rank == 1 else []))
    if "Transpose" in name and "strides" not in arguments:  # TensorFlow refuses some of both
        maybe(random, arguments, "output_padding", None, 0, 1, (0, 1, 0)[:rank], rate=0.3)
    if "Separable" in name or "Depthwise" in name:
        maybe(random, arguments, "depth_multiplier", 1, 2, 3)
    prefix = "depthwise" if arguments.get("depth_multiplier") or "Depthwise" in name or "Separable" in name else "kernel"
    maybe(random, arguments, "activation", *ACTIVATIONS)
    maybe(random, arguments, "use_bias", True, False, rate=0.3)
    maybe(random, arguments, f"{prefix}_regularizer", "l1", "l2", "l1_l2", rate=0.3)
    maybe(random, arguments, "bias_regularizer", "l1", "l2", rate=0.2)
    maybe(random, arguments, "activity_regularizer", "l1", "l2", rate=0.2)
    maybe(random, arguments, f"{prefix}_constraint", "max_norm", "non_neg", "unit_norm", "min_max_norm", rate=0.2)
    maybe(random, arguments, "bias_constraint", "max_norm", "non_neg", rate=0.2)
    return arguments


def padding(random, name, rank):
    kind = random.randint(3 if rank > 1 else 2)
    pair = [tuple(int(v) for v in random.randint(0, 3, 2)) for _ in range(rank)]
    value = (
        int(random.randint(0, 3))
        if kind == 0
        else tuple(pair)
        if rank > 1 and kind == 1
        else pair[0]
        if rank == 1
        else pair[0] + (1,)
    )
    return {"padding" if "Padding" in name else "cropping": value[:rank] if kind == 2 else value}


def arguments_of(random, name, rank):
    if name in CONVOLUTIONS:
        return convolution(random, name, rank)
    arguments = {}
    if name in POOLS:
        maybe(random, arguments, "pool_size", sizes(random, rank, 1, 4))
        maybe(random, arguments, "strides", None, sizes(random, rank, 1, 4))
        maybe(random, arguments, "padding", "valid", "same")
    elif name.startswith("UpSampling"):
        arguments["size"] = sizes(random, rank, 1, 4, rank == 1)
        if rank == 2:
            maybe(random, arguments, "interpolation", "nearest", "bilinear")
    elif name.startswith(("Zero", "Crop")):
        arguments = padding(random, name, rank)
    elif "Dropout" in name:
        arguments["rate"] = 0.0
    return arguments


def has_data_format(name):
    no = ("UpSampling1D", "ZeroPadding1D", "Cropping1D", "SpatialDropout1D")
    return name not in no


def program(name, arguments, shape, static, x, seed):
    def run():
        from keras import layers, models

        layer = getattr(layers, name)(**arguments)
        entry = layers.Input(batch_shape=static)
        model = models.Model(entry, layer(entry))
        shapes = {
            "computed": attempt(layer.compute_output_shape, (None, *shape)),
            "free": attempt(layer.compute_output_shape, static),
        }
        return {**shapes, "layer": facts_of(layer), "results": results_of(model, x, seed)}

    return run


def cases(random, count):
    for i in range(count):
        name = NAMES[i % len(NAMES)]
        rank = int(name[4] if name.endswith("Transpose") else name[-2])
        arguments = arguments_of(random, name, rank)
        rows, space, channels = (
            random.randint(1, 4),
            [int(v) for v in random.randint(5, 10 if rank < 3 else 7, rank)],
            int(random.randint(1, 5)),
        )
        first = has_data_format(name) and random.uniform() < 0.3
        if has_data_format(name) and (first or random.uniform() < 0.3):
            arguments["data_format"] = "channels_first" if first else "channels_last"
        free = random.uniform() < 0.3 and "Locally" not in name
        open_space = [None if free and random.uniform() < 0.6 else size for size in space]
        shape, static = (
            ([channels, *space], [channels, *open_space]) if first else ([*space, channels], [*open_space, channels])
        )
        batch = None if random.uniform() < 0.8 else rows
        x = random.standard_normal((rows, *shape)).astype("float32")
        yield (
            f"{i}:{name}{arguments}{tuple(static)}",
            program(name, arguments, tuple(shape), (batch, *static), x, int(random.randint(1e6))),
        )
