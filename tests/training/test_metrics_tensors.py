"""Tensors that scripts append to metrics_tensors, with names in metrics_names. Source: Keras 2.2.5."""

import pickle

import numpy as np
import pytest

from lamella import backend as K
from lamella.callbacks import LearningRateScheduler
from lamella.layers import Dense, Input
from lamella.models import Model
from lamella.optimizers import SGD

RNG = np.random.default_rng(5)
X, Y = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 2))


def with_inner(**options):
    x = Input((3,))
    h = Dense(4, use_bias=False)(x)
    model = Model(x, Dense(2, use_bias=False)(h))
    model.compile(SGD(lr=0.1), "mse", **options)
    return model, h


def add(model, name, tensor):
    model.metrics_tensors.append(tensor)
    model.metrics_names.append(name)


def test_columns_of_a_scalar_of_samples_and_of_a_variable(float64):
    model, h = with_inner(metrics=["mae"])
    count = K.variable(7.0)
    add(model, "energy", K.mean(K.square(h)))
    add(model, "size", K.sum(K.abs(h), axis=-1))
    add(model, "count", count)
    add(model, "count twice", 2 * count)
    assert model.metrics_names == ["loss", "mean_absolute_error", "energy", "size", "count", "count twice"]
    a, b = model.get_weights()
    inner = X @ a
    residual = inner @ b - Y
    wanted = [(residual**2).mean(), np.abs(residual).mean(), (inner**2).mean(), np.abs(inner).sum(1).mean(), 7, 14]
    np.testing.assert_allclose(model.test_on_batch(X, Y), wanted, rtol=1e-10)
    np.testing.assert_allclose(model.evaluate(X, Y, batch_size=2, verbose=0), wanted, rtol=1e-10)
    np.testing.assert_allclose(model.train_on_batch(X, Y), wanted, rtol=1e-10)
    K.set_value(count, 8)
    history = model.fit(X, Y, epochs=2, batch_size=4, validation_data=(X, Y), verbose=0).history
    assert history["count"] == [8, 8] and history["val_count twice"] == [16, 16]
    inner = X @ model.get_weights()[0]
    assert history["val_energy"][-1] == pytest.approx((inner**2).mean(), rel=1e-10)
    assert list(model.test_on_batch(X, Y, return_dict=True)) == model.metrics_names


def test_the_learning_rate_as_a_column():
    model, _ = with_inner()
    add(model, "lr_of_step", model.optimizer.lr)
    history = model.fit(X, Y, epochs=3, verbose=0, callbacks=[LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))]).history
    np.testing.assert_allclose(history["lr_of_step"], [0.1, 0.05, 0.1 / 3], rtol=1e-6)


def test_columns_of_the_targets_and_lists_that_are_added(float64):
    x = Input((3,))
    model = Model(x, [Dense(2)(x), Dense(1)(x)])
    model.compile("sgd", ["mse", None], metrics=["mae"])
    error = model.targets[0] - model.outputs[0]
    model.metrics_tensors += [K.max(K.abs(error)), K.sum(K.square(error), axis=-1)]
    model.metrics_names += ["worst", "squares"]
    residual = Y - model.predict(X)[0]
    got = dict(zip(model.metrics_names, model.test_on_batch(X, Y)))
    assert got["worst"] == pytest.approx(np.abs(residual).max(), rel=1e-10)
    assert got["squares"] == pytest.approx((residual**2).sum(1).mean(), rel=1e-10)
    assert got["loss"] == pytest.approx((residual**2).mean(), rel=1e-10)
    model.metrics_names, model.metrics_tensors = model.metrics_names[:-1], model.metrics_tensors[:-1]
    assert list(model.fit(X, Y, verbose=0).history)[-1] == "worst"


