"""Outputs, gradients, masks and losses of layers are those that were recorded with Keras; tests/golden/layers.json says how."""

import json
from pathlib import Path

import numpy as np
import pytest

from lamella import backend as K
from lamella import layers, ops
from lamella.core import config
from lamella.graph.layer import takes_mask, takes_training
from lamella.ops.tape import Tape, value_of

pytestmark = pytest.mark.filterwarnings("ignore:The `.*` layer is deprecated")

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = json.loads((GOLDEN / "layers.json").read_text())["cases"]
ARRAYS = np.load(GOLDEN / "layers.npz")
# The cases of layers. The cases of functions of K are tested with the backend.
NAMES = [name for name, case in CASES.items() if "layer" in case and hasattr(layers, case["layer"])]


def make(case):
    arguments = dict(case["config"])
    function = arguments.get("function")
    if function is not None:
        arguments["function"] = getattr(K, function.removeprefix("K."))
    return (
        layers.deserialize({"class_name": case["layer"], "config": arguments})
        if function is None
        else layers.Lambda(**arguments)
    )


def assert_close(found, wanted, what):
    """Compare with a tolerance of 1e-10 in float64 and 1e-5 in float32, relative to the largest magnitude."""
    found = np.asarray(value_of(found))
    assert found.shape == wanted.shape, what
    assert found.dtype == wanted.dtype, what
    tolerance = (1e-10 if wanted.dtype == np.float64 else 1e-5) * max(np.abs(wanted).max(initial=0), 1e-30)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance, err_msg=what)


def listed(x):
    return list(x) if isinstance(x, (list, tuple)) else [x]


@pytest.mark.parametrize("name", NAMES)
def test_as_keras(name):
    case = CASES[name]
    data = {key.rpartition("/")[2]: ARRAYS[key] for key in ARRAYS.files if key.rpartition("/")[0] == name}
    config.set_floatx(case["dtype"])
    layer = make(case)
    inputs = [data[f"x{i}"] for i in range(case["inputs"])]
    single = len(inputs) == 1
    layer(inputs[0] if single else inputs)  # builds it
    assert [list(w.shape) for w in layer.weights] == case["weights"]
    layer.set_weights([data[f"w{i}"] for i in range(len(layer.weights))])
    if layer.stateful:
        layer.reset_states()
    masks = [data[f"m{i}"] if there else None for i, there in enumerate(case.get("masks", []))] or None
    mask = masks[0] if masks and single else masks
    arguments = {}
    if mask is not None and takes_mask(type(layer)):
        arguments["mask"] = mask
    if takes_training(type(layer)):
        arguments["training"] = case.get("training", False)

    last = ".b1" if case.get("batches") == 2 else ""
    if last:
        first = listed(layer(inputs[0] if single else inputs, **arguments))
        for i, y in enumerate(first):
            assert_close(y, data[f"y{i}"], f"y{i} of the first batch")
        inputs = [data[f"x{i}.b1"] for i in range(case["inputs"])]
    with Tape(layer.trainable_weights) as tape:
        watched = [tape.watch(x) if x.dtype.kind == "f" else x for x in inputs]
        y = layer(watched[0] if single else watched, **arguments)
        outputs = listed(y)
        penalty = layer.call_losses.values
        assert len(outputs) == case["outputs"]
        terms = [ops.sum(ops.multiply(out, data[f"r{i}"])) for i, out in enumerate(outputs)]
        if "loss" in case:
            tolerance = 1e-10 if case["dtype"] == "float64" else 1e-5
            assert float(sum(penalty)) == pytest.approx(case["loss"], rel=tolerance)
        gradients = tape.gradients(ops.add(*terms)) if hasattr(terms[0], "index") else []
    for i, out in enumerate(outputs):
        assert_close(out, data[f"y{i}{last}"], f"y{i}")
    weights = len(layer.trainable_weights)
    sources = [f"dx{i}" for i, x in enumerate(inputs) if x.dtype.kind == "f"]
    for key, gradient in zip([*(f"dw{i}" for i in range(weights)), *sources], gradients, strict=True):
        assert_close(np.zeros_like(data[key]) if gradient is None else gradient, data[key], key)
    if "mask_out" in case:
        made = layer.compute_mask(inputs[0] if single else inputs, mask)
        made = made[0] if isinstance(made, list) else made
        if case["mask_out"]:
            np.testing.assert_array_equal(made, data["mask_out"])
        else:
            assert made is None
