"""Masks of nodes, layers and models, as scripts read them from a graph."""

import copy

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Add, Dense, Flatten, Input, Masking
from lamella.models import Model, Sequential

X = np.random.default_rng(1).normal(size=(2, 3, 4)).astype("float32")
X[0, 1] = 0
KEPT = np.array([[True, False, True], [True, True, True]])


def value(x, mask):
    return K.function([x], [mask])([X])[0]


def test_a_mask_is_passed_on_until_a_layer_drops_it():
    x = Input((3, 4))
    masking, dense = Masking(), Dense(2)
    y = dense(masking(x))
    assert masking.input_mask is None and masking.get_input_mask_at(0) is None
    np.testing.assert_array_equal(value(x, masking.output_mask), KEPT)
    np.testing.assert_array_equal(value(x, dense.get_input_mask_at(0)), KEPT)
    # The same tensor each time, and no new call of any layer.
    assert dense.output_mask is dense.input_mask is masking.output_mask
    assert len(masking._inbound_nodes) == len(dense._inbound_nodes) == 1
    (node,) = dense._inbound_nodes
    assert node.input_masks == node.output_masks == [masking.output_mask]
    assert copy.deepcopy(dense)._inbound_nodes[0]._masks is None
    with pytest.raises(TypeError, match="does not support masking"):
        Flatten()(y)


def test_masks_of_several_inputs_and_calls():
    x, z = Input((3, 4)), Input((3, 4))
    add = Add()
    add([Masking()(x), z])
    add([x, z])
    first, second = add.get_input_mask_at(0)
    np.testing.assert_array_equal(value(x, first), KEPT)
    assert second is None and add.get_input_mask_at(1) == [None, None] and add.get_output_mask_at(1) is None
    np.testing.assert_array_equal(value(x, add.get_output_mask_at(0)), KEPT)
    with pytest.raises(AttributeError, match='the notion of "layer input mask" is ill-defined'):
        add.input_mask
    with pytest.raises(AttributeError, match="not connected, no output mask to return"):
        Dense(1).output_mask
    with pytest.raises(ValueError, match="Asked to get output mask at node 2, but the layer has only 2 inbound nodes"):
        add.get_output_mask_at(2)


def test_a_long_graph_does_not_need_deep_recursion():
    x = y = Input((3, 4))
    y = Masking()(y)
    for _ in range(1500):
        y = Dense(4)(y)
    np.testing.assert_array_equal(value(x, y._keras_history[0].output_mask), KEPT)


def test_run_internal_graph():
    x = Input((3, 4))
    model = Model(x, [Dense(2, name="a")(Masking()(x)), Flatten(name="b")(x)])
    outputs, masks, shapes = model.run_internal_graph(X)
    for found, expected in zip(outputs, model.predict(X)):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(masks[0], KEPT)
    assert masks[1] is None and shapes == [(2, 3, 2), (2, 12)]
    plain = Sequential([Dense(2, input_shape=(3, 4)), Dense(1)])
    z = Input((3, 4))
    (y,), masks, shapes = plain.run_internal_graph(z)
    assert masks == [None] and shapes == [(None, 3, 1)]
    np.testing.assert_array_equal(K.function([z], [y])([X])[0], plain.predict(X))
    _, (mask,), _ = plain.run_internal_graph([X], [KEPT])
    np.testing.assert_array_equal(mask, KEPT)
    with pytest.raises(ValueError):
        plain.run_internal_graph([X, X])


def test_names_of_keras_for_the_parts_of_a_graph():
    x, z = Input((4,), name="x"), Input((4,), name="z")
    shared = Dense(4, name="shared")
    y = Add(name="add")([shared(shared(x)), z])
    model = Model([x, z], Dense(1, name="out")(y))
    assert model._layers == model.layers
    assert model._network_nodes == {"x_ib-0", "z_ib-0", "shared_ib-0", "shared_ib-1", "add_ib-0", "out_ib-0"}
    depths = {d: [node.layer.name for node in nodes] for d, nodes in model._nodes_by_depth.items()}
    assert depths[0] == ["out"] and depths[1] == ["add"] and "shared" in depths[2] and "x" in depths[max(depths)]
    layers = {d: [layer.name for layer in found] for d, found in model._layers_by_depth.items()}
    assert layers[0] == ["out"] and layers[1] == ["add"]
    assert sorted(name for found in layers.values() for name in found) == ["add", "out", "shared", "x", "z"]
    assert [layer.name for layer in model._input_layers] == ["x", "z"]
    assert [layer.name for layer in model._output_layers] == ["out"]


def test_a_sequential_is_its_own_model():
    model = Sequential([Dense(1, input_dim=2)])
    with pytest.warns(DeprecationWarning, match="is a subclass of `Model`"):
        assert model.model is model


def test_assert_input_compatibility():
    layer = Dense(1, name="d")
    layer.assert_input_compatibility(Input((3,)))
    layer.assert_input_compatibility(np.ones((2, 3)))
    layer(Input((3,)))
    with pytest.raises(
        ValueError, match="^Input 0 is incompatible with layer d: expected axis -1 of input shape to have value 3"
    ):
        layer.assert_input_compatibility([np.ones((2, 4))])
    with pytest.raises(ValueError, match="expected min_ndim=2, found ndim=1"):
        layer.assert_input_compatibility([[1.0, 2.0]])
