"""Losses and metrics that read symbolic tensors of the model besides y_true and y_pred, as scripts for Keras 2 write them."""

import copy
from functools import partial

import numpy as np
import pytest

import lamella
from lamella import backend as K
from lamella import losses
from lamella.layers import Conv2D, Dense, Dropout, Flatten, Input, Lambda, Masking, TimeDistributed
from lamella.layers.merge import _Merge
from lamella.models import Model, Sequential

RNG = np.random.RandomState(0)


def divergence_model(batch=None):
    """A model of two layers whose loss also reads the output of the first one."""
    x = Input(batch_shape=(batch, 3))
    h = Dense(2, use_bias=False, name="h")(x)
    y = Dense(3, use_bias=False, name="y")(h)

    def loss(y_true, y_pred):
        return K.sum(K.square(y_true - y_pred), axis=-1) - 0.5 * K.sum(1 + h - K.square(h) - K.exp(h), axis=-1)

    def spread(y_true, y_pred):
        return K.mean(K.abs(h))

    def divergence(y_true, y_pred):
        return h

    return Model(x, y), loss, [spread, divergence]


def of_divergence(x, y, a, b):
    h = x @ a
    return (((y - h @ b) ** 2).sum(1) - 0.5 * (1 + h - h**2 - np.exp(h)).sum(1)).mean()


@pytest.mark.parametrize("batch", [None, 4])
def test_a_loss_of_an_inner_tensor(float64, batch):
    model, loss, metrics = divergence_model(batch)
    model.compile(lamella.optimizers.SGD(0.01), loss, metrics=metrics)
    x, y = RNG.randn(4, 3), RNG.randn(4, 3)
    for step in range(3):
        weights = model.get_weights()
        h = x @ weights[0]
        wanted = [of_divergence(x, y, *weights), np.abs(h).mean(), h.mean()]
        if step == 1:
            np.testing.assert_allclose(model.test_on_batch(x, y), wanted, rtol=1e-10)
            np.testing.assert_allclose(model.evaluate(x, y, batch_size=4, verbose=0), wanted, rtol=1e-10)
            assert model.predict(x).shape == (4, 3)
        np.testing.assert_allclose(model.train_on_batch(x, y), wanted, rtol=1e-10)
        for i, w in enumerate(weights):
            direction = RNG.randn(*w.shape)
            ends = [[*weights], [*weights]]
            ends[0][i], ends[1][i] = w + 1e-6 * direction, w - 1e-6 * direction
            high, low = (of_divergence(x, y, *end) for end in ends)
            moved = ((model.get_weights()[i] - w) * direction).sum()
            np.testing.assert_allclose(moved, -0.01 * (high - low) / 2e-6, rtol=1e-6, atol=1e-9)


def test_batches_of_any_size_and_sample_weights(float64):
    model, loss, metrics = divergence_model()
    model.compile("sgd", loss, metrics=metrics)
    x, y, weights = RNG.randn(7, 3), RNG.randn(7, 3), RNG.rand(7)
    history = model.fit(x, y, batch_size=3, epochs=2, validation_data=(x, y), verbose=0).history
    assert set(history) == {"loss", "spread", "divergence", "val_loss", "val_spread", "val_divergence"}
    a, b = model.get_weights()
    assert history["val_loss"][-1] == pytest.approx(of_divergence(x, y, a, b), rel=1e-10)
    h = x @ a
    rows = ((y - h @ b) ** 2).sum(1) - 0.5 * (1 + h - h**2 - np.exp(h)).sum(1)
    assert model.test_on_batch(x, y, sample_weight=weights)[0] == pytest.approx((rows * weights).mean(), rel=1e-10)
    # The function of the copy reads tensors of the first model.
    with pytest.raises(ValueError, match="Graph disconnected"):
        copy.deepcopy(model).train_on_batch(x, y)


def test_a_vae_of_the_examples_learns():
    x = Input((8,))
    h = Dense(16, activation="relu")(x)
    mean, log_var = Dense(2)(h), Dense(2)(h)

    def sampling(args):
        m, v = args
        return m + K.exp(v / 2) * K.random_normal(shape=(K.shape(m)[0], 2))

    z = Lambda(sampling, output_shape=(2,))([mean, log_var])
    y = Dense(8, activation="sigmoid")(Dense(16, activation="relu")(z))

    def vae_loss(y_true, y_pred):
        kl = -0.5 * K.sum(1 + log_var - K.square(mean) - K.exp(log_var), axis=-1)
        return 8 * losses.binary_crossentropy(y_true, y_pred) + kl

    vae = Model(x, y)
    vae.compile("adam", loss=vae_loss)
    data = np.repeat(RNG.rand(2, 8) > 0.5, 32, axis=0).astype("f4")
    history = vae.fit(data, data, epochs=40, batch_size=16, verbose=0).history["loss"]
    assert history[-1] < 0.85 * history[0]
    assert all(np.isfinite(w).all() for w in vae.get_weights())


