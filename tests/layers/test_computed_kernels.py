"""Weights of lamella's layers that a script replaces by functions of Variables, as wrappers for weight normalization do."""

import threading

import numpy as np
import pytest

from lamella import backend as K
from lamella import layers
from lamella.layers import LSTM, Conv1D, Conv2D, Dense, DepthwiseConv2D, Input, Layer
from lamella.layers.wrappers import Wrapper
from lamella.models import Model, Sequential

RNG = np.random.default_rng(8)


class Scaled(Wrapper):
    """A layer whose kernel is tanh(kernel) * scale, made once, in build."""

    def build(self, input_shape=None):
        self.layer.build(input_shape)
        self.owner = getattr(self.layer, "cell", self.layer)
        self.name_of_kernel = "depthwise_kernel" if isinstance(self.layer, DepthwiseConv2D) else "kernel"
        self.kernel = getattr(self.owner, self.name_of_kernel)
        self.scale = self.layer.add_weight("scale", (), initializer="ones")
        setattr(self.owner, self.name_of_kernel, self.computed())
        super().build()

    def computed(self):
        return K.tanh(self.kernel) * self.scale

    def call(self, inputs):
        return self.layer.call(inputs)

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)


class ScaledInCall(Scaled):
    """The same, computed anew in each call."""

    def call(self, inputs):
        setattr(self.owner, self.name_of_kernel, self.computed())
        return self.layer.call(inputs)


KINDS = {
    "dense": (lambda: Dense(3, activation="relu"), (4,)),
    "conv1d": (lambda: Conv1D(3, 2), (5, 2)),
    "conv2d": (lambda: Conv2D(3, 2, padding="same"), (5, 4, 2)),
    "depthwise": (lambda: DepthwiseConv2D(2), (5, 4, 2)),
    "lstm": (lambda: LSTM(3, return_sequences=True), (5, 2)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kernel_made_in_build_is_trained(kind):
    make, shape = KINDS[kind]
    models = [Sequential([wrapper(make(), input_shape=shape)]) for wrapper in (Scaled, ScaledInCall)]
    weights = [RNG.normal(size=w.shape) for w in models[0].get_weights()]
    x, y = RNG.normal(size=(6, *shape)), RNG.normal(size=(6, *models[0].output_shape[1:]))
    losses = []
    for model in models:
        model.set_weights(weights)
        model.compile("sgd", "mse")
        losses.append([model.train_on_batch(x, y) for _ in range(4)])
    assert losses[0][-1] < losses[0][0]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    for one, other, before in zip(models[0].get_weights(), models[1].get_weights(), weights, strict=True):
        assert not np.allclose(one, before, atol=1e-7)
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(models[0].predict(x), models[1].predict(x), rtol=1e-4, atol=1e-5)


def test_gradients_and_values_of_a_computed_kernel():
    x = RNG.normal(size=(4, 3)).astype("float32")
    model = Sequential([Scaled(Dense(2, use_bias=False), input_shape=(3,))])
    kernel, scale = model.layers[0].layer.trainable_weights
    model.set_weights([RNG.normal(size=(3, 2)), 1.5])
    np.testing.assert_allclose(model.predict(x), x @ np.tanh(kernel) * 1.5, rtol=1e-5)
    slopes = K.function([model.input], K.gradients(K.sum(model.output), [kernel, scale]))([x])
    steep = x.sum(0)[:, None] * np.ones((3, 2))
    np.testing.assert_allclose(slopes[0], steep * 1.5 * (1 - np.tanh(kernel) ** 2), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(slopes[1], (steep * np.tanh(kernel)).sum(), rtol=1e-4)


class Counted(Wrapper):
    """A layer that adds to a weight of the layer inside, from build."""

    def build(self, input_shape=None):
        self.layer.build(input_shape)
        self.steps = self.layer.add_weight("steps", (), initializer="zeros", trainable=False)
        self.layer.add_update([K.update(self.steps, self.steps + 2)])
        super().build()

    def call(self, inputs):
        return self.layer.call(inputs)

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)


class Around(Layer):
    """A layer that holds a Counted layer."""

    def build(self, input_shape):
        self.inner = Counted(Dense(2))
        self.inner.build(input_shape)
        super().build(input_shape)

    def call(self, inputs):
        return self.inner.call(inputs)

    def compute_output_shape(self, input_shape):
        return self.inner.compute_output_shape(input_shape)


@pytest.mark.parametrize("make", [lambda: Counted(Dense(2), input_shape=(3,)), lambda: Around(input_shape=(3,))])
def test_updates_added_to_the_layer_inside_are_made(make):
    x, y = np.ones((4, 3)), np.ones((4, 2))
    model = Sequential([make()])
    model.compile("sgd", "mse")
    layer = model.layers[0]
    steps = layer.steps if isinstance(layer, Counted) else layer.inner.steps
    assert float(steps) == 0 and len(model.updates) == len(layer.updates) == 1 and layer.get_updates_for(None) == layer.updates
    model.fit(x, y, batch_size=2, epochs=2, verbose=0)
    assert float(steps) == 8
    model.evaluate(x, y, verbose=0)
    assert float(steps) == 8
    layer.trainable = False
    model.compile("sgd", "mse")
    model.fit(x, y, batch_size=2, verbose=0)
    assert float(steps) == 8 and model.updates == layer.updates == []


def backwards(shape):
    return tuple(reversed(range(len(shape))))


# Layers whose weights are all replaced by functions of Variables that are no contiguous arrays.
IN_OTHER_ORDER = KINDS | {
    "separable": (lambda: layers.SeparableConv2D(3, 2, activation="relu"), (5, 4, 2)),
    "transposed": (lambda: layers.Conv2DTranspose(3, 2), (5, 4, 2)),
    "local": (lambda: layers.LocallyConnected1D(3, 2), (5, 2)),
    "norm": (lambda: layers.BatchNormalization(), (4,)),
    "gru": (lambda: layers.GRU(3, reset_after=True), (5, 2)),
    "simple": (lambda: layers.SimpleRNN(3), (5, 2)),
    "convlstm": (lambda: layers.ConvLSTM2D(3, 2), (2, 5, 4, 2)),
    "prelu": (lambda: layers.PReLU(), (4, 3)),
    "embedding": (lambda: layers.Embedding(5, 3), (4,)),
    "cells": (lambda: layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)]), (5, 2)),
}


