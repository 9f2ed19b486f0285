"""Pickles are read as data: no code in them is run."""

import datetime as dt
import io
import os
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from lamella.datasets import cifar, imdb, pickles
from lamella.datasets.files import DataFileError


def lists(*rows):
    made = np.empty(len(rows), object)
    made[:] = rows
    return made


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "held",
    [
        [1, -1, 255, 256, 70000, -(2**31), 2**31, 2**70, 1.5, None, True, False],
        {"a": [1], "b": (1, 2, 3, 4), "c": "text \u00e4" * 300, "d": {"e": []}},
        [[7, 8]] * 3,
    ],
)
def test_plain_data(held, protocol):
    assert pickles.read(pickle.dumps(held, protocol)) == held


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "<i8", ">i4", "<u2", "float32", ">f8", "bool"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_numbers(dtype, protocol, order):
    x = np.array(np.arange(24).reshape(2, 3, 4) % 5, dtype=dtype, order=order)
    read = pickles.read(pickle.dumps({"x": x, "y": 3}, protocol))
    np.testing.assert_array_equal(read["x"], x)
    assert read["x"].dtype == x.dtype.newbyteorder("=") and read["x"].flags.writeable and read["y"] == 3


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_arrays_of_lists(protocol):
    rows = [[i] * (i % 7) for i in range(2000)]
    assert pickles.read(pickle.dumps(lists(*rows), protocol)) == rows
    old = pickle.dumps(lists(*rows), protocol=2).replace(b"cnumpy._core.multiarray", b"cnumpy.core.multiarray")
    assert pickles.read(old) == rows


class Runs:
    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


HOSTILE = {
    "a call": lambda path: pickle.dumps(Runs(os.mkdir, path)),
    "a call in an array": lambda path: pickle.dumps(lists([1], Runs(os.mkdir, path))),
    "protocol 0": lambda path: f"cos\nmkdir\n(S'{path}'\ntR.".encode(),
    "INST": lambda path: f"(S'{path}'\nios\nmkdir\n.".encode(),
    "OBJ": lambda path: b"(cos\nmkdir\nX" + struct.pack("<I", len(path)) + path.encode() + b"o.",
    "behind a long text": lambda path: pickle.dumps(["x" * 70000, Runs(os.mkdir, path)], protocol=4),
    "a module's part": lambda path: b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.",
    "an object": lambda path: pickle.dumps(dt.date(2020, 1, 1)),
    "an extension": lambda path: b"\x80\x02\x82\x01.",
    "another's place": lambda path: b"\x80\x02X\x01\x00\x00\x00aQ.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_runs(name, tmp_path):
    made = tmp_path / "made"
    data = HOSTILE[name](str(made))
    with pytest.raises(ValueError, match="the pickle (names|has the instruction)"):
        pickles.read(data)
    assert not made.exists()
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(DataFileError, match="damaged, or not a file of this data set"):
        cifar.load_batch(tmp_path / "file")
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": "|O", "fortran_order": False, "shape": (2,)})
    with zipfile.ZipFile(tmp_path / "imdb.npz", "w") as archive:
        for array in ("x_train", "y_train", "x_test", "y_test"):
            archive.writestr(f"{array}.npy", member.getvalue() + data)
    with pytest.raises(DataFileError, match="damaged, or not a file of this data set"):
        imdb.load_data(tmp_path / "imdb.npz")
    assert not made.exists()


def array_of(dtype="u1", shape=b"K\x02\x85", items=b"C\x02ab"):
    out = b"\x80\x03cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01" + shape
    out += b"cnumpy\ndtype\nX" + struct.pack("<I", len(dtype)) + dtype.encode() + b"K\x00K\x01\x87R"
    return out + b"(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89" + items + b"tb."


def test_the_array_that_the_next_test_damages():
    np.testing.assert_array_equal(pickles.read(array_of()), np.array([97, 98], "uint8"))


@pytest.mark.parametrize(
    "data",
    [
        array_of(shape=b"K\x03\x85"),
        array_of(shape=b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"),
        array_of(shape=b"J\xfe\xff\xff\xff\x85"),
        array_of("V2"),
        array_of("u1,u1"),
        array_of("O8"),
        array_of("O8", items=b"](K\x01K\x02K\x03e"),
        array_of("O8", items=b"](K\x01K\x02e"),
        array_of(items=b"X\x02\x00\x00\x00ab"),
        b"\x80\x03cnumpy\ndtype\nK\x01\x85R.",
        b"\x80\x03cnumpy\nndarray\nK\x01\x85R.",
        array_of()[:-1],
        array_of()[:40],
        b"\x80\x02]" + b"]a" * 3,
        b"\x80\x02K\x01K\x02b.",
        b"\x80\x02(e.",
        b"\x80\x03B\xff\xff\xff\x7fabc.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
        b"\x80\x63K\x01.",
    ],
)
def test_wrong_arrays_are_refused(data, tmp_path):
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(DataFileError, match="damaged, or not a file of this data set"):
        cifar.load_batch(tmp_path / "file")


def test_no_more_memory_than_the_file_has():
    """An index of 2^31 in the memo would allocate as many pointers."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="the instruction b'r' at byte 3"):
            pickles.read(b"\x80\x02]r\xff\xff\xff\x7f.")
        many = b"\x80\x03](" + b"]q\x01(" + b"K\x01" * 5000 + b"e" + b"h\x01" * 5000 + b"e."
        with pytest.raises(ValueError, match="the lists of an array are longer than the file"):
            pickles.read(array_of("O8", b"M\x89\x13\x85", many[2:-1]))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_zip_bomb_is_refused(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x_train.npy", "w") as member,
    ):
        for _ in range(65):
            member.write(bytes(1 << 20))
    with pytest.raises(DataFileError, match="x_train.npy expands from"):
        imdb.load_data(tmp_path / "bomb.npz")