class Between(_Merge):
    def _merge_function(self, inputs):
        return 0.25 * inputs[0] + 0.75 * inputs[1]


def test_the_gradient_penalty_of_wgan(float64):
    def penalty(y_true, y_pred, averaged_samples):
        slopes = K.gradients(y_pred, averaged_samples)[0]
        squares = K.sum(K.square(slopes), axis=np.arange(1, len(slopes.shape)))
        return K.mean(K.square(1 - K.sqrt(squares)))

    real, fake = Input((4, 4, 1)), Input((4, 4, 1))
    critic = Sequential([Conv2D(2, 3, activation="tanh", input_shape=(4, 4, 1)), Flatten(), Dense(1)])
    between = Between()([real, fake])
    loss = partial(penalty, averaged_samples=between)
    loss.__name__ = "penalty"
    model = Model([real, fake], [critic(real), critic(between)])
    model.compile(lamella.optimizers.SGD(0.1), [lambda t, p: K.mean(t * p), loss], loss_weights=[1, 10])
    a, b = RNG.randn(2, 3, 4, 4, 1)
    y, zeros = -np.ones((3, 1)), np.zeros((3, 1))

    def total(weights):
        critic.set_weights(weights)
        mixed, slope = 0.25 * a + 0.75 * b, np.zeros((3, 4, 4, 1))
        for i in np.ndindex(4, 4, 1):
            step = np.zeros((3, 4, 4, 1))
            step[(slice(None), *i)] = 1e-5
            slope[(slice(None), *i)] = ((critic.predict(mixed + step) - critic.predict(mixed - step)) / 2e-5)[:, 0]
        norms = np.sqrt((slope**2).sum((1, 2, 3)))
        return -critic.predict(a).mean() + 10 * ((1 - norms) ** 2).mean()

    weights = critic.get_weights()
    wanted = total(weights)
    critic.set_weights(weights)
    numbers = model.train_on_batch([a, b], [y, zeros])
    assert numbers[0] == pytest.approx(wanted, rel=1e-6)
    moved = critic.get_weights()
    direction = RNG.randn(*weights[0].shape)
    high, low = (total([weights[0] + s * 1e-4 * direction, *weights[1:]]) for s in (1, -1))
    assert ((moved[0] - weights[0]) * direction).sum() == pytest.approx(-0.1 * (high - low) / 2e-4, rel=1e-4)


def test_penalties_masks_and_dropout_go_on(float64):
    x = Input((3, 2))
    h = Dense(2, use_bias=False, kernel_regularizer=lamella.regularizers.l2(0.5), name="h")(Masking()(x))
    y = TimeDistributed(Dense(1, use_bias=False))(Dropout(0.5)(h))
    model = Model(x, y)
    model.add_loss(K.mean(h) * 3)
    model.compile("sgd", lambda t, p: K.square(p - t)[:, :, 0] + K.sum(h, axis=-1) * 0.1, sample_weight_mode="temporal")
    data, target = RNG.rand(2, 3, 2) + 1, RNG.randn(2, 3, 1)
    data[0, 2] = 0
    a, b = model.get_weights()
    inner = data @ a
    rows = (inner @ b - target)[:, :, 0] ** 2 + 0.1 * inner.sum(-1)
    kept = np.array([[1, 1, 0], [1, 1, 1.0]])
    wanted = (rows * kept).sum() / 5 + 0.5 * (a**2).sum() + 3 * inner.mean()
    assert model.test_on_batch(data, target) == pytest.approx(wanted, rel=1e-6)
    lamella.utils.set_random_seed(3)
    first = model.train_on_batch(data, target)
    assert np.isfinite(first) and first != pytest.approx(wanted, rel=1e-3)


def test_tensors_that_are_not_of_the_model_raise():
    x, other = Input((3,)), Input((3,))
    model = Model(x, Dense(3)(x))
    model.compile("sgd", lambda t, p: K.mean(K.square(t - p)) + K.mean(other))
    with pytest.raises(ValueError, match="Graph disconnected"):
        model.train_on_batch(np.ones((2, 3)), np.ones((2, 3)))
    outer = Dense(3)(other)
    model = Model(x, Lambda(lambda t: t * outer, output_shape=(3,))(x))
    with pytest.raises(ValueError, match="Graph disconnected"):
        model.predict(np.ones((2, 3)))
