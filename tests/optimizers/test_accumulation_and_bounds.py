"""Gradient accumulation and clipping, against numbers computed by hand and against the rules without them."""

import numpy as np
import pytest

from lamella import _kernels, optimizers
from lamella.constraints import UnitNorm
from lamella.core import registry
from lamella.layers import Dense
from lamella.models import Sequential

SHAPES = [(3, 4), (4,), ()]
NAMES = [name for name in registry.names("optimizers") if name.islower()]
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def draw(seed, dtype="float64"):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape), dtype) for shape in SHAPES]


def make(name, **kwargs):
    return optimizers.deserialize({"class_name": name, "config": kwargs})


@dtypes
@pytest.mark.parametrize("bounds", [{}, {"clipnorm": 1.0, "clipvalue": 0.5}, {"clipnorm_per_tensor": 0.7}])
@pytest.mark.parametrize("name", NAMES)
def test_every_third_call_steps_along_the_mean(name, bounds, dtype):
    plain, three = make(name, **bounds), make(name, gradient_accumulation_steps=3, **bounds)
    wanted, params = draw(0, dtype), draw(0, dtype)
    for step in range(4):
        grads = [draw(10 * step + i, dtype) for i in range(1, 4)]
        before = [p.copy() for p in params]
        for g in grads[:2]:
            assert three.step(params, g) is False
            assert all(np.array_equal(p, b) for p, b in zip(params, before)) and int(three.iterations) == step
        assert three.step(params, grads[2]) is True and int(three.iterations) == step + 1
        mean = [np.asarray((a + b + c) / 3, dtype) for a, b, c in zip(*grads)]
        assert plain.step(wanted, mean) is True
        for p, w in zip(params, wanted):
            np.testing.assert_allclose(p, w, rtol=0, atol=1e-13 if dtype == "float64" else 3e-6)


@pytest.mark.parametrize("calls", [4, 5])
@pytest.mark.parametrize("name", NAMES)
def test_a_state_saved_between_two_steps_continues_bit_for_bit(name, calls):
    def run(opt, params, start, end):
        for i in range(start, end):
            opt.step(params, draw(i))

    whole = draw(0)
    straight = make(name, gradient_accumulation_steps=3)
    run(straight, whole, 1, 12)
    halted = draw(0)
    first = make(name, gradient_accumulation_steps=3)
    run(first, halted, 1, calls + 1)
    for taken, put in (("get_weights", "set_weights"), ("get_state", "set_state")):
        params = [p.copy() for p in halted]
        second = make(name, gradient_accumulation_steps=3)
        second.bind(params)
        if put == "set_weights":
            second.iterations = int(first.iterations)  # Keras does not save it for all optimizers
        getattr(second, put)(getattr(first, taken)())
        run(second, params, calls + 1, 12)
        assert all(p.tobytes() == w.tobytes() for p, w in zip(params, whole, strict=True))


def test_sums_come_after_the_weights_of_keras():
    params = [np.zeros(2)]
    opt = optimizers.SGD(gradient_accumulation_steps=4)
    for g in (1.0, 2.0, 4.0):
        opt.step(params, [np.full(2, g)])
    assert [w.tolist() for w in opt.get_weights()] == [0, [0, 0], 3, [7, 7]]
    assert opt.get_config()["gradient_accumulation_steps"] == 4
    opt.step(params, [np.full(2, 1.0)])
    assert params[0].tolist() == [-0.02, -0.02] and int(opt.weights[2]) == 0
    # The next sum starts at zero.
    opt.step(params, [np.full(2, 5.0)])
    assert opt.get_weights()[3].tolist() == [5, 5]


def test_accumulating_one_gradient_changes_nothing_and_bad_numbers_are_refused():
    p = [np.zeros(1)]
    opt = optimizers.SGD(lr=1.0, gradient_accumulation_steps=1)
    assert opt.step(p, [np.ones(1)]) and p[0].item() == -1.0
    assert len(opt.get_weights()) == 2 and opt.get_config()["gradient_accumulation_steps"] == 1
    for bad in (0, -1, 2.0, True, "2"):
        with pytest.raises(ValueError, match=f"gradient_accumulation_steps to be None or an integer >= 1, got {bad!r}"):
            optimizers.Adam(gradient_accumulation_steps=bad)
    with pytest.raises(AttributeError):
        opt.gradient_accumulation_steps = 2


