"""The error for an unknown name suggests a similar one, or explains why lamella does not have this name of Keras."""

import pytest

from lamella import activations, constraints, initializers, losses, metrics, optimizers, regularizers
from lamella.core import registry
from lamella.layers import Dense, Layer
from lamella.layers import deserialize as layer_from
from lamella.models import Sequential

NEAR = [
    (activations.get, "rleu", "Unknown activation function: rleu (did you mean 'relu'?)"),
    (activations.get, "SoftMax", "Unknown activation function: SoftMax (did you mean 'softmax'?)"),
    (
        losses.get,
        "categorical_crossentropie",
        "Unknown loss function: categorical_crossentropie (did you mean 'categorical_crossentropy'?)",
    ),
    (metrics.get, "binary_acuracy", "Unknown metric function: binary_acuracy (did you mean 'binary_accuracy'?)"),
    (optimizers.get, "adamm", "Unknown optimizer: adamm (did you mean 'adam'?)"),
    (initializers.get, "glorot_unifrom", "Unknown initializer: glorot_unifrom (did you mean 'glorot_uniform'?)"),
    (regularizers.get, "l1l2", "Unknown regularizer: l1l2 (did you mean 'L1L2'?)"),
    (constraints.get, "max_nrom", "Unknown constraint: max_nrom (did you mean 'max_norm'?)"),
    (lambda name: layer_from({"class_name": name, "config": {}}), "Desne", "Unknown layer: Desne (did you mean 'Dense'?)"),
]


@pytest.mark.parametrize("get, name, message", NEAR, ids=[name for _, name, _ in NEAR])
def test_the_most_similar_name_is_suggested(get, name, message):
    with pytest.raises(ValueError) as caught:
        get(name)
    assert message in str(caught.value)


def test_an_argument_of_a_layer_suggests_a_name_too():
    with pytest.raises(ValueError, match=r"rleu \(did you mean 'relu'\?\)"):
        Dense(2, activation="rleu")


def test_no_name_is_suggested_if_none_is_similar():
    with pytest.raises(ValueError) as caught:
        losses.get("q" * 7)
    assert str(caught.value).endswith("Unknown loss function: qqqqqqq")
    with pytest.raises(ValueError) as caught:
        losses.get("mse" * 10**6)
    assert str(caught.value).endswith("mse")


def test_refused_names_of_keras_are_explained():
    with pytest.raises(
        ValueError, match=r"Unknown optimizer: TFOptimizer \(keras.optimizers.TFOptimizer .* it wraps an optimizer"
    ):
        registry.get("optimizers", "TFOptimizer")


def test_custom_objects_are_suggested():
    class Whitening(Layer):
        pass

    config = Sequential([Dense(1, input_shape=(2,))]).get_config()
    config["layers"][0]["class_name"] = "Whitenin"
    with pytest.raises(ValueError, match=r"Unknown layer: Whitenin \(did you mean 'Whitening'\?\)"):
        Sequential.from_config(config, {"Whitening": Whitening})
