"""Dense, Flatten, Reshape, Dropout, Add, Concatenate: values, weights, messages."""

import numpy as np
import pytest

from lamella import layers
from lamella.core.random import set_random_seed
from lamella.layers import Add, Concatenate, Dense, Dropout, Flatten, Input, Reshape

RNG = np.random.default_rng(0)


def test_dense_is_an_affine_map():
    x = RNG.normal(size=(4, 2, 3)).astype("float32")
    kernel, bias = RNG.normal(size=(3, 5)).astype("float32"), RNG.normal(size=5).astype("float32")
    layer = Dense(5, weights=[kernel, bias])
    np.testing.assert_allclose(layer(x), x @ kernel + bias, rtol=1e-5, atol=1e-6)
    assert [w.name for w in layer.weights] == ["dense_1/kernel:0", "dense_1/bias:0"]
    assert layer.count_params() == 20
    np.testing.assert_array_equal(layer.get_weights()[0], kernel)
    relu = Dense(5, activation="relu", weights=[kernel, bias])
    np.testing.assert_allclose(relu(x), np.maximum(x @ kernel + bias, 0), rtol=1e-5, atol=1e-6)


def test_default_names_count_per_class():
    names = [Dense(1).name, Dense(1).name, Flatten().name, layers.MaxPooling2D().name, Dense(1).name]
    assert names == ["dense_1", "dense_2", "flatten_1", "max_pooling2d_1", "dense_3"]


def test_weights_take_their_constraint_and_regularizer_by_name():
    layer = Dense(2, kernel_constraint="unit_norm", bias_regularizer="l1", input_dim=3)
    layer.build((None, 3))
    kernel, bias = layer.weights
    assert kernel.constraint is layer.kernel_constraint and kernel.regularizer is None
    assert bias.regularizer is layer.bias_regularizer and bias.constraint is None


def test_set_weights_changes_nothing_if_one_does_not_fit():
    layer = Dense(2)
    layer.build((None, 3))
    before = layer.get_weights()
    with pytest.raises(ValueError, match='`set_weights.weights.` on layer "dense_1".* length 1, but the layer was expecting 2'):
        layer.set_weights([before[0]])
    with pytest.raises(ValueError, match=r"Layer weight shape \(2,\) not compatible with provided weight shape \(3,\)"):
        layer.set_weights([before[0] + 1, np.zeros(3)])
    np.testing.assert_array_equal(layer.get_weights()[0], before[0])


def test_trainable_moves_weights():
    layer = Dense(2)
    layer.build((None, 3))
    assert (len(layer.trainable_weights), len(layer.non_trainable_weights)) == (2, 0)
    layer.trainable = False
    assert (len(layer.trainable_weights), len(layer.non_trainable_weights)) == (0, 2)
    assert len(layer.weights) == 2


def test_flatten_converts_channels_first_to_channels_last():
    x = RNG.normal(size=(2, 3, 4, 5)).astype("float32")
    np.testing.assert_array_equal(Flatten()(x), x.reshape(2, -1))
    first = Flatten(data_format="channels_first")(x)
    np.testing.assert_array_equal(first, x.transpose(0, 2, 3, 1).reshape(2, -1))


def test_flatten_needs_a_defined_shape():
    with pytest.raises(ValueError, match='The shape of the input to "Flatten" is not fully defined'):
        Flatten()(Input((None, 4)))


def test_reshape():
    x = RNG.normal(size=(2, 6)).astype("float32")
    np.testing.assert_array_equal(Reshape((3, -1))(x), x.reshape(2, 3, 2))
    assert Reshape((3, -1))(Input((6,))).shape == (None, 3, 2)
    assert Reshape((3, -1))(Input((None,))).shape == (None, 3, None)
    with pytest.raises(ValueError, match="total size of new array must be unchanged"):
        Reshape((4,))(Input((6,)))
    with pytest.raises(ValueError, match="can only specify one unknown dimension"):
        Reshape((-1, -1))


def test_dropout_zeroes_a_fraction_and_scales_the_rest():
    x = np.ones((200, 500), np.float32)
    layer = Dropout(0.3)
    y = layer(x, training=True)
    dropped = float((y == 0).mean())
    assert abs(dropped - 0.3) < 5 * np.sqrt(0.3 * 0.7 / x.size)
    np.testing.assert_allclose(y[y != 0], 1 / 0.7, rtol=1e-6)
    np.testing.assert_array_equal(layer(x), x)
    assert not np.array_equal(layer(x, training=True), y)  # each call draws a new mask


def test_dropout_repeats_after_set_random_seed():
    x = np.ones((20, 50), np.float32)
    masks = []
    for _ in range(2):
        set_random_seed(3)
        first, second = Dropout(0.5), Dropout(0.5)
        masks.append([first(x, training=True), first(x, training=True), second(x, training=True)])
    for a, b in zip(*masks):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(masks[0][0], masks[0][2])


def test_dropout_noise_shape_is_broadcast():
    y = Dropout(0.5, noise_shape=(None, 1, 4))(np.ones((10, 6, 4), np.float32), training=True)
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1], y.shape))
    assert 0 < (y == 0).mean() < 1


@pytest.mark.parametrize("rate", ["0.5", None, [0.5], float("nan")])
def test_dropout_rate_is_a_number(rate):
    with pytest.raises(ValueError, match="Layer dropout_[0-9]+: expected rate to be a number, got "):
        Dropout(rate)


