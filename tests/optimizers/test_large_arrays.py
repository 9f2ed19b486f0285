"""Arrays of more than 2^31 numbers. LAMELLA_LARGE=1 runs it: it takes 17 GB of memory and up to a minute."""

import os

import numpy as np
import pytest

from lamella.optimizers import SGD


@pytest.mark.skipif("LAMELLA_LARGE" not in os.environ, reason="LAMELLA_LARGE is not set: it takes 17 GB")
def test_a_step_reaches_every_number():
    n = 2**31 + 40
    p, g = np.zeros(n, np.float32), np.zeros(n, np.float32)
    at = [0, 1, 2**31 - 1, 2**31, 2**31 + 1, n - 1]
    g[at] = [1, 2, 3, 4, 5, 6]
    SGD(lr=0.5).step([p], [g])
    assert p[at].tolist() == [-0.5, -1.0, -1.5, -2.0, -2.5, -3.0]
    assert np.count_nonzero(p) == 6
