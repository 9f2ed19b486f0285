"""The gradient check for any op: one random projection of y, and one random direction in the space of all inputs."""

import numpy as np

from lamella import ops
from lamella.ops.tape import Tape, Tensor, value_of

STEP = 1e-6
# The errors of central differences in float64 are about STEP**2 and (rounding error) / STEP.
TOLERANCE = 1e-7


def check(op, *arrays, seed=0, **config):
    """sum(w * op(*arrays)) along a random direction: the tape's gradients against central differences.

    Every array (float64) is a source; None stays None. Raises AssertionError.
    """
    rng = np.random.default_rng(seed)
    places = [i for i, a in enumerate(arrays) if a is not None]
    directions = {i: rng.normal(size=arrays[i].shape) for i in places}
    y = value_of(op(*arrays, **config))
    w = rng.normal(size=y.shape)

    def projected(step):
        moved = [a if a is None else a + step * directions[i] for i, a in enumerate(arrays)]
        return float((value_of(op(*moved, **config)) * w).sum())

    with Tape() as tape:
        sources = {i: tape.watch(arrays[i]) for i in places}
        out = op(*[sources.get(i) for i in range(len(arrays))], **config)
        assert type(out) is Tensor and out.dtype == np.float64
        np.testing.assert_array_equal(out.value, y)
        loss = ops.sum(ops.multiply(out, w))
    gradients = dict(zip(places, tape.gradients(loss), strict=True))
    along = 0.0
    for i in places:
        assert gradients[i] is not None and gradients[i].shape == arrays[i].shape, f"gradient to input {i}"
        along += float((gradients[i] * directions[i]).sum())
    difference = (projected(STEP) - projected(-STEP)) / (2 * STEP)
    assert abs(along - difference) <= TOLERANCE * max(1.0, abs(along), abs(difference)), (along, difference)