@pytest.mark.parametrize("rate, clipped", [(-1, 0), (0, 0), (1, 1), (3, 1)])
def test_dropout_rate_is_clipped_and_the_ends_are_identities(rate, clipped):
    layer = Dropout(rate)
    x = np.ones((4, 4), np.float32)
    assert layer.rate == clipped and not layer.uses_learning_phase
    np.testing.assert_array_equal(layer(x, training=True), x)


def test_add_and_concatenate():
    a, b = RNG.normal(size=(2, 3, 4)).astype("float32"), RNG.normal(size=(2, 1, 4)).astype("float32")
    np.testing.assert_array_equal(Add()([a, a, a]), a + a + a)
    np.testing.assert_array_equal(Add()([a, b]), a + b)
    np.testing.assert_array_equal(Add()([a, b[:, 0]]), a + b)  # a missing axis is inserted after the batch
    np.testing.assert_array_equal(Concatenate(axis=1)([a, b]), np.concatenate([a, b], 1))
    assert layers.add([Input((3, 4)), Input((1, 4))]).shape == (None, 3, 4)
    assert layers.concatenate([Input((3, 4)), Input((1, 4))], axis=1).shape == (None, 4, 4)


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: layers.Conv2D(4, 3)(Input((10,))),
            "Input 0 is incompatible with layer conv2d_1: expected ndim=4, found ndim=2",
        ),
        (
            lambda: Dense(4)(Input(batch_shape=(None,))),
            "Input 0 is incompatible with layer dense_1: expected min_ndim=2, found ndim=1",
        ),
        (lambda: Add()(Input((3,))), "A merge layer should be called on a list of inputs"),
        (lambda: Add()([Input((3,))]), "A merge layer should be called on a list of at least 2 inputs. Got 1 inputs"),
        (lambda: Add()([Input((3,)), Input((4,))]), "Operands could not be broadcast together"),
        (lambda: Concatenate()(Input((3,))), "A `Concatenate` layer should be called on a list of at least 2 inputs"),
        (
            lambda: Concatenate()([Input((3, 4)), Input((2, 4))]),
            "requires inputs with matching shapes except for the concat axis",
        ),
        (lambda: Concatenate(axis=9)([Input((3,)), Input((3,))]), r"Concatenate .*: expected an axis in .-2, 2., got 9"),
        (lambda: Dense(4)(Input((None,))), "the last dimension of the inputs to `Dense` should be defined"),
        (lambda: layers.MaxPooling2D(9)(Input((4, 4, 1))), "the window .9, 9. is larger than the input"),
        (lambda: layers.Conv2D(1, 9)(Input((4, 4, 1))), "the kernel .9, 9. is larger than the input"),
        (lambda: layers.Conv2D(1, 3, padding="causal"), "The `padding` argument must be one of"),
        (lambda: layers.Conv2D(1, 3, data_format="NHWC"), "The `data_format` argument must be one of"),
        (lambda: Dense(0), "expected units to be a positive integer, got 0"),
        (lambda: Dense(float("inf")), "expected units to be a positive integer, got inf"),
        (lambda: Dense("4"), "expected units to be a positive integer, got '4'"),
        (lambda: layers.Conv2D(float("nan"), 3), "expected filters to be a positive integer, got nan"),
        (lambda: Dense(4, activation="swish9"), "Unknown activation function: swish9"),
        (lambda: layers.deserialize({"class_name": "Foo", "config": {}}), "^Unknown layer: Foo"),
        (lambda: Input(), "Please provide to Input either a `shape` or a `batch_shape` argument"),
    ],
)
def test_messages(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_second_call_is_checked_against_the_weights():
    layer = Dense(4)
    layer(Input((3,)))
    with pytest.raises(ValueError, match=r"expected axis -1 of input shape to have value 3 but got shape \(None, 5\)"):
        layer(Input((5,)))


def test_unknown_keyword():
    with pytest.raises(TypeError, match="Keyword argument not understood: colour"):
        Dense(4, colour=1)


def test_the_error_of_a_wrong_dtype_names_it():
    with pytest.raises(TypeError, match="dense_1: expected numbers that convert to float32, got dtype <U1"):
        Dense(4)(np.array([["a"]]))


def test_attributes_of_calls():
    layer = Dense(4)
    with pytest.raises(AttributeError, match="Layer dense_1 is not connected, no input to return"):
        layer.input
    with pytest.raises(AttributeError, match="has never been called and thus has no defined output shape"):
        layer.output_shape
    with pytest.raises(RuntimeError, match="count_params. on dense_1, but the layer isn't built"):
        layer.count_params()
    a, b = Input((3,)), Input((3,))
    x = layer(a)
    assert layer.input is a and layer.output is x and layer.output_shape == (None, 4)
    layer(b)
    with pytest.raises(AttributeError, match='has multiple inbound nodes, hence the notion of "layer output" is ill-defined'):
        layer.output
    assert layer.get_input_at(1) is b and layer.get_output_shape_at(0) == (None, 4) and layer.input_shape == (None, 3)
    with pytest.raises(ValueError, match="Asked to get input at node 2, but the layer has only 2 inbound nodes"):
        layer.get_input_at(2)


@pytest.mark.parametrize("dtype", ["foo", "complex64", "object", "S4", 3.5])
def test_a_dtype_must_be_of_real_numbers(dtype):
    with pytest.raises(TypeError, match="expected the name of a dtype of real numbers, got dtype="):
        Input((3,), dtype=dtype)
    with pytest.raises(TypeError, match="Layer d: expected the name of a dtype of real numbers, got dtype="):
        Dense(2, dtype=dtype, name="d")
    assert Input((3,), dtype="int32").dtype == "int32"
    assert Dense(2, input_shape=(3,), dtype=np.float64).get_config()["dtype"] == "float64"
