"""Losses and updates of wrappers: where they are listed, and that training counts each once.

The values of training are those of the real Keras 2.2.5 with the same weights, except where a comment says otherwise.
"""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import LSTM, BatchNormalization, Bidirectional, Dense, Input, Layer, TimeDistributed
from lamella.models import Model, Sequential
from lamella.regularizers import l1, l2

REGULARIZED = {"kernel_regularizer": l2(0.1), "activity_regularizer": l1(0.1)}
X = np.linspace(0, 1, 48).reshape(4, 3, 4).astype("f4")


def trained(layer, batch=None, *, set_weights=True):
    """The layer's model, and its loss before and after two steps of SGD."""
    model = Sequential([layer])
    model.build((batch, 3, 4))
    model.compile("sgd", "mse")
    if set_weights:
        model.set_weights([np.linspace(-0.5, 0.5, w.size).reshape(w.shape) for w in model.get_weights()])
    y = np.zeros((4, *model.output_shape[1:]))
    losses = [model.evaluate(X, y, batch_size=4, verbose=0)]
    losses += [model.train_on_batch(X, y) for _ in range(2)]
    return model, losses


# With a fixed batch size Keras counts the activity regularizer twice: 3.5926638, 3.5926638, 3.2162523.
@pytest.mark.parametrize("batch", [None, 4])
def test_time_distributed_regularizers_count_once(batch):
    layer = TimeDistributed(Dense(2, **REGULARIZED), batch_input_shape=(batch, 3, 4))
    model, losses = trained(layer, batch)
    np.testing.assert_allclose(losses, [2.0498066, 2.0498066, 1.9091957], rtol=2e-6)
    assert len(layer.losses) == len(model.losses) == 2 and len(layer.layer.losses) == 1
    assert len(layer.get_losses_for(None)) == len(layer.get_losses_for(layer.input)) == 1


@pytest.mark.parametrize("batch", [None, 4])
def test_bidirectional_regularizers_count_once(batch):
    layer = Bidirectional(LSTM(2, **REGULARIZED), batch_input_shape=(batch, 3, 4))
    model, losses = trained(layer, batch)
    np.testing.assert_allclose(losses, [0.7522274, 0.7522274, 0.74706876], rtol=2e-6)
    assert len(layer.losses) == len(model.losses) == 3
    assert [len(inside.losses) for inside in (layer.forward_layer, layer.backward_layer)] == [1, 1]


def test_time_distributed_updates_are_made():
    layer = TimeDistributed(BatchNormalization(), batch_input_shape=(None, 3, 4))
    model, losses = trained(layer, set_weights=False)
    np.testing.assert_allclose(losses, [0.33654293, 0.98854697, 0.97879905], rtol=2e-6)
    assert len(layer.updates) == len(model.updates) == 2
    assert [update.variable for update in layer.layer.updates] == [layer.layer.moving_mean, layer.layer.moving_variance]
    assert (
        len(layer.get_updates_for(layer.input)) == 2 and layer.get_updates_for(None) == layer.layer.get_updates_for(None) == []
    )
    # Two steps: the mean of X comes closer, 1 - 0.99^2 of it.
    np.testing.assert_allclose(layer.get_weights()[2], (1 - 0.99**2) * X.mean(axis=(0, 1)), rtol=1e-5)


class Counting(Layer):
    def build(self, input_shape):
        self.scale = self.add_weight("scale", (input_shape[-1],), initializer="ones")
        self.count = self.add_weight("count", (), initializer="zeros", trainable=False)
        super().build(input_shape)

    def call(self, x):
        self.add_loss(0.1 * K.mean(K.square(x * self.scale)), inputs=x)
        self.add_update(K.update_add(self.count, K.mean(x)), inputs=x)
        return x * self.scale


def test_losses_and_updates_of_calls_inside_count_once():
    layer = TimeDistributed(Counting(), batch_input_shape=(None, 3, 4))
    model, losses = trained(layer, set_weights=False)
    # Keras drops the loss of add_loss: the first is then the mean of the squares.
    assert losses[0] == pytest.approx(1.1 * np.square(X).mean(), rel=1e-6)
    assert len(layer.losses) == len(model.losses) == len(layer.updates) == len(model.updates) == 1
    inside = layer.layer
    assert inside.updates == layer.updates and [update.variable for update in inside.updates] == [inside.count]
    assert float(inside.losses[0]) == float(layer.losses[0]) > 0 and len(inside.losses) == 1
    layer.trainable = False
    assert inside.updates == layer.updates == model.updates == []
    assert K.eval(layer.layer.count) == pytest.approx(2 * X.mean())


def test_layers_of_nested_wrappers_list_their_updates():
    norm = BatchNormalization()
    layer = TimeDistributed(TimeDistributed(norm), input_shape=(3, 5, 4))
    Sequential([layer])
    assert len(norm.updates) == len(layer.layer.updates) == len(layer.updates) == 2
    layer(Input((3, 5, 4)))
    assert len(norm.updates) == len(layer.layer.updates) == len(layer.updates) == 4


# The numbers are those of the real Keras 2.2.5, which counts the penalties for None again at each call.
def test_model_has_losses_and_updates_of_its_calls():
    model = Sequential([Dense(3, input_shape=(4,), **REGULARIZED), BatchNormalization(), Counting()])
    a, b = Input((4,)), Input((4,))

    def counts(method):
        return [len(method(x)) for x in (None, model.input, a, b)]

    assert counts(model.get_losses_for) == counts(model.get_updates_for) == [0, 0, 0, 0]
    assert len(model.losses) == len(model.updates) == 3
    y = model(a)
    model(a)
    assert counts(model.get_losses_for) == [1, 0, 2, 0] and counts(model.get_updates_for) == [0, 0, 3, 0]
    outer = Model(a, y)
    assert len(outer.losses) == len(outer.updates) == 3
    assert [len(outer.get_losses_for(a)), len(outer.get_updates_for(a))] == [0, 0]
    x = np.linspace(-1, 1, 24).reshape(6, 4)
    found = K.function([a], [*model.get_losses_for(None), *model.get_losses_for(a)])([x])
    kernel, bias = model.layers[0].get_weights()
    expected = [
        0.1 * np.square(kernel).sum(),
        0.1 * np.abs(x @ kernel + bias).sum(),
        0.1 * np.square((x @ kernel) / 1.001**0.5).mean(),
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
