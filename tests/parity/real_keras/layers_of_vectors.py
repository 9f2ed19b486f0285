"""Dense, activations, shapes, merges, normalization, embeddings and penalties, with random values of their arguments."""

import numpy as np
from layers_of_images import ACTIVATIONS, maybe
from parts import attempt, facts_of, one_of, results_of

MERGES = "Add Subtract Multiply Average Maximum Minimum Concatenate Dot".split()
NAMES = (
    """Dense Dense Activation Flatten Reshape Permute RepeatVector ActivityRegularization Masking Dropout GaussianNoise
GaussianDropout AlphaDropout LeakyReLU PReLU ELU ThresholdedReLU Softmax ReLU Embedding Embedding BatchNormalization
BatchNormalization MaxoutDense Highway TimeDistributed GlobalAveragePooling1D""".split()
    + MERGES
)
DECIDED = {
    (":AlphaDropout(", ".layer.config.noise_shape: only in lamella"): "AlphaDropout's config has all arguments",
    (":AlphaDropout(", ".layer.config.seed: only in lamella"): "AlphaDropout's config has all arguments",
    (
        ":GlobalAveragePooling1D(",
        "Failed to convert elements of [-1, None, 1]",
    ): "GlobalAveragePooling1D of a mask and a free number of steps",
    "Shapes are [?,": "masks of one step are broadcast as the inputs are",
    "ConcatOp : Dimension": "masks of one step are broadcast as the inputs are",
    (":Embedding(", "input_length=(", "[None, ["): "Embedding with a tuple as input_length: Keras's shape has a tuple inside",
}


def regularized(random, arguments, *prefixes):
    for prefix in prefixes:
        maybe(random, arguments, f"{prefix}_regularizer", "l1", "l2", "l1_l2", rate=0.3)
        maybe(random, arguments, f"{prefix}_constraint", "max_norm", "non_neg", "unit_norm", "min_max_norm", rate=0.3)
    maybe(random, arguments, "activity_regularizer", "l1", "l2", rate=0.2)


def reshaped(random, shape):
    """A shape with as many values, now and then with -1."""
    total, target = int(np.prod(shape)), []
    for size in (2, 3, 2):
        if total % size == 0 and random.uniform() < 0.6:
            target.append(size)
            total //= size
    target.insert(random.randint(len(target) + 1), -1 if random.uniform() < 0.5 else total)
    return tuple(target)


def dot_shapes(random, shape):
    """Two shapes, and axes along which they agree."""
    axes = [1 + int(random.randint(len(shape))), 1 + int(random.randint(2))]
    other = [int(v) for v in random.randint(1, 5, 2)]
    other[axes[1] - 1] = shape[axes[0] - 1]
    return [shape, tuple(other)], axes[0] if axes[0] == axes[1] and random.uniform() < 0.5 else tuple(axes)


