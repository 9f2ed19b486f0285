"""The argument `weights`: None, a file, "imagenet" from a server of the tests, and errors."""

import dataclasses
import hashlib

import numpy as np
import pytest

from lamella.applications import densenet, mobilenet, mobilenet_v2, nasnet, resnet50, vgg16, weights
from lamella.layers import Input
from lamella.models import Model
from tests.file_server import serving


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server in place of the site of all releases. Its folder does not exist yet."""
    with serving(tmp_path / "served") as server:
        monkeypatch.setattr(weights, "SITE", server.url)
        yield server


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


def filled(model, seed=1):
    """Set weights that no initializer makes."""
    stream = np.random.default_rng(seed)
    model.set_weights([stream.random(w.shape, "f4") for w in model.get_weights()])
    return model


def publish(server, path, model):
    """Write the model's weights to the server's folder, and return their MD5."""
    file = server.folder / path
    file.parent.mkdir(parents=True)
    model.save_weights(str(file))
    return hashlib.md5(file.read_bytes()).hexdigest()


def same_weights(one, other):
    assert len(one.get_weights()) == len(other.get_weights())
    for a, b in zip(one.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_a_file_is_downloaded_once_and_its_hash_checked(server, cache):
    (server.folder / "a").mkdir(parents=True)
    (server.folder / "a" / "net.h5").write_bytes(b"weights")
    file = weights.WeightFile("a", "net.h5", hashlib.md5(b"weights").hexdigest(), "cached.h5")
    with pytest.raises(ValueError, match=f"expected the hash {'0' * 32} from .*/a/net.h5, got {file.md5}"):
        dataclasses.replace(file, md5="0" * 32).fetch("Net")
    assert [file.fetch("Net"), file.fetch("Net")] == [str(cache / "cached.h5")] * 2
    assert server.asked == ["/a/net.h5"] * 2  # once refused, once accepted
    (cache / "cached.h5").write_bytes(b"other")
    file.fetch("Net")
    assert (cache / "cached.h5").read_bytes() == b"weights" and len(server.asked) == 3


def test_imagenet_loads_the_published_weights(server, monkeypatch):
    path = "fchollet/deep-learning-models/releases/download/v0.1/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    wanted = filled(vgg16.VGG16(include_top=False, weights=None))
    md5 = publish(server, path, wanted)
    known = {**vgg16._PUBLISHED, False: dataclasses.replace(vgg16._PUBLISHED[False], md5=md5)}
    monkeypatch.setattr(vgg16, "_PUBLISHED", known)
    same_weights(vgg16.VGG16(include_top=False, pooling="avg", input_shape=(40, 50, 3)), wanted)
    assert server.asked == [f"/{path}"]


def test_weights_without_a_published_hash_warn(server, cache):
    path = "fchollet/deep-learning-models/releases/download/v0.6/mobilenet_2_5_128_tf_no_top.h5"
    wanted = filled(mobilenet.MobileNet(alpha=0.25, include_top=False, weights=None))
    publish(server, path, wanted)
    with pytest.warns(UserWarning, match="the download from .*mobilenet_2_5_128_tf_no_top.h5 is not checked") as given:
        model = mobilenet.MobileNet(alpha=0.25, include_top=False, input_shape=(128, 128, 3))
    assert [warning.filename for warning in given] == [__file__]
    same_weights(model, wanted)
    assert model.name == "mobilenet_0.25_128" and (cache / "mobilenet_2_5_128_tf_no_top.h5").exists()


# For each function, the path that it downloads and the name in the cache.
SMALL = {"input_shape": (32, 32, 3)}
ASKED = [
    (vgg16.VGG16, {}, "fchollet/deep-learning-models/releases/download/v0.1/vgg16_weights_tf_dim_ordering_tf_kernels.h5"),
    (resnet50.ResNet50, {}, "fchollet/deep-learning-models/releases/download/v0.2/resnet50_weights_tf_dim_ordering_tf_kernels.h5"),
    (densenet.DenseNet121, {"include_top": False}, "keras-team/keras-applications/releases/download/densenet/densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5"),
    (nasnet.NASNetMobile, {"include_top": False}, "titu1994/Keras-NASNet/releases/download/v1.2/NASNet-mobile-no-top.h5"),
    (mobilenet.MobileNet, {"alpha": 0.5, "input_shape": (192, 192, 3)}, "fchollet/deep-learning-models/releases/download/v0.6/mobilenet_5_0_192_tf.h5"),
    (mobilenet_v2.MobileNetV2, {"alpha": 1.4}, "JonathanCMitchell/mobilenet_v2_keras/releases/download/v1.1/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.4_224.h5"),
    (mobilenet_v2.MobileNetV2, {"alpha": 0.35, "include_top": False, "input_shape": (96, 96, 3)}, "JonathanCMitchell/mobilenet_v2_keras/releases/download/v1.1/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:get_file")
@pytest.mark.parametrize("function, arguments, path", ASKED)
def test_downloads_and_the_errors_of_missing_files(server, zero_kernels, function, arguments, path):
    name = {"NASNet-mobile-no-top.h5": "nasnet_mobile_no_top.h5"}.get(path.rpartition("/")[2], path.rpartition("/")[2])
    with pytest.raises(OSError) as error:
        function(**arguments)
    assert server.asked == [f"/{path}"]
    assert str(error.value).startswith(
        f"{function.__name__}(weights='imagenet') needs {weights.SITE}/{path} as models/{name} in ~/.keras or $KERAS_HOME: "
    )


def test_a_path_is_loaded_and_its_classes_kept(tmp_path):
    wanted = filled(mobilenet_v2.MobileNetV2(alpha=0.35, weights=None, classes=7, input_shape=(32, 32, 3)))
    wanted.save_weights(str(tmp_path / "w.h5"))
    for path in (tmp_path / "w.h5", str(tmp_path / "w.h5")):
        model = mobilenet_v2.MobileNetV2(alpha=0.35, weights=path, classes=7, input_shape=(32, 32, 3))
        same_weights(model, wanted)


def test_weights_are_loaded_by_name_with_another_top(tmp_path):
    base = filled(mobilenet.MobileNet(alpha=0.25, weights=None, include_top=False, input_shape=(32, 32, 3)))
    base.save_weights(str(tmp_path / "w.h5"))
    model = mobilenet.MobileNet(alpha=0.25, weights=None, classes=5, input_shape=(64, 64, 3))
    before = model.get_layer("conv_preds").get_weights()
    with pytest.warns(UserWarning, match="nothing for \\['conv_preds'\\], which keep their weights"):
        model.load_weights(str(tmp_path / "w.h5"), by_name=True)
    for layer in base.layers[1:]:
        for a, b in zip(layer.get_weights(), model.get_layer(layer.name).get_weights()):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(model.get_layer("conv_preds").get_weights()[0], before[0])


def test_all_hashes_are_md5s():
    tables = [vgg16._PUBLISHED, resnet50._PUBLISHED, *densenet._PUBLISHED.values(), *nasnet._PUBLISHED.values()]
    hashes = [file.md5 for table in tables for file in table.values()]
    assert len(hashes) == len(set(hashes)) == 14 and all(len(h) == 32 and int(h, 16) for h in hashes)


def test_models_on_a_tensor_have_its_sources():
    a = Input((32, 32, 3))
    features = mobilenet.MobileNet(alpha=0.25, weights=None, include_top=False, input_tensor=a)
    assert features.input is a
    model = Model(a, features.output)
    assert model.output_shape == (None, 1, 1, 256)
