"""Optimizers around others, as packages of 2018 to 2020 have them: they call get_updates of the wrapped one and use its updates."""

import numpy as np
import pytest

from lamella import backend as K
from lamella import optimizers
from lamella.layers import Dense
from lamella.models import Sequential, load_model
from lamella.optimizers import SGD, Adagrad, Adam, Optimizer, RMSprop
from lamella.utils import set_random_seed

RNG = np.random.default_rng(1)
X = RNG.normal(size=(48, 4)).astype("f4")
Y = (X @ RNG.normal(size=(4, 2)) + 1).astype("f4")


class Wrapper(Optimizer):
    def __init__(self, optimizer, **kwargs):
        super().__init__(**kwargs)
        self.optimizer = optimizers.get(optimizer)

    @property
    def lr(self):
        return self.optimizer.lr

    @lr.setter
    def lr(self, lr):
        self.optimizer.lr = lr

    def get_config(self):
        return {**super().get_config(), "optimizer": optimizers.serialize(self.optimizer)}

    @classmethod
    def from_config(cls, config):
        return cls(optimizers.deserialize(config.pop("optimizer")), **config)


class Rates(Wrapper):
    """Makes a step of the other optimizer for each layer, with a rate of its own: 1 for "first", 3 for "last"."""

    def get_updates(self, loss, params):
        if self.updates:
            return self.updates
        self.updates, self.weights, rate = [], [], self.lr
        for name, factor in (("first", 1), ("last", 3)):
            self.lr = rate * factor if factor != 1 else rate
            self.updates += self.optimizer.get_updates(loss, [p for p in params if p.name.startswith(name)])
            self.weights += [w for w in self.optimizer.weights if w.name not in {v.name for v in self.weights}]
        self.lr = rate
        return self.updates


class Halfway(Wrapper):
    """Goes half of the way of the other optimizer: K.update is another function while that makes its updates."""

    @property
    def iterations(self):
        return self.optimizer.iterations

    def get_updates(self, loss, params):
        original, names = K.update, [p.name for p in params]
        K.update = lambda x, new_x: original(x, x + 0.5 * (new_x - x) if x.name in names else new_x)
        try:
            self.updates = self.optimizer.get_updates(loss, params)
        finally:
            K.update = original
        self.weights = self.optimizer.weights
        return self.updates


def net(optimizer):
    set_random_seed(3)
    model = Sequential([Dense(5, activation="tanh", input_shape=(4,), name="first"), Dense(2, name="last")])
    model.compile(optimizer, "mse")
    return model


def steps(model, number=5):
    """The weights after some steps with batches of 16."""
    for i in range(number):
        model.train_on_batch(X[8 * i : 8 * i + 16], Y[8 * i : 8 * i + 16])
    return model.get_weights()


