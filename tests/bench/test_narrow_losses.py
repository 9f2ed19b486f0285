"""The networks of bench/narrow_losses.py learn, with each storage of the state."""

import numpy as np
import pytest

from bench import narrow_losses


@pytest.mark.parametrize("make, lr, ratio", [(narrow_losses.digits, 0.001, 0.9), (narrow_losses.characters, 0.01, 0.9)])
def test_losses_fall_alike_with_each_storage(make, lr, ratio):
    curves = [narrow_losses.curve(make(0), lr, state, 0, 20) for state in narrow_losses.STATES]
    for found in curves:
        assert found[-1] < ratio * found[0]
        np.testing.assert_allclose(found, curves[0], rtol=0.1)
