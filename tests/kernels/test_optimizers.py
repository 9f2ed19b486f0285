"""One step of each optimizer on lists of arrays of different sizes, against the formula for each array."""

import functools

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, close
from tests.oracles import optimizers as oracle

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SHAPES = [(n,) for n in range(68)] + [(), (3, 5, 7), (129, 65), (16_384,), (16_385,), (40_001,), (0, 4)]
PLAIN = ([], 1.0, 0.0, 0.0, 0.0)
MOMENTS = (0.9, 0.999, 1e-7)
# name: (slots, the kernel's parameters)
CASES = {
    "sgd": (0, (0.1, 0.0, 0)),
    "sgd with momentum": (1, (0.1, 0.9, 0)),
    "sgd with nesterov": (1, (0.1, 0.9, 1)),
    "adagrad": (1, (0.1, 1e-7)),
    "rmsprop": (1, (0.01, 0.9, 1e-7)),
    "centered_rmsprop": (2, (0.01, 0.9, 1e-7)),
    "momentum_rmsprop": (2, (0.01, 0.9, 0.8, 1e-7)),
    "momentum_rmsprop with means": (3, (0.01, 0.9, 0.8, 1e-7)),
    "ftrl": (2, (0.1, 0.5, 0.0, 0.0, 0.0)),
    "ftrl with penalties": (2, (0.1, 0.5, 0.3, 0.2, 0.1)),
    "ftrl with another power": (2, (0.5, 0.75, 0.3, 0.2, 0.1)),
    "ftrl with power 0": (2, (0.5, 0.0, 0.3, 0.2, 0.1)),
    "adadelta": (2, (1.0, 0.95, 1e-7)),
    "adam": (2, (0.01, 0.0, MOMENTS)),
    "adam with weight decay": (2, (0.01, 0.05, MOMENTS)),
    "amsgrad": (3, (0.01, 0.0, MOMENTS)),
    "amsgrad with weight decay": (3, (0.01, 0.05, MOMENTS)),
    "adamax": (2, (0.02, MOMENTS)),
    "nadam": (2, (0.02, 0.01, 1.5, MOMENTS)),
    "lamb": (2, (0.01, 5.0, 300.0, 0.0, MOMENTS)),
    "lamb with weight decay": (2, (0.01, 5.0, 300.0, 0.3, MOMENTS)),
    # With l2 an eps that keeps what is left of g + l2*p, where the two cancel, from being divided by its own size.
    "torch_adam": (2, (0.01, 0.7, 0.0, 1.0, MOMENTS)),
    "torch_adam from its other end": (2, (0.01, 0.7, 0.0, 1.0, (0.3, 0.9, 1e-7))),
    "torch_adam with weight decay": (2, (0.01, 0.7, 0.05, 1.0, (0.9, 0.999, 1e-2))),
    "torch_adam with decoupled weight decay": (2, (0.01, 0.7, 0.0, 0.95, MOMENTS)),
    "torch_adam with amsgrad": (3, (0.01, 0.7, 0.05, 0.95, (0.9, 0.999, 1e-2))),
    "torch_sgd": (0, (0.1, 0.0, 1.0, 0, 0.05)),
    "torch_sgd with momentum": (1, (0.1, 0.9, 0.7, 0, 0.0)),
    "torch_sgd with nesterov": (1, (0.1, 0.9, 1.0, 1, 0.05)),
    "lion": (1, (0.01, 1.0, 0.9, 0.99)),
    "lion with weight decay": (1, (0.01, 0.95, 0.8, 0.99)),
    "torch_adagrad": (1, (0.1, 1e-2, 0.05)),
    "torch_rmsprop": (1, (0.01, 0.9, 1e-7, 0.0, 0.0)),
    "torch_rmsprop centred": (2, (0.01, 0.4, 1e-3, 0.0, 0.05)),
    "torch_rmsprop with momentum": (2, (0.01, 0.9, 1e-2, 0.8, 0.05)),
    "torch_rmsprop centred, with momentum": (3, (0.01, 0.9, 1e-3, 0.8, 0.0)),
}


def kernel_of(name):
    return getattr(_kernels, f"{name.split()[0]}_update")


def arguments(name, slots):
    """The lists that the kernel takes: what a rule does without is empty."""
    if name.startswith(("sgd", "torch_sgd")):
        return slots or [[]]
    if name == "momentum_rmsprop":
        return [*slots, []]
    if name.split()[0] == "torch_adam":
        return slots if "amsgrad" in name else [*slots, []]
    if name.startswith("torch_rmsprop"):
        means = [slots[1]] if "centred" in name else [[]]
        return [slots[0], *means, slots[-1] if "momentum" in name else []]
    return slots


