"""Optimizers as in scripts of 2017 to 2019: a get_updates with functions of K, copied from Keras and changed."""

import numpy as np
import pytest

from lamella import backend as K
from lamella import constraints, optimizers
from lamella.layers import Dense, Input
from lamella.models import Model, Sequential, load_model
from lamella.optimizers import SGD, Adam, Optimizer
from lamella.utils import legacy_interfaces as interfaces
from lamella.utils import set_random_seed

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 5)).astype("f4")
Y = (X @ RNG.normal(size=(5, 2)) + 1).astype("f4")


class Momentum(Optimizer):
    def __init__(self, lr=0.01, momentum=0.0, decay=0.0, **kwargs):
        super().__init__(**kwargs)
        with K.name_scope(self.__class__.__name__):
            self.iterations = K.variable(0, dtype="int64", name="iterations")
            self.lr = K.variable(lr, name="lr")
            self.momentum = K.variable(momentum, name="momentum")
            self.decay = K.variable(decay, name="decay")
        self.initial_decay = decay

    @interfaces.legacy_get_updates_support
    def get_updates(self, loss, params):
        grads = self.get_gradients(loss, params)
        self.updates = [K.update_add(self.iterations, 1)]
        lr = self.lr
        if self.initial_decay > 0:
            lr = lr * (1.0 / (1.0 + self.decay * K.cast(self.iterations, K.dtype(self.decay))))
        moments = [K.zeros(shape) for shape in [K.int_shape(p) for p in params]]
        self.weights = [self.iterations] + moments
        for p, g, m in zip(params, grads, moments):
            v = self.momentum * m - lr * g
            self.updates.append(K.update(m, v))
            new_p = p + v
            if getattr(p, "constraint", None) is not None:
                new_p = p.constraint(new_p)
            self.updates.append(K.update(p, new_p))
        return self.updates

    def get_config(self):
        config = {"lr": float(K.get_value(self.lr)), "momentum": float(K.get_value(self.momentum)), "decay": self.initial_decay}
        return dict(list(super().get_config().items()) + list(config.items()))


class MyAdam(Optimizer):
    """Multiplies the learning rate of layers by name."""

    def __init__(self, lr=0.001, beta_1=0.9, beta_2=0.999, multipliers=None, **kwargs):
        super().__init__(**kwargs)
        self.iterations = K.variable(0, dtype="int64", name="iterations")
        self.lr, self.beta_1, self.beta_2 = K.variable(lr), K.variable(beta_1), K.variable(beta_2)
        self.multipliers = multipliers or {}

    def get_updates(self, loss, params):
        grads = self.get_gradients(loss, params)
        self.updates = [K.update_add(self.iterations, 1)]
        t = K.cast(self.iterations, K.floatx()) + 1
        lr_t = self.lr * (K.sqrt(1.0 - K.pow(self.beta_2, t)) / (1.0 - K.pow(self.beta_1, t)))
        ms = [K.zeros(K.int_shape(p), dtype=K.dtype(p)) for p in params]
        vs = [K.zeros(K.int_shape(p), dtype=K.dtype(p)) for p in params]
        vhats = [K.zeros(1) for _ in params]
        self.weights = [self.iterations] + ms + vs + vhats
        for p, g, m, v in zip(params, grads, ms, vs):
            rate = lr_t
            for name, factor in self.multipliers.items():
                if name in p.name:
                    rate = rate * factor
            m_t = (self.beta_1 * m) + (1.0 - self.beta_1) * g
            v_t = (self.beta_2 * v) + (1.0 - self.beta_2) * K.square(g)
            self.updates.append((m, m_t))
            self.updates.append((v, v_t))
            new_p = p - rate * m_t / (K.sqrt(v_t) + K.epsilon())
            self.updates.append(K.update(p, new_p if p.constraint is None else p.constraint(new_p)))
        return self.updates


class Accumulating(Optimizer):
    """SGD with the mean of the gradients of `every` batches."""

    def __init__(self, lr=0.01, every=2, **kwargs):
        super().__init__(**kwargs)
        self.iterations = K.variable(0, dtype="int64", name="iterations")
        self.lr, self.every = K.variable(lr), every

    def get_updates(self, loss, params):
        self.updates = [K.update_add(self.iterations, 1)]
        ready = K.equal((self.iterations + 1) % self.every, 0)
        sums = [K.zeros(K.int_shape(p)) for p in params]
        self.weights = [self.iterations, *sums]
        for p, g, total in zip(params, K.gradients(loss, params), sums):
            new = total + g / self.every
            self.updates.append(K.update(total, K.switch(ready, K.zeros_like(new), new)))
            self.updates.append(K.update(p, K.switch(ready, p - self.lr * new, p)))
        return self.updates


