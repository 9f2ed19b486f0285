"""Each rule: defaults, epsilon, decay, the saved state, and how it is restored."""

import copy
import inspect

import numpy as np
import pytest

from lamella import optimizers
from lamella.core import config
from lamella.core.configurable import own_arguments
from lamella.optimizers import SGD, Adadelta, Adafactor, Adagrad, Adam, Adamax, AdamW, Ftrl, Lamb, Lion, Nadam, RMSprop

# The signatures of Keras 2.2.5, in their order. AdamW is Adam with one more argument. Ftrl is that of tf.keras; Adafactor, Lamb
# and Lion are those of their papers.
ADAM = {"lr": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": None, "decay": 0.0, "amsgrad": False}
SIGNATURES = {
    SGD: {"lr": 0.01, "momentum": 0.0, "decay": 0.0, "nesterov": False},
    RMSprop: {"lr": 0.001, "rho": 0.9, "epsilon": None, "decay": 0.0},
    Adagrad: {"lr": 0.01, "epsilon": None, "decay": 0.0},
    Adadelta: {"lr": 1.0, "rho": 0.95, "epsilon": None, "decay": 0.0},
    Adam: ADAM,
    AdamW: {**ADAM, "weight_decay": 0.01},
    Adamax: {"lr": 0.002, "beta_1": 0.9, "beta_2": 0.999, "epsilon": None, "decay": 0.0},
    Ftrl: {
        "lr": 0.001,
        "learning_rate_power": -0.5,
        "initial_accumulator_value": 0.1,
        "l1_regularization_strength": 0.0,
        "l2_regularization_strength": 0.0,
        "l2_shrinkage_regularization_strength": 0.0,
        "beta": 0.0,
        "decay": 0.0,
    },
    Adafactor: {
        "lr": 0.01,
        "beta_2_decay": -0.8,
        "epsilon_1": 1e-30,
        "epsilon_2": 1e-3,
        "clip_threshold": 1.0,
        "decay": 0.0,
        "weight_decay": 0.0,
    },
    Lamb: {"lr": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": None, "decay": 0.0, "weight_decay": 0.0},
    Lion: {"lr": 0.0001, "beta_1": 0.9, "beta_2": 0.99, "decay": 0.0, "weight_decay": 0.0},
    Nadam: {"lr": 0.002, "beta_1": 0.9, "beta_2": 0.999, "epsilon": None, "schedule_decay": 0.004},
}
classes = pytest.mark.parametrize("cls", SIGNATURES)
SHAPES = [(3, 2), (2,), ()]
# The names of the slots, in the order in which Keras saves them.
SLOTS = {
    SGD: 1,
    Adafactor: 2,
    RMSprop: 1,
    Ftrl: 2,
    Adagrad: 1,
    Adadelta: 2,
    Adam: 3,
    AdamW: 3,
    Adamax: 2,
    Lamb: 2,
    Lion: 1,
    Nadam: 2,
}
# The shapes of the saved arrays, where they are not those of the parameters for each slot.
SAVED = {cls: 2 * SHAPES + [(1,)] * 3 for cls in (Adam, AdamW)} | {Adafactor: [(3, 1), (2,), (), (1, 2), (0,), (0,)]}
WITHOUT_ITERATIONS = (RMSprop, Adagrad, Adadelta)


def draw(seed, dtype="float64"):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape), dtype) for shape in SHAPES]


def trained(opt, steps, params=None):
    params = draw(0) if params is None else params
    for i in range(steps):
        opt.step(params, draw(1 + int(opt.iterations)))
    return params


@classes
def test_arguments_and_defaults(cls):
    parameters = inspect.signature(cls.__init__).parameters
    by_position = {name: p.default for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD and name != "self"}
    assert by_position == SIGNATURES[cls]
    assert list(own_arguments(cls))[: len(SIGNATURES[cls])] == list(SIGNATURES[cls])
    named = {**SIGNATURES[cls], "epsilon": 1e-7} if "epsilon" in SIGNATURES[cls] else SIGNATURES[cls]
    assert cls().get_config() == named
    assert all(type(v) in (float, bool) for v in cls().get_config().values())


@classes
def test_every_argument_survives_a_config(cls):
    other = {"lr": 0.25, "momentum": 0.5, "nesterov": True, "rho": 0.75, "beta_1": 0.5, "beta_2": 0.75, "epsilon": 0.01}
    other |= {"decay": 0.125, "amsgrad": True, "weight_decay": 0.375, "schedule_decay": 0.0625}
    other |= {"learning_rate_power": -0.25, "initial_accumulator_value": 0.5, "l1_regularization_strength": 0.125}
    other |= {"beta_2_decay": -0.5, "epsilon_1": 0.25, "epsilon_2": 0.125, "clip_threshold": 2.5}
    other |= {"l2_regularization_strength": 0.375, "l2_shrinkage_regularization_strength": 0.75, "beta": 0.625}
    given = {name: other[name] for name in SIGNATURES[cls]}
    given |= {"clipnorm": 1.0, "clipnorm_per_tensor": 2.0, "clipvalue": 3.0, "gradient_accumulation_steps": 4}
    assert cls(**given).get_config() == given
    assert cls.from_config(given).get_config() == given


