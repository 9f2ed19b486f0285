"""Hyperparameters that are not finite, and the state of one rule in another."""

import numpy as np
import pytest

from lamella.optimizers import SGD, Adagrad, Adam, AdamW, RMSprop

SHAPES = [(3, 4), (1,), ()]


def gradients(step):
    rng = np.random.default_rng(step)
    return [np.asarray(rng.normal(size=shape)) for shape in SHAPES]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("kind", [SGD, Adam, AdamW, RMSprop, Adagrad])
def test_numbers_that_are_not_finite_are_refused(kind, number):
    for name in ("lr", "decay", "clipnorm", "clipvalue", "clipnorm_per_tensor", *(("epsilon",) if kind is not SGD else ())):
        with pytest.raises(ValueError, match=f"expected .*{name} to be|expected a finite {name}"):
            kind(**{name: number})
    optimizer = kind(lr=0.5)
    with pytest.raises(ValueError, match=f"{kind.__name__}: expected a finite lr, got {number}"):
        optimizer.lr = number
    assert float(optimizer.lr) == 0.5


@pytest.mark.parametrize("before_the_first_step", [True, False])
def test_a_state_of_adam_continues_in_amsgrad_and_back(before_the_first_step):
    params = [np.ones(shape) for shape in SHAPES]
    adam = Adam()
    for step in range(3):
        adam.step(params, gradients(step))
    state = adam.get_state()
    copies = [p.copy() for p in params]
    amsgrad = Adam(amsgrad=True)
    if not before_the_first_step:
        amsgrad.bind(copies)
    amsgrad.set_state(state)
    small = [np.asarray(0.01 * g) for g in gradients(3)]
    amsgrad.step(copies, small)
    for i, g in enumerate(small):
        m = 0.9 * state[f"ms_{i}:0"] + 0.1 * g
        v = 0.999 * state[f"vs_{i}:0"] + 0.001 * g * g
        vhat = np.maximum(state[f"vs_{i}:0"], v)  # the largest v so far
        wanted = params[i] - 0.001 * np.sqrt(1 - 0.999**4) / (1 - 0.9**4) * m / (np.sqrt(vhat) + 1e-7)
        np.testing.assert_allclose(copies[i], wanted, rtol=1e-12)
        np.testing.assert_allclose(amsgrad.get_state()[f"vhats_{i}:0"], vhat, rtol=1e-14)
    back = Adam()
    back.set_state(amsgrad.get_state())
    assert int(back.iterations) == 4 and back.get_state()["vhats_0:0"].shape == (1,)
    np.testing.assert_array_equal(back.get_state()["vs_0:0"], amsgrad.get_state()["vs_0:0"])
    again = Adam(amsgrad=True)
    again.set_state(amsgrad.get_state())
    for name, array in amsgrad.get_state().items():
        np.testing.assert_array_equal(again.get_state()[name], array)
