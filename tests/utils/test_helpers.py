"""The functions of keras.utils that are not about data: compared with plain NumPy, and Keras's messages."""

import numpy as np
import pytest

from lamella import utils
from lamella.layers import BatchNormalization, Concatenate, Conv2D, Dense, Dropout, Input, Layer, add
from lamella.models import Model
from lamella.utils import conv_utils, io_utils
from lamella.utils.layer_utils import count_params
from lamella.utils.test_utils import get_test_data, layer_test


def test_every_listed_name_is_there():
    # Not by parametrize: dir has more names after modules load, so the processes of one run would collect different tests.
    names = [name for name in dir(utils) if not name.startswith("_")]
    assert {"get_file", "to_categorical", "np_utils"} <= set(names)
    for name in names:
        assert getattr(utils, name) is not None, name


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="module 'lamella.utils' has no attribute 'nothing'"):
        utils.nothing


@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("order", [1, 2, np.inf])
def test_normalize(axis, order):
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    x[:, 0] = 0
    y = utils.normalize(x, axis, order)
    norms = np.apply_along_axis(
        lambda v: np.max(np.abs(v)) if order == np.inf else (np.abs(v) ** order).sum() ** (1 / order), axis, y
    )
    np.testing.assert_allclose(norms[norms != 0], 1)
    np.testing.assert_allclose(y * np.expand_dims(np.linalg.norm(x, order, axis), axis), x)
    np.testing.assert_allclose(utils.normalize([3.0, 4.0]), [[0.6, 0.8]])  # Keras returns two axes for one


def test_to_categorical_of_columns_of_tables():
    wanted = np.eye(3, dtype="f4")[[0, 2]]
    for column in (["0", "2"], np.array([0, 2], object), np.array([b"0", b"2"]), np.array([[0.0], [2.0]], object)):
        np.testing.assert_array_equal(utils.to_categorical(column), wanted)
    np.testing.assert_array_equal(utils.to_categorical(1, 3), [0, 1, 0])
    for bad in (["0", "x"], np.array([0, None], object), ["0.5"], np.array(["2020-01-01"], "M8[D]"), [float("nan")]):
        with pytest.raises(ValueError, match="to_categorical: expected integer labels, got"):
            utils.to_categorical(bad)