@classes
def test_epsilon_is_that_of_the_constructor(cls):
    if "epsilon" not in SIGNATURES[cls]:
        return
    before = config.epsilon()
    try:
        config.set_epsilon(1e-3)
        opt = cls()
        config.set_epsilon(1e-5)
        assert opt.epsilon == opt.get_config()["epsilon"] == 1e-3 and cls(epsilon=0.5).epsilon == 0.5
    finally:
        config.set_epsilon(before)


@classes
def test_decay_divides_the_rate_but_does_not_change_lr(cls):
    if "decay" not in SIGNATURES[cls]:
        return
    decayed, plain = cls(decay=0.5), cls()
    p, q = draw(0), draw(0)
    lr = float(plain.lr)
    for t in range(4):
        plain.lr = lr / (1 + 0.5 * t)
        trained(plain, 1, p), trained(decayed, 1, q)
        for a, b in zip(p, q):
            np.testing.assert_allclose(a, b, rtol=1e-13)
    assert float(decayed.lr) == lr


@classes
def test_the_order_of_the_saved_arrays(cls):
    opt = cls()
    assert opt.get_weights() == []
    params = trained(opt, 2)
    weights = opt.get_weights()
    if cls in WITHOUT_ITERATIONS:
        assert len(weights) == 3 * SLOTS[cls]
    else:
        assert len(weights) == 1 + 3 * SLOTS[cls] and weights.pop(0) == 2
    assert [p.shape for p in params] == SHAPES
    assert [w.shape for w in weights] == SAVED.get(cls, SHAPES * SLOTS[cls])


@classes
def test_weights_of_keras_2_3_always_have_iterations(cls):
    params = draw(0)
    opt = cls()
    trained(opt, 3, params)
    listed = opt.get_weights()
    if cls in WITHOUT_ITERATIONS:
        listed = [np.int64(3), *listed]
    elif cls is Nadam:
        listed = [listed[0], np.float64(0.1), *listed[1:]]  # the product of momenta
    again = [p.copy() for p in params]
    fresh = cls()
    fresh.bind(again)
    fresh.set_weights(listed)
    assert int(fresh.iterations) == 3
    trained(opt, 2, params), trained(fresh, 2, again)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(params, again, strict=True))


@classes
def test_a_state_by_name_is_complete(cls):
    kwargs = {"decay": 0.5} if cls is not Nadam else {}
    params = draw(0)
    opt = cls(**kwargs)
    trained(opt, 3, params)
    state = opt.get_state()
    again = [p.copy() for p in params]
    fresh = cls(**kwargs)
    fresh.bind(again)
    fresh.set_state(dict(reversed(state.items())))
    trained(opt, 2, params), trained(fresh, 2, again)
    assert int(fresh.iterations) == 5
    assert all(a.tobytes() == b.tobytes() for a, b in zip(params, again, strict=True))
    del state["iterations:0"]
    with pytest.raises(ValueError, match=rf"{cls.__name__}: expected a state of \['iterations:0', "):
        fresh.set_state(state)
    assert int(fresh.iterations) == 5


def test_moments_of_plain_sgd_are_those_of_momentum_0():
    params = draw(0)
    opt = SGD(lr=0.1, clipnorm=1.0)
    trained(opt, 3, params)
    grads = draw(3)
    norm = np.sqrt(sum((g * g).sum() for g in grads))
    for m, g in zip(opt.get_weights()[1:], grads, strict=True):
        np.testing.assert_allclose(m, -0.1 * g / norm, rtol=1e-14)
    # lr may change before they are read, and the list of gradients may be replaced.
    opt.lr = 7.0
    given = draw(3)
    opt.step(params, given)
    opt.lr = 9.0
    given[:] = draw(4)
    for m, g in zip(opt.get_weights()[1:], grads, strict=True):
        np.testing.assert_allclose(m, -7.0 * g / norm, rtol=1e-14)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_momentum_raised_in_training_starts_from_the_step_before(nesterov, dtype):
    opt = SGD(lr=0.1, nesterov=nesterov)
    params, wanted = draw(0, dtype), draw(0)
    moments = [np.zeros_like(w) for w in wanted]
    for i, momentum in enumerate([0.0, 0.0, 0.9, 0.9, 0.0, 0.5]):
        opt.momentum = momentum
        grads = draw(i + 1)
        opt.step(params, [g.astype(dtype) for g in grads])
        for k, g in enumerate(grads):
            moments[k] = momentum * moments[k] - 0.1 * g
            wanted[k] = wanted[k] + (momentum * moments[k] - 0.1 * g if nesterov else moments[k])
    for p, w in zip([*params, *opt.get_weights()[1:]], [*wanted, *moments], strict=True):
        np.testing.assert_allclose(p, w, rtol=1e-13 if dtype == "float64" else 1e-5, atol=1e-6 if dtype == "float32" else 0)


