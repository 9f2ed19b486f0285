"""MaxoutDense and Highway: formulas, order of the weights, deprecations. Keras's numbers are in test_golden_layers.py."""

import numpy as np
import pytest

from lamella.layers import AtrousConvolution1D, AtrousConvolution2D, Highway, Input, MaxoutDense
from lamella.models import Model, Sequential

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 4))
pytestmark = pytest.mark.filterwarnings("ignore:The `.*` layer is deprecated")


def test_maxout_is_the_largest_of_its_maps():
    w, b = RNG.normal(size=(3, 4, 2)), RNG.normal(size=(3, 2))
    model = Sequential([MaxoutDense(2, nb_feature=3, input_dim=4, weights=[w, b])])
    np.testing.assert_allclose(model.predict(X), (np.einsum("nf,kfo->nko", X, w) + b).max(1), rtol=1e-4, atol=1e-5)
    assert [v.name for v in model.weights] == ["maxout_dense_1/W:0", "maxout_dense_1/b:0"]
    assert "weights" not in model.layers[0].get_config() and model.layers[0].get_config()["input_dim"] == 4


def test_highway_mixes_its_input_with_a_map_of_it():
    layer = Highway(activation="relu", name="mine")
    t = Input((4,))
    model = Model(t, layer(t))
    w, carry, b, b_carry = model.get_weights()
    assert [v.name for v in model.weights] == ["mine/W:0", "mine/W_carry:0", "mine/b:0", "mine/b_carry:0"]
    assert not b.any() and (b_carry == 1).all()
    share = 1 / (1 + np.exp(-(X @ carry + b_carry)))
    np.testing.assert_allclose(model.predict(X), share * np.maximum(X @ w + b, 0) + (1 - share) * X, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [lambda: MaxoutDense(2, name="mine"), lambda: Highway(name="mine")])
def test_inputs_of_another_size(make):
    layer = make()
    with pytest.raises(ValueError, match="Layer mine: the last dimension of the inputs should be defined"):
        layer(Input((None,)))
    layer(X)
    with pytest.raises(ValueError, match="incompatible with layer mine: expected axis 1 of input shape to have value 4"):
        layer(X[:, :3])


def test_deprecation_warnings_point_at_the_users_line():
    for kind, arguments in ((MaxoutDense, {"output_dim": 2}), (Highway, {})):
        message = f"The `{kind.__name__}` layer is deprecated and will be removed after 06/2017"
        with pytest.warns(UserWarning, match=message) as caught:
            kind(**arguments)
        assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="`transform_bias` argument is deprecated and has been removed"):
        Highway(transform_bias=-2)


@pytest.mark.parametrize("make, rank", [(AtrousConvolution1D, 1), (AtrousConvolution2D, 2)])
def test_atrous_convolutions_are_dilated_ones(make, rank):
    message = f"The `{make.__name__}` layer has been deprecated. Use instead the `Conv{rank}D` layer with the `dilation_rate`"
    with pytest.warns(UserWarning, match=message) as caught:
        layer = make(4, 3, atrous_rate=2, padding="same")
    assert caught[0].filename == __file__
    config = layer.get_config()
    assert type(layer).__name__ == f"Conv{rank}D"
    assert (config["dilation_rate"], config["kernel_size"], config["padding"]) == ((2,) * rank, (3,) * rank, "same")
    with pytest.warns(UserWarning, match=message):
        assert make(4, 3).dilation_rate == (1,) * rank