def close(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def oracle(rule, number=5):
    """Weights after steps of `rule(step, place, weight, gradient)`; the gradients are those of a step of SGD with lr 1."""
    weights = net(SGD(1.0)).get_weights()
    for i in range(number):
        model = net(SGD(1.0))
        model.set_weights(weights)
        model.train_on_batch(X[8 * i : 8 * i + 16], Y[8 * i : 8 * i + 16])
        gradients = [a.astype("f8") - b for a, b in zip(weights, model.get_weights())]
        weights = rule(i, weights, gradients)
    return weights


def test_groups_of_weights_have_their_own_rates():
    velocity = [0.0] * 4

    def rule(_, weights, gradients):
        for i, g in enumerate(gradients):
            velocity[i] = 0.9 * velocity[i] - (0.02 if i < 2 else 0.06) * g
        return [w + v for w, v in zip(weights, velocity)]

    model = net(Rates(SGD(0.02, momentum=0.9)))
    for a, b in zip(steps(model), oracle(rule)):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert float(model.optimizer.lr) == pytest.approx(0.02)
    assert int(model.optimizer.optimizer.iterations) == 10  # two updates in each step, as in Keras
    names = [w.name for w in model.optimizer.weights]
    assert len(names) == len(set(names)) == 5 and [w.shape for w in model.optimizer.weights[1:]] == [(4, 5), (5,), (5, 2), (2,)]


@pytest.mark.parametrize(
    "inner", [Adam(0.01), Adam(0.01, amsgrad=True), RMSprop(0.01), Adagrad(0.05), "nadam", "adadelta", "adamax"]
)
def test_updates_that_another_function_changes(inner):
    plain = optimizers.deserialize(optimizers.serialize(optimizers.get(inner)))
    model, reference = net(Halfway(inner)), net(plain)
    start = model.get_weights()
    close(steps(model, 1), [a + 0.5 * (b - a) for a, b in zip(start, steps(reference, 1))])
    close(model.optimizer.get_weights(), reference.optimizer.get_weights())
    assert int(model.optimizer.optimizer.iterations) == 1


@pytest.mark.parametrize("make", [lambda: Rates(Adam(0.01)), lambda: Halfway(Rates(Adam(0.01, amsgrad=True)))])
def test_files_and_copies_contain_the_state_of_the_wrapped_one(make, tmp_path):
    model = net(make())
    steps(model)
    path = str(tmp_path / "model.h5")
    model.save(path)
    loaded, other = load_model(path, custom_objects={"Rates": Rates, "Halfway": Halfway}), net(make())
    other.set_training_state(model.get_training_state())
    close(loaded.optimizer.get_weights(), model.optimizer.get_weights())
    expected = steps(model)
    close(steps(loaded), expected)
    close(steps(other), expected)


def test_rates_are_callable_and_do_not_accumulate():
    class Growing(Wrapper):
        def get_updates(self, loss, params):
            rate = self.optimizer.lr
            self.optimizer.lr = rate * (1.0 + K.cast(self.optimizer.iterations, K.floatx()))
            self.updates = self.optimizer.get_updates(loss, params)
            return self.updates  # the rate is not given back, and Keras calls get_updates only once

    model = net(Growing(SGD(0.02)))
    expected = oracle(lambda i, weights, gradients: [w - 0.02 * (i + 1) * g for w, g in zip(weights, gradients)])
    for a, b in zip(steps(model), expected):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert float(model.optimizer.lr) == pytest.approx(0.02)


def test_a_wrapped_optimizer_clips_the_gradients_of_its_part():
    model, reference = net(Rates(SGD(0.1, clipnorm=0.01))), net(SGD(1.0))
    start = model.get_weights()
    moved = [a - b for a, b in zip(start, steps(reference, 1))]

    def clipped(group):
        return [0.01 * g / np.sqrt(sum((g * g).sum() for g in group)) for g in group]

    expected = [*(0.1 * g for g in clipped(moved[:2])), *(0.3 * g for g in clipped(moved[2:]))]
    for a, b, c in zip(start, steps(model, 1), expected):
        np.testing.assert_allclose(a - b, c, rtol=1e-3, atol=1e-6)


def test_gradients_of_ones_own():
    """For one object, and for a class: gradients of matrices get mean zero, as by centralization."""

    def centred(gradients):
        return [g - K.mean(g, axis=0, keepdims=True) if K.ndim(g) > 1 else g for g in gradients]

    class Centred(Adam):
        def get_gradients(self, loss, params):
            return centred(super().get_gradients(loss, params))

    one, same = Adam(0.01), net(Centred(0.01))
    plain = one.get_gradients
    one.get_gradients = lambda loss, params: centred(plain(loss, params))
    model, sgd = net(one), net(SGD(1.0))
    before = sgd.get_weights()
    gradients = [a - b for a, b in zip(before, steps(sgd, 1))]
    after = steps(model, 1)
    close(steps(same, 1), after)
    wanted = [g - g.mean(0, keepdims=True) if g.ndim > 1 else g for g in gradients]
    rate = 0.01 * np.sqrt(1 - 0.999) / (1 - 0.9)
    for a, b, g in zip(before, after, wanted):
        np.testing.assert_allclose(a - b, rate * 0.1 * g / (np.sqrt(0.001) * np.abs(g) + 1e-7), rtol=2e-3, atol=2e-5)
    assert optimizers.serialize(model.optimizer)["class_name"] == "Adam"


class Named(Optimizer):
    """A rule for Keras 2.3, whose learning rate has its name there."""

    def __init__(self, learning_rate=0.01, **kwargs):
        super().__init__(**kwargs)
        self.learning_rate = K.variable(learning_rate, name="learning_rate")

    @property
    def lr(self):
        return self.learning_rate

    @lr.setter
    def lr(self, value):
        self.learning_rate = value

    def get_updates(self, loss, params):
        self.updates = [K.update_sub(p, self.lr * g) for p, g in zip(params, self.get_gradients(loss, params))]
        return self.updates

    def get_config(self):
        return {**super().get_config(), "learning_rate": float(K.get_value(self.learning_rate))}


def test_a_rule_that_names_its_rate_as_keras_2_3():
    model = net(Named(0.1))
    close(steps(model), steps(net(SGD(0.1))))
    K.set_value(model.optimizer.lr, 0.05)
    twin = optimizers.deserialize(optimizers.serialize(model.optimizer), {"Named": Named})
    assert float(twin.learning_rate) == float(twin.lr) == np.float32(0.05)
    twin.lr = 0.25
    assert float(twin.learning_rate) == 0.25


def test_a_wrapper_with_the_arguments_in_the_other_order():
    """Agents of reinforcement learning append updates of their target models."""
    target = K.variable(np.zeros(2))

    class Appending(Wrapper):
        def get_updates(self, params, loss):
            updates = self.optimizer.get_updates(params=params, loss=loss)
            updates += [(target, 0.5 * target + 1.0)]
            self.updates += updates
            return self.updates

    model = net(Appending(SGD(0.1)))
    close(steps(model, 3), steps(net(SGD(0.1)), 3))
    np.testing.assert_allclose(K.get_value(target), [1.75, 1.75])