def test_moments_that_were_set_stay_until_the_next_step():
    params = draw(0)
    opt = SGD()
    trained(opt, 1, params)
    opt.set_weights([np.int64(5), *(np.full(s, 2.0) for s in SHAPES)])
    assert all((m == 2.0).all() for m in opt.get_weights()[1:]) and int(opt.iterations) == 5
    opt.momentum = 0.5
    before = params[1].copy()
    opt.step(params, [np.zeros(s) for s in SHAPES])
    np.testing.assert_allclose(params[1] - before, 1.0, rtol=1e-14)


def test_two_lists_have_separate_moments():
    p, q = [np.zeros(2)], [np.zeros(3)]
    opt = SGD(lr=1.0)
    opt.bind(p), opt.bind(q)
    opt.step(p, [np.full(2, 2.0)])
    opt.step(q, [np.full(3, 5.0)])
    assert opt.get_weights()[1].tolist() == [-5.0] * 3
    opt.momentum = 0.5
    opt.step(p, [np.zeros(2)])
    assert p[0].tolist() == [-3.0] * 2 and opt.get_weights()[1].tolist() == [-1.0] * 2


def test_a_deep_copy_reads_its_own_moments():
    opt = SGD(lr=1.0)
    opt.step([np.zeros(2)], [np.ones(2)])
    twin = copy.deepcopy(opt)
    assert twin.get_weights()[1].tolist() == [-1.0, -1.0] == opt.get_weights()[1].tolist()


def test_nadam_continues_its_schedule_from_iterations():
    def product(t):
        return np.prod([0.9 * (1 - 0.5 * 0.96 ** (0.004 * i)) for i in range(1, t + 1)])

    opt = Nadam()
    opt.bind([np.zeros(1)])
    opt.iterations = 6
    p, g = [np.zeros(1)], 0.3
    opt.bind(p)
    opt.step(p, [np.full(1, g)])
    mu, following = (0.9 * (1 - 0.5 * 0.96 ** (0.004 * i)) for i in (7, 8))
    mean = (1 - mu) * g / (1 - product(7)) + following * 0.1 * g / (1 - product(8))
    step = 0.002 * mean / (np.sqrt(0.001 * g * g / (1 - 0.999**7)) + 1e-7)
    np.testing.assert_allclose(-p[0], step, rtol=1e-13)
    opt.iterations = 10**7  # after so many steps the product is 0
    opt.step(p, [np.full(1, g)])
    assert np.isfinite(p[0]).all()


def test_adamw_by_hand():
    p = [np.array([2.0])]
    opt = AdamW(lr=0.1, weight_decay=0.5, decay=1.0, clipvalue=1.0)
    # m = 0.1, v = 0.001, both 1 after correction: a step of lr, and lr * 0.5 of the weight, which is not clipped.
    opt.step(p, [np.array([3.0])])
    np.testing.assert_allclose(p[0], 2.0 * (1 - 0.05) - 0.1, rtol=1e-5)
    opt.weight_decay = 0.0
    before = p[0].copy()
    opt.step(p, [np.array([3.0])])  # lr is halved by its decay
    np.testing.assert_allclose(p[0], before - 0.05, rtol=1e-5)
    q, r = draw(0), draw(0)
    trained(AdamW(weight_decay=0.0, amsgrad=True), 4, q), trained(Adam(amsgrad=True), 4, r)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(q, r, strict=True))


def test_lion_by_hand():
    p = [np.array([2.0, -1.0, 0.5])]
    opt = Lion(lr=0.5, weight_decay=0.1, decay=1.0)
    opt.step(p, [np.array([3.0, -4.0, 0.0])])
    np.testing.assert_allclose(p[0], [2.0 * 0.95 - 0.5, -0.95 + 0.5, 0.5 * 0.95], rtol=1e-14)
    np.testing.assert_allclose(opt.state_of("ms")[0], [0.03, -0.04, 0.0], rtol=1e-13)
    # lr is halved by its decay; 0.9 * 0.03 outweighs 0.1 * -0.2, and 0.9 * -0.04 does not outweigh 0.1 * 0.4.
    before = p[0].copy()
    opt.step(p, [np.array([-0.2, 0.4, 0.0])])
    np.testing.assert_allclose(p[0], before * 0.975 - 0.25 * np.array([1.0, 1.0, 0.0]), rtol=1e-14)
    with pytest.raises(ValueError, match="Lion: expected weight_decay to be a number >= 0, got -0.5"):
        Lion(weight_decay=-0.5)


