"""The arguments that the networks share, and their errors; import paths; the names of keras_applications."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

import lamella
from lamella import applications
from lamella.applications import imagenet_utils, nasnet, resnet50
from lamella.applications.densenet import DenseNet121
from lamella.applications.mobilenet import MobileNet
from lamella.applications.mobilenet_v2 import MobileNetV2, _rounded
from lamella.applications.vgg16 import VGG16
from lamella.core import config
from lamella.layers import Input, concatenate
from lamella.models import load_model

# The smallest network: 0.2 million weights.
SMALL = {"alpha": 0.25, "weights": None, "input_shape": (32, 32, 3)}


@pytest.mark.parametrize(
    "arguments, error, said",
    [
        ({"weights": "nowhere.h5"}, ValueError, "The `weights` argument should be either `None` .* got 'nowhere.h5'"),
        ({"classes": 10}, ValueError, "`classes` should be 1000. DenseNet121 got 10"),
        ({"weights": None, "classes": 0}, ValueError, "DenseNet121: expected classes to be a positive integer, got 0"),
        ({"weights": None, "classes": 2.5}, ValueError, "DenseNet121: expected classes to be a positive integer, got 2.5"),
        ({"weights": None, "pooling": "mean"}, ValueError, 'DenseNet121: expected pooling None, "avg" or "max", got \'mean\''),
        ({"weights": None, "input_shape": (31, 64, 3)}, ValueError, "Input size must be at least 32x32; got"),
        ({"weights": None, "input_shape": (64, 64)}, ValueError, "`input_shape` must be a tuple of three integers."),
        ({"weights": None, "input_shape": (None, None, 3)}, ValueError, "you should specify a static `input_shape`"),
        ({"input_shape": (64, 64, 3)}, ValueError, "`input_shape` should be \\(224, 224, 3\\)"),
        ({"weights": None, "alpha": 1}, TypeError, "DenseNet121: Invalid keyword argument: alpha"),
        (
            {"weights": None, "layers": np},
            ValueError,
            "DenseNet121: expected layers=lamella.layers, from which networks are built, got <module 'numpy'",
        ),
    ],
)
def test_wrong_arguments_raise(arguments, error, said):
    with pytest.raises(error, match=said):
        DenseNet121(**arguments)


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"alpha": 0.3}, "alpha can be one of \\[0.25, 0.5, 0.75, 1.0\\] only; MobileNet got 0.3"),
        ({"depth_multiplier": 2}, "depth multiplier must be 1; MobileNet got 2"),
    ],
)
def test_widths_without_weights_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        MobileNet(**arguments)


def test_mobilenet_v2_compares_shape_and_tensor():
    x = Input((64, 32, 3))
    with pytest.raises(ValueError, match="MobileNetV2: expected input_shape=\\(32, 64, 3\\) to be that of input_tensor"):
        MobileNetV2(weights=None, input_tensor=x, input_shape=(32, 64, 3), alpha=0.35)
    assert MobileNetV2(weights=None, input_tensor=x, input_shape=(64, 32, 3), alpha=0.35).input is x
    with pytest.raises(ValueError, match="alpha can be one of .* only; MobileNetV2 got 0.25"):
        MobileNetV2(alpha=0.25)


def test_channels_are_rounded_to_multiples_of_8():
    # 11.2 and 11.9 are nearer to 8, but 8 < 0.9 * 11.2, so they are rounded up.
    assert [_rounded(c) for c in (1, 8, 11.2, 11.9, 12, 15, 28.5, 1792)] == [8, 8, 16, 16, 16, 16, 32, 1792]


def test_pooling_and_top():
    maps = MobileNet(**SMALL, include_top=False)
    assert maps.output_shape == (None, 1, 1, 256)
    for pooling, function in (("avg", np.mean), ("max", np.max)):
        model = MobileNet(alpha=0.25, weights=None, include_top=False, pooling=pooling, input_shape=(64, 96, 3))
        x = np.random.default_rng(0).random((2, 64, 96, 3), "f4")
        whole = lamella.Model(model.input, [model.layers[-2].output, model.output])
        before, after = whole.predict(x)
        assert before.shape == (2, 2, 3, 256)
        np.testing.assert_allclose(after, function(before, axis=(1, 2)), rtol=1e-5, atol=1e-6)
    top = MobileNet(**SMALL, classes=np.int64(3), pooling="avg")  # with a top, pooling has no effect
    assert top.output_shape == (None, 3)
    np.testing.assert_allclose(top.predict(np.zeros((2, 32, 32, 3))).sum(axis=1), 1, rtol=1e-6)


def test_sides_of_any_length_without_a_top():
    model = MobileNet(alpha=0.25, weights=None, include_top=False)
    assert model.input_shape == (None, None, None, 3)
    assert model.predict(np.zeros((1, 33, 65, 3))).shape == (1, 1, 2, 256)


def test_an_input_tensor_of_another_graph_keeps_its_inputs():
    a, b = Input((16, 32, 3)), Input((16, 32, 3))
    model = MobileNet(alpha=0.25, weights=None, include_top=False, input_tensor=concatenate([a, b], axis=1))
    assert model.inputs == [a, b] and model.output_shape == (None, 1, 1, 256)


def test_an_array_as_input_tensor_becomes_an_input():
    model = MobileNet(**SMALL, include_top=False, input_tensor=np.ones((1, 32, 32, 3), "f4"))
    assert model.input_shape == (1, 32, 32, 3)


def test_modules_of_lamella_are_taken():
    modules = {name: getattr(lamella, name) for name in ("backend", "layers", "models", "utils")}
    assert MobileNet(**SMALL, **modules).count_params() == MobileNet(**SMALL, layers=None).count_params()
    pixels = np.ones((1, 2, 2, 3))
    np.testing.assert_array_equal(
        imagenet_utils.preprocess_input(pixels.copy(), **modules), resnet50.preprocess_input(pixels.copy())
    )
    with pytest.raises(TypeError, match="preprocess_input: Invalid keyword argument: model"):
        imagenet_utils.preprocess_input(pixels, model="tf")
    with pytest.raises(ValueError, match="decode_predictions: expected utils=lamella.utils"):
        imagenet_utils.decode_predictions(np.zeros((1, 1000)), utils=sys)
    given = applications.keras_modules_injection(lambda a, **kwargs: (a, kwargs))(1, layers=None)
    assert given == (1, modules)


PIXELS = np.arange(12.0).reshape(1, 2, 2, 3)
MODES = {
    "caffe": PIXELS[..., ::-1] - [103.939, 116.779, 123.68],
    "tf": PIXELS / 127.5 - 1,
    "torch": (PIXELS / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
}


@pytest.mark.parametrize(
    "module, mode",
    [("densenet", "torch")]
    + [(name, "caffe") for name in ("vgg16", "vgg19", "resnet", "resnet50")]
    + [(name, "tf") for name in ("inception_v3", "inception_resnet_v2", "mobilenet", "mobilenet_v2", "nasnet", "resnet_v2", "xception")],
)  # fmt: skip
def test_each_network_normalizes_pixels_in_its_mode(module, mode):
    room = getattr(applications, module)
    np.testing.assert_allclose(room.preprocess_input(PIXELS.copy()), MODES[mode], rtol=1e-12)
    first = np.moveaxis(PIXELS, -1, 1).copy()
    np.testing.assert_allclose(
        room.preprocess_input(first, data_format="channels_first"), np.moveaxis(MODES[mode], -1, 1), rtol=1e-12
    )
    assert pickle.loads(pickle.dumps(room.preprocess_input)) is room.preprocess_input  # worker processes load it by its name
    assert room.decode_predictions is imagenet_utils.decode_predictions


def test_nasnet_is_always_channels_last(zero_kernels):
    config.set_image_data_format("channels_first")
    with pytest.warns(UserWarning, match="NASNetMobile is only available for the input data format channels_last"):
        model = nasnet.NASNetMobile(weights=None, include_top=False, input_shape=(64, 64, 3))
    assert config.image_data_format() == "channels_first" and model.output_shape == (None, 2, 2, 1056)
    assert all(layer.data_format == "channels_last" for layer in model.layers if hasattr(layer, "data_format"))
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="Input size must be at least 32x32"):
        nasnet.NASNetMobile(weights=None, input_shape=(16, 16, 3))
    assert config.image_data_format() == "channels_first"


def test_weights_of_imagenet_need_a_static_shape_for_nasnet(zero_kernels):
    with pytest.raises(ValueError, match="the input_shape argument must be static"):
        nasnet.NASNetLarge(input_shape=(None, None, 3), include_top=False)
    assert nasnet.NASNetMobile(weights=None, include_top=False).input_shape == (None, 224, 224, 3)


def test_resnet50_warns_only_without_top_and_pooling(zero_kernels):
    with pytest.warns(UserWarning, match="has been changed since Keras 2.2.0"):
        resnet50.ResNet50(weights=None, include_top=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resnet50.ResNet50(weights=None, include_top=False, pooling="avg")


def test_warnings_point_at_the_line_that_makes_the_network():
    with pytest.warns(UserWarning, match="expects 1 or 3 input channels") as given:
        MobileNet(alpha=0.25, weights=None, include_top=False, input_shape=(32, 32, 2))
    assert [warning.filename for warning in given] == [__file__]


def test_scaled_blocks_are_saved_by_name(tmp_path):
    """The file has the name of the function in InceptionResNetV2's Lambdas. A process that reads it needs no more imports."""
    from lamella.applications import inception_resnet_v2

    x = Input((5, 5, 320))
    y = inception_resnet_v2._residual("block35", 1, 0.17)(x)
    model = lamella.Model(x, y)
    model.compile("sgd", "mse")
    model.save(str(tmp_path / "m.h5"))
    values = np.random.default_rng(0).random((2, 5, 5, 320), "f4")
    np.save(tmp_path / "x.npy", values)
    np.save(tmp_path / "y.npy", model.predict(values))
    inner = lamella.Model(x, model.get_layer("block35_1_conv").output).predict(values)
    np.testing.assert_allclose(model.predict(values), np.maximum(values + 0.17 * inner, 0), rtol=1e-5, atol=1e-6)
    code = "import sys, numpy as np; from lamella.models import load_model; m = load_model('m.h5'); y = m.predict(np.load('x.npy'))"
    check = "; assert (y == np.load('y.npy')).all() and 'lamella.applications' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code + check], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert load_model(str(tmp_path / "m.h5")).get_layer("block35_1").get_config()["function"] == "add_scaled"


def test_names_of_keras_applications():
    lines = [
        "import lamella, numpy as np",
        "lamella.install_as_keras()",
        "import keras, keras_applications",
        "from keras.applications.vgg16 import VGG16, preprocess_input, decode_predictions",
        "from keras.applications import resnet50, ResNet50",
        "from keras.applications.resnet import ResNet50 as Other, resnet",
        "from keras_applications.mobilenet import MobileNet",
        "from keras_applications.resnet50 import ResNet50 as Same",
        "assert Same is ResNet50 is resnet50.ResNet50 and Other is not ResNet50 and resnet.ResNet50 is Other",
        "modules = dict(backend=keras.backend, layers=keras.layers, models=keras.models, utils=keras.utils)",
        "m = MobileNet(alpha=0.25, weights=None, input_shape=(32, 32, 3), **modules)",
        "assert m.count_params() == 475544, m.count_params()",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_vgg_input_shapes_fit_the_first_dense_layer(zero_kernels):
    assert VGG16(weights=None, input_shape=(32, 64, 3), classes=2).get_layer("fc1").get_weights()[0].shape == (1024, 4096)
