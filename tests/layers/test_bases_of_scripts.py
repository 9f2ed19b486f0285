"""Names with an underscore of Keras's modules of layers, which scripts import, and what custom layers do with tensors."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.core.keras_imports import find
from lamella.core.random import set_random_seed
from lamella.layers import RNN, Dense, Dropout, GlobalMaxPooling1D, Input, Layer, MaxPooling2D, TimeDistributed
from lamella.layers.pooling import _GlobalPooling1D, _GlobalPooling2D, _Pooling1D, _Pooling2D, _Pooling3D
from lamella.layers.recurrent import _generate_dropout_mask, _standardize_args
from lamella.models import Model, Sequential, load_model

RNG = np.random.RandomState(0)


class SumOfSteps(_GlobalPooling1D):
    def call(self, inputs):
        return K.sum(inputs, axis=1 if self.data_format == "channels_last" else 2)


class SumOfMaps(_GlobalPooling2D):
    def call(self, inputs):
        return K.sum(inputs, axis=(1, 2))


def test_subclasses_of_global_pooling_train_and_are_saved(tmp_path):
    x = RNG.rand(4, 6, 3).astype("f4")
    model = Sequential([SumOfSteps(input_shape=(6, 3)), Dense(1)])
    assert model.layers[0].output_shape == (None, 3)
    w, b = model.get_weights()
    np.testing.assert_allclose(model.predict(x), x.sum(1) @ w + b, rtol=1e-5)
    model.compile("sgd", "mse")
    assert model.train_on_batch(x, np.zeros((4, 1))) == pytest.approx(np.mean((x.sum(1) @ w) ** 2), rel=1e-5)
    model.save(str(tmp_path / "m.h5"))
    loaded = load_model(str(tmp_path / "m.h5"), custom_objects={"SumOfSteps": SumOfSteps})
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    first = SumOfSteps(data_format="channels_first", input_shape=(6, 3))
    assert Sequential([first]).output_shape == (None, 6)
    maps = RNG.rand(2, 3, 4, 5).astype("f4")
    np.testing.assert_allclose(Sequential([SumOfMaps(input_shape=(3, 4, 5))]).predict(maps), maps.sum((1, 2)), rtol=1e-5)
    assert isinstance(GlobalMaxPooling1D(), _GlobalPooling1D)


def difference(self, inputs, pool_size, strides, padding, data_format):
    """The largest minus the mean."""
    pool = K.pool3d if len(pool_size) == 3 else K.pool2d
    largest, mean = (pool(inputs, pool_size, strides, padding, data_format, mode) for mode in ("max", "avg"))
    return largest - mean


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("base", [_Pooling1D, _Pooling2D, _Pooling3D])
def test_subclasses_define_a_pooling_function(base, data_format):
    rank = int(base.__name__[-2])
    layer = type("Spread", (base,), {"_pooling_function": difference})(2, data_format=data_format)
    x = RNG.rand(3, *[4] * rank, 2).astype("f4")
    windows = x.reshape(3, *[2, 2] * rank, 2)
    axes = tuple(range(2, 2 * rank + 1, 2))
    expected = windows.max(axes) - windows.mean(axes)
    if data_format == "channels_first":
        x, expected = np.moveaxis(x, -1, 1), np.moveaxis(expected, -1, 1)
    source = Input(x.shape[1:])
    y = layer(source)
    assert y.shape == (None, *expected.shape[1:])
    np.testing.assert_allclose(Model(source, y).predict(x), expected, rtol=1e-5, atol=1e-6)
    assert isinstance(MaxPooling2D(), _Pooling2D)


def test_dropout_masks_of_cells():
    ones = np.ones((50, 40), "f4")
    assert _generate_dropout_mask(ones, 0.5) is ones
    masks = _generate_dropout_mask(ones, 0.25, training=True, count=3)
    assert len(masks) == 3
    for mask in masks:
        assert set(np.unique(mask)) == {np.float32(0), np.float32(4 / 3)}
        assert np.mean(mask == 0) == pytest.approx(0.25, abs=0.05)
    assert (masks[0] != masks[1]).any()


class CellWithDropout(Layer):
    """h + x under a mask."""

    state_size = output_size = 40

    def call(self, inputs, states, training=None):
        mask = _generate_dropout_mask(K.ones_like(inputs), 0.5, training=training)
        y = states[0] + inputs * mask
        return y, [y]


def test_a_cell_uses_a_mask_in_training_only():
    model = Sequential([RNN(CellWithDropout(), input_shape=(1, 40))])
    x = np.ones((50, 1, 40), "f4")
    np.testing.assert_array_equal(model.predict(x), x[:, 0])
    set_random_seed(0)
    y = K.function([model.input, K.learning_phase()], [model.output])([x, 1])[0]
    assert set(np.unique(y)) == {np.float32(0), np.float32(2)}


def test_the_arguments_of_a_recurrent_call_are_separated():
    a, b, c, d = "abcd"
    assert _standardize_args([a], None, None, None) == (a, None, None)
    assert _standardize_args([a, b, c], None, None, None) == (a, [b, c], None)
    assert _standardize_args([a, b, c, d], None, None, 1) == (a, [b, c], [d])
    assert _standardize_args([a, d], None, None, 1) == (a, None, [d])
    assert _standardize_args(a, b, (c, d), 2) == (a, [b], [c, d])
    with pytest.raises(AssertionError):
        _standardize_args([a, b], c, None, None)


def test_each_name_is_that_of_a_module():
    for name in ("_GlobalPooling3D", "_Pooling1D", "_standardize_args"):
        assert find(name).__name__ == name


class SaysItUsesThePhase(Layer):
    def __init__(self, uses, **kwargs):
        self.uses_learning_phase = uses
        super().__init__(**kwargs)


@pytest.mark.parametrize("uses", [True, False])
def test_scripts_set_uses_learning_phase(uses):
    layer = SaysItUsesThePhase(uses)
    y = layer(Input((2,)))
    assert (layer.uses_learning_phase, y._uses_learning_phase) == (uses, uses)
    dropout, wrapper = Dropout(0.5), TimeDistributed(Dropout(0.5))
    for each in (dropout, wrapper):
        assert each.uses_learning_phase
        each.uses_learning_phase = False
        assert not each.uses_learning_phase
    assert Dropout(0.5).uses_learning_phase


class Shaped(Layer):
    """A product whose shape it states, as scripts for TensorFlow do."""

    def __init__(self, shape, **kwargs):
        super().__init__(**kwargs)
        self.shape = shape

    def build(self, input_shape):
        self.w = self.add_weight("w", (3, 2), initializer="ones")
        self.built = True

    def call(self, inputs):
        inputs.set_shape([None, 3])
        y = K.dot(inputs, self.w)
        y.set_shape(self.shape)
        return y

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 2)


def test_set_shape_checks_the_shape_of_values():
    x = RNG.rand(4, 3).astype("f4")
    model = Sequential([Shaped([None, 2], input_shape=(3,))])
    np.testing.assert_allclose(model.predict(x), np.repeat(x.sum(1, keepdims=True), 2, 1), rtol=1e-6)
    model.compile("sgd", "mse")
    assert model.train_on_batch(x, np.zeros((4, 2))) == pytest.approx(np.mean(x.sum(1) ** 2), rel=1e-5)
    for shape in ([None, 3], [2], [None, 2, None]):
        wrong = Sequential([Shaped(shape, input_shape=(3,))])
        wrong.compile("sgd", "mse")
        with pytest.raises(ValueError, match="set_shape: .* contradicts the shape"):
            wrong.predict(x)
        with pytest.raises(ValueError, match="set_shape: .* contradicts the shape"):
            wrong.train_on_batch(x, np.zeros((4, 2)))


def test_a_size_is_a_number_for_functions_of_k():
    size = Input((7, 3)).shape[1]
    assert K.cast(size, "float32") == 7 and K.cast(size, "float32").dtype == np.float32
    assert K.eval(K.ones((2,)) / K.cast(size, K.floatx())).tolist() == pytest.approx([1 / 7] * 2)
