"""Attributes of layers, nodes, tensors and models that describe their graph."""

import inspect
import pickle

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Add, BatchNormalization, Dense, Dropout, Input, Layer
from lamella.models import Model, Sequential

X = np.ones((4, 3), "float32")


def test_own_graph_of_a_model_is_its_call_0():
    base = Sequential([Dense(2, input_dim=3)])
    own = base.get_input_at(0), base.get_output_at(0)
    assert own == (base.input, base.output)
    base.add(Dense(5))
    assert base.get_output_at(0) is base.output and base.get_output_shape_at(0) == (None, 5)
    left, right = Input((3,)), Input((3,))
    first, second = base(left), base(right)
    assert [base.get_output_at(i) for i in (1, 2)] == [first, second]
    assert base.get_input_at(1) is left and base.get_input_at(0) is own[0]
    with pytest.raises(ValueError, match="only 3 inbound nodes"):
        base.get_output_at(3)
    merged = Model([left, right], Add()([first, second]))
    copy = Model.from_config(merged.get_config())
    copy.set_weights(merged.get_weights())
    np.testing.assert_array_equal(copy.predict([X, X]), merged.predict([X, X]))


def test_nodes_have_their_inbound_and_outbound_layers():
    a, b = Input((3,), name="a"), Input((3,), name="b")
    dense = Dense(3, name="dense")
    first, second = dense(a), dense(b)
    add = Add(name="add")
    add([second, first])
    (node,) = add._inbound_nodes
    assert node.outbound_layer is add and node.inbound_layers == [dense, dense]
    assert (node.node_indices, node.tensor_indices) == ([1, 0], [0, 0])
    assert node.input_tensors == [second, first] and node.output_tensors == [add.output]
    assert (node.input_shapes, node.output_shapes) == ([(None, 3), (None, 3)], [(None, 3)])
    assert node.get_config() == {
        "outbound_layer": "add", "inbound_layers": ["dense", "dense"], "node_indices": [1, 0], "tensor_indices": [0, 0],
    }  # fmt: skip
    assert dense._outbound_nodes == [node]
    source = a._keras_history[0]
    assert source._inbound_nodes[0].input_tensors == [a] and source._outbound_nodes == [dense._inbound_nodes[0]]


def test_a_pickle_of_a_model_has_no_layers_of_other_models():
    base = Sequential([Dense(2, input_dim=3)])
    outer = Model(base.input, Dense(4)(base.output))
    assert len(base.layers[0]._outbound_nodes) == 1
    copy = pickle.loads(pickle.dumps(outer))
    assert len(copy.layers[1]._outbound_nodes) == 1
    assert b"dense_2" not in pickle.dumps(base)


def test_uses_learning_phase_is_that_of_the_nodes():
    x = Input((3,))
    drop = Dropout(0.5)
    free, fixed = drop(x), drop(x, training=False)
    assert Model(x, free).uses_learning_phase and free._uses_learning_phase
    assert not Model(x, fixed).uses_learning_phase and not fixed._uses_learning_phase
    assert Dense(1)(free)._uses_learning_phase and not x._uses_learning_phase
    assert not Model(x, K.in_train_phase(x * 2.0, x, training=1)).uses_learning_phase
    y = Input((3,))
    assert Model(y, Model(x, free)(y)).uses_learning_phase


class Mean(Layer):
    def build(self, input_shape):
        self.mean = self.add_weight("mean", (3,), initializer="zeros", trainable=False)
        self.built = True

    def call(self, x):
        self.add_update(K.moving_average_update(self.mean, K.mean(x, axis=0), 0.5), x)
        return x * 1.0


def test_updates_are_those_of_each_call():
    x, y = Input((3,)), Input((3,))
    norm, mean = BatchNormalization(), Mean()
    model = Model([x, y], Add()([norm(x), norm(mean(y))]))
    moving = [norm.moving_mean, norm.moving_variance]
    assert [u.variable for u in norm.updates] == moving * 2
    assert [u.variable for u in norm.get_updates_for(x)] == moving and norm.get_updates_for(None) == []
    assert [u.variable for u in mean.updates] == [mean.mean] and not mean.mean.value.any()
    assert len(model.updates) == 5 and model.state_updates == []
    mean.stateful = True
    assert [u.variable for u in model.state_updates] == [mean.mean]
    mean.stateful = False
    norm.trainable = False
    assert norm.updates == [] and len(model.updates) == 1
    model.trainable = False
    assert model.updates == []


def test_losses_for_an_input_and_for_none():
    x = Input((3,))
    layer = Dense(2, kernel_regularizer="l2", activity_regularizer="l1")
    model = Model(x, layer(x))
    y = model.predict(X)
    assert [float(v) for v in layer.get_losses_for(None)] == pytest.approx([0.01 * np.square(layer.kernel.value).sum()])
    assert [float(v) for v in layer.get_losses_for(x)] == pytest.approx([0.01 * np.abs(y).sum()])
    assert layer.get_losses_for(Input((3,))) == []


@pytest.mark.filterwarnings("ignore:`Sequential.model` is deprecated")
def test_every_attribute_of_a_model_can_be_read():
    for model in (Sequential(), Sequential([Dense(2)]), Sequential([Dense(2, input_dim=3)])):
        assert "fit" in dict(inspect.getmembers(model))
    assert not hasattr(Sequential([Dense(2, input_dim=3)]), "metrics_names")


def test_make_function_methods_are_accepted():
    model = Sequential([Dense(2, input_dim=3)])
    model._make_predict_function()
    with pytest.raises(RuntimeError, match="You must compile"):
        model._make_test_function()
    model.compile("sgd", "mse")
    model._make_test_function()
    model._make_train_function()


def test_summary_warns_of_trainable_changed_after_compile():
    model = Sequential([Dense(2, input_dim=3)])
    model.compile("sgd", "mse")
    model.layers[0].trainable = False
    with pytest.warns(UserWarning, match="Discrepancy between trainable weights"):
        model.summary(print_fn=lambda line: None)