def test_the_divergence_of_a_variational_autoencoder(float64):
    """The usual script: add_loss of the sum, and a column for each part."""
    x = Input((3,))
    mean, log_var = Dense(2)(x), Dense(2)(x)
    decoded = Dense(3)(mean)
    model = Model(x, decoded)
    reconstruction = K.sum(K.square(x - decoded), axis=-1)
    divergence = -0.5 * K.sum(1 + log_var - K.square(mean) - K.exp(log_var), axis=-1)
    model.add_loss(K.mean(reconstruction + divergence))
    model.compile("adam", loss=None)
    add(model, "reconstruction", K.mean(reconstruction))
    add(model, "divergence", K.mean(divergence))
    history = model.fit(X, epochs=5, batch_size=2, verbose=0).history
    parts = np.add(history["reconstruction"], history["divergence"])
    np.testing.assert_allclose(parts, history["loss"], rtol=1e-10)
    total, first, second = model.evaluate(X, verbose=0)
    assert total == pytest.approx(first + second, rel=1e-10) and total < history["loss"][0]


def test_columns_beside_losses_that_read_tensors_and_target_tensors(float64):
    x = Input((3,))
    h = Dense(4, use_bias=False)(x)
    model = Model(x, Dense(2, use_bias=False)(h))

    def loss(y, p):
        return K.mean(K.square(y - p), axis=-1) + K.mean(h, axis=-1)

    model.compile(SGD(lr=0.1), loss, target_tensors=K.variable(Y))
    add(model, "inner", K.max(h))
    a, b = model.get_weights()
    inner = X @ a
    wanted = [((inner @ b - Y) ** 2).mean() + inner.mean(), inner.max()]
    np.testing.assert_allclose(model.train_on_batch(X, None), wanted, rtol=1e-10)


def test_tensors_may_come_after_the_first_step_and_end_with_compile(float64):
    model, h = with_inner()
    assert np.ndim(model.train_on_batch(X, Y)) == 0
    add(model, "inner", K.mean(h))
    assert model.test_on_batch(X, Y)[1] == pytest.approx((X @ model.get_weights()[0]).mean(), rel=1e-10)
    assert pickle.loads(pickle.dumps(model)).test_on_batch(X, Y)[1] == pytest.approx(model.test_on_batch(X, Y)[1], rel=1e-10)
    model.metrics_tensors[0] = K.max(h)
    assert model.test_on_batch(X, Y)[1] == pytest.approx((X @ model.get_weights()[0]).max(), rel=1e-10)
    model.compile("sgd", "mse")
    assert model.metrics_names == ["loss"] and model.metrics_tensors == []


def test_what_has_no_name_or_is_no_tensor_is_refused():
    model, h = with_inner(metrics=["mae"])
    assert [x.shape for x in model.metrics_tensors] == [()]
    model.metrics_tensors.append(K.mean(h))
    with pytest.raises(ValueError, match="metrics_tensors has 2 entries, metrics_names 2 with 'loss'"):
        model.train_on_batch(X, Y)
    model.metrics_names.append("inner")
    assert len(model.train_on_batch(X, Y)) == 3
    add(model, "text", "inner")
    with pytest.raises(TypeError, match="metrics_tensors: expected tensors, got 'inner'"):
        model.train_on_batch(X, Y)
    model, _ = with_inner()
    add(model, "other", K.mean(Input((2,))))
    with pytest.raises(ValueError, match="Graph disconnected"):
        model.train_on_batch(X, Y)


def test_the_total_loss_and_sample_weights_as_columns(float64):
    """They are computed with the sample weights of the batch, and ones without."""
    model, h = with_inner(metrics=["mae"])
    model.add_loss(K.sum(K.square(h)))
    model.compile(SGD(lr=0.1), "mse")
    add(model, "total", model.total_loss)
    add(model, "weight", model.sample_weights[0])
    add(model, "y", K.max(model.targets[0]))
    weights = np.arange(1.0, 7.0)
    a, b = model.get_weights()
    squares = (((X @ a) @ b - Y) ** 2).mean(1)
    added = ((X @ a) ** 2).sum()
    wanted = [(squares * weights).mean() + added] * 2 + [weights.mean(), Y.max()]
    np.testing.assert_allclose(model.test_on_batch(X, Y, weights), wanted, rtol=1e-10)
    np.testing.assert_allclose(model.train_on_batch(X, Y, weights), wanted, rtol=1e-10)
    history = model.fit(X, Y, batch_size=3, epochs=2, verbose=0, validation_data=(X, Y)).history
    np.testing.assert_allclose(history["total"], history["loss"], rtol=1e-10)
    np.testing.assert_allclose(history["val_total"], history["val_loss"], rtol=1e-10)
    assert history["weight"] == history["val_weight"] == [1, 1]
