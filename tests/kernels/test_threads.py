"""Every kernel gives the same bits for any number of threads of both backends, and the same numbers on all targets."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.cases import MEASURES, arrays, calls, copied, everything


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_and_two_threads_give_the_same_bits(target, backend, threads, dtype):
    for name, arguments in calls(dtype):
        if name in MEASURES:
            continue
        results = []
        for count in (1, 2):
            _kernels.set_num_threads(count)
            mine = [copied(a) for a in arguments]
            getattr(_kernels, name)(*mine)
            results.append(everything(mine))
        assert results[0] == results[1], name
        assert results[0] != everything(arguments), f"{name} wrote nothing"


def test_concurrent_callers_and_many_threads_give_the_same_bits(backend, threads):
    all_calls = [(name, arguments) for name, arguments in calls(np.float32) if name not in MEASURES][::5]
    _kernels.set_num_threads(1)
    wanted = {}
    for name, arguments in all_calls:
        mine = [copied(a) for a in arguments]
        getattr(_kernels, name)(*mine)
        wanted[name] = everything(mine)
    _kernels.set_num_threads(5)

    def again(_):
        for name, arguments in all_calls:
            mine = [copied(a) for a in arguments]
            getattr(_kernels, name)(*mine)
            assert everything(mine) == wanted[name], name
        return len(all_calls)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(again, range(8))) == [len(all_calls)] * 8


def test_an_unknown_backend_is_refused():
    before = _kernels.thread_backend()
    assert before in _kernels.thread_backends()
    with pytest.raises(ValueError, match="there is no thread backend 'gang'"):
        _kernels.select_thread_backend("gang")
    assert _kernels.thread_backend() == before


def test_each_kernel_has_one_row():
    assert sorted(name for name, _ in calls(np.float32)) == sorted(_kernels.KERNELS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_targets_give_the_same_numbers(target, dtype):
    """The results on this target and on the simplest one are equal up to rounding."""
    eps = np.finfo(dtype).eps
    for name, arguments in calls(dtype):
        if name in MEASURES:
            continue
        mine, plain = [copied(x) for x in arguments], [copied(x) for x in arguments]
        _kernels.select(target)
        getattr(_kernels, name)(*mine)
        _kernels.select(_kernels.targets()[-1])
        getattr(_kernels, name)(*plain)
        for got, wanted in zip(arrays(mine), arrays(plain), strict=True):
            largest = np.abs(wanted).max(initial=0.1)
            # The codes of 8 bits and bfloat16 of a number that lies halfway between two differ by one.
            error = 1 if got.dtype.kind == "u" else 1000 * eps * largest
            np.testing.assert_allclose(got, wanted, rtol=0, atol=error, err_msg=name)
