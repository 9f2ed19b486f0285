"""Arguments of layers are resolved by their names, in the same place for all layers."""

import inspect

import numpy as np
import pytest

from lamella import activations, constraints, initializers, layers, regularizers
from lamella.core import config, registry
from lamella.layers import Activation, Conv2D, Dense, Flatten, Layer, MaxPooling2D
from lamella.layers.arguments import KernelLayer
from tests.layers.layer_roster import ROSTER

pytestmark = pytest.mark.filterwarnings("ignore:The `.*` layer is deprecated")

KINDS = [cls for cls in (registry.get("layers", name) for name, _, _ in ROSTER) if issubclass(cls, KernelLayer)]
BY_ROOM = [
    ("initializer", "he_normal", initializers.VarianceScaling),
    ("regularizer", "l2", regularizers.L1L2),
    ("constraint", "unit_norm", constraints.UnitNorm),
]
REQUIRED = {
    "units": 2,
    "input_dim": 3,
    "output_dim": 2,
    "filters": 2,
    "kernel_size": 2,
    "activation": "relu",
    "target_shape": (2,),
    "rate": 0.5,
}


def arguments(cls):
    return [p for p in inspect.signature(cls).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]


def needed(cls):
    return {p.name: REQUIRED[p.name] for p in arguments(cls) if p.default is p.empty}


TAKES_OBJECTS = [
    cls for cls in dict.fromkeys(KINDS) if any(p.name.endswith(ending) for p in arguments(cls) for ending, _, _ in BY_ROOM)
]


@pytest.mark.parametrize("cls", TAKES_OBJECTS, ids=lambda cls: cls.__name__)
def test_names_of_objects_become_objects(cls):
    for ending, name, kind in BY_ROOM:
        for argument in [p.name for p in arguments(cls) if p.name.endswith(ending)]:
            layer = cls(**needed(cls) | {argument: name})
            assert isinstance(getattr(layer, argument), kind)
            with pytest.raises(ValueError, match=f"Unknown {ending}.*: nonsense"):
                cls(**needed(cls) | {argument: "nonsense"})


def test_windows_and_keywords_of_all_layers():
    conv = Conv2D(4.0, 3, strides=2, padding="SAME", dilation_rate=[1, 1], data_format=None)
    assert (conv.filters, type(conv.filters)) == (4, int)
    assert (conv.kernel_size, conv.strides, conv.dilation_rate, conv.padding) == ((3, 3), (2, 2), (1, 1), "same")
    assert MaxPooling2D(3).strides == (3, 3)
    config.set_image_data_format("channels_first")
    assert [layer.data_format for layer in (conv, Conv2D(1, 1), Flatten(), MaxPooling2D())] == ["channels_last"] + 3 * [
        "channels_first"
    ]


def test_an_error_names_layer_and_argument():
    with pytest.raises(ValueError, match="^Layer a: expected units to be a positive integer, got -1$"):
        Dense(-1, name="a")
    with pytest.raises(ValueError, match="^Layer b: The `strides` argument must be a tuple of 2 integers"):
        Conv2D(1, 1, strides=(1, 2, 3), name="b")


def test_attributes_of_users_constructors_are_not_changed():
    class Custom(Dense):
        def __init__(self, gate_activation, **named):
            super().__init__(2, activation="tanh", **named)
            self.gate_activation = gate_activation
            self.seen = self.activation

    layer = Custom("sigmoid")
    assert layer.gate_activation == "sigmoid" and layer.seen is activations.tanh


def test_an_activation_that_is_not_fused_is_called_afterwards():
    assert Dense(1, activation="relu").split_activation() == ("relu", None)
    assert Dense(1).split_activation() == ("linear", None)
    assert Dense(1, activation="tanh").split_activation() == ("linear", activations.tanh)
    assert Activation("relu").split_activation() == ("linear", activations.relu)
    x = np.array([[-1.0, 2.0]], "float32")
    for name in ("relu", "tanh", "linear"):
        y = Dense(2, activation=name, kernel_initializer=initializers.Identity())(x)
        assert np.array_equal(y, activations.get(name)(x))


def test_the_base_class_resolves_nothing():
    assert Layer().resolve(["units"]) is None
    assert not isinstance(layers.InputLayer((2,)), KernelLayer)


@pytest.mark.parametrize("name", ["SeparableConv1D", "SeparableConv2D", "DepthwiseConv2D"])
def test_kernel_arguments_have_no_effect_on_a_depthwise_layer(name):
    cls = getattr(layers, name)
    sizes = {"kernel_size": 2} if name == "DepthwiseConv2D" else {"filters": 2, "kernel_size": 2}
    x = np.ones((1, 4, 3) if name == "SeparableConv1D" else (1, 4, 4, 3), "f4")
    plain = cls(**sizes, depthwise_initializer="ones")
    with pytest.warns(UserWarning, match="layer: kernel_initializer has no effect; use depthwise_initializer"):
        layer = cls(**sizes, depthwise_initializer="ones", kernel_initializer="he_normal", name="layer")
    assert isinstance(layer.kernel_initializer, initializers.VarianceScaling)
    plain(x), layer(x)
    np.testing.assert_array_equal(layer.get_weights()[0], plain.get_weights()[0])
    assert layer.get_config().keys() == plain.get_config().keys()
    with pytest.warns(UserWarning, match="kernel_regularizer has no effect"):
        regularized = cls(**sizes, kernel_regularizer="l2")
    regularized(x)
    assert not regularized.losses
    with pytest.raises(ValueError, match="Unknown"):
        cls(**sizes, kernel_constraint="none_such")
