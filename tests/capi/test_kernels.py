"""The C functions compute what the Python functions of the same kernels compute, bit by bit, for all kernels."""

import numpy as np
import pytest

import lamella
from lamella import _kernels
from tests.capi.library import LIBRARY, OK, PROTOTYPES, call, error
from tests.kernels.cases import MEASURES, calls, copied, everything


def test_each_kernel_has_two_functions():
    assert sorted(PROTOTYPES) == sorted(f"lamella_{name}_{element}" for name in _kernels.KERNELS for element in ("f32", "f64"))
    for name in PROTOTYPES:
        assert hasattr(LIBRARY, name)


@pytest.mark.parametrize("dtype, element", [(np.float32, "f32"), (np.float64, "f64")])
def test_the_results_are_those_of_python(dtype, element):
    compared = 0
    for name, arguments in calls(dtype):
        if name in MEASURES:
            continue
        by_python, by_c = [copied(a) for a in arguments], [copied(a) for a in arguments]
        getattr(_kernels, name)(*by_python)
        assert call(f"lamella_{name}_{element}", *by_c) == OK, error()
        assert everything(by_c) == everything(by_python) != everything(arguments), name
        compared += 1
    assert compared == len(_kernels.KERNELS) - len(MEASURES)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_window_has_its_axes_first(axes):
    rng = np.random.default_rng(axes)
    x, w = rng.normal(size=(2, *(9, 8, 7)[:axes], 3)).astype("f4"), rng.normal(size=(*(3, 2, 1)[:axes], 3, 4)).astype("f4")
    window = ((3, 2, 1)[:axes], (2, 1, 1)[:axes], (1, 2, 1)[:axes], (1, 0, 0)[:axes])
    places = tuple(
        (n + 2 * pad - (size - 1) * dilation - 1) // stride + 1 for n, size, stride, dilation, pad in zip((9, 8, 7), *window)
    )
    by_python, by_c = np.zeros((2, *places, 4), "f4"), np.zeros((2, *places, 4), "f4")
    _kernels.conv_forward(x, w, np.zeros(0, "f4"), window, 0, by_python)
    assert call("lamella_conv_forward_f32", x, w, None, window, 0, by_c) == OK, error()
    assert np.array_equal(by_c, by_python) and by_c.any()


def test_null_stands_for_what_is_absent():
    rng = np.random.default_rng(0)
    x, w, dy = (rng.normal(size=shape) for shape in [(5, 3), (3, 4), (5, 4)])
    dw = np.empty((3, 4))
    assert call("lamella_dense_backward_f64", x, w, None, dy, None, None, dw, None) == OK, error()
    np.testing.assert_allclose(dw, x.T @ dy, rtol=1e-12)


def test_the_library_is_the_one_that_python_uses():
    assert LIBRARY.lamella_version().decode() == lamella.__version__
    assert LIBRARY.lamella_target().decode() == _kernels.target()
    names = [LIBRARY.lamella_available_target(i) for i in range(-1, 9)]
    assert [name.decode() for name in names if name is not None] == _kernels.targets() and names[0] is None
    before, threads = _kernels.target(), _kernels.num_threads()
    try:
        assert LIBRARY.lamella_select_target(_kernels.targets()[-1].encode()) == OK
        assert _kernels.target() == _kernels.targets()[-1]
        assert LIBRARY.lamella_set_num_threads(3) == OK
        assert _kernels.num_threads() == LIBRARY.lamella_num_threads() == 3
    finally:
        _kernels.select(before)
        _kernels.set_num_threads(threads)
