"""Arrays of other libraries by DLPack's table of C functions, here of a library made with ctypes."""

import ctypes

import numpy as np
import pytest

from lamella import _kernels

BOUNDS = ([], 1.0, 0.0, 0.0, 0.0)


class Described(ctypes.Structure):
    """DLTensor."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


DESCRIBE = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(Described))


class Functions(ctypes.Structure):
    """DLPackExchangeAPI."""

    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("older", ctypes.c_void_p),
        *((name, ctypes.c_void_p) for name in ("allocate", "from_object", "to_object")),
        ("describe", DESCRIBE),
        ("stream", ctypes.c_void_p),
    ]


@DESCRIBE
def describe(tensor, out):
    out[0] = tensor.described
    return 0


def capsule_of(functions):
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return new(ctypes.addressof(functions), NAME, None)


NAME = b"dlpack_exchange_api"
TABLE = Functions(major=1, minor=3, describe=describe)
NEWER = Functions(major=2, minor=0, older=ctypes.addressof(TABLE))
UNKNOWN = Functions(major=2, minor=0)


class Tensor:
    __dlpack_c_exchange_api__ = capsule_of(TABLE)

    def __init__(self, array, device=1, offset=0):
        self.array = array
        self.kept = (
            (ctypes.c_int64 * array.ndim)(*array.shape),
            (ctypes.c_int64 * array.ndim)(*(s // array.itemsize for s in array.strides)),
        )
        code = {"f": 2, "i": 0}[array.dtype.kind]
        self.described = Described(
            array.ctypes.data - offset, device, 0, array.ndim, code, 8 * array.itemsize, 1, *self.kept, offset
        )


class OfNewerLibrary(Tensor):
    __dlpack_c_exchange_api__ = capsule_of(NEWER)


class OfUnknownLibrary(Tensor):
    __dlpack_c_exchange_api__ = capsule_of(UNKNOWN)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [Tensor, OfNewerLibrary])
@pytest.mark.parametrize("shape", [(), (1,), (67,), (3, 1, 5), (0, 2)])
def test_a_step_in_place_has_the_bits_of_one_on_arrays(dtype, kind, shape):
    rng = np.random.default_rng(0)
    p, g, m = (np.asarray(rng.normal(size=shape), dtype) for _ in range(3))
    wanted = p.copy(), m.copy()
    _kernels.sgd_update([wanted[0]], [g], [wanted[1]], 0.1, 0.9, 1, BOUNDS)
    _kernels.sgd_update([kind(p)], [kind(g, offset=8)], [m], 0.1, 0.9, 1, BOUNDS)
    assert np.array_equal(p, wanted[0]) and np.array_equal(m, wanted[1])


@pytest.mark.parametrize(
    "bad",
    [
        Tensor(np.ones((4, 3), np.float32).T),
        Tensor(np.ones((3, 8), np.float32)[:, ::2]),
        Tensor(np.ones((3, 4), np.float64)),
        Tensor(np.ones((3, 4), np.int32)),
        Tensor(np.ones((3, 4), np.float32), device=2),
        Tensor(np.ones((1,) * 8 + (12,), np.float32)),
        OfUnknownLibrary(np.ones((3, 4), np.float32)),
    ],
    ids=["transposed", "strided", "float64", "int32", "GPU", "9 axes", "unknown table"],
)
def test_what_no_kernel_can_take_is_refused(bad):
    p = np.ones((3, 4), np.float32)
    with pytest.raises(TypeError, match="^sgd_update: argument 'gs': expected .*array of float32"):
        _kernels.sgd_update([p], [bad], [], 0.1, 0.0, 0, BOUNDS)
    assert (p == 1).all()
    assert not _kernels.lists_fit([[[p], [bad]]])


def test_memory_used_twice_is_refused():
    p = np.ones((3, 4), np.float32)
    with pytest.raises(ValueError, match="expected memory of its own"):
        _kernels.sgd_update([p], [Tensor(p)], [], 0.1, 0.0, 0, BOUNDS)
    assert (p == 1).all()


def test_lists_that_fit():
    a = np.ones((9, 4), np.float32)
    wide = np.ones((2, 5))
    assert _kernels.lists_fit([[[a[0], Tensor(a[1])], [a[2], a[2]], [a[3], a[4]], []], [[wide[0]], [wide[1]]]])
    for calls in (
        [],
        [[[], []]],
    ):
        assert _kernels.lists_fit(calls)
    for calls in (
        [[[a[0]], [a[0]]]],  # the gradient is the parameter
        [[[a[0]], [a[1]]], [[a[0]], [a[2]]]],  # the same parameter in two calls
        [[[a[0]], [a[1]], [a[5][:3]]]],  # another shape
        [[[a[0]], [a[1].reshape(2, 2)]]],
        [[[a[0], a[1]], [a[2]]]],  # another number
        [[[a[0]], [wide[0][:4]]]],  # another dtype
        [[[a[0]], [None]]],
        [[]],
    ):
        assert not _kernels.lists_fit(calls)