@pytest.mark.parametrize("kind", IN_OTHER_ORDER)
def test_weights_that_are_transposed_or_slices(kind, float64):
    make, shape = IN_OTHER_ORDER[kind]
    x = Input(shape)
    layer = make()
    model = Model(x, layer(x))
    layer.set_weights([RNG.uniform(0.2, 0.8, w.shape) for w in layer.get_weights()])
    model.compile("sgd", "mse")
    given = RNG.uniform(0, 4, (6, *shape))
    target = RNG.normal(size=(6, *model.output_shape[1:]))
    predicted, before = model.predict(given), layer.get_weights()
    loss, after = model.train_on_batch(given, target), [w.copy() for w in layer.get_weights()]
    layer.set_weights(before)
    of = {}
    cell = getattr(layer, "cell", layer)
    for owner in getattr(cell, "cells", [cell]):
        for weight in list(owner._trainable_weights):
            name = next(n for n, value in vars(owner).items() if value is weight)
            value = K.get_value(weight)
            if value.ndim > 1:
                of[id(weight)] = variable = K.variable(value.T.copy())
                computed = K.permute_dimensions(variable, backwards(value.shape))
            else:
                of[id(weight)] = variable = K.variable(np.repeat(value, 2))
                computed = variable[::2]
            owner._trainable_weights[:] = [variable if w is weight else w for w in owner._trainable_weights]
            setattr(owner, name, computed)
    again = Model(x, layer(x))
    np.testing.assert_allclose(again.predict(given), predicted, rtol=1e-9)
    again.compile("sgd", "mse")
    assert again.train_on_batch(given, target) == pytest.approx(loss, rel=1e-9)
    changed = [w.T if w.ndim > 1 else w[::2] for w in layer.get_weights()[: len(of)]]
    for got, wanted in zip(changed, after):
        np.testing.assert_allclose(got, wanted, rtol=1e-8)


