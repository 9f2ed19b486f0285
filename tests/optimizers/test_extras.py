"""The gradient scale of a step, for every rule, and the table of what each rule does in its pass."""

import re
from pathlib import Path

import numpy as np
import pytest

from lamella import optimizers
from lamella.core import registry
from lamella.core.rows_gradient import RowsGradient

# A rule that replaces `step` by its own has no extras.
RULES = sorted(
    {
        rule.__name__
        for rule in (registry.get("optimizers", name) for name in registry.names("optimizers"))
        if rule.__name__ in optimizers.__all__ and rule.step is optimizers.Optimizer.step
    }
)
rules = pytest.mark.parametrize("name", RULES)
TABLE = Path(__file__).parents[2] / "docs" / "optimizers.md"


def draw(seed, dtype="float32"):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape), dtype) for shape in ((5, 3), (7,), ())]


@pytest.mark.parametrize(
    "options", [{}, {"clipnorm": 0.5, "clipnorm_per_tensor": 0.4, "clipvalue": 0.2}], ids=["plain", "clipped"]
)
@rules
def test_a_scaled_step_has_the_bits_of_scaled_gradients(name, options):
    scaled, plain = (getattr(optimizers, name)(**options) for _ in range(2))
    p, q = draw(0), draw(0)
    for t in range(1, 4):
        scale = 0.5**t
        scaled.step(p, draw(t), scale=scale)
        plain.step(q, [np.asarray(g * np.float32(scale)) for g in draw(t)])
    assert [a.tobytes() for a in p] == [b.tobytes() for b in q]
    for a, b in zip(scaled.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_gradients_in_rows_are_scaled():
    for name in ("SGD", "Adagrad", "Adam"):
        p, q = np.ones((4, 3), "f4"), np.ones((4, 3), "f4")
        rows, values = np.array([1, 3]), np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "f4")
        whole = np.zeros((4, 3), "f4")
        whole[rows] = values
        getattr(optimizers, name)().step([p], [RowsGradient((4, 3), [(rows, values)])], scale=0.25)
        getattr(optimizers, name)().step([q], [whole * np.float32(0.25)])
        np.testing.assert_array_equal(p, q)


@rules
def test_scales_that_do_not_fit_are_refused(name):
    p, before = draw(0), draw(0)
    for options, scale, words in (
        ({}, -1.0, "scale to be a finite number >= 0, got -1.0"),
        ({}, float("nan"), "scale to be a finite number >= 0, got nan"),
        ({}, float("inf"), "scale to be a finite number >= 0, got inf"),
        ({"gradient_accumulation_steps": 2}, 0.5, "no scale with gradient_accumulation_steps, got 0.5"),
    ):
        with pytest.raises(ValueError, match=f"{name}: expected {words}"):
            getattr(optimizers, name)(**options).step(p, draw(1), scale=scale)
    for extra in ({"zero": True}, {"copies": []}):
        with pytest.raises(TypeError, match=next(iter(extra))):
            getattr(optimizers, name)().step(p, draw(1), **extra)
    assert [a.tobytes() for a in p] == [b.tobytes() for b in before]


def test_the_table_names_the_rules_with_narrow_slots():
    heading = next(line for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("| extra"))
    narrow = [name for name in optimizers.__all__ if name.startswith("Narrow")]
    assert sorted(re.findall(r"`(\w+)`", heading)) == sorted(narrow) and len(RULES) >= 12