def test_lamb_by_hand():
    p = [np.array([3.0, 4.0]), np.zeros(2)]
    opt = Lamb(lr=0.1, weight_decay=0.5, epsilon=0.0)
    # The corrected moments are g and g*g: u = sign(g) + 0.5 p, and |p| = 5. At 0 the norms' quotient is 1.
    opt.step(p, [np.array([2.0, -7.0]), np.array([5.0, -5.0])])
    u = np.array([2.5, 1.0])
    np.testing.assert_allclose(p[0], np.array([3.0, 4.0]) - 0.1 * 5 / np.sqrt(7.25) * u, rtol=1e-13)
    np.testing.assert_allclose(p[1], [-0.1, 0.1], rtol=1e-13)
    with pytest.raises(ValueError, match="Lamb: expected weight_decay to be a number >= 0, got -1"):
        Lamb(weight_decay=-1)


def test_adafactor_by_hand():
    p = [np.array([[3.0, 4.0], [0.0, 0.0]]), np.zeros(2)]
    opt = Adafactor(lr=2.0, epsilon_2=0.5, weight_decay=0.1)
    # The means of the squares of rows are 2.5 and 10, of columns 2.5 and 10, of all 6.25; u is 1 / 1, 2 / 2, 2 / 2 and 4 / 4.
    opt.step(p, [np.array([[1.0, 2.0], [2.0, 4.0]]), np.array([5.0, -5.0])])
    np.testing.assert_allclose(opt.state_of("rows")[0], [[2.5], [10.0]], rtol=1e-14)
    np.testing.assert_allclose(opt.state_of("columns")[0], [[2.5, 10.0]], rtol=1e-14)
    # rms(p) is 2.5, the relative step is min(2, 1 / sqrt(1)), and the decay is by lr.
    np.testing.assert_allclose(p[0], 0.8 * np.array([[3.0, 4.0], [0.0, 0.0]]) - 2.5, rtol=1e-13)
    np.testing.assert_allclose(p[1], [-0.5, 0.5], rtol=1e-13)
    assert opt.state_of("rows")[1].shape == (2,) and opt.state_of("columns")[1].shape == (0,)
    for options, words in (
        ({"beta_2_decay": 0.5}, "beta_2_decay to be a number <= 0, got 0.5"),
        ({"clip_threshold": 0.5}, "clip_threshold to be a number >= 1, got 0.5"),
        ({"weight_decay": -1}, "weight_decay to be a number >= 0, got -1"),
        ({"epsilon_1": -1}, "epsilon_1 to be a number >= 0, got -1"),
        ({"epsilon_2": float("nan")}, "a finite epsilon_2, got nan"),
    ):
        with pytest.raises(ValueError, match=f"expected {words}"):
            Adafactor(**options)


def test_weights_of_adafactor_tell_the_shapes_of_parameters():
    params, opt, again = draw(0), Adafactor(clipnorm=1.0), Adafactor(clipnorm=1.0)
    trained(opt, 3, params)
    other = [p.copy() for p in params]
    again.set_weights(opt.get_weights())
    opt.step(params, draw(7))
    again.step(other, draw(7))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(params, other, strict=True))
    again = Adafactor()
    again.set_state(opt.get_state())
    with pytest.raises(ValueError, match=r"expected parameter 0 of shape \(3, 2\), got \(2, 3\)"):
        again.step([p.T.copy() for p in params], [p.T.copy() for p in params])


def test_the_state_of_adam_continues_in_lamb():
    params = draw(0)
    adam, lamb = Adam(), Lamb()
    trained(adam, 3, params)
    lamb.set_state(adam.get_state())
    lamb.step(params, draw(7))
    m, v, g = adam.get_weights()[1:4], adam.get_weights()[4:7], draw(7)
    for got, wanted in zip(
        lamb.get_weights()[1:7], [0.9 * a + 0.1 * b for a, b in zip(m, g)] + [0.999 * a + 0.001 * b * b for a, b in zip(v, g)]
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)
    assert int(lamb.iterations) == 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@classes
def test_steps_without_a_model_minimize_a_quadratic(cls, dtype):
    params = draw(5, dtype)
    opt = cls() if cls is Adadelta else cls(lr=0.01 if cls is Lion else 0.05)
    start = sum(float((p * p).sum()) for p in params)
    for _ in range(300):
        opt.step(params, [np.asarray(2 * p, dtype) for p in params])
    assert sum(float((p * p).sum()) for p in params) < (0.9 if cls is Adadelta else 0.05) * start
    assert [p.dtype for p in params] == [dtype] * 3


def test_all_optimizers_are_exported():
    assert {cls.__name__ for cls in SIGNATURES} < set(optimizers.__all__)
