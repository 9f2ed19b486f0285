"""Kernels on the threads of the calling program, by lamella_set_parallel_for."""

import ctypes
import threading

import numpy as np
import pytest

from lamella import _kernels
from tests.capi.library import LIBRARY, OK, ParallelFor, call
from tests.kernels.cases import MEASURES, calls, copied, everything


class Host:
    """Cuts a kernel's chunks into ranges of `step`, and runs them on its own threads, the last range first. `ranges`: of each region."""

    def __init__(self, step, threads):
        self.step, self.threads, self.ranges = step, threads, []
        self.function = ParallelFor(self.run)

    def run(self, context, chunks, run, work):
        assert context == 42
        ranges = [(first, min(first + self.step, chunks)) for first in reversed(range(0, chunks, self.step))]
        self.ranges.append(ranges)
        parts = [ranges[i :: self.threads] for i in range(self.threads)]
        workers = [threading.Thread(target=lambda part=part: [run(work, *each) for each in part]) for part in parts]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


@pytest.fixture
def host():
    made = Host(step=2, threads=3)
    LIBRARY.lamella_set_parallel_for(made.function, ctypes.c_void_p(42))
    yield made
    LIBRARY.lamella_set_parallel_for(None, None)


@pytest.fixture(autouse=True)
def _threads():
    before = _kernels.num_threads()
    _kernels.set_num_threads(2)
    yield
    _kernels.set_num_threads(before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_bits_are_those_of_lamellas_own_threads(dtype, host):
    regions = 0
    for name, arguments in calls(dtype):
        if name in MEASURES:
            continue
        LIBRARY.lamella_set_parallel_for(None, None)
        wanted = [copied(a) for a in arguments]
        getattr(_kernels, name)(*wanted)
        LIBRARY.lamella_set_parallel_for(host.function, ctypes.c_void_p(42))
        mine = [copied(a) for a in arguments]
        getattr(_kernels, name)(*mine)
        assert everything(mine) == everything(wanted), name
        regions += len(host.ranges) > 0
        host.ranges.clear()
    assert regions > 60  # kernels that used the host's threads


def test_one_thread_asks_nobody(host):
    x, y = np.linspace(-1, 1, 10**6), np.empty(10**6)
    assert call("lamella_tanh_forward_f64", x, y) == OK
    assert len(host.ranges) == 1 and len(host.ranges[0]) > 10
    _kernels.set_num_threads(1)
    assert call("lamella_tanh_forward_f64", x, y) == OK
    assert len(host.ranges) == 1
    np.testing.assert_allclose(y, np.tanh(x), rtol=1e-12)


def test_denormals_are_flushed_and_restored_on_the_hosts_threads(host):
    x = np.full(10**6, 1e-20, "f4")
    y = np.empty_like(x)
    assert call("lamella_squared_error_forward_f32", x.reshape(-1, 1), np.zeros((10**6, 1), "f4"), y) == OK
    assert len(host.ranges) == 1
    assert not y.any()
    assert np.all(x * x > 0)  # not here
