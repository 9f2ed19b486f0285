"""Scripts' subclasses of lamella's layers whose `build` replaces that of the layer, and layers of more than one rank."""

import numpy as np
import pytest

from lamella import backend as K
from lamella import layers
from lamella.layers import BatchNormalization, Conv2D, Dense, DepthwiseConv2D, Flatten, Input, InputSpec
from lamella.models import Model, Sequential

RNG = np.random.default_rng(3)


class Tied(Dense):
    """Its kernel is that of another layer, transposed."""

    def __init__(self, units, tied_to, **options):
        super().__init__(units, **options)
        self.tied_to = tied_to

    def build(self, input_shape):
        self.kernel = K.transpose(self.tied_to.kernel)
        self.bias = self.add_weight("bias", (self.units,), initializer="zeros")
        self.built = True


@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
def test_tied_weights_of_a_script_with_its_own_build(activation, float64):
    first = Dense(3, input_shape=(5,), use_bias=False)
    model = Sequential([first, Tied(5, first, activation=activation)])
    x, kernel = RNG.normal(size=(4, 5)), RNG.normal(size=(5, 3))
    model.set_weights([kernel, np.full(5, 0.5)])
    f = {None: lambda v: v, "relu": lambda v: np.maximum(v, 0), "tanh": np.tanh}[activation]
    wanted = f(x @ kernel @ kernel.T + 0.5)
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-10)
    model.compile("sgd", "mse")
    assert model.train_on_batch(x, x) == pytest.approx(((wanted - x) ** 2).mean(), rel=1e-10)
    assert model.test_on_batch(x, x) < ((wanted - x) ** 2).mean()


class OwnConv(Conv2D):
    def build(self, input_shape):
        self.kernel = self.add_weight("k", (1, 1, 2, self.filters), initializer="ones")
        self.bias = None
        self.built = True


class OwnDepthwise(DepthwiseConv2D):
    def build(self, input_shape):
        self.depthwise_kernel = self.add_weight("k", (1, 1, 2, 1), initializer="ones")
        self.bias = None
        self.built = True


def first_axis(data_format):
    return 1 if data_format == "channels_first" else -1


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_convolutions_of_a_script_with_their_own_build(data_format, float64):
    x = RNG.normal(size=(2, 2, 2, 2))
    options = {"data_format": data_format, "activation": "relu", "input_shape": (2, 2, 2)}
    y = Sequential([OwnConv(1, 1, **options)]).predict(x)
    np.testing.assert_allclose(y, np.maximum(x.sum(first_axis(data_format), keepdims=True), 0), rtol=1e-10)
    if data_format == "channels_last":
        np.testing.assert_allclose(Sequential([OwnDepthwise(1, **options)]).predict(x), np.maximum(x, 0), rtol=1e-10)


class OwnNorm(BatchNormalization):
    """Statistics that are given."""

    def build(self, input_shape):
        size = (input_shape[self.axis],)
        self.gamma = self.beta = None
        self.moving_mean = self.add_weight("mean", size, initializer="ones", trainable=False)
        self.moving_variance = self.add_weight("variance", size, initializer="ones", trainable=False)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: size[0]})
        self.built = True


@pytest.mark.parametrize("axis", [1, 2])
def test_a_normalization_of_a_script_with_its_own_build(axis, float64):
    x = RNG.normal(size=(2, 3, 4))
    model = Sequential([OwnNorm(axis=axis, input_shape=(3, 4), epsilon=0.0)])
    np.testing.assert_allclose(model.predict(x), x - 1, rtol=1e-9)


def test_one_flatten_for_inputs_of_two_ranks(float64):
    flatten = Flatten(data_format="channels_first")
    a, b = Input((2, 3)), Input((2, 3, 4))
    x = [RNG.normal(size=(5, 2, 3)), RNG.normal(size=(5, 2, 3, 4))]
    got = Model([a, b], [flatten(a), flatten(b)]).predict(x)
    np.testing.assert_array_equal(got[0], x[0].transpose(0, 2, 1).reshape(5, -1))
    np.testing.assert_array_equal(got[1], x[1].transpose(0, 2, 3, 1).reshape(5, -1))


LISTS = {
    "Dense": (lambda: Dense(2, name="net"), (4,)),
    "Conv2D": (lambda: Conv2D(2, 1, name="net"), (3, 3, 2)),
    "MaxPooling1D": (lambda: layers.MaxPooling1D(name="net"), (4, 2)),
    "GlobalMaxPooling2D": (lambda: layers.GlobalMaxPooling2D(name="net"), (3, 3, 2)),
    "Cropping1D": (lambda: layers.Cropping1D(name="net"), (4, 2)),
    "BatchNormalization": (lambda: BatchNormalization(name="net"), (4,)),
    "Embedding": (lambda: layers.Embedding(5, 2, name="net"), (4,)),
    "Flatten": (lambda: Flatten(name="net"), (4, 2)),
    "Reshape": (lambda: layers.Reshape((2, 4), name="net"), (4, 2)),
    "Permute": (lambda: layers.Permute((2, 1), name="net"), (4, 2)),
    "PReLU": (lambda: layers.PReLU(name="net"), (4,)),
    "Dropout": (lambda: layers.Dropout(0.5, name="net"), (4,)),
    "Masking": (lambda: layers.Masking(name="net"), (4, 2)),
    "MaxoutDense": (lambda: layers.MaxoutDense(2, name="net"), (4,)),
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.filterwarnings("ignore:The `MaxoutDense` layer is deprecated")
def test_a_list_where_a_layer_takes_a_tensor(name, count):
    make, shape = LISTS[name]
    for make_input in (Input, np.ones):
        layer = make()
        with pytest.raises(ValueError, match="net expects"):
            layer([make_input(shape) for _ in range(count)])
        assert not layer.built and layer.weights == []
