"""Trees of plain data are converted to bytes and back."""

import io
import json

import numpy as np
import pytest

from lamella.callbacks.logs import Logs
from lamella.saving import ModelFileError
from lamella.saving.guards.checksum import with_checksum
from lamella.saving.tree import from_bytes, to_bytes

TREE = {
    "none": None, "flag": True, "count": 3, "rate": 0.1, "far": [float("inf"), -float("inf")], "text": "naïve",
    "arrays": [np.arange(6, dtype="f4").reshape(2, 3), np.zeros((0, 2)), np.array(5), np.array([True, False])],
    "scalars": [np.float32(0.1), np.int64(7)], "array": "no array", "dict": {"dict": {"scalar": {}}}, "empty": [],
}  # fmt: skip


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for one, other in zip(a, b):
            assert_same(one, other)
    elif isinstance(a, (np.ndarray, np.generic)):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_array_equal(a, b)
    else:
        assert a == b


def test_round_trip():
    assert_same(from_bytes(to_bytes(TREE), "x"), TREE)
    assert_same(from_bytes(to_bytes(Logs(a=(1, 2))), "x"), {"a": [1, 2]})
    assert np.isnan(from_bytes(to_bytes({"nan": float("nan")}), "x")["nan"])


@pytest.mark.parametrize(
    "tree, text",
    [
        ({"a": [1, {2}]}, "expected numbers, strings and arrays, got set at /a/1"),
        ({"a": print}, "got builtin_function_or_method at /a"),
        ({"a": np.array([object()])}, "got ndarray at /a"),
        ({"a": {1: 2}}, r"expected names as the keys of /a, got \[1\]"),
    ],
)
def test_anything_else_is_refused_with_its_place(tree, text):
    with pytest.raises(TypeError, match=text):
        to_bytes(tree)


def test_every_truncation_and_every_changed_byte_is_found():
    data = to_bytes({"weights": [np.arange(5.0)], "n": 1})
    damaged = [data[:end] for end in range(0, len(data), 7)]
    for place in range(0, len(data), 3):
        changed = bytearray(data)
        changed[place] ^= 4
        damaged.append(bytes(changed))
    for one in damaged:
        with pytest.raises(ModelFileError, match="where: the file is damaged"):
            from_bytes(one, "where")


def test_undamaged_bytes_that_are_not_a_tree_raise():
    pickled = io.BytesIO()
    np.savez(pickled, tree=np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(ModelFileError, match="allow_pickle=False"):
        from_bytes(with_checksum(pickled), "x")
    for text in ({"array": "a0"}, {"list": [1]}, {}, {"array": "a0", "more": 1}):
        plain = io.BytesIO()
        np.savez(plain, tree=np.frombuffer(json.dumps(text).encode(), np.uint8))
        with pytest.raises(ModelFileError, match="x: not a tree of arrays"):
            from_bytes(with_checksum(plain), "x")
    with pytest.raises(ModelFileError, match="x: not a tree of arrays"):
        from_bytes(with_checksum(io.BytesIO(b"text")), "x")


def test_long_lists_of_numbers_are_arrays():
    floats, ints = [1 / 3, float("inf"), -0.0, 2 / 3] * 400_000, list(range(2000))
    data = to_bytes({"floats": floats, "ints": ints, "mixed": [1, 2.5] * 1000, "large": [2**70] * 1000 + ints})
    assert len(data) < 14 * 2**20
    back = from_bytes(data, "t")
    assert back == {"floats": floats, "ints": ints, "mixed": [1, 2.5] * 1000, "large": [2**70] * 1000 + ints}
    assert str(back["floats"][2]) == "-0.0" and type(back["ints"][0]) is int


def test_text_that_could_not_be_read_again_is_not_written():
    with pytest.raises(
        ValueError, match="/callbacks/Notes/pages has too much text: 1[0-9]{7} bytes, more than the limit of 167"
    ):
        to_bytes({"epoch": 1, "callbacks": {"Notes": {"n": 3, "pages": ["x" * 17 * 2**20]}}})