def net(optimizer, **dense):
    set_random_seed(3)
    model = Sequential([Dense(8, activation="tanh", input_shape=(5,), name="first", **dense), Dense(2, name="last")])
    model.compile(optimizer, "mse")
    return model


def fitted(optimizer, **dense):
    model = net(optimizer, **dense)
    model.fit(X, Y, epochs=3, batch_size=16, verbose=0)
    return model


@pytest.mark.parametrize(
    "mine, ours, options",
    [
        (Momentum, SGD, dict(lr=0.1, momentum=0.9)),
        (Momentum, SGD, dict(lr=0.1, momentum=0.5, decay=0.1)),
        (Momentum, SGD, dict(lr=0.1, clipnorm=0.3)),
        (Momentum, SGD, dict(lr=0.1, clipvalue=0.05)),
        (MyAdam, Adam, dict(lr=0.01)),
    ],
)
def test_a_copied_rule_trains_as_ours(mine, ours, options):
    constrained = {"kernel_constraint": constraints.MaxNorm(0.7)}
    a, b = fitted(mine(**options), **constrained), fitted(ours(**options), **constrained)
    for one, other in zip(
        [*a.get_weights(), *a.optimizer.get_weights()], [*b.get_weights(), *b.optimizer.get_weights()], strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6)
    assert int(K.get_value(a.optimizer.iterations)) == 12


