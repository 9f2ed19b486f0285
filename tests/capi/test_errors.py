"""What C functions refuse: a status, a message that names function and argument, and no array written."""

import ctypes

import numpy as np
import pytest

from tests.capi.library import INVALID, LIBRARY, OK, UNSUPPORTED, Array, List, Window, array_of, call, error, in_c

X = np.arange(6.0, dtype="f4").reshape(2, 3)


def changed(array, **members):
    struct = array_of(array)
    for name, value in members.items():
        setattr(struct, name, value)
    return ctypes.pointer(struct)


def shape(*sizes):
    return (ctypes.c_int64 * 8)(*sizes)


@pytest.mark.parametrize(
    "members, message",
    [
        ({"rank": 9}, "expected a rank of 0 to 8, got 9"),
        ({"rank": -1}, "expected a rank of 0 to 8, got -1"),
        (
            {"shape": shape(2, -3, 1, 1, 1, 1, 1, 1)},
            "expected a shape of sizes from 0, and 1 beyond the rank, got -3 at axis 1",
        ),
        ({"shape": shape(2, 3, 0, 1, 1, 1, 1, 1)}, "expected a shape of sizes from 0, and 1 beyond the rank, got 0 at axis 2"),
        ({"shape": shape(2**40, 2**40, 1, 1, 1, 1, 1, 1)}, "its shape has more than 2^63 elements"),
        ({"size": 7}, "expected size to be the product of the shape, 6, got 7"),
        ({"data": None}, "expected data, got NULL"),
        ({"data": X.ctypes.data + 2, "size": 6}, "its data are not aligned"),
    ],
)
def test_an_array_that_is_none(members, message):
    y = np.full((2, 3), 7, "f4")
    assert call("lamella_tanh_forward_f32", changed(X, **members), y) == INVALID
    assert error() == f"lamella_tanh_forward_f32: argument 'x': {message}"
    assert np.all(y == 7)
    if "data" not in members:
        assert call("lamella_tanh_forward_f32", X, changed(y, **members)) == INVALID
        assert error() == f"lamella_tanh_forward_f32: argument 'y': {message}"
        assert np.all(y == 7)


def test_shapes_that_do_not_go_together():
    y = np.full((3, 2), 7, "f4")
    assert call("lamella_tanh_forward_f32", X, y) == INVALID
    assert error() == "lamella_tanh_forward_f32: requires same_shape(x, y)"
    assert np.all(y == 7)


def test_memory_that_overlaps():
    x = np.arange(12.0, dtype="f4")
    before = x.copy()
    assert call("lamella_tanh_forward_f32", x[:8], x[4:]) == INVALID
    assert (
        error()
        == "lamella_tanh_forward_f32: argument 'y': expected memory of its own or exactly that of an input, got some of argument 'x'"
    )
    assert np.array_equal(x, before)
    assert call("lamella_tanh_forward_f32", x, x) == OK
    np.testing.assert_allclose(x, np.tanh(before), rtol=1e-6)


def adam(ps, gs, ms, vs):
    return call("lamella_adam_update_f32", ps, gs, ms, vs, 0.1, 0.0, (0.9, 0.999, 1e-7), ([], 1.0, 0.0, 0.0, 0.0))


def test_lists():
    p, g, m, v = (np.full(5, value, "f4") for value in (1.0, 2.0, 0.0, 0.0))
    wrong = List((Array * 2)(array_of(p), array_of(p)), 2)
    wrong.items[1].size = 4
    assert adam(ctypes.pointer(wrong), [g, g], [m, m], [v, v]) == INVALID
    assert (
        error() == "lamella_adam_update_f32: array 1 of argument 'ps': expected size to be the product of the shape, 5, got 4"
    )
    for count, items, message in [(-1, None, "got a count of -1 and NULL"), (2, None, "got a count of 2 and NULL")]:
        assert adam(ctypes.pointer(List(items, count)), [g], [m], [v]) == INVALID
        assert error() == f"lamella_adam_update_f32: argument 'ps': expected a list of arrays, {message}"
    assert adam([p, p], [g, g], [m, m.copy()], [v, v.copy()]) == INVALID
    assert (
        error()
        == "lamella_adam_update_f32: array 0 of argument 'ps': expected memory of its own, got some of array 1 of argument 'ps'"
    )
    assert adam([p], [g, g], [m], [v]) == INVALID and "requires" in error()
    assert p.tolist() == [1] * 5 and not m.any() and not v.any()
    assert adam([p], [g], [m], [v]) == OK
    np.testing.assert_allclose(p, 1 - 0.1 * 0.2 / (np.sqrt(0.004) + 1e-7), rtol=1e-5)
    assert adam([], [], [], []) == OK and adam(None, None, None, None) == OK


def test_structs_and_windows_that_are_missing():
    x, w, y = np.ones((1, 4, 4, 1), "f4"), np.ones((3, 3, 1, 1), "f4"), np.full((1, 2, 2, 1), 7, "f4")
    assert call("lamella_conv_forward_f32", x, w, None, None, 0, y) == INVALID
    assert error() == "lamella_conv_forward_f32: argument 'window': expected a window, got NULL"
    for axes in (0, 4):
        window = Window(axes, *((ctypes.c_int64 * 3)(3, 3, 3) for _ in range(4)))
        assert call("lamella_conv_forward_f32", x, w, None, ctypes.pointer(window), 0, y) == INVALID
        assert error() == f"lamella_conv_forward_f32: argument 'window': expected a window on 1 to 3 axes, got {axes}"
    assert np.all(y == 7)
    bounds = in_c(([], 1.0, 0.0, 0.0, 0.0), "const lamella_bounds_f32*")
    assert call("lamella_adam_update_f32", [y], [y.copy()], [y.copy()], [y.copy()], 0.1, 0.0, None, bounds) == INVALID
    assert error() == "lamella_adam_update_f32: argument 'beta1': expected a struct, got NULL"


def test_settings():
    assert LIBRARY.lamella_select_target(b"z80") == UNSUPPORTED
    assert error() == "lamella_select_target: this machine has no target 'z80'"
    assert LIBRARY.lamella_select_target(None) == UNSUPPORTED
    before = LIBRARY.lamella_num_threads()
    for n in (0, -1, 1025):
        assert LIBRARY.lamella_set_num_threads(n) == INVALID
        assert error() == f"lamella_set_num_threads: expected 1 to 1024 threads, got {n}"
    assert LIBRARY.lamella_num_threads() == before


def test_the_error_is_the_threads_own():
    from concurrent.futures import ThreadPoolExecutor

    assert LIBRARY.lamella_set_num_threads(0) == INVALID
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(error).result() == ""
    assert error() == "lamella_set_num_threads: expected 1 to 1024 threads, got 0"
