"""The layers of the networks of real Keras 2.2.5, and what some of them compute: networks.json.xz beside this script.

    pip install tensorflow-cpu==2.21.0 h5py numpy scipy pyyaml
    pip install --no-deps --target DIR keras==2.2.5 keras_applications==1.0.8 keras_preprocessing==1.1.0
    PYTHONPATH=DIR python tests/golden/applications/make.py

Keras runs on today's TensorFlow: what it asks of TensorFlow 1 is in tensorflow.compat.v1, and what is left is given below. Only
inference is built, and initial values are zeros, as that takes a tenth of the time.
"""

import collections
import collections.abc
import importlib
import json
import lzma
import os
import warnings
from pathlib import Path

from network_lines import features_of, images_of, lines_of, some, weights_of

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf

tf.compat.v1.disable_eager_execution()
for name in ("Iterable", "Mapping", "Sequence", "Callable"):
    setattr(collections, name, getattr(collections.abc, name))

tensorflow_backend = importlib.import_module("keras.backend.tensorflow_backend")
tensorflow_backend.tf = tf.compat.v1
tensorflow_backend._get_default_graph = tf.compat.v1.get_default_graph
keras = importlib.import_module("keras")
K = keras.backend
K.is_tensor = tensorflow_backend.is_tensor = lambda x: isinstance(x, (tf.Tensor, tf.Variable))
keras.initializers.VarianceScaling.__call__ = lambda self, shape, dtype=None: K.constant(0, shape=shape, dtype=dtype)

# Module, function, and the shape of the small images that it is recorded with.
NETWORKS = [
    *((module, name, (64, 48, 3)) for module, name in (
        ("vgg16", "VGG16"), ("vgg19", "VGG19"), ("resnet50", "ResNet50"), ("resnet", "ResNet50"), ("resnet", "ResNet101"),
        ("resnet", "ResNet152"), ("resnet_v2", "ResNet50V2"), ("resnet_v2", "ResNet101V2"), ("resnet_v2", "ResNet152V2"),
        ("mobilenet", "MobileNet"), ("mobilenet_v2", "MobileNetV2"), ("densenet", "DenseNet121"), ("densenet", "DenseNet169"),
        ("densenet", "DenseNet201"), ("nasnet", "NASNetMobile"), ("nasnet", "NASNetLarge"),
    )),
    ("inception_v3", "InceptionV3", (83, 75, 3)),
    ("inception_resnet_v2", "InceptionResNetV2", (83, 75, 3)),
    ("xception", "Xception", (80, 71, 3)),
]  # fmt: skip
# One of each kind; whose outputs are recorded, too.
KINDS = [n for n in NETWORKS if n[1] in (
    "VGG16", "ResNet50", "ResNet50V2", "MobileNet", "MobileNetV2", "DenseNet121", "NASNetMobile", "InceptionV3",
    "InceptionResNetV2", "Xception",
)]  # fmt: skip
FIRST = ("VGG16", "ResNet50", "ResNet50V2", "DenseNet121", "InceptionV3")


def cases():
    """(module, function, data format, arguments)"""
    last, first = "channels_last", "channels_first"
    for module, name, shape in NETWORKS:
        yield module, name, last, {"input_shape": shape, "classes": 8}
    for alpha in (0.25, 0.5, 0.75):
        yield "mobilenet", "MobileNet", last, {"alpha": alpha, "input_shape": (160, 160, 3)}
    multiplied = {"depth_multiplier": 2, "dropout": 0.5, "include_top": False, "pooling": "max"}
    yield "mobilenet", "MobileNet", last, multiplied
    yield "mobilenet", "MobileNet", first, {}
    for alpha in (0.35, 0.5, 0.75, 1.3, 1.4):
        yield "mobilenet_v2", "MobileNetV2", last, {"alpha": alpha, "input_shape": (96, 96, 3)}
    yield "mobilenet_v2", "MobileNetV2", first, {"input_shape": (3, 97, 66)}
    for module, name, _ in KINDS:
        for pooling in (None, "avg"):
            yield module, name, last, {"include_top": False, "pooling": pooling}
        if name in FIRST:
            yield module, name, first, {"include_top": False, "pooling": "max"}
        if name in FIRST[::2]:
            yield module, name, last, {"include_top": False, "pooling": "max", "input_shape": (80, 100, 1)}
        if name in ("VGG16", "MobileNetV2", "NASNetMobile", "ResNet50"):
            yield module, name, last, {}


def record(module, name, data_format, arguments):
    K.clear_session()
    K.set_learning_phase(0)
    K.set_image_data_format(data_format)
    model = getattr(importlib.import_module(f"keras.applications.{module}"), name)(weights=None, **arguments)
    entry = {"case": [module, name, data_format, arguments], "model": model.name, "lines": lines_of(model)}
    if "classes" in arguments and any((module, name) == kind[:2] for kind in KINDS):
        model.set_weights(weights_of(model))
        features, outputs = keras.models.Model(model.input, [features_of(model), model.output]).predict(images_of(model))
        entry["largest"] = float(np.abs(features).max())
        entry["features"] = some(features).astype(float).tolist()
        entry["outputs"] = outputs.astype(float).round(7).tolist()
    print(entry["case"], len(entry["lines"]), flush=True)
    return entry


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    text = json.dumps([record(*case) for case in cases()])
    (Path(__file__).parent / "networks.json.xz").write_bytes(lzma.compress(text.encode(), preset=9))
