"""The mask of dropout against Philox with Python's integers. It is the same for both dtypes, all targets and all cuts of the work."""

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, close, surrounded
from tests.oracles import dropout as oracle

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def test_the_oracle_gives_the_published_numbers():
    # The known answers of Random123 for philox4x32-10.
    assert oracle.philox(0, 0, 0) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    ones = 2**64 - 1
    assert oracle.philox(ones, ones, ones) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    assert oracle.philox(0x299F31D0A4093822, 0x0370734413198A2E, 0x85A308D3243F6A88) == [
        0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1,
    ]  # fmt: skip


@dtypes
def test_every_length(target, dtype):
    rate, seed, offset = 0.3, 2**62 + 12345, 2**33 + 7
    kept = oracle.kept(20_000, rate, seed, offset)
    draw = np.random.default_rng(0).normal(size=20_000)
    for n in [*range(140), 16_383, 16_385, 20_000]:
        x, y = surrounded(draw[:n], dtype, n % 3), Guarded(n, dtype, n % 5)
        _kernels.dropout(x, rate, seed, offset, y.array)
        close(y.array, np.where(kept[:n], x.astype(np.float64) / (1 - rate), 0), 2)
        assert y.intact() and (y.array[~kept[:n]] == 0).all()


def test_infinity_and_nan_are_dropped_like_other_values(target):
    x = np.array([np.inf, np.nan] * 50)
    y = np.empty_like(x)
    _kernels.dropout(x, 0.5, 1, 2, y)
    assert (y[~oracle.kept(100, 0.5, 1, 2)] == 0).all()


def test_rate_zero_keeps_all_and_the_fraction_is_right(target):
    x = np.ones(200_000, np.float32)
    _kernels.dropout(x, 0.0, 3, 4, x)
    assert (x == 1).all()
    _kernels.dropout(x, 0.25, 3, 4, x)
    assert abs((x == 0).mean() - 0.25) < 4 * (0.25 * 0.75 / x.size) ** 0.5


@pytest.mark.parametrize("rate", [-0.1, 1.0, np.nan, np.inf])
def test_impossible_rates_are_refused(target, rate):
    x = np.ones(4)
    with pytest.raises(ValueError, match="rate"):
        _kernels.dropout(x, rate, 0, 0, x)