def expected(name, p, g, slots, parameters):
    if name.startswith(("sgd", "torch_sgd")):
        return getattr(oracle, name.split()[0])(p, g, slots[0] if slots else None, *parameters)
    if name == "momentum_rmsprop":
        return oracle.momentum_rmsprop(p, g, *slots, None, *parameters)
    if name.startswith("torch_rmsprop"):
        mean, m = slots[1] if "centred" in name else None, slots[-1] if "momentum" in name else None
        return oracle.torch_rmsprop(p, g, slots[0], mean, m, *parameters)
    return getattr(oracle, name.split()[0])(p, g, *slots, *parameters)


@functools.cache
def draw(seed, dtype):
    """Arrays that several tests use, so they are read-only."""
    rng = np.random.default_rng(seed)
    arrays = [np.asarray(rng.normal(size=shape), dtype) for shape in SHAPES]
    for a in arrays:
        a.flags.writeable = False
    return arrays


# The norm of all arrays together is near 260, and that of the longest array near 200.
@pytest.mark.parametrize(
    "summed, scale, norm, norm_each, clip",
    [
        (False, 1.0, 0.0, 0.0, 0.0),
        (False, 1.0, 1e6, 1e6, 0.0),
        (False, 1.0, 200.0, 0.0, 0.3),
        (False, 0.5, 0.0, 6.0, 0.0),
        (True, 0.25, 100.0, 60.0, 0.4),
    ],
)
@pytest.mark.parametrize("name", CASES)
@dtypes
def test_three_steps(target, dtype, name, summed, scale, norm, norm_each, clip):
    count, parameters = CASES[name]
    kept = [[Guarded(shape, dtype, i % 4) for i, shape in enumerate(SHAPES)] for _ in range(1 + count)]
    lists = [[guarded.array for guarded in guards] for guards in kept]
    for p, start in zip(lists[0], draw(0, dtype), strict=True):
        p[...] = start
    for slot in lists[1:]:
        for a in slot:
            a[...] = 0
    wide = [[a.astype(np.float64) for a in arrays] for arrays in lists]
    for step in range(1, 4):
        gs, sums = draw(step, dtype), draw(10 + step, dtype) if summed else []
        kernel_of(name)(lists[0], gs, *arguments(name, lists[1:]), *parameters, (sums, scale, norm, norm_each, clip))
        exact = [[a.astype(np.float64) for a in arrays] for arrays in (gs, sums)]
        for i, g in enumerate(oracle.read(*exact, scale, norm, norm_each, clip)):
            wide[0][i] = np.asarray(expected(name, wide[0][i], g, [slot[i] for slot in wide[1:]], parameters))
    for arrays, wanted in zip(lists, wide, strict=True):
        for a, w in zip(arrays, wanted, strict=True):
            close(a, w, 8)
    assert all(guarded.intact() for guards in kept for guarded in guards)


@dtypes
def test_sums_of_gradients(target, dtype):
    kept = [Guarded(shape, dtype, i % 4) for i, shape in enumerate(SHAPES)]  # filled with NaN: the first call overwrites
    sums = [guarded.array for guarded in kept]
    first, second = draw(1, dtype), draw(2, dtype)
    _kernels.accumulate_gradients(sums, first, 1)
    assert all(np.array_equal(s, g) for s, g in zip(sums, first, strict=True))
    _kernels.accumulate_gradients(sums, second, 0)
    assert all(np.array_equal(s, a + b) for s, a, b in zip(sums, first, second, strict=True))
    assert all(guarded.intact() for guarded in kept)
    with pytest.raises(ValueError, match="same_shapes"):
        _kernels.accumulate_gradients(sums, second[1:], 0)


@dtypes
def test_moving_averages_of_arrays(target, dtype):
    kept = [Guarded(shape, dtype, i % 4) for i, shape in enumerate(SHAPES)]
    averages, wide = [guarded.array for guarded in kept], [a.astype(np.float64) for a in draw(0, dtype)]
    for average, start in zip(averages, draw(0, dtype), strict=True):
        average[...] = start
    for step, keep in ((1, 0.9), (2, 0.0), (3, 0.999)):
        _kernels.average_update(averages, draw(step, dtype), keep)
        wide = [keep * w + (1 - keep) * x.astype(np.float64) for w, x in zip(wide, draw(step, dtype), strict=True)]
    for a, w in zip(averages, wide, strict=True):
        close(a, w, 4)
    assert all(guarded.intact() for guarded in kept)
    with pytest.raises(ValueError, match="same_shapes"):
        _kernels.average_update(averages, draw(1, dtype)[1:], 0.5)