def test_a_bad_gradient_during_accumulation_changes_nothing():
    params = draw(0)
    opt = optimizers.Adam(gradient_accumulation_steps=2)
    opt.step(params, draw(1))
    before = [w.copy() for w in opt.get_weights()]
    opt.iterations = 0
    spoiled = draw(2)
    spoiled[1] = spoiled[1][:2]
    with pytest.raises(ValueError, match=r"gradient 1 of shape \(4,\), got \(2,\)"):
        opt.step(params, spoiled)
    assert all(np.array_equal(a, b) for a, b in zip(before, opt.get_weights()))
    sums = opt.weights[-1].value
    with pytest.raises(ValueError, match="gradient 2 overlaps the memory of the state of parameter 2"):
        opt.step(params, [*draw(2)[:2], sums])


def test_decay_counts_steps_not_calls():
    p = [np.zeros(1)]
    opt = optimizers.SGD(lr=1.0, decay=0.5, gradient_accumulation_steps=2)
    moved = []
    for _ in range(6):
        opt.step(p, [np.ones(1)])
        moved.append(-p[0].item())
    np.testing.assert_allclose(moved, [0, 1, 1, 1 + 1 / 1.5, 1 + 1 / 1.5, 1 + 1 / 1.5 + 0.5], rtol=1e-14)


def test_fit_in_halves_equals_fit_in_whole_batches_with_constraints():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 5)), rng.normal(size=(32, 2))

    def trained(batch_size, **kwargs):
        model = Sequential([Dense(2, input_shape=(5,), kernel_constraint=UnitNorm(), bias_initializer="ones")])
        model.set_weights([np.random.default_rng(1).normal(size=(5, 2)), np.zeros(2)])
        model.compile(optimizers.SGD(lr=0.1, momentum=0.9, **kwargs), "mse")
        model.fit(x, y, batch_size=batch_size, epochs=3, shuffle=False, verbose=0)
        return model.get_weights()

    for a, b in zip(trained(8, gradient_accumulation_steps=2), trained(16)):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    model = Sequential([Dense(2, input_shape=(5,), kernel_constraint=UnitNorm())])
    model.compile(optimizers.SGD(gradient_accumulation_steps=2), "mse")
    before = model.get_weights()
    model.train_on_batch(x, y)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))
    model.train_on_batch(x, y)
    np.testing.assert_allclose(np.linalg.norm(model.get_weights()[0], axis=0), 1.0, rtol=1e-6)


def test_clipnorm_per_tensor_bounds_each_array_separately():
    p = [np.zeros(2), np.zeros(1), np.zeros(1)]
    g = [np.array([3.0, 4.0]), np.array([0.5]), np.array([-2.0])]
    opt = optimizers.SGD(lr=1.0, clipnorm_per_tensor=1.0)
    opt.step(p, g)
    np.testing.assert_allclose(np.concatenate(p), [-0.6, -0.8, -0.5, 1.0], rtol=1e-14)
    assert opt.get_config()["clipnorm_per_tensor"] == 1.0 and g[0].tolist() == [3.0, 4.0]
    # First the global norm: 3, 4 and 12 become 0.6, 0.8 and 2.4. Then the norm of each array, then each element.
    p = [np.zeros(2), np.zeros(1)]
    optimizers.SGD(lr=1.0, clipnorm=2.6, clipnorm_per_tensor=2.0, clipvalue=0.7).step(
        p, [np.array([3.0, 4.0]), np.array([12.0])]
    )
    np.testing.assert_allclose(np.concatenate(p), [-0.6, -0.7, -0.7], rtol=1e-14)


def test_the_norm_is_the_same_for_any_number_of_threads_and_does_not_touch_the_gradients():
    before = _kernels.num_threads()
    rng = np.random.default_rng(0)
    shapes = [(70_001,), (3,), (5, 7), (40_000,)]
    grads = [rng.normal(size=s).astype("f4") for s in shapes]
    kept = [g.copy() for g in grads]
    results = []
    try:
        for threads in (1, 2, 3):
            _kernels.set_num_threads(threads)
            params = [np.zeros(s, "f4") for s in shapes]
            optimizers.RMSprop(clipnorm=1.0, clipnorm_per_tensor=0.5).step(params, grads)
            results.append(b"".join(p.tobytes() for p in params))
    finally:
        _kernels.set_num_threads(before)
    assert results[0] == results[1] == results[2]
    assert all(np.array_equal(g, k) for g, k in zip(grads, kept))


@pytest.mark.parametrize("name", ["clipnorm", "clipnorm_per_tensor", "clipvalue"])
def test_arguments_that_are_not_bounds_are_refused(name):
    for bad in (-1, "1", [1.0], float("nan")):
        with pytest.raises(ValueError, match=f"expected {name} to be a number >= 0"):
            optimizers.SGD(**{name: bad})
    with pytest.raises(TypeError, match="^Unexpected keyword argument passed to optimizer: global_clipnorm$"):
        optimizers.SGD(global_clipnorm=1.0)
