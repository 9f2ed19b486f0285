"""One step of each optimizer over lists of odd arrays, against the formula array by array."""

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, close
from tests.oracles import optimizers as oracle

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SHAPES = [(n,) for n in range(68)] + [(), (3, 5, 7), (129, 65), (16_384,), (16_385,), (40_001,), (0, 4)]
# name: (slots, parameters before scale and clip)
CASES = {
    "sgd": (0, (0.1, 0.0, 0)),
    "sgd with momentum": (1, (0.1, 0.9, 0)),
    "sgd with nesterov": (1, (0.1, 0.9, 1)),
    "adagrad": (1, (0.1, 1e-7)),
    "adam": (2, (0.01, 0.9, 0.999, 1e-7)),
    "amsgrad": (3, (0.01, 0.9, 0.999, 1e-7)),
}


def kernel_of(name):
    return getattr(_kernels, f"{name.split()[0]}_update")


def arguments(name, slots):
    return slots or [[]] if name.startswith("sgd") else slots


def expected(name, p, g, slots, parameters):
    if name.startswith("sgd"):
        return oracle.sgd(p, g, slots[0] if slots else None, *parameters)
    return getattr(oracle, name)(p, g, *slots, *parameters)


@pytest.mark.parametrize("scale, clip", [(1.0, 0.0), (0.5, 0.0), (1.0, 0.3), (2.0, 0.5)])
@pytest.mark.parametrize("name", CASES)
@dtypes
def test_three_steps(target, dtype, name, scale, clip):
    count, parameters = CASES[name]
    rng = np.random.default_rng(0)
    kept = [[Guarded(shape, dtype, i % 4) for i, shape in enumerate(SHAPES)] for _ in range(1 + count)]
    lists = [[guarded.array for guarded in guards] for guards in kept]
    for p in lists[0]:
        p[...] = rng.normal(size=p.shape)
    for slot in lists[1:]:
        for a in slot:
            a[...] = 0
    wide = [[a.astype(np.float64) for a in arrays] for arrays in lists]
    for _ in range(3):
        gs = [rng.normal(size=shape).astype(dtype) for shape in SHAPES]
        kernel_of(name)(lists[0], gs, *arguments(name, lists[1:]), *parameters, scale, clip)
        for i, g in enumerate(gs):
            read = oracle.read(g.astype(np.float64), scale, clip)
            wide[0][i] = np.asarray(expected(name, wide[0][i], read, [slot[i] for slot in wide[1:]], parameters))
    for arrays, wanted in zip(lists, wide, strict=True):
        for a, w in zip(arrays, wanted, strict=True):
            close(a, w, 8)
    assert all(guarded.intact() for guards in kept for guarded in guards)


@pytest.mark.parametrize("name", CASES)
def test_nan_stays_in_its_place_under_a_clip(target, name):
    count, parameters = CASES[name]
    p, slots = np.zeros(40), [np.zeros(40) for _ in range(count)]
    g = np.ones(40)
    g[3], g[5] = np.nan, np.inf
    kernel_of(name)([p], [g], *arguments(name, [[s] for s in slots]), *parameters, 1.0, 0.5)
    assert np.isnan(p[3]) and np.isfinite(np.delete(p, 3)).all()


@pytest.mark.parametrize("name", CASES)
def test_lists_that_do_not_agree_are_refused(target, name):
    count, parameters = CASES[name]
    p, slots = [np.ones(4), np.ones(3)], [[np.zeros(4), np.zeros(3)] for _ in range(count)]
    for gs in ([np.ones(4)], [np.ones(3), np.ones(4)], [np.ones(4), np.ones(3), np.ones(1)], [np.ones((2, 2)), np.ones(3)]):
        with pytest.raises(ValueError, match="same_shapes"):
            kernel_of(name)(p, gs, *arguments(name, slots), *parameters, 1.0, 0.0)
    assert (p[0] == 1).all()
    if slots:
        with pytest.raises(ValueError, match="same_shapes"):
            kernel_of(name)(p, p, *arguments(name, [*slots[:-1], slots[-1][:1]]), *parameters, 1.0, 0.0)


@pytest.mark.parametrize("name", CASES)
def test_no_arrays_are_a_step_too(target, name):
    count, parameters = CASES[name]
    kernel_of(name)([], [], *arguments(name, [[] for _ in range(count)]), *parameters, 1.0, 0.0)
