"""Optimizers and learning rate schedules of tf.keras, against recorded numbers."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from lamella import backend as K
from lamella import layers, models, optimizers
from lamella.callbacks import LearningRateScheduler, ReduceLROnPlateau
from lamella.core import config
from lamella.optimizers import schedules, tf_keras

GOLDEN = Path(__file__).parents[1] / "golden" / "tf_keras"
CASES = json.loads(GOLDEN.with_suffix(".json").read_text())
ARRAYS = dict(np.load(GOLDEN.with_suffix(".npz")))
RECORDED = json.loads((GOLDEN.parent / "tf_2.21.json").read_text())


@pytest.mark.parametrize("case", CASES["optimizers"], ids=lambda c: f"{c['cls']}-{c['kw']}")
def test_five_steps_are_those_of_tf_keras(case):
    kind = getattr(tf_keras, case["cls"])
    optimizer = kind(**case["kw"])
    weights = [ARRAYS["w0"].copy(), 2 * ARRAYS["w0"]]
    for gradient, wanted in zip(ARRAYS["grads"], case["steps"]):
        optimizer.step(weights, [gradient, 2 * gradient])
        for weight, recorded in zip(weights, wanted):
            np.testing.assert_allclose(weight, recorded, rtol=2e-5, atol=2e-6)
    # The config is that of Keras 2, and can be read by both classes.
    again, plain = kind.from_config(optimizer.get_config()), kind.rule.from_config(optimizer.get_config())
    for other in (again, plain):
        assert other.get_config() == optimizer.get_config()
        weights = [ARRAYS["w0"].copy(), 2 * ARRAYS["w0"]]
        for gradient in ARRAYS["grads"]:
            other.step(weights, [gradient, 2 * gradient])
        np.testing.assert_allclose(weights[0], case["steps"][-1][0], rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("case", RECORDED["optimizers"], ids=lambda c: f"{c['cls']}-{c['kw']}")
def test_steps_of_rmsprop_and_ftrl_are_those_of_tensorflow(case):
    kind = getattr(tf_keras, case["cls"])
    optimizer = kind(**case["kw"])
    plain = kind.rule.from_config(optimizer.get_config())
    for made in (optimizer, plain):
        weights = [np.array(w, "float32") for w in RECORDED["weights"]]
        for gradients, wanted in zip(RECORDED["gradients"], case["steps"], strict=True):
            made.step(weights, [np.array(g, "float32") for g in gradients])
            for weight, recorded in zip(weights, wanted, strict=True):
                np.testing.assert_allclose(weight, recorded, rtol=2e-5, atol=2e-6)
    assert plain.get_config() == optimizer.get_config() == kind.from_config(optimizer.get_config()).get_config()


def test_an_rmsprop_of_keras_2_has_a_config_of_keras_2():
    assert optimizers.RMSprop().get_config() == {"lr": 0.001, "rho": 0.9, "epsilon": 1e-7, "decay": 0.0}
    assert tf_keras.RMSprop().get_config() == {"lr": 0.001, "rho": 0.9, "epsilon": 1e-7, "decay": 0.0}
    added = optimizers.RMSprop(momentum=0.5, centered=True).get_config()
    assert (added["momentum"], added["centered"]) == (0.5, True)


def test_momentum_of_an_rmsprop_may_change_but_not_appear():
    slowed, made = optimizers.RMSprop(0.1, momentum=0.9), optimizers.RMSprop(0.1)
    weights = [np.zeros(1)]
    slowed.step(weights, [np.ones(1)])
    first = 0.1 / np.sqrt(0.1 + 1e-7)
    np.testing.assert_allclose(weights[0], -first, rtol=1e-12)
    slowed.momentum = 0.5
    slowed.step(weights, [np.zeros(1)])
    np.testing.assert_allclose(weights[0], -1.5 * first, rtol=1e-12)
    made.momentum = 0.5
    with pytest.raises(ValueError, match="RMSprop: it was made without a momentum, got 0.5; make it with momentum=0.5"):
        made.step([np.zeros(1)], [np.ones(1)])


def test_equal_gradients_have_no_variance_below_zero():
    """After many equal gradients g the averages are g*g and g up to rounding. Their variance must not be below 0."""
    optimizer, weights = optimizers.RMSprop(1e-6, centered=True, epsilon=1.0), [np.zeros(64, "float32")]
    gradient = np.linspace(100, 1000, 64, dtype="float32")
    for _ in range(400):
        optimizer.step(weights, [gradient])
    assert np.isfinite(weights[0]).all() and (weights[0] < 0).all()


def test_ftrl_sets_weights_of_weak_gradients_to_exactly_zero():
    """Algorithm 1 of McMahan et al. 2013 on one coordinate each, with alpha = lr, beta and lambda_2 = 2 * l2."""
    alpha, beta, l1, l2 = 0.5, 1.0, 1.5, 0.25
    optimizer = optimizers.Ftrl(alpha, l1_regularization_strength=l1, l2_regularization_strength=l2, beta=beta,
                                initial_accumulator_value=0.0)  # fmt: skip
    w, z, n = np.zeros(3), np.zeros(3), np.zeros(3)
    weights = [np.zeros(3)]
    for gradient in np.random.default_rng(0).normal(size=(6, 3)) * [0.2, 1.0, 3.0]:
        optimizer.step(weights, [gradient])
        sigma = (np.sqrt(n + gradient**2) - np.sqrt(n)) / alpha
        z, n = z + gradient - sigma * w, n + gradient**2
        w = np.where(np.abs(z) <= l1, 0.0, -(z - np.sign(z) * l1) / ((beta + np.sqrt(n)) / alpha + 2 * l2))
        np.testing.assert_allclose(weights[0], w, rtol=1e-12, atol=1e-14)
    assert weights[0][0] == 0.0 and weights[0][2] != 0.0


@pytest.mark.parametrize("case", CASES["schedules"], ids=lambda c: f"{c['cls']}-{c['kw']}")
def test_schedules_are_those_of_tf_keras(case):
    schedule = getattr(schedules, case["cls"])(**case["kw"])
    np.testing.assert_allclose([schedule(step) for step in range(12)], case["values"], rtol=2e-6, atol=1e-8)
    again = schedules.deserialize(schedules.serialize(schedule))
    assert type(again) is type(schedule) and again.get_config() == schedule.get_config()


def test_restarts_of_equal_and_of_shorter_decays():
    equal = schedules.CosineDecayRestarts(0.1, 4, t_mul=1.0, m_mul=0.5)
    half = math.cos(math.pi / 8) ** 2  # a quarter of a decay
    assert [equal(step) for step in (0, 1, 4, 9)] == pytest.approx([0.1, 0.1 * half, 0.05, 0.025 * half])
    assert schedules.CosineDecayRestarts(0.1, 4, t_mul=1.0)(10**15 + 1) == pytest.approx(0.1 * half)
    shorter = schedules.CosineDecayRestarts(0.1, 8, t_mul=0.5)
    assert [shorter(step) for step in (2, 8, 9, 12, 15)] == pytest.approx([0.1 * half, 0.1, 0.1 * half, 0.1, 0.1])
    for schedule, t_mul, end in ((shorter, 0.5, 16), (schedules.CosineDecayRestarts(0.1, 1, t_mul=0.9), 0.9, 10)):
        with pytest.raises(
            ValueError, match=f"expected a step below {end}, the end of all decays with t_mul={t_mul}, got {end}"
        ):
            schedule(end)


@pytest.mark.parametrize("kind", ["SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "Adamax", "Ftrl", "Nadam"])
def test_each_rule_follows_a_schedule(kind):
    rule = getattr(optimizers, kind)
    halving = schedules.ExponentialDecay(0.1, 1, 0.5)
    scheduled, by_hand = rule(lr=halving), rule(lr=0.1)
    a, b = [np.ones(3)], [np.ones(3)]
    for step in range(4):
        by_hand.lr = 0.1 * 0.5**step
        scheduled.step(a, [np.full(3, 0.3)])
        by_hand.step(b, [np.full(3, 0.3)])
        assert a[0].tobytes() == b[0].tobytes()


def test_only_an_initial_accumulator_above_zero_is_in_the_config():
    assert "initial_accumulator_value" not in optimizers.Adagrad().get_config()
    assert optimizers.Adagrad(initial_accumulator_value=0.5).get_config()["initial_accumulator_value"] == 0.5


def test_a_schedule_is_saved_and_continues(tmp_path):
    x, y = np.ones((8, 2), "float32"), np.ones((8, 1), "float32")

    def model():
        made = models.Sequential([layers.Dense(1, input_shape=(2,), kernel_initializer="ones")])
        made.compile(optimizers.SGD(schedules.ExponentialDecay(0.1, 2, 0.5)), "mse")
        return made

    whole, half = model(), model()
    whole.fit(x, y, epochs=4, batch_size=4, shuffle=False, verbose=0)
    half.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=0)
    half.save(str(tmp_path / "m.h5"))
    again = models.load_model(str(tmp_path / "m.h5"))
    again.fit(x, y, epochs=4, initial_epoch=2, batch_size=4, shuffle=False, verbose=0)
    for a, b in zip(whole.get_weights(), again.get_weights()):
        assert a.tobytes() == b.tobytes()
    assert isinstance(again.optimizer.lr, schedules.ExponentialDecay)


def test_a_number_replaces_a_schedule_and_the_reverse():
    optimizer = optimizers.SGD(schedules.InverseTimeDecay(0.1, 1, 1.0))
    optimizer.learning_rate = 0.5
    assert float(optimizer.lr) == 0.5 and optimizer.learning_rate is optimizer.lr
    K.set_value(optimizer.learning_rate, 0.25)
    assert float(optimizer.lr) == 0.25
    optimizer.lr = schedules.PiecewiseConstantDecay([1], [0.5, 0.125])
    w = [np.zeros(1)]
    for wanted in (-0.5, -1.0, -1.125):
        optimizer.step(w, [np.ones(1)])
        assert w[0] == [wanted]


@pytest.mark.parametrize(
    "callback", [ReduceLROnPlateau("loss"), LearningRateScheduler(lambda epoch: 0.1)], ids=lambda c: type(c).__name__
)
def test_callbacks_that_need_a_number_say_so(callback):
    model = models.Sequential([layers.Dense(1, input_shape=(2,))])
    model.compile(optimizers.SGD(schedules.ExponentialDecay(0.1, 2, 0.5)), "mse")
    with pytest.raises(TypeError, match="the learning rate is a schedule, ExponentialDecay, not a number"):
        model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[callback])


@pytest.mark.parametrize(
    "name, lr", [("adagrad", 0.001), ("Adadelta", 0.001), ("SGD", 0.01), ("ftrl", 0.001), ("nadam", 0.001)]
)
def test_a_name_has_the_defaults_of_the_dialect(name, lr):
    keras2 = optimizers.get(name)
    config.set_dialect("tf")
    assert float(optimizers.get(name).learning_rate) == lr
    assert isinstance(optimizers.get(name), type(keras2))


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: tf_keras.Adam(weight_decay=0.1), TypeError, "Adam: unexpected keyword argument 'weight_decay'"),
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), ValueError, "ExponentialDecay: expected decay_steps above 0, got 0"),
        (lambda: schedules.CosineDecayRestarts(0.1, 5, t_mul=0), ValueError, "CosineDecayRestarts: expected t_mul above 0, got 0"),
        (lambda: schedules.PiecewiseConstantDecay([1], [1.0]), ValueError, "expected one value more than boundaries, got 1 and 1"),
        (lambda: schedules.LearningRateSchedule()(0), NotImplementedError, "LearningRateSchedule must define"),
        (lambda: optimizers.Adagrad(initial_accumulator_value=-1), ValueError, "expected initial_accumulator_value to be a number >= 0"),
        (lambda: optimizers.RMSprop(momentum=-0.5), ValueError, "RMSprop: expected momentum to be a number >= 0, got -0.5"),
        (lambda: optimizers.RMSprop(centered="no"), TypeError, "RMSprop: expected centered to be True or False, got 'no'"),
        (lambda: optimizers.Ftrl(learning_rate_power=0.5), ValueError, "expected learning_rate_power to be a number <= 0, got 0.5"),
        (lambda: optimizers.Ftrl(l1_regularization_strength=-1), ValueError, "expected l1_regularization_strength to be a number >= 0"),
        (lambda: optimizers.Ftrl(0.0).step([np.zeros(1)], [np.ones(1)]), ValueError, "Ftrl: expected a learning rate above 0, got 0.0"),
    ],
)  # fmt: skip
def test_what_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_adamw_and_lion_have_the_keywords_of_tf_keras():
    given = {"learning_rate": 0.5, "weight_decay": 0.25, "beta_1": 0.5, "global_clipnorm": 2.0}
    for name in ("AdamW", "Lion"):
        kind = getattr(tf_keras, name)
        optimizer = kind(**given)
        assert (float(optimizer.lr), float(optimizer.weight_decay), optimizer.clipnorm) == (0.5, 0.25, 2.0)
        plain = kind.rule.from_config(optimizer.get_config())
        assert plain.get_config() == optimizer.get_config() == kind.from_config(optimizer.get_config()).get_config()
        left, right = [ARRAYS["w0"].copy()], [ARRAYS["w0"].copy()]
        for gradient in ARRAYS["grads"]:
            optimizer.step(left, [gradient])
            plain.step(right, [gradient])
        np.testing.assert_array_equal(left[0], right[0])
    assert float(tf_keras.AdamW().weight_decay) == 0.004 and float(tf_keras.Lion().lr) == 0.001
