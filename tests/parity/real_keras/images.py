"""keras.preprocessing.image: seeded transforms, and ImageDataGenerator over arrays."""

import numpy as np
from on_tensors import attempt


def picture(random, channels=3, rows=None):
    rows, columns = rows or int(random.randint(4, 9)), int(random.randint(4, 9))
    return random.randint(0, 256, (rows, columns, channels)).astype("float32")


def module(of_keras):
    import importlib

    return importlib.import_module("keras.preprocessing.image" if of_keras else "keras_preprocessing.image")


def ordered(batches, shuffle):
    """The batches; of a random order, which depends on the sample here and on NumPy's state in Keras, what one pass has."""
    if not shuffle:
        return batches
    images = [batch[0] if isinstance(batch, (tuple, list)) else batch for batch in batches]
    return np.sort(np.concatenate(images[:-1]).sum((1, 2, 3)))


def transforms(random):
    x, seed = picture(random, int(random.choice([1, 3]))), int(random.randint(99))
    fill = {"fill_mode": str(random.choice(["nearest", "constant", "reflect", "wrap"])), "cval": float(random.randint(3))}
    axes = {"row_axis": 0, "col_axis": 1, "channel_axis": 2}
    amounts = [float(v) for v in random.uniform(0.1, 0.5, 3)]

    def run(keras):
        image = module(keras)
        calls = {
            "rotation": lambda: image.random_rotation(x, 60 * amounts[0], **axes, **fill),
            "shift": lambda: image.random_shift(x, amounts[0], amounts[1], **axes, **fill),
            "shear": lambda: image.random_shear(x, 60 * amounts[0], **axes, **fill),
            "zoom": lambda: image.random_zoom(x, (1 - amounts[0], 1 + amounts[1]), **axes, **fill),
            "channels": lambda: image.random_channel_shift(x, 50 * amounts[0], 2),
            "affine": lambda: image.apply_affine_transform(x, theta=30 * amounts[0], tx=1, shear=5, zx=0.9, **axes, **fill),
            "fixed": lambda: image.apply_channel_shift(x, 20, 2),
        }
        result = {}
        for name, call in calls.items():
            np.random.seed(seed)
            result[name] = attempt(call)
        return result

    return f"transforms {fill} {x.shape}", run


def options(random):
    every = {
        "rotation_range": 40,
        "width_shift_range": [0.3, 2, [-1, 1]][random.randint(3)],
        "height_shift_range": [0.3, 2.0, 1][random.randint(3)],
        "shear_range": 20,
        "zoom_range": [0.3, [0.8, 1.1]][random.randint(2)],
        "channel_shift_range": 30,
        "fill_mode": str(random.choice(["nearest", "constant", "reflect", "wrap"])),
        "cval": 3,
        "horizontal_flip": True,
        "vertical_flip": True,
        "rescale": 1 / 255,
        "samplewise_center": True,
        "samplewise_std_normalization": True,
        "featurewise_center": True,
        "featurewise_std_normalization": True,
        "zca_whitening": random.rand() < 0.5,
        "validation_split": 0.3,
        "preprocessing_function": np.sqrt,
    }
    chosen = {name: value for name, value in every.items() if random.rand() < 0.4}
    if any("featurewise" in name or "zca" in name for name in chosen):
        chosen["zca_epsilon"] = 1e4  # with less, whitening of so few images differs by the rounding of float32
        chosen.pop("rescale", None)  # which `fit` applies first here, as keras-preprocessing 1.1.1 does
    return chosen


def generated(random):
    named, seed = options(random), int(random.randint(99))
    x = random.randint(0, 256, (8, 5, 6, int(random.choice([1, 3])))).astype("float32")
    y = np.arange(8) % 2
    subset = str(random.choice(["training", "validation"])) if "validation_split" in named else None

    def run(keras):
        image = module(keras)
        generator = image.ImageDataGenerator(**named)
        generator.fit(x, augment=seed % 2 == 0, seed=seed)
        result = {
            "standardized": generator.standardize(x[0].copy()),
            "transformed": generator.random_transform(x[1], seed=seed),
        }
        parameters = generator.get_random_transform(x[0].shape, seed=seed)
        result["parameters"] = {name: v if v is None else float(v) for name, v in parameters.items()}
        result["applied"] = generator.apply_transform(x[0], {"theta": 10, "flip_horizontal": True, "zx": 0.9})
        result["statistics"] = [generator.mean, generator.std]
        return result

    plain = "brightness_range" not in named
    return f"generator {sorted(named)} {x.shape} {subset} {plain} {len(y)}", run


def flowing(random):
    named, seed = options(random), int(random.randint(99))
    for name in ("featurewise_center", "featurewise_std_normalization", "zca_whitening", "validation_split"):
        named.pop(name, None)
    augmented = bool(random.rand() < 0.3)
    named = named if augmented else {"rescale": 0.5, "validation_split": 0.25}
    x, shuffle = random.randint(0, 256, (9, 5, 6, 3)).astype("float32"), bool(random.rand() < 0.5)
    subset = None if augmented else str(random.choice(["training", "validation"]))
    # Of a subset, keras-preprocessing 1.1.0 gives the weights of other samples.
    weights = np.arange(9.0) if random.rand() < 0.5 and subset != "training" else None

    def run(keras):
        image = module(keras)
        flow = image.ImageDataGenerator(**named).flow(
            x, np.zeros(9), batch_size=4, shuffle=shuffle, seed=seed, sample_weight=weights, subset=subset
        )
        batches = [next(flow) for _ in range(4)]
        shapes = [list(map(np.shape, batch)) for batch in batches]
        return [len(flow), flow.n, shapes, None if augmented else ordered(batches[: len(flow) + 1], shuffle), flow.batch_index]

    return f"flow {sorted(named)} {shuffle, subset}", run


def programs(kinds, random, count):
    """Programs of these kinds in turns, some with the package keras_preprocessing itself."""
    for i in range(count):
        name, run = kinds[i % len(kinds)](random)
        of_keras = bool(random.rand() < 0.5)
        yield f"{i}:{name}", lambda run=run, of_keras=of_keras: run(of_keras)


def cases(random, count):
    return programs([transforms, generated, flowing], random, count)
