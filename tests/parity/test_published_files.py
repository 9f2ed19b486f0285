"""The files of weights that keras_applications 1.0.8 downloads, and ours: name in the cache, URL, hash.

keras_applications builds its networks with lamella's modules here. Without it the tests are skipped.
"""

import importlib
import inspect
import warnings

import numpy as np
import pytest

from lamella import backend, initializers, layers, models, utils
from lamella.applications import weights

pytest.importorskip("keras_applications", reason="keras_applications is not installed")

MODULES = {"backend": backend, "layers": layers, "models": models}
SIDES = {"mobilenet": (128, 160, 192, 224), "mobilenet_v2": (96, 128, 160, 192, 224)}
ALPHAS = {"mobilenet": (0.25, 0.5, 0.75, 1.0), "mobilenet_v2": (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)}
PLAIN = [
    ("vgg16", "VGG16"), ("vgg19", "VGG19"), ("resnet50", "ResNet50"), ("resnet", "ResNet50"), ("resnet", "ResNet101"),
    ("resnet", "ResNet152"), ("resnet_v2", "ResNet50V2"), ("resnet_v2", "ResNet101V2"), ("resnet_v2", "ResNet152V2"),
    ("inception_v3", "InceptionV3"), ("inception_resnet_v2", "InceptionResNetV2"), ("xception", "Xception"),
    ("densenet", "DenseNet121"), ("densenet", "DenseNet169"), ("densenet", "DenseNet201"), ("nasnet", "NASNetMobile"),
    ("nasnet", "NASNetLarge"),
]  # fmt: skip
MOBILE = [
    (module, name, {"alpha": alpha, "input_shape": (side, side, 3)})
    for module, name in (("mobilenet", "MobileNet"), ("mobilenet_v2", "MobileNetV2"))
    for alpha in ALPHAS[module]
    for side in SIDES[module]
]


class Asked(Exception):
    """Raised in place of a download."""


class Utils:
    """utils with a get_file that raises Asked(name, URL, folder, hash)."""

    def __getattr__(self, name):
        return getattr(utils, name)

    @staticmethod
    def get_file(fname, origin, *args, **kwargs):
        given = inspect.signature(utils.get_file).bind(fname, origin, *args, **kwargs).arguments
        raise Asked(fname, origin, given["cache_subdir"], given.get("file_hash") or given.get("md5_hash"))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(weights, "get_file", Utils.get_file)
    monkeypatch.setattr(
        initializers.VarianceScaling, "__call__", lambda self, shape, dtype=None: np.zeros(shape, dtype or "f4")
    )


def asked(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Asked) as error:
            function(*args, **kwargs)
    return error.value.args


@pytest.mark.parametrize("include_top", [True, False])
@pytest.mark.parametrize("module, name, arguments", [*((*network, {}) for network in PLAIN), *MOBILE])
def test_the_same_file_is_downloaded(module, name, arguments, include_top):
    arguments = {**arguments, "weights": "imagenet", "include_top": include_top}
    theirs = getattr(importlib.import_module(f"keras_applications.{module}"), name)
    ours = getattr(importlib.import_module(f"lamella.applications.{module}"), name)
    wanted = asked(theirs, **arguments, **MODULES, utils=Utils())
    assert asked(ours, **arguments) == wanted
    assert wanted[2] == "models" and (wanted[3] is None) == module.startswith("mobilenet")


def test_the_same_names_of_classes_are_downloaded():
    published = importlib.import_module("keras_applications.imagenet_utils")
    ours = importlib.import_module("lamella.applications.imagenet_utils")
    ours._class_names.cache_clear()
    scores = np.zeros((1, 1000))
    assert asked(ours.decode_predictions, scores) == asked(published.decode_predictions, scores, **MODULES, utils=Utils())
