"""imagenet_utils: every case of the golden file for shapes; pixels compared with the formulas, in both data formats."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from lamella.applications.imagenet_utils import _obtain_input_shape, preprocess_input
from lamella.core import config
from lamella.core.variable import Variable
from lamella.layers import Dense, Flatten, Input, Layer
from lamella.models import Model, Sequential, model_from_json
from lamella.ops.tape import Tape

CASES = json.loads((Path(__file__).parents[1] / "golden" / "obtain_input_shape.json").read_text())


@pytest.mark.parametrize("index", range(len(CASES)))
@pytest.mark.parametrize("idiom", [False, True])
def test_every_golden_case_of_obtain_input_shape(index, idiom):
    case = CASES[index]
    arguments = dict(case["kwargs"])
    if case["input_shape_type"] == "tuple":
        arguments["input_shape"] = tuple(arguments["input_shape"])
    if idiom and arguments.get("include_top"):
        arguments["include_top"] = "imagenet"  # include_top=weights or include_top
    wanted = case["result"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if "raises" in wanted:
            with pytest.raises(ValueError) as error:
                _obtain_input_shape(**arguments)
            assert str(error.value) == wanted["message"]
        else:
            assert list(_obtain_input_shape(**arguments)) == wanted["returns"]
    assert [str(w.message) for w in caught] == wanted.get("warnings", [])
    assert all(w.category is UserWarning for w in caught)


def test_the_fifth_positional_argument_is_require_flatten():
    # Before 2.0.8 the fifth was include_top, and (100, 100, 5) failed because of its channels.
    with pytest.warns(UserWarning, match="passed an input_shape with 5 input channels"):
        assert _obtain_input_shape((150, 150, 5), 224, 139, "channels_last", True) == (150, 150, 5)
    with pytest.raises(ValueError, match="loading `imagenet` weights, `input_shape` should be \\(224, 224, 3\\)"):
        _obtain_input_shape([224, 224, 3], 224, 139, "channels_last", True, "imagenet")


def test_ambiguous_flags_and_unknown_formats_raise():
    for flags in ({}, {"include_top": True, "require_flatten": True}):
        with pytest.raises(TypeError, match="expected one of include_top and require_flatten"):
            _obtain_input_shape(None, 224, 139, "channels_last", **flags)
    with pytest.raises(ValueError, match="unknown data_format 'nhwc'"):
        _obtain_input_shape(None, 224, 139, "nhwc", True)
    for shape in (224, (224, "224", 3), (224.0, 224.0, 3)):
        with pytest.raises(ValueError, match="^`input_shape` must be a tuple of three integers.$"):
            _obtain_input_shape(shape, 224, 139, "channels_last", require_flatten=False)


def oracle(x, mode):
    """Channels last, float64."""
    if mode == "tf":
        return x / 127.5 - 1
    if mode == "torch":
        return (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return x[..., ::-1] - [103.939, 116.779, 123.68]


PIXELS = np.random.default_rng(0).integers(0, 256, size=(2, 4, 5, 3))


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int64"])
def test_preprocess_input(mode, data_format, batch, dtype):
    pixels = PIXELS if batch else PIXELS[0]
    wanted = oracle(pixels.astype("f8"), mode)
    move = (lambda a: np.moveaxis(a, -1, -3)) if data_format == "channels_first" else (lambda a: a)
    x = np.ascontiguousarray(move(pixels).astype(dtype))
    kept = x.copy()
    y = preprocess_input(x, data_format, mode=mode)
    np.testing.assert_allclose(y, move(wanted), rtol=1e-5, atol=2e-5)
    if dtype.startswith("float"):  # in place: the result of "caffe" is a view with reversed channels
        axis = -1 if data_format == "channels_last" else -3
        assert y.dtype == dtype and np.shares_memory(x, y)
        np.testing.assert_array_equal(x, np.flip(y, axis) if mode == "caffe" else y)
    else:
        assert y.dtype == np.float32
        np.testing.assert_array_equal(x, kept)


def test_preprocess_input_takes_the_default_format_and_lists():
    config.set_image_data_format("channels_first")
    first = np.moveaxis(PIXELS, -1, 1).tolist()
    np.testing.assert_allclose(preprocess_input(first), np.moveaxis(oracle(PIXELS.astype("f8"), "caffe"), -1, 1), rtol=1e-5)


def test_a_read_only_array_is_not_changed():
    x = PIXELS.astype("f4")
    x.flags.writeable = False
    np.testing.assert_allclose(preprocess_input(x, mode="tf"), oracle(PIXELS.astype("f8"), "tf"), atol=1e-6)
    np.testing.assert_array_equal(x, PIXELS)


@pytest.mark.parametrize(
    "mode, slope", [("caffe", [1, 1, 1]), ("tf", [1 / 127.5] * 3), ("torch", 1 / 255 / np.array([0.229, 0.224, 0.225]))]
)
def test_a_tensor_gets_its_gradient(mode, slope):
    x = Variable(PIXELS.astype("f8"))
    with Tape([x]) as tape:
        y = preprocess_input(x, mode=mode)
    np.testing.assert_allclose(y.value, oracle(PIXELS.astype("f8"), mode), rtol=1e-12)
    weights = np.random.default_rng(1).normal(size=PIXELS.shape)
    (dx,) = tape.gradients([(y, weights)])
    back = weights[..., ::-1] if mode == "caffe" else weights
    np.testing.assert_allclose(dx, back * slope, rtol=1e-12)


class Preprocess(Layer):
    def call(self, inputs):
        return preprocess_input(inputs, mode="torch")


def test_within_a_layer_the_users_images_are_not_changed():
    images = PIXELS.astype("f4")
    model = Sequential([Preprocess(input_shape=(4, 5, 3)), Flatten(), Dense(1)])
    model.compile("sgd", "mse")
    wanted = oracle(PIXELS.astype("f8"), "torch").reshape(2, -1)
    w, b = model.get_weights()
    np.testing.assert_allclose(model.predict(images), wanted @ w + b, rtol=1e-4, atol=1e-5)
    for method in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch):
        method(images, np.zeros((2, 1)))
    model.predict_on_batch(images)
    np.testing.assert_array_equal(images, PIXELS)


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("dtype", ["float32", "uint8", "int64"])
def test_a_symbolic_tensor_becomes_a_part_of_the_model(mode, data_format, dtype):
    x = Input((4, 5, 3) if data_format == "channels_last" else (3, 4, 5), dtype=dtype)
    y = preprocess_input(x, data_format, mode=mode)
    assert (y.shape, y.dtype) == (x.shape, "float32")
    pixels = (
        PIXELS.astype(dtype)
        if data_format == "channels_last"
        else np.ascontiguousarray(np.moveaxis(PIXELS, -1, 1).astype(dtype))
    )
    kept = pixels.copy()
    model = model_from_json(Model(x, y).to_json())
    np.testing.assert_allclose(
        model.predict(pixels), preprocess_input(pixels.copy(), data_format, mode=mode), rtol=1e-6, atol=1e-5
    )
    np.testing.assert_array_equal(pixels, kept)


def test_preprocess_input_errors():
    with pytest.raises(ValueError, match=r"expected 3 channels on axis 3 \(channels_last\), got shape \(None, 4, 5, 1\)"):
        preprocess_input(Input((4, 5, 1)))
    with pytest.raises(ValueError, match='expected mode "caffe", "tf" or "torch", got \'keras\''):
        preprocess_input(PIXELS, mode="keras")
    with pytest.raises(ValueError, match="^Unknown data_format nhwc$"):
        preprocess_input(PIXELS, "nhwc")
    with pytest.raises(ValueError, match=r"expected 3 channels on axis 3 \(channels_last\), got shape \(2, 4, 5, 1\)"):
        preprocess_input(PIXELS[..., :1])
    with pytest.raises(TypeError, match="preprocess_input: expected numbers"):
        preprocess_input(np.array([["a"]]))
