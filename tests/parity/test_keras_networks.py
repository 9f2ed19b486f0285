"""Networks of keras_applications 1.0.8 on tf_keras, and ours: names, shapes, files in both directions, predictions.

keras_applications wrote the published files of weights for these layers. tests/applications compares the layers with a record;
here another program writes the files. Without tf_keras and keras_applications the tests are skipped.
"""

import importlib

import numpy as np
import pytest

from lamella.core.names import reset_uids
from tests.golden.applications.network_lines import weights_of

tf_keras = pytest.importorskip("tf_keras", reason="tf_keras is not installed")
pytest.importorskip("keras_applications", reason="keras_applications is not installed")
h5py = pytest.importorskip("h5py")

MODULES = {"backend": tf_keras.backend, "layers": tf_keras.layers, "models": tf_keras.models, "utils": tf_keras.utils}
SMALL = (64, 48, 3)
# The deepest networks of a family are left out: they have more of the same blocks, and tests/applications compares them with the record.
NETWORKS = [
    *(("vgg16", "VGG16", SMALL, {}), ("vgg19", "VGG19", SMALL, {"include_top": False}), ("resnet50", "ResNet50", SMALL, {})),
    *(("resnet", "ResNet101", SMALL, {}), ("resnet_v2", "ResNet50V2", SMALL, {}), ("densenet", "DenseNet121", SMALL, {})),
    ("nasnet", "NASNetMobile", SMALL, {}),
    ("inception_v3", "InceptionV3", (83, 75, 3), {}),
    ("inception_resnet_v2", "InceptionResNetV2", (83, 75, 3), {}),
    ("xception", "Xception", (80, 71, 3), {}),
    *(("mobilenet", "MobileNet", (64, 64, 3), {"alpha": alpha}) for alpha in (0.25, 1.0)),
    *(("mobilenet_v2", "MobileNetV2", (64, 64, 3), {"alpha": alpha}) for alpha in (0.35, 1.0, 1.4)),
    *((module, name, shape, {"include_top": False}) for module, name, shape in (
        ("vgg16", "VGG16", SMALL), ("resnet50", "ResNet50", SMALL), ("mobilenet", "MobileNet", SMALL),
        ("mobilenet_v2", "MobileNetV2", SMALL), ("nasnet", "NASNetMobile", SMALL), ("inception_v3", "InceptionV3", (83, 75, 3)),
    )),
]  # fmt: skip


@pytest.fixture
def numbered_from_one(monkeypatch):
    """tf_keras names the first Activation "activation". Keras 2.2.5, which wrote the published files, began with 1."""
    base = importlib.import_module("tf_keras.src.engine.base_layer").Layer
    plain = base._init_set_name
    monkeypatch.setattr(base, "_init_set_name", lambda self, name, zero_based=False: plain(self, name, zero_based=False))
    tf_keras.backend.clear_session()
    reset_uids()


@pytest.fixture
def zero_kernels(monkeypatch):
    """Initial values take most of the time of building."""
    zeros = tf_keras.initializers.Zeros()
    monkeypatch.setattr(
        tf_keras.initializers.VarianceScaling, "__call__", lambda self, shape, dtype=None, **kwargs: zeros(shape, dtype)
    )


def names_and_shapes(model):
    return [(layer.name, [(w.name, tuple(w.shape)) for w in layer.weights]) for layer in model.layers]


def names_in_file(path):
    """The names of all layers in order, each with the names of its weights in order."""

    def listed(group, attribute):
        return [name if isinstance(name, str) else name.decode() for name in group.attrs[attribute]]

    with h5py.File(path) as file:
        return [(name, listed(file[name], "weight_names")) for name in listed(file, "layer_names")]


def set_all(model, arrays):
    """Set the weights of each layer in the order of model.layers. Model.get_weights of tf_keras has the frozen ones last."""
    arrays = list(arrays)
    for layer in model.layers:
        layer.set_weights([arrays.pop(0) for _ in layer.weights])
    assert not arrays


def all_of(model):
    return [np.asarray(w.numpy()) for layer in model.layers for w in layer.weights]


def check_equal(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.filterwarnings("ignore:The output shape of `ResNet50")
@pytest.mark.parametrize("module, name, shape, arguments", NETWORKS, ids=lambda v: v if isinstance(v, str) else "")
def test_files_go_both_ways_and_predictions_are_the_same(
    module, name, shape, arguments, tmp_path, numbered_from_one, zero_kernels
):
    arguments = {"weights": None, "input_shape": shape, "classes": 10, **arguments}
    published = importlib.import_module(f"keras_applications.{module}")
    ours_in = importlib.import_module(f"lamella.applications.{module}")
    theirs, ours = getattr(published, name)(**arguments, **MODULES), getattr(ours_in, name)(**arguments)
    assert ours.name == theirs.name
    assert names_and_shapes(ours) == names_and_shapes(theirs)

    values = weights_of(theirs)
    zeros = [np.zeros_like(value) for value in values]
    set_all(theirs, values)
    theirs.save_weights(tmp_path / "theirs.h5")
    images = np.random.default_rng(0).integers(0, 256, (2, *shape)).astype("float32")
    x = ours_in.preprocess_input(images.copy())
    np.testing.assert_allclose(x, published.preprocess_input(images.copy(), **MODULES), rtol=1e-6, atol=1e-6)
    wanted = theirs(x, training=False).numpy()  # predict compiles a graph, which takes longer than all images
    for by_name in (False, True):
        set_all(ours, zeros)
        ours.load_weights(tmp_path / "theirs.h5", by_name=by_name)
        check_equal(all_of(ours), values)
    # float32 through up to 700 layers: both results have errors of about 1e-6 of the largest number in each layer.
    np.testing.assert_allclose(ours.predict(x), wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())

    ours.save_weights(tmp_path / "ours.h5")
    assert names_in_file(tmp_path / "ours.h5") == names_in_file(tmp_path / "theirs.h5")
    for by_name in (False, True):
        set_all(theirs, zeros)
        theirs.load_weights(tmp_path / "ours.h5", by_name=by_name)
        check_equal(all_of(theirs), values)
