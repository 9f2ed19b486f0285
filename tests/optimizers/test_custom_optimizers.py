"""Custom optimizers: an update in NumPy gets clipping, accumulation, state and config like the others."""

import numpy as np
import pytest

from lamella import backend as K
from lamella import optimizers
from lamella.layers import Dense
from lamella.models import Sequential
from lamella.optimizers import SGD, Optimizer


class Momentum(Optimizer):
    """SGD's rule, as a user would write it."""

    slots = ("moments",)

    def __init__(self, lr=0.01, momentum=0.9, **kwargs):
        super().__init__(**kwargs)
        self.lr = self.number("lr", lr)
        self.momentum = self.number("momentum", momentum)

    def update(self, params, grads, iterations, bounds):
        for p, g, m in zip(params, self.read(grads, bounds), self.state_of("moments")):
            m[...] = float(self.momentum) * m - float(self.lr) * g
            p += m


def draw(seed, shapes=((3, 2), (2,), ())):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape)) for shape in shapes]


@pytest.mark.parametrize(
    "kwargs",
    [{}, {"clipnorm": 1.0, "clipvalue": 0.3}, {"clipnorm_per_tensor": 0.5}, {"gradient_accumulation_steps": 3}],
)
def test_a_rule_in_numpy_equals_the_kernel(kwargs):
    mine, theirs = Momentum(lr=0.1, **kwargs), SGD(lr=0.1, momentum=0.9, **kwargs)
    p, q = draw(0), draw(0)
    for i in range(7):
        grads = draw(i + 1)
        kept = [g.copy() for g in grads]
        assert mine.step(p, grads) == theirs.step(q, grads)
        assert all(np.array_equal(g, k) for g, k in zip(grads, kept))
    for a, b in zip([*p, *mine.get_weights()], [*q, *theirs.get_weights()], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)
    config = {"class_name": "Momentum", "config": {"lr": 0.1, "momentum": 0.9, **kwargs}}
    assert optimizers.serialize(mine) == config
    assert optimizers.deserialize(config, {"Momentum": Momentum}).get_config() == mine.get_config()


def test_it_trains_a_model():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 5))
    y = x @ rng.normal(size=(5, 2))
    model = Sequential([Dense(2, input_shape=(5,))])
    model.compile(Momentum(lr=0.05), "mse")
    losses = model.fit(x, y, epochs=60, verbose=0).history["loss"]
    assert losses[-1] < 1e-3 * losses[0] and int(model.optimizer.iterations) == 120


def test_an_optimizer_without_update_is_refused_with_advice():
    class Bare(Optimizer):
        pass

    p = [np.zeros(2)]
    with pytest.raises(
        NotImplementedError, match=r"Bare: an optimizer must define update\(.*or Keras's get_updates\(loss, params\)"
    ):
        Bare().step(p, [np.ones(2)])


def test_a_config_of_keras_2_3_has_learning_rate():
    config = {"class_name": "Adam", "config": {"learning_rate": 0.25, "beta_1": 0.5, "amsgrad": True}}
    opt = optimizers.get(config)
    assert float(opt.lr) == 0.25 and float(opt.beta_1) == 0.5 and opt.amsgrad
    assert "learning_rate" in config["config"]


def test_an_error_of_a_custom_update_is_raised_after_one_call():
    calls = []

    class Broken(Momentum):
        def update(self, params, grads, iterations, bounds):
            calls.append(iterations)
            raise ValueError("of my own")

    opt = Broken()
    with pytest.raises(ValueError, match="^of my own$"):
        opt.step([np.zeros(2)], [np.ones(2)])
    assert calls == [0] and int(opt.iterations) == 0


def test_a_rule_keeps_any_number_of_variables():
    class Many(Optimizer):
        def get_updates(self, loss, params):
            kept = [K.zeros((2,)) for _ in range(1100)]
            return [K.update_add(kept[-1], K.ones((2,))), K.update(params[0], kept[-1] + 1.0)]

    rule, value = Many(), np.zeros(2, "float32")
    for _ in range(3):
        rule.step([value], [np.ones(2, "float32")])
    np.testing.assert_array_equal(value, [3, 3])


@pytest.mark.parametrize("kind", [list, tuple])
def test_an_error_of_an_update_is_raised_after_one_call(kind):
    class Failing(Optimizer):
        calls = 0

        def update(self, params, grads, iterations, bounds):
            self.calls += 1
            raise ValueError("of the script")

    optimizer = Failing()
    with pytest.raises(ValueError, match="of the script"):
        optimizer.step(kind([np.ones(3)]), kind([np.ones(3)]))
    assert optimizer.calls == 1