class Scale(Layer):
    def __init__(self, factor=1, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        return inputs * self.factor


def test_keras_objects_by_name():
    described = utils.serialize_keras_object(Scale(3, name="s"))
    assert described == {"class_name": "Scale", "config": {"name": "s", "trainable": True, "dtype": "float32", "factor": 3}}
    for known in ({"module_objects": {"Scale": Scale}}, {"custom_objects": {"Scale": Scale}, "module_objects": {"Scale": int}}):
        made = utils.deserialize_keras_object(described, **known)
        assert type(made) is Scale and made.factor == 3
    with utils.CustomObjectScope({"Scale": Scale}):
        assert utils.deserialize_keras_object(described).name == "s"
        assert utils.deserialize_keras_object("Scale") is Scale
        assert utils.get_custom_objects() == {"Scale": Scale}
    assert utils.get_custom_objects() == {}
    assert utils.serialize_keras_object(np.sin) == "sin" and utils.serialize_keras_object(None) is None
    assert utils.deserialize_keras_object({"class_name": "f", "config": {"a": 1}}, {"f": lambda a: a + 1}) == 2
    for wrong, text in [
        (described, "Unknown layer: Scale"), ("Scale", "Unknown layer:Scale"), (3, "Could not interpret serialized layer: 3"),
        ({"class_name": "Scale"}, "Improper config format: {'class_name': 'Scale'}"),
    ]:  # fmt: skip
        with pytest.raises(ValueError) as error:
            utils.deserialize_keras_object(wrong, {}, printable_module_name="layer")
        assert str(error.value) == text
    with pytest.raises(ValueError, match="Cannot serialize"):
        utils.serialize_keras_object(3)


def windows(length, size, padding, stride, dilation):
    """The number of windows over a padded line, by counting their starts."""
    reach = (size - 1) * dilation + 1
    before = {"valid": 0, "full": reach - 1, "causal": reach - 1, "same": (reach - 1) // 2}[padding]
    after = {"valid": 0, "full": reach - 1, "causal": 0, "same": reach // 2}[padding]
    return len(range(0, length + before + after - reach + 1, stride))


@pytest.mark.parametrize("padding", ["valid", "same", "full", "causal"])
def test_convolution_lengths(padding):
    for length in range(6, 12):
        for size in (1, 2, 3):
            for stride in (1, 2, 3):
                for dilation in (1, 2):
                    wanted = windows(length, size, padding, stride, dilation)
                    assert conv_utils.conv_output_length(length, size, padding, stride, dilation) == wanted
            if padding != "causal" and (size % 2 or padding != "same"):  # only one input length gives this output length
                out = conv_utils.conv_output_length(length, size, padding, 1)
                assert conv_utils.conv_input_length(out, size, padding, 1) == length
    assert conv_utils.conv_output_length(None, 3, padding, 1) is None


def test_transposed_lengths_and_kernels():
    for size, stride, kernel, padding, extra, dilation, wanted in [
        (4, 2, 3, "valid", None, 1, 9), (4, 2, 3, "same", None, 1, 8), (4, 2, 3, "full", None, 1, 5), (4, 3, 2, "valid", None, 1, 12),
        (4, 2, 3, "same", 1, 1, 8), (4, 2, 3, "valid", 1, 1, 10), (4, 2, 3, "full", 0, 1, 5), (4, 1, 3, "valid", None, 2, 8),
        (None, 2, 3, "same", None, 1, None),
    ]:  # fmt: skip
        assert conv_utils.deconv_length(size, stride, kernel, padding, extra, dilation) == wanted
    assert conv_utils.conv_input_length(None, 3, "valid", 2) is None
    kernel = np.arange(24).reshape(3, 2, 2, 2)
    np.testing.assert_array_equal(conv_utils.convert_kernel(kernel), kernel[::-1, ::-1])
    with pytest.raises(ValueError, match=r"Invalid kernel shape: \(3, 2\)"):
        conv_utils.convert_kernel(kernel[:, :, 0, 0])
    with pytest.raises(ValueError, match="expected padding to be one of .*, got 'some'"):
        conv_utils.conv_output_length(4, 3, "some", 1)
    assert conv_utils.normalize_padding("CAUSAL") == "causal" and conv_utils.normalize_tuple(2, 3, "n") == (2, 2, 2)
    with pytest.raises(ValueError, match='must be one of "valid", "same" \\(or "causal" for Conv1D\\). Received: full'):
        conv_utils.normalize_padding("full")


def test_source_inputs_and_parameters():
    a, b = Input((2,)), Input((3,))
    hidden = Dense(4)(a)
    out = Concatenate()([hidden, b, hidden])
    assert [x is y for x, y in zip(utils.get_source_inputs(out), [a, b])] == [True, True]
    assert len(utils.get_source_inputs(out)) == 2 and utils.get_source_inputs(a)[0] is a
    model = Model([a, b], out)
    assert count_params([*model.weights, model.weights[0]]) == model.count_params() == 12


def test_source_inputs_of_a_graph_with_many_paths():
    """64 blocks that branch and join have 2^64 paths."""
    a = x = Input((3,))
    for _ in range(64):
        x = add([x, x])
    assert utils.get_source_inputs(x) == [a]


def test_the_user_is_asked_before_overwriting(monkeypatch, capsys):
    answers = iter(["what", "Y", "n"])
    asked = []
    monkeypatch.setattr("builtins.input", lambda text: asked.append(text) or next(answers))
    assert io_utils.ask_to_proceed_with_overwrite("f.h5") is True
    assert io_utils.ask_to_proceed_with_overwrite("f.h5") is False
    assert asked[0] == "[WARNING] f.h5 already exists - overwrite? [y/n]" and asked[1].startswith('Enter "y"')


def test_get_test_data():
    (x, y), (x_test, y_test) = get_test_data(400, 100, (3,), num_classes=4)
    assert x.shape == (400, 3) and x_test.shape == (100, 3) and x.dtype == np.float32
    assert sorted(set(y)) == [0, 1, 2, 3] == sorted(set(y_test))
    for label in range(4):
        assert x[y == label].mean() == pytest.approx(label, abs=0.2) and x[y == label].std() == pytest.approx(0.7, abs=0.1)
    (x, y), (_, y_test) = get_test_data(300, 2, (2, 3), (4,), classification=False)
    assert x.shape == (300, 2, 3) and y.shape == (300, 4) and y_test.shape == (2, 4) and y.dtype == np.float32
    assert np.corrcoef(x.mean((1, 2)), y.mean(1))[0, 1] > 0.25
    with pytest.raises(ValueError, match="expected input_shape or input_data, got neither"):
        layer_test(Dense, {"units": 2})


@pytest.mark.parametrize(
    "cls, kwargs, shape",
    [(Dense, {"units": 2}, (4, 3)), (Conv2D, {"filters": 2, "kernel_size": 3}, (2, 5, 5, 1)), (Dropout, {"rate": 0.5}, (None, 3)),
     (BatchNormalization, {}, (8, 3)), (Scale, {"factor": 2.0}, (3, 2))],
)  # fmt: skip
@pytest.mark.parametrize("fixed", [True, False])
def test_layers_pass_the_layer_test(cls, kwargs, shape, fixed):
    fixed = fixed and None not in shape
    y = layer_test(cls, kwargs, input_shape=shape, fixed_batch_size=fixed)
    assert len(y) == (shape[0] or 3)


class Lying(Scale):
    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 7)


class Forgetful(Scale):
    def get_config(self):
        return super(Scale, self).get_config() | {"factor": 1}


def test_layers_that_fail_the_layer_test():
    x = np.ones((2, 3), "f4")
    np.testing.assert_array_equal(layer_test(Scale, {"factor": 3}, input_data=x, expected_output=3 * x), 3 * x)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        layer_test(Scale, {"factor": 3}, input_data=x, expected_output=2 * x)
    with pytest.raises(AssertionError, match=r"compute_output_shape returned \(2, 7\), but the output has shape \(2, 3\)"):
        layer_test(Lying, input_data=x)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        layer_test(Forgetful, {"factor": 3}, input_data=x)
    with pytest.raises(AssertionError, match="expected an output of float64, got float32"):
        layer_test(Scale, input_data=x, expected_output_dtype="float64")
