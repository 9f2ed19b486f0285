"""The kernels behind the benchmark's ceilings do what they claim to time."""

import numpy as np
import pytest

from lamella import _kernels


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_measure_stream_adds_g_to_all_three(target, dtype):
    arrays = [np.full(40_001, i, dtype) for i in range(4)]
    _kernels.measure_stream(*arrays)
    assert [set(a.tolist()) for a in arrays] == [{3.0}, {4.0}, {5.0}, {3.0}]


def test_measure_fma_and_measure_region_return(target):
    sums = np.zeros(4, np.float32)
    _kernels.measure_fma(10, sums)
    assert np.isfinite(sums).all()
    _kernels.measure_region(3, 4)
