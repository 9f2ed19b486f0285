"""Activations by name, compared with NumPy, also in the Activation layer."""

import pickle

import numpy as np
import pytest

from lamella import activations
from lamella import backend as K
from lamella.core import registry
from lamella.layers import Activation, Input
from tests.oracles import activations as oracle

X = np.random.default_rng(0).normal(size=(6, 9)) * 3


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


ORACLES = {name: f for name, (f, _) in oracle.PLAIN.items()} | {
    "softmax": softmax,
    "elu": lambda x: oracle.elu(x, 1, 1),
    "selu": lambda x: oracle.elu(x, 1.6732632423543772848, 1.0507009873554804934),
    "relu": lambda x: oracle.relu(x, 0, np.inf, 0),
    "exponential": np.exp,
    "linear": lambda x: x,
}


def test_every_activation_has_an_oracle():
    assert set(registry.names("activations")) == set(ORACLES)


@pytest.mark.parametrize("name", ORACLES)
def test_formula(name, float64):
    np.testing.assert_allclose(activations.get(name)(X), ORACLES[name](X), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(Activation(name)(X), ORACLES[name](X), rtol=1e-12, atol=1e-15)
    assert activations.serialize(activations.get(name)) == name


def test_arguments():
    np.testing.assert_allclose(activations.elu(X, 0.5), np.where(X > 0, X, 0.5 * np.expm1(X)), rtol=1e-12)
    expected = np.where(X >= 4, 4, np.where(X >= 1, X, 0.1 * (X - 1)))
    np.testing.assert_allclose(activations.relu(X, alpha=0.1, max_value=4, threshold=1), expected, rtol=1e-12)
    expected = np.where(X > -2, np.clip(X, 0, 4), 0.1 * (X + 2))
    np.testing.assert_allclose(activations.relu(X, alpha=0.1, max_value=4, threshold=-2), expected, rtol=1e-12)
    np.testing.assert_array_equal(activations.relu(np.array([1.0, 2.0]), threshold=1.0), [0, 2])
    np.testing.assert_allclose(activations.softmax(X, axis=0), softmax(X.T).T, rtol=1e-12)


def test_softmax_of_a_vector_is_refused():
    with pytest.raises(ValueError, match="Cannot apply softmax to a tensor that is 1D"):
        activations.softmax(np.zeros(3))


def test_none_is_linear_and_an_unknown_name_raises():
    assert activations.get(None) is activations.linear
    with pytest.raises(ValueError, match="Unknown activation function: swoosh"):
        activations.get("swoosh")


def test_a_custom_function():
    def double(x):
        return x + x

    layer = Activation(double)
    np.testing.assert_array_equal(layer(np.float32([[1, 2]])), [[2, 4]])
    config = layer.get_config()
    assert config["activation"] == "double"
    with registry.custom_object_scope({"double": double}):
        assert Activation.from_config(config).activation is double


def test_a_layer_as_an_activation_warns():
    layer = Activation("relu", name="inner")
    with pytest.warns(UserWarning, match="the layer inner is the activation of another layer, .*add it to the model") as caught:
        assert activations.get(layer) is layer
    assert caught[0].filename == __file__


@pytest.mark.parametrize("name", sorted(set(ORACLES) - {"linear"}))
def test_lists_are_arrays_of_floatx_and_other_objects_are_refused_by_name(name):
    activation = getattr(activations, name)
    y = activation([[0.5, -1.0], [2.0, 3.0]])
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, ORACLES[name](np.array([[0.5, -1.0], [2.0, 3.0]])), rtol=1e-6)
    for x, came in (
        (None, "a NoneType"),
        ("a", "a str"),
        ([[1.0], [2.0, 3.0]], "a list"),
        ([[1, 2]], "an array of int64"),
        (np.zeros((2, 2), bool if name == "relu" else np.int32), f"an array of {'bool' if name == 'relu' else 'int32'}"),
    ):
        with pytest.raises(TypeError, match=f"^activations.{name}: expected a tensor of floats, got {came}$"):
            activation(x)


@pytest.mark.parametrize("name", ORACLES)
def test_symbolic_tensors_become_nodes(name):
    x = Input((3,))
    y = getattr(activations, name)(x)
    assert y.shape == (None, 3)
    values = np.float32([[0.5, -1.0, 2.0]])
    np.testing.assert_allclose(K.function([x], [y])([values])[0], ORACLES[name](values), rtol=1e-6)


@pytest.mark.parametrize("name", ORACLES)
def test_pickles_are_the_functions_themselves(name):
    activation = getattr(activations, name)
    assert pickle.loads(pickle.dumps(activation)) is activation


@pytest.mark.parametrize("name", ["relu", "elu", "softmax", "sigmoid", "hard_sigmoid", "tanh", "softplus", "softsign"])
def test_functions_of_k_become_those_of_this_room(name):
    assert activations.get(getattr(K, name)) is getattr(activations, name)
