"""keras.applications without published weights: names, shapes and configs of every layer, and outputs with the same random weights."""

import numpy as np
from graphs import facts_of_model
from parts import one_of

DECIDED = {}
# Each network with its module and the least size of its images; those that take minutes to build are drawn less often.
SMALL = [("VGG16", "vgg16", 32), ("VGG19", "vgg19", 32), ("ResNet50", "resnet50", 32), ("MobileNet", "mobilenet", 32)]
SMALL += [("MobileNetV2", "mobilenet_v2", 32), ("Xception", "xception", 71), ("InceptionV3", "inception_v3", 75)]
LARGE = [("DenseNet121", "densenet", 32), ("NASNetMobile", "nasnet", 32), ("InceptionResNetV2", "inception_resnet_v2", 75)]
LARGE += [
    ("ResNet101", "resnet", 32),
    ("ResNet50V2", "resnet_v2", 32),
    ("ResNet152V2", "resnet_v2", 32),
    ("DenseNet169", "densenet", 32),
]


def options_of(random, name, least):
    size = least + int(random.randint(0, 9))
    shape = one_of(
        random, (size, size, 3), (size, size + 3, 3), (least, least, 1), (least - 1, least, 3), None, (None, None, 3)
    )
    options = {"weights": None, "include_top": bool(random.uniform() < 0.4), "input_shape": shape}
    options["pooling"] = one_of(random, None, "avg", "max")
    if options["include_top"]:
        options["classes"] = int(random.randint(2, 9))
    if name.startswith("MobileNet"):
        options["alpha"] = one_of(random, 1.0, 0.5, 0.25, 1.3, 0.75)
        if name == "MobileNet":
            options |= {"depth_multiplier": one_of(random, 1, 1, 2), "dropout": one_of(random, 0.0, 0.3)}
    return {key: value for key, value in options.items() if key in ("weights", "include_top") or random.uniform() < 0.8}


def weights_for(model, random):
    """Weights with which the values of a deep network neither vanish nor grow."""
    values = []
    for weight in model.get_weights():
        if weight.ndim > 1:
            values.append(random.standard_normal(weight.shape) * (2 / np.prod(weight.shape[:-1])) ** 0.5)
        else:
            values.append(random.uniform(0.5, 1, weight.shape))
    return values


def program(name, module, options, given, frozen, size, seed):
    def run():
        import importlib

        from keras import layers

        random = np.random.RandomState(seed)
        make = getattr(importlib.import_module(f"keras.applications.{module}"), name)
        named = dict(options)
        shape = named.get("input_shape") or (size, size, 3)
        if given == "Input":
            named["input_tensor"] = layers.Input(shape, name="mine")
        elif given == "layer":
            named["input_tensor"] = layers.Conv2D(3, 1, name="before")(layers.Input(shape))
        model = make(**named)
        model.summary()
        result = {"facts": facts_of_model(model)}
        for layer in model.layers[:frozen]:
            layer.trainable = False
        result["frozen"] = [len(model.trainable_weights), len(model.non_trainable_weights)]
        model.set_weights(weights_for(model, random))
        known = [side or size for side in model.input_shape[1:]]
        if known[0] > 100:  # include_top of 224 rows: structure only
            return result
        x = random.uniform(-1, 1, (2, *known))
        # No training: BatchNormalization of so few values amplifies rounding, 1e-7 in the images changes the loss by 0.4 %.
        y = model.predict(x)
        result["predicted"] = y / abs(y).max()  # rounding is relative to the largest values
        return result

    return run


def cases(random, count):
    for i in range(count):
        name, module, least = one_of(random, *SMALL) if i % 4 else one_of(random, *LARGE)
        options, given = options_of(random, name, least), one_of(random, None, None, "Input", "layer")
        frozen = int(random.randint(0, 30))
        yield (
            f"{i}:{name} {options} {given}",
            program(name, module, options, given, frozen, least + 3, int(random.randint(1e6))),
        )