def test_files_contain_its_state_and_training_continues(tmp_path):
    model = fitted(Momentum(lr=0.1, momentum=0.9))
    path = str(tmp_path / "model.h5")
    model.save(path)
    twin = load_model(path, custom_objects={"Momentum": Momentum})
    for one, other in zip(twin.optimizer.get_weights(), model.optimizer.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    for each in (model, twin):
        each.fit(X, Y, epochs=1, batch_size=16, shuffle=False, verbose=0)
    for one, other in zip(twin.get_weights(), model.get_weights()):
        np.testing.assert_array_equal(one, other)


def test_weights_that_are_set_before_the_first_step_are_used():
    model, other = fitted(Momentum(lr=0.1, momentum=0.9)), net(Momentum(lr=0.1, momentum=0.9))
    other.set_weights(model.get_weights())
    other.optimizer.set_weights(model.optimizer.get_weights())
    for each in (model, other):
        each.train_on_batch(X, Y)
    for one, two in zip(other.get_weights(), model.get_weights()):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(ValueError, match="expected|weights"):
        other.optimizer.set_weights([np.zeros(3)])


def test_learning_rates_by_the_names_of_layers():
    model = net(MyAdam(lr=0.01, multipliers={"first": 0.0}))
    before = model.get_weights()
    model.fit(X, Y, epochs=2, verbose=0)
    moved = [np.abs(a - b).max() for a, b in zip(model.get_weights(), before)]
    assert moved[:2] == [0.0, 0.0] and min(moved[2:]) > 1e-3


def test_gradients_that_a_rule_accumulates():
    model, whole = net(Accumulating(lr=0.1, every=4)), net(SGD(lr=0.1))
    start = model.get_weights()
    for i in range(3):
        model.train_on_batch(X[16 * i : 16 * i + 16], Y[16 * i : 16 * i + 16])
    for one, other in zip(model.get_weights(), start):
        np.testing.assert_array_equal(one, other)
    model.train_on_batch(X[48:], Y[48:])
    whole.train_on_batch(X, Y)
    for one, other in zip(model.get_weights(), whole.get_weights()):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_rule_that_calls_the_rule_of_its_base():
    class Decayed(SGD):
        """Multiplies the weights by a factor before SGD's own step."""

        def get_updates(self, loss, params):
            updates = [K.update(p, p * 0.5) for p in params]
            return updates + super().get_updates(loss, params)

    model, plain = net(Decayed(lr=0.1)), net(SGD(lr=0.1))
    start = [w.copy() for w in model.get_weights()]
    model.train_on_batch(X, Y)
    plain.train_on_batch(X, Y)
    for one, other, first in zip(model.get_weights(), plain.get_weights(), start):
        np.testing.assert_allclose(one, other - 0.5 * first, rtol=1e-5, atol=1e-6)


class HalvingAdam(Adam):
    def get_updates(self, loss, params):
        self.updates = super().get_updates(loss, params)
        return self.updates + [K.update(p, 0.5 * p) for p in params]


def test_a_rule_that_calls_its_base_saves_the_state_of_both(tmp_path):
    model = fitted(HalvingAdam(0.1))
    path = tmp_path / "model.h5"
    model.save(path)
    loaded = load_model(path, custom_objects={"HalvingAdam": HalvingAdam})
    state = model.get_training_state()
    other = net(HalvingAdam(0.1))
    other.set_training_state(state)
    for again in (model, loaded, other):
        again.train_on_batch(X, Y)
    for a, b, c in zip(model.get_weights(), loaded.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    # iterations, then m, v and the placeholder of Keras for each of four weights
    assert len(model.optimizer.get_weights()) == 13


def test_callbacks_set_its_learning_rate():
    model = net(Momentum(lr=0.1))
    K.set_value(model.optimizer.lr, 0.0)
    before = model.get_weights()
    model.train_on_batch(X, Y)
    for one, other in zip(model.get_weights(), before):
        np.testing.assert_array_equal(one, other)
    model.optimizer.lr = 0.1
    model.train_on_batch(X, Y)
    assert np.abs(model.get_weights()[0] - before[0]).max() > 1e-4


class Third(Optimizer):
    """Changes the weights at each third batch; or at each batch, if `always`, but leaves constraints out."""

    def __init__(self, always, **kwargs):
        super().__init__(**kwargs)
        self.always, self.iterations = always, K.variable(0, dtype="int64", name="iterations")

    def get_updates(self, loss, params):
        self.updates = [K.update_add(self.iterations, 1)]
        due = K.equal(self.iterations % 3, 2)
        for p, g in zip(params, self.get_gradients(loss, params)):
            new_p = p - 0.1 * g
            if self.always:
                self.updates.append(K.update(p, new_p))
            else:
                self.updates.append(K.update(p, K.switch(due, p.constraint(new_p) if p.constraint else new_p, p)))
        return self.updates


def test_constraints_are_applied_by_the_rule_alone():
    model = net(Third(always=False), kernel_constraint=constraints.UnitNorm())
    before = model.get_weights()
    for n in range(3):
        assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True)), n
        model.train_on_batch(X, Y)
    np.testing.assert_allclose(np.linalg.norm(model.get_weights()[0], axis=0), 1, rtol=1e-5)
    free, plain = (
        fitted(rule, kernel_constraint=kind)
        for rule, kind in ((Third(always=True), constraints.UnitNorm()), (SGD(lr=0.1), None))
    )
    for one, other in zip(free.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("where", ["base", "part", "wrapped"])
def test_a_rule_of_keras_within_a_custom_one_applies_constraints(where):
    class Outer(SGD):
        def get_updates(self, loss, params):
            if where == "base":
                return super().get_updates(loss, params)
            if where == "wrapped":
                return SGD(lr=0.1).get_updates(loss, params)
            return [*super().get_updates(loss, params[:2]), *super().get_updates(loss, params[2:])]

    constrained = {"kernel_constraint": constraints.MaxNorm(0.3)}
    mine, ours = fitted(Outer(lr=0.1), **constrained), fitted(SGD(lr=0.1), **constrained)
    assert np.linalg.norm(ours.get_weights()[0], axis=0).max() <= 0.300001
    for one, other in zip(mine.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6)


def test_k_function_makes_the_steps_of_a_custom_rule():
    x, y = Input((5,)), Input((2,))
    model = Model(x, Dense(2, kernel_constraint="non_neg")(x))
    loss = K.mean(K.square(model.output - y))
    step = K.function(
        [x, y], [loss], updates=Momentum(lr=0.1, momentum=0.9).get_updates(loss=loss, params=model.trainable_weights)
    )
    losses = [float(step([X, Y])[0]) for _ in range(100)]
    assert losses[-1] < 0.6 * losses[0]
    assert model.get_weights()[0].min() >= 0


def test_an_error_in_the_rule_changes_nothing():
    class Broken(Momentum):
        def get_updates(self, loss, params):
            super().get_updates(loss, params)
            if int(K.get_value(self.iterations)):
                raise ValueError("of my own")
            return self.updates

    model = net(Broken(lr=0.1))
    model.train_on_batch(X, Y)
    before = model.get_weights()
    with pytest.raises(ValueError, match="^of my own$"):
        model.train_on_batch(X, Y)
    for one, other in zip(model.get_weights(), before):
        np.testing.assert_array_equal(one, other)


def test_a_config_makes_an_equal_optimizer():
    config = optimizers.serialize(Momentum(lr=0.25, clipnorm=1.0))
    assert config == {"class_name": "Momentum", "config": {"clipnorm": 1.0, "lr": 0.25, "momentum": 0.0, "decay": 0.0}}
    assert float(optimizers.deserialize(config, {"Momentum": Momentum}).lr) == 0.25
