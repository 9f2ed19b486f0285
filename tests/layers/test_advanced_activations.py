"""Layers that are activations: formulas, boundary values, weights, messages."""

import numpy as np
import pytest

from lamella.layers import ELU, LeakyReLU, Masking, PReLU, ReLU, Softmax, ThresholdedReLU
from lamella.models import Sequential

# They include each threshold and bound that is used below.
X = np.array([[-3.0, -1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 1.5, 7.0]])


@pytest.mark.parametrize(
    "layer, formula",
    [
        (LeakyReLU(), lambda x: np.where(x > 0, x, 0.3 * x)),
        (LeakyReLU(alpha=0), lambda x: np.maximum(x, 0)),
        (ELU(0.5), lambda x: np.where(x > 0, x, 0.5 * (np.exp(x) - 1))),
        (ThresholdedReLU(), lambda x: np.where(x > 1, x, 0)),  # 1 itself is not above the threshold
        (ThresholdedReLU(-1), lambda x: np.where(x > -1, x, 0)),
        (ReLU(), lambda x: np.maximum(x, 0)),
        (ReLU(6), lambda x: np.clip(x, 0, 6)),
        (ReLU(max_value=0.0), lambda x: 0 * x),
        (ReLU(negative_slope=0.1, threshold=0.25), lambda x: np.where(x > 0.25, x, 0.1 * (x - 0.25))),
        (ReLU(1.0, 0.5, 0.5), lambda x: np.where(x > 0.5, np.minimum(x, 1), 0.5 * (x - 0.5))),
    ],
)
def test_formula(layer, formula):
    np.testing.assert_allclose(layer(X.astype("float32")), formula(X), rtol=1e-6, atol=1e-6)


def test_prelu_has_an_alpha_for_each_place_that_is_not_shared():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")
    for shared, shape in [(None, (3, 4, 5)), (1, (1, 4, 5)), ((2, 3), (3, 1, 1)), ([1, 2, 3], (1, 1, 1))]:
        layer = PReLU(shared_axes=shared, alpha_initializer="random_uniform")
        y = layer(x)
        (alpha,) = layer.get_weights()
        assert alpha.shape == shape and layer.weights[0].name == f"{layer.name}/alpha:0"
        np.testing.assert_allclose(y, np.maximum(x, 0) - alpha * np.maximum(-x, 0), rtol=1e-6)
    assert PReLU(shared_axes=(1, 2)).get_config()["shared_axes"] == [1, 2]
    assert PReLU(shared_axes=1).get_config()["shared_axes"] == [1]


def test_prelu_accepts_unknown_sizes_only_on_shared_axes():
    layer = PReLU(shared_axes=[1, 2])
    layer.build((None, None, None, 3))
    assert layer.alpha.shape == (1, 1, 3)
    with pytest.raises(ValueError, match="expected axis 3 of input shape to have value 3"):
        layer(np.zeros((2, 4, 4, 2)))
    with pytest.raises(ValueError, match=r"Layer mine: .*should be defined. Found \(None, None, 3\)"):
        PReLU(name="mine").build((None, None, 3))
    for axes in (0, -1, [1, 4]):
        with pytest.raises(ValueError, match="Layer mine: expected shared_axes from 1 to 3, got"):
            PReLU(shared_axes=axes, name="mine").build((None, 2, 2, 3))


def test_softmax_sums_to_1_over_its_axis():
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    for axis in (1, 2, -1, -2):
        e = np.exp(x - x.max(axis=axis, keepdims=True))
        np.testing.assert_allclose(Softmax(axis)(x), e / e.sum(axis=axis, keepdims=True), rtol=1e-5)
    with pytest.raises(ValueError, match=r"Layer mine: expected an axis in \[-3, 3\), got 3"):
        Softmax(3, name="mine")(x)
    with pytest.raises(ValueError, match="incompatible with layer mine: expected min_ndim=2, found ndim=1"):
        Softmax(name="mine")(x[0, 0])


@pytest.mark.parametrize("argument", ["max_value", "negative_slope"])
def test_relu_refuses_negative_bounds(argument):
    with pytest.raises(ValueError, match=f"{argument} of ReLU layer cannot be negative value: -1"):
        ReLU(**{argument: -1.0})


@pytest.mark.parametrize("layer", [LeakyReLU(), PReLU(), ELU(), ThresholdedReLU(), Softmax(), ReLU()])
def test_masks_pass(layer):
    model = Sequential([Masking(input_shape=(3, 2)), layer])
    x = np.array([[[1, 2], [0, 0], [3, 4]]], "float32")
    np.testing.assert_array_equal(model.compute_mask(x), [[True, False, True]])


def test_configs_have_numbers_of_python():
    config = ReLU(np.float32(6), np.float32(0.5), np.float64(0.25)).get_config()
    assert [type(config[name]) for name in ("max_value", "negative_slope", "threshold")] == [float] * 3
    assert type(LeakyReLU(np.float32(0.5)).get_config()["alpha"]) is float


def test_numbers_become_floats():
    """The real Keras 2.2.5 writes 1.0 where 1 was given."""
    assert [type(layer.get_config()["alpha"]) for layer in (LeakyReLU(1), ELU(2))] == [float] * 2
    assert type(ThresholdedReLU(1).get_config()["theta"]) is float
    assert repr(ReLU(6, 0, 1).get_config()["max_value"]) == "6.0"