class HalfInTraining(Wrapper):
    """Replaces the weights of the layer inside by functions of themselves, in each call, as wrappers for DropConnect do."""

    def build(self, input_shape=None):
        self.layer.build(input_shape)
        self.layer.built = True
        super().build()

    def call(self, inputs, training=None):
        owner = getattr(self.layer, "cell", self.layer)
        owner.kernel = K.in_train_phase(0.5 * owner.kernel, owner.kernel)
        owner.bias = K.in_train_phase(2 * owner.bias, owner.bias)
        return self.layer.call(inputs)

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)


@pytest.mark.parametrize("form", ["dense", "time steps"])
def test_weights_that_each_call_replaces_by_functions_of_themselves(form, float64):
    x = Input((2, 3) if form == "time steps" else (3,))
    inner = Dense(2)
    wrapper = HalfInTraining(inner) if form == "dense" else layers.TimeDistributed(HalfInTraining(inner))
    model = Model(x, wrapper(x))
    kernel, bias = RNG.normal(size=(3, 2)), RNG.normal(size=2)
    inner.set_weights([kernel, bias])
    model.compile("sgd", "mse")
    given = RNG.normal(size=(5, *x.shape[1:]))
    target = RNG.normal(size=(5, *model.output_shape[1:]))
    for _ in range(3):
        kernel, bias = inner.get_weights()
        np.testing.assert_allclose(model.predict(given), given @ kernel + bias, rtol=1e-9)
        residual = given @ kernel / 2 + 2 * bias - target
        assert model.train_on_batch(given, target) == pytest.approx(np.square(residual).mean(), rel=1e-9)
        slope = 0.02 * residual / residual.size
        rows, slopes = given.reshape(-1, 3), slope.reshape(-1, 2)
        np.testing.assert_allclose(inner.get_weights()[0], kernel - rows.T @ slopes / 2, rtol=1e-8)
        np.testing.assert_allclose(inner.get_weights()[1], bias - 2 * slopes.sum(0), rtol=1e-8)
    assert inner.kernel is inner.weights[0]


class Waiting(Wrapper):
    """Replaces the kernel inside, and waits in the call of the first thread until another thread had time to call."""

    def __init__(self, layer, **kwargs):
        super().__init__(layer, **kwargs)
        self.threads = {"first": None, "inside": threading.Event(), "second": threading.Event()}

    def build(self, input_shape=None):
        self.layer.build(input_shape)
        self.layer.built = True
        super().build()

    def call(self, inputs):
        self.layer.kernel = 2.0 * self.layer.kernel
        if self.threads["first"] is threading.current_thread():
            self.threads["inside"].set()
            self.threads["second"].wait(0.5)  # with a lock the other thread cannot come to this point
        elif self.threads["first"] is not None:
            self.threads["second"].set()
        return self.layer.call(inputs)

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)


def test_two_threads_replace_a_weight_one_after_the_other():
    x = Input((3,))
    inner = Dense(2, use_bias=False)
    wrapper = Waiting(inner)
    model = Model(x, wrapper(x))
    kernel, given, found = inner.kernel, np.ones((4, 3), "f4"), {}
    wanted = 2 * given @ inner.get_weights()[0]
    np.testing.assert_allclose(model.predict(given), wanted, rtol=1e-6)

    def predict(name):
        found[name] = model.predict_on_batch(given)

    first, second = (threading.Thread(target=predict, args=(name,)) for name in ("first", "second"))
    wrapper.threads["first"] = first
    first.start()
    assert wrapper.threads["inside"].wait(30)
    second.start()
    first.join()
    second.join()
    assert inner.kernel is kernel
    for y in (found["first"], found["second"], model.predict(given)):
        np.testing.assert_allclose(y, wanted, rtol=1e-6)
