"""Each configuration of the golden file: the parameters after each step, and the state after the last one."""

import json
from pathlib import Path

import numpy as np
import pytest

from lamella import _kernels, optimizers
from lamella.core import registry

GOLDEN = Path(__file__).parents[1] / "golden"
SPECS = json.loads((GOLDEN / "optimizers.json").read_text())
STEPS = 12
# Relative to the largest element of the array, because an element that crosses 0 keeps earlier rounding errors.
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}


@pytest.fixture(scope="module")
def arrays():
    with np.load(GOLDEN / "optimizers.npz") as file:
        return {name: file[name] for name in file}


def assert_near(came, wanted, dtype, what):
    assert came.shape == wanted.shape and came.dtype == wanted.dtype, what
    if wanted.size:
        assert np.abs(came - wanted).max() <= TOLERANCE[dtype] * np.abs(wanted).max(), what


def run(name, dtype, arrays):
    spec = SPECS[name]
    opt = getattr(optimizers, spec["cls"])(**spec["kwargs"])
    params = [arrays[f"init/p{i}"].astype(dtype) for i in range(3)]
    for step in range(STEPS):
        opt.step(params, [arrays[f"grad/step{step:02d}/g{i}"].astype(dtype) for i in range(3)])
        yield opt, params, step


def test_the_golden_file_contains_every_rule_of_keras():
    ours = {cls.__name__ for cls in (optimizers.get(name).__class__ for name in registry.names("optimizers"))}
    of_keras = {"SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "Adamax", "Nadam"}
    assert {spec["cls"] for spec in SPECS.values()} == of_keras < ours and len(SPECS) == 12


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SPECS)
def test_parameters_after_every_step(name, dtype, arrays):
    for _, params, step in run(name, dtype, arrays):
        for i, p in enumerate(params):
            wanted = arrays[f"{dtype}/{name}/p{i}/step{step:02d}"]
            assert_near(p, wanted, dtype, f"step {step}, parameter {i}")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_plain_sgd_has_the_bits_of_keras_on_every_target(dtype, arrays):
    # One product and one sum, each rounded: only one result is right.
    before = _kernels.target()
    try:
        for target in _kernels.targets():
            _kernels.select(target)
            *_, (opt, params, _) = run("sgd", dtype, arrays)
            for i, p in enumerate(params):
                assert p.tobytes() == arrays[f"{dtype}/sgd/p{i}/step{STEPS - 1:02d}"].tobytes(), target
                assert opt.get_weights()[1 + i].tobytes() == arrays[f"{dtype}/sgd/w{i + 1:02d}"].tobytes(), target
    finally:
        _kernels.select(before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SPECS)
def test_state_after_the_last_step_in_keras_order(name, dtype, arrays):
    *_, (opt, _, _) = run(name, dtype, arrays)
    weights = opt.get_weights()
    assert len(weights) == SPECS[name]["n_weights"]
    for i, w in enumerate(weights):
        wanted = arrays[f"{dtype}/{name}/w{i:02d}"]
        assert_near(w, wanted, dtype, f"weight {i}")


@pytest.mark.parametrize("name", SPECS)
def test_config_and_round_trip(name):
    opt = getattr(optimizers, SPECS[name]["cls"])(**SPECS[name]["kwargs"])
    assert opt.get_config() == SPECS[name]["config"]
    spec = optimizers.serialize(opt)
    assert spec["class_name"] == SPECS[name]["cls"]
    assert optimizers.serialize(optimizers.deserialize(json.loads(json.dumps(spec)))) == spec


@pytest.mark.parametrize("name", SPECS)
def test_resuming_from_weights_continues_bit_for_bit(name, arrays):
    whole = [[p.copy() for p in params] for _, params, _ in run(name, "float32", arrays)]
    halves = run(name, "float32", arrays)
    for opt, params, step in halves:
        if step == 5:
            break
    spec = SPECS[name]
    fresh = getattr(optimizers, spec["cls"])(**spec["kwargs"])
    params = [p.copy() for p in params]
    fresh.bind(params)
    fresh.set_weights(opt.get_weights())
    for step in range(6, STEPS):
        fresh.step(params, [arrays[f"grad/step{step:02d}/g{i}"].astype("float32") for i in range(3)])
    for p, wanted in zip(params, whole[-1]):
        assert p.tobytes() == wanted.tobytes()
