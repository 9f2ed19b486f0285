"""ops.resize against a loop over places."""

import json
from pathlib import Path

import numpy as np
import pytest

from lamella import ops
from lamella.ops.tape import Tape
from tests.oracles import resize as oracle

RECORDED = json.loads((Path(__file__).parents[1] / "golden" / "tf_2.21.json").read_text())["resize"]

CASES = [
    ((2, 4, 3), (3,), "nearest"),
    ((2, 1, 3), (4,), "bilinear"),
    ((2, 3, 4, 2), (1, 2), "nearest"),
    ((2, 3, 4, 2), (2, 2), "bilinear"),
    ((1, 5, 2, 3), (3, 2), "bilinear"),
    ((1, 2, 3, 2, 2), (2, 1, 3), "nearest"),
    ((2, 1, 3), (4,), "bilinear_half_pixel"),
    ((2, 3, 4, 2), (2, 5), "bilinear_half_pixel"),
    ((1, 2, 3, 2, 2), (2, 1, 3), "bilinear_half_pixel"),
]


@pytest.mark.parametrize("shape, factors, interpolation", CASES)
@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-6), ("float64", 1e-13)])
def test_resize_and_its_gradient(shape, factors, interpolation, dtype, tolerance):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype(dtype)
    wanted, back = oracle.resize(x, factors, interpolation)
    dy = rng.normal(size=wanted.shape).astype(dtype)
    with Tape() as tape:
        source = tape.watch(x)
        y = ops.resize(source, factors=factors, interpolation=interpolation)
        loss = ops.sum(ops.multiply(y, dy))
    assert y.value.dtype == dtype
    np.testing.assert_allclose(y.value, wanted, rtol=tolerance, atol=tolerance)
    (dx,) = tape.gradients(loss)
    np.testing.assert_allclose(dx, back(dy), rtol=10 * tolerance, atol=10 * tolerance)


def test_wrong_arguments_of_resize_are_refused():
    x = np.ones((1, 2, 2, 1))
    for factors in ((2,), (2, 0), (2, 2, 2)):
        with pytest.raises(ValueError, match="resize: expected 2 factors of at least 1"):
            ops.resize(x, factors=factors)
    with pytest.raises(ValueError, match="interpolation should be one of"):
        ops.resize(x, factors=(2, 2), interpolation="bicubic")


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: str(case["factors"]))
def test_half_pixel_centres_are_those_of_tensorflow(case):
    x, y, dy, dx = (np.array(case[name], "float32") for name in ("x", "y", "dy", "dx"))
    with Tape() as tape:
        source = tape.watch(x)
        ours = ops.resize(source, factors=case["factors"], interpolation="bilinear_half_pixel")
        loss = ops.sum(ops.multiply(ours, dy))
    np.testing.assert_allclose(ours.value, y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(tape.gradients(loss)[0], dx, rtol=1e-5, atol=1e-6)
