"""Functions of K against results recorded from Keras; tests/golden/layers.json describes them."""

import json
from pathlib import Path

import numpy as np
import pytest

from lamella import backend as K
from lamella.core import config

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = json.loads((GOLDEN / "layers.json").read_text())["cases"]
ARRAYS = np.load(GOLDEN / "layers.npz")
NAMES = [name for name, case in CASES.items() if "function" in case and hasattr(K, case["function"])]
# Larger tolerances, relative to the largest value: the recorded costs differ by 4e-9 from the sum over all paths in test_ctc.py.
LOOSER = {"K.ctc_batch_cost/labels": 1e-8}


def read(value, arrays):
    if isinstance(value, list):
        return tuple(value)
    return arrays[value] if isinstance(value, str) and value in arrays else value


def flat(values):
    return [leaf for v in values for leaf in flat(v)] if isinstance(values, (list, tuple)) else [values]


@pytest.mark.parametrize("name", NAMES)
def test_functions_equal_the_recorded_ones_of_keras(name):
    case = CASES[name]
    config.set_floatx(case["dtype"])
    data = {f"x{i}": ARRAYS[f"{name}/x{i}"] for i in range(case["inputs"])}
    found = getattr(K, case["function"])(
        *(read(v, data) for v in case["args"]), **{key: read(v, data) for key, v in case["named"].items()}
    )
    outputs = flat(found)
    assert len(outputs) == case["outputs"]
    for i, y in enumerate(outputs):
        wanted = ARRAYS[f"{name}/y{i}"]
        tolerance = LOOSER.get(name, 1e-10 if case["dtype"] == "float64" else 1e-5) * max(np.abs(wanted).max(initial=0), 1e-30)
        assert np.shape(y) == wanted.shape and y.dtype == wanted.dtype
        np.testing.assert_allclose(y, wanted, rtol=0, atol=tolerance)