def arguments_of(random, name, shape):
    """(arguments by position, by keyword, shapes of the inputs)."""
    by_position, named, shapes = [], {}, [shape]
    if name == "Dense":
        by_position = [int(random.randint(1, 6))]
        maybe(random, named, "activation", "softmax", *ACTIVATIONS)
        maybe(random, named, "use_bias", True, False)
        regularized(random, named, "kernel", "bias")
    elif name == "Activation":
        by_position = [one_of(random, "softmax", *ACTIVATIONS)]
    elif name == "Flatten":
        maybe(random, named, "data_format", "channels_first", "channels_last")
    elif name == "Reshape":
        by_position = [reshaped(random, shape)]
    elif name == "Permute":
        by_position = [tuple(int(v) + 1 for v in random.permutation(len(shape)))]
    elif name == "RepeatVector":
        by_position, shapes = [int(random.randint(1, 5))], [shape[:1]]
    elif name == "ActivityRegularization":
        named = {"l1": float(random.uniform(0, 1)), "l2": float(random.uniform(0, 1))}
    elif name == "Masking":
        named, shapes = {"mask_value": 0.0}, [(5, 3)]
    elif name in ("Dropout", "GaussianNoise", "GaussianDropout", "AlphaDropout"):
        by_position = [0.0]
        if name in ("Dropout", "AlphaDropout"):
            maybe(random, named, "seed", 3)
    elif name in ("LeakyReLU", "ELU", "ThresholdedReLU"):
        maybe(random, named, "theta" if "T" in name else "alpha", 0.0, 0.3, 1, 2.5)
    elif name == "PReLU":
        regularized(random, named, "alpha")
        named.pop("activity_regularizer", None)
        axes = [i + 1 for i in range(len(shape)) if random.uniform() < 0.5]
        maybe(random, named, "shared_axes", axes, tuple(axes), 1, None)
    elif name == "Softmax":
        maybe(random, named, "axis", *range(1, len(shape) + 1), -1)
    elif name == "ReLU":
        maybe(random, named, "max_value", None, 1.0, 6, 0.5)
        maybe(random, named, "negative_slope", 0.0, 0.1, 1)
        maybe(random, named, "threshold", 0.0, 0.3, -1.0, 1)
    elif name == "Embedding":
        by_position, shapes = [int(random.randint(5, 9)), int(random.randint(1, 5))], [shape[:2]]
        regularized(random, named, "embeddings")
        maybe(random, named, "mask_zero", True, False)
        maybe(random, named, "input_length", shape[0] if len(shape) == 1 else shape[:2], rate=0.3)
    elif name == "BatchNormalization":
        named = {"momentum": 0.0, "epsilon": 0.01}  # TensorFlow's averages are zero-debiased, except for this momentum
        # Keras corrects the moving variance of images twice on their last axis, lamella once.
        maybe(random, named, "axis", *range(1, min(len(shape), 2) + 1), rate=0.6 if len(shape) < 3 else 1)
        maybe(random, named, "center", True, False)
        maybe(random, named, "scale", True, False)
        regularized(random, named, "gamma", "beta")
        named.pop("activity_regularizer", None)
    elif name == "MaxoutDense":
        by_position, named, shapes = [3], {"nb_feature": int(random.randint(1, 4))}, [shape[:1]]
        maybe(random, named, "bias", True, False)
    elif name == "Highway":
        shapes = [shape[:1]]
        maybe(random, named, "activation", *ACTIVATIONS)
        maybe(random, named, "bias", True, False)
    elif name == "Dot":
        shapes, axes = dot_shapes(random, shape)
        by_position = [axes]
        maybe(random, named, "normalize", True, False)
    elif name == "Concatenate":
        axis = int(random.randint(len(shape)))
        shapes = [
            shape,
            *[shape[:axis] + (int(random.randint(1, 4)),) + shape[axis + 1 :] for _ in range(random.randint(1, 3))],
        ]
        named = {"axis": one_of(random, axis + 1, axis - len(shape))}
    elif name in MERGES:
        count = 1 if name == "Subtract" else random.randint(1, 3)
        shapes = [shape, *[tuple(1 if random.uniform() < 0.2 else size for size in shape) for _ in range(count)]]
        if random.uniform() < 0.2:
            shapes[-1] = shape[1:] or shape
    return by_position, named, shapes


def program(name, by_position, named, shapes, open_shapes, x, seed):
    def run():
        import keras.legacy.layers
        from keras import layers, models

        if name == "TimeDistributed":
            layer = layers.TimeDistributed(layers.Dense(3, activation="tanh", activity_regularizer="l2"))
        else:
            layer = getattr(layers, name, None) or getattr(keras.legacy.layers, name)
            layer = layer(*by_position, **named)
        entries = [layers.Input(shape) for shape in open_shapes]
        masked = [layers.Masking(0.0)(entry) for entry in entries] if name in (*MERGES, "GlobalAveragePooling1D") else entries
        if any(len(shape) != 2 for shape in shapes):
            masked = entries
        model = models.Model(entries, layer(masked if len(shapes) > 1 else masked[0]))
        complete = [(None, *shape) for shape in shapes]
        computed = attempt(layer.compute_output_shape, complete if len(shapes) > 1 else complete[0])
        return {"computed": computed, "layer": facts_of(layer), "results": results_of(model, x if len(x) > 1 else x[0], seed)}

    return run


def values(random, name, by_position, shape):
    if name == "Embedding":
        return random.randint(0, by_position[0], shape)
    x = random.standard_normal(shape).astype("float32")
    if len(shape) == 3:
        x[random.uniform(size=shape[:2]) < 0.3] = 0  # masked steps
        x[:, 0] = 0.5
    return x


def cases(random, count):
    for i in range(count):
        name = NAMES[i % len(NAMES)]
        shape = tuple(int(v) for v in random.randint(1, 6, one_of(random, 1, 2, 2, 3)))
        if name in ("TimeDistributed", "GlobalAveragePooling1D"):
            shape = (shape * 2)[:2]
        by_position, named, shapes = arguments_of(random, name, shape)
        fixed = name in ("PReLU", "Flatten", "Concatenate", "Dot", "Highway", "MaxoutDense", "Dense", "BatchNormalization")
        free = not fixed and random.uniform() < 0.3
        open_shapes = [(None, *shape[1:]) if free and len(shape) > 1 else shape for shape in shapes]
        rows = int(random.randint(2, 5))
        x = [values(random, name, by_position, (rows, *shape)) for shape in shapes]
        texts = [*map(str, by_position), *(f"{k}={v}" for k, v in named.items())]
        yield (
            f"{i}:{name}({', '.join(texts)}){open_shapes}",
            program(name, by_position, named, shapes, open_shapes, x, int(random.randint(1e6))),
        )