@dtypes
def test_sgd_without_moments_gives_the_bits_of_momentum_0(target, dtype):
    with_moments = [p.copy() for p in draw(0, dtype)]
    without = [p.copy() for p in with_moments]
    moments = [np.full(shape, 3.0, dtype) for shape in SHAPES]
    gs = draw(1, dtype)
    bounds = ([], 1.0, 100.0, 0.0, 0.7)
    _kernels.sgd_update(with_moments, gs, moments, 0.0137, 0.0, 0, bounds)
    _kernels.sgd_update(without, gs, [], 0.0137, 0.0, 0, bounds)
    assert all(np.array_equal(a, b) for a, b in zip(with_moments, without, strict=True))
    # The moments, computed afterwards from zeros.
    late = [np.zeros(shape, dtype) for shape in SHAPES]
    _kernels.sgd_update(late, gs, [], 0.0137, 0.0, 0, bounds)
    assert all(np.array_equal(a, b) for a, b in zip(late, moments, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_nan_stays_in_its_element_with_clipping(target, name):
    count, parameters = CASES[name]
    p, slots = np.zeros(40), [np.zeros(40) for _ in range(count)]
    g = np.ones(40)
    g[3], g[5] = np.nan, np.inf
    kernel_of(name)([p], [g], *arguments(name, [[s] for s in slots]), *parameters, ([], 1.0, 0.0, 0.0, 0.5))
    assert np.isnan(p[3]) and np.isfinite(np.delete(p, 3)).all()


@pytest.mark.parametrize("name", CASES)
def test_subnormal_gradients_give_finite_steps(target, name):
    count, parameters = CASES[name]
    p, slots = np.ones(40, "f4"), [np.zeros(40, "f4") for _ in range(count)]
    for size in (1e-42, 1e-20, 0.0):
        g = np.full(40, size, "f4")
        for _ in range(3):
            kernel_of(name)([p], [g], *arguments(name, [[s] for s in slots]), *parameters, ([], 1.0, 1.0, 1.0, 0.0))
    assert np.isfinite(p).all() and all(np.isfinite(s).all() for s in slots)


@pytest.mark.parametrize("name", CASES)
def test_lists_that_do_not_fit_are_refused(target, name):
    count, parameters = CASES[name]
    p, g, slots = [np.ones(4), np.ones(3)], [np.ones(4), np.ones(3)], [[np.zeros(4), np.zeros(3)] for _ in range(count)]
    for gs in ([np.ones(4)], [np.ones(3), np.ones(4)], [np.ones(4), np.ones(3), np.ones(1)], [np.ones((2, 2)), np.ones(3)]):
        with pytest.raises(ValueError, match="same_shapes"):
            kernel_of(name)(p, gs, *arguments(name, slots), *parameters, PLAIN)
    with pytest.raises(ValueError, match="same_shapes"):
        kernel_of(name)(p, g, *arguments(name, slots), *parameters, ([np.ones(4)], *PLAIN[1:]))
    assert (p[0] == 1).all()
    if slots:
        with pytest.raises(ValueError, match="same_shapes"):
            kernel_of(name)(p, g, *arguments(name, [*slots[:-1], slots[-1][:1]]), *parameters, PLAIN)


@pytest.mark.parametrize("name", CASES)
def test_a_step_with_no_arrays_is_accepted(target, name):
    count, parameters = CASES[name]
    kernel_of(name)([], [], *arguments(name, [[] for _ in range(count)]), *parameters, ([], 1.0, 1.0, 1.0, 0.0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_torch_adam_divides_by_the_correction_with_one_rounding(target, dtype):
    # beta1 = beta2 = 1 keep m and v, so p = 0 + step * m / (sqrt(v) / root + eps), and each operation rounds once.
    rng, limits = np.random.default_rng(3), np.finfo(dtype)
    spread = np.exp(rng.uniform(np.log(limits.tiny), np.log(limits.max), 200_000))
    v = np.array([0, limits.tiny, limits.max, np.inf, np.nan, 1, *spread, *rng.uniform(1, 4, 200_000)], dtype)
    m, g = np.full_like(v, 0.75), np.zeros_like(v)
    for root in (1.0, 0.5, 0.0316227766, 0.7, 0.99999994, *rng.uniform(0.001, 1, 12)):
        p = np.zeros_like(v)
        with np.errstate(all="ignore"):
            expected = dtype(-0.01) * m / (np.sqrt(v) / dtype(root) + dtype(1e-8))
            expected[np.abs(expected) < limits.tiny] = 0
        _kernels.torch_adam_update([p], [g], [m], [v], [], 0.01, root, 0.0, 1.0, (1.0, 1.0, 1e-8), ([], 1.0, 0.0, 0.0, 0.0))
        np.testing.assert_array_equal(p, expected)
