"""get_updates and get_gradients, with which scripts make training functions of K."""

import numpy as np
import pytest
from lamella.legacy.interfaces import legacy_get_updates_support

from lamella import backend as K
from lamella.constraints import NonNeg
from lamella.layers import BatchNormalization, Dense, Input
from lamella.models import Model, Sequential, clone_model
from lamella.optimizers import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, Ftrl, Nadam, Optimizer, RMSprop, clip_norm

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(8, 4)).astype("float32"), RNG.normal(size=(8, 2)).astype("float32")
RULES = [SGD, RMSprop, Adagrad, Adadelta, Adam, Adamax, Nadam, AdamW, Ftrl]


def twins():
    model = Sequential([Dense(5, activation="tanh", input_shape=(4,)), Dense(2, kernel_constraint=NonNeg())])
    twin = clone_model(model)
    twin.set_weights(model.get_weights())
    return model, twin


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("bounds", [{}, {"clipnorm": 0.1, "clipvalue": 0.02}])
def test_a_function_trains_like_fit(rule, bounds):
    model, twin = twins()
    model.compile(rule(**bounds), "mse")
    target, optimizer = K.placeholder((None, 2)), rule(**bounds)
    loss = K.mean(K.square(twin.output - target))
    train = K.function([twin.input, target], [loss], updates=optimizer.get_updates(loss, twin.trainable_weights))
    for _ in range(3):
        (got,) = train([X, Y])
        assert got == pytest.approx(model.train_on_batch(X, Y), rel=1e-5)
    assert int(optimizer.iterations) == 3
    for a, b in zip(twin.get_weights(), model.get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert (twin.get_weights()[2] >= 0).all()


@pytest.mark.parametrize("rule", RULES)
def test_get_updates_takes_the_arguments_of_keras_1(rule):
    steps = []
    for order in range(5):
        weight = K.variable([1.0, 2.0])
        loss, optimizer = K.sum(K.square(weight)), rule()
        updates = [
            lambda: optimizer.get_updates(loss, [weight]),
            lambda: optimizer.get_updates([weight], {}, loss),
            lambda: optimizer.get_updates([weight], {}, loss=loss),
            lambda: optimizer.get_updates(loss, params=[weight]),
            lambda: optimizer.get_updates(loss=loss, params=[weight]),
        ][order]()
        K.function([], [loss], updates)([])
        steps.append(K.eval(weight))
    assert (steps[0] != [1, 2]).all()
    for step in steps[1:]:
        np.testing.assert_array_equal(step, steps[0])


class Descent(Optimizer):
    @legacy_get_updates_support
    def get_updates(self, loss, params):
        self.updates = [K.update_sub(p, 0.25 * g) for p, g in zip(params, self.get_gradients(loss, params))]
        return self.updates


@pytest.mark.parametrize("order", range(3))
def test_a_users_get_updates_takes_the_arguments_of_keras_1(order):
    weight = K.variable([1.0, 2.0])
    loss, optimizer = K.sum(K.square(weight)), Descent()
    updates = [
        lambda: optimizer.get_updates([weight], {}, loss),
        lambda: optimizer.get_updates([weight], {}, loss=loss),
        lambda: optimizer.get_updates(loss=loss, params=[weight]),
    ][order]()
    K.function([], [loss], updates)([])
    np.testing.assert_array_equal(K.eval(weight), [0.5, 1.0])


@pytest.mark.parametrize("bounds", [{}, {"clipnorm": 0.1}, {"clipvalue": 0.02}, {"clipnorm_per_tensor": 0.05}])
def test_gradients_are_clipped_as_in_a_step(bounds):
    model, _ = twins()
    loss = K.mean(K.square(model.output - Y))
    raw = K.function([model.input], K.gradients(loss, model.trainable_weights))([X])
    got = K.function([model.input], SGD(**bounds).get_gradients(loss, model.trainable_weights))([X])
    norm = np.sqrt(sum((g**2).sum() for g in raw))
    for g, clipped in zip(raw, got, strict=True):
        wanted = g * min(1, bounds.get("clipnorm", np.inf) / norm)
        wanted = wanted * min(1, bounds.get("clipnorm_per_tensor", np.inf) / np.sqrt((wanted**2).sum()))
        bound = bounds.get("clipvalue", np.inf)
        np.testing.assert_allclose(clipped, np.clip(wanted, -bound, bound), rtol=1e-5, atol=1e-8)


def test_two_optimizers_and_a_models_own_updates():
    """As in scripts for adversarial networks: each function trains its own weights, and updates the averages that it uses."""
    x = Input((4,))
    first = Model(x, BatchNormalization(momentum=0.5)(Dense(3)(x)))
    second = Dense(1)
    loss = K.mean(K.square(second(first.output)))
    kept = first.get_weights()
    top = K.function([x, K.learning_phase()], [loss], Adam(lr=0.1).get_updates(loss=loss, params=second.trainable_weights))
    before = top([X, 1])[0]
    assert all(np.array_equal(a, b) for a, b in zip(kept, first.get_weights()))
    updates = SGD(lr=0.1).get_updates(params=first.trainable_weights, loss=loss) + first.updates
    below = K.function([x, K.learning_phase()], [loss], updates)
    assert below([X, 1])[0] < before
    values = X @ kept[0] + kept[1]
    np.testing.assert_allclose(first.get_weights()[4], 0.5 * values.mean(0), rtol=1e-4, atol=1e-6)
    assert not np.array_equal(kept[0], first.get_weights()[0])


def test_what_is_refused():
    model, _ = twins()
    loss = K.mean(model.output)
    unused = K.variable(1.0, name="unused")
    with pytest.raises(ValueError, match=r"An operation has `None` for gradient.*does not depend on \['unused:0'\]"):
        SGD().get_updates(loss, [*model.trainable_weights, unused])
    for arguments in ((1.0, [unused]), (loss, [np.ones(3)]), (np.ones(3), [unused])):
        with pytest.raises(TypeError, match="SGD.get_gradients: expected a symbolic loss and a list of Variables"):
            SGD().get_gradients(*arguments)


def test_clip_norm():
    g = np.array([3.0, 4.0])
    np.testing.assert_allclose(clip_norm(g, 1.0, np.float64(5)), g / 5)
    np.testing.assert_array_equal(clip_norm(g, 6.0, np.float64(5)), g)
    np.testing.assert_array_equal(clip_norm(g, 0.0, np.float64(5)), g)
