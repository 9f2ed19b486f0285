"""Rows and HDF5Matrix: what is read, in which order, and what is wrong with it."""

import gc
import os
import pickle

import numpy as np
import pytest

from lamella.data import hdf5
from lamella.data.rows import Rows, is_deferred
from lamella.layers import Activation
from lamella.models import Sequential
from lamella.utils import HDF5Matrix

h5py = pytest.importorskip("h5py")
TABLE = np.arange(60, dtype="f4").reshape(20, 3)


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["x"], file["one"], file["group/y"] = TABLE, 3.0, np.arange(20)
    return str(tmp_path / "d.h5")


KEYS = [0, 19, -1, np.int64(4), slice(None), slice(2, 5), slice(-3, None), slice(3, 3), slice(1, 20, 4), slice(9, 2, -2),
        [3, 1, 1, 7], np.array([19, 0]), [], np.arange(20) % 3 == 0]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_the_matrix_is_indexed_as_an_array(path, key):
    assert np.array_equal(HDF5Matrix(path, "x")[key], TABLE[key])


@pytest.mark.parametrize("key", [0, 5, -1, slice(None), slice(2, 7), [6, 0, 6]])
def test_a_range_of_rows_with_a_normalizer(path, key):
    matrix = HDF5Matrix(path, "x", 4, 11, lambda rows: (rows / 2).astype("f8"))
    assert np.array_equal(matrix[key], TABLE[4:11][key] / 2)
    assert (len(matrix), matrix.shape, matrix.dtype, matrix.ndim, matrix.size) == (7, (7, 3), np.float64, 2, 21)


def test_the_normalizer_is_asked_for_the_shape_once(path):
    asked = []
    matrix = HDF5Matrix(path, "x", normalizer=lambda rows: asked.append(len(rows)) or rows[:, :2])
    assert [matrix.shape, matrix.shape, matrix.dtype] == [(20, 2), (20, 2), np.float32] and asked == [1]


@pytest.mark.parametrize("key", [7, -8, slice(0, 8), [0, 7], np.array([7])])
def test_outside_of_the_rows(path, key):
    with pytest.raises(IndexError, match="7 rows"):
        HDF5Matrix(path, "x", 4, 11)[key]


def test_what_cannot_be_opened(path, tmp_path):
    with pytest.raises(OSError, match="nowhere.h5"):
        HDF5Matrix(str(tmp_path / "nowhere.h5"), "x")
    for name in ("z", "group"):
        with pytest.raises(KeyError, match=f"no dataset '{name}' in .*d.h5, which has .'group', 'one', 'x'"):
            HDF5Matrix(path, name)
    with pytest.raises(ValueError, match="'one' of .* is a single value"):
        HDF5Matrix(path, "one")
    for start, end in ((0, 21), (-1, 3), (5, 4)):
        with pytest.raises(ValueError, match=f"0 <= start <= end <= 20 rows of 'x', got {start} and {end}"):
            HDF5Matrix(path, "x", start, end)


def test_one_file_is_open_for_all_and_closed_with_the_last(path):
    def files():
        return [number for *_, number in hdf5._files if number == os.stat(path).st_ino]

    x, y = HDF5Matrix(path, "x"), HDF5Matrix(path, "group/y", 3)
    assert len(files()) == 1 and x.data.file == y.data.file
    again = pickle.loads(pickle.dumps(y))
    assert again[:2].tolist() == [3, 4] and again.data.file == x.data.file
    del x, y, again
    gc.collect()
    assert not files()
    h5py.File(path, "a").close()


def test_what_is_read_late(path, tmp_path):
    mapped = np.memmap(tmp_path / "m", "f4", "w+", shape=(4, 2))
    with h5py.File(path) as file:
        late = [HDF5Matrix(path, "x"), file["x"], mapped, np.asarray(mapped), mapped[1:, :1], Rows(mapped)]
        plain = [TABLE, TABLE[1:], mapped + 1, mapped[[0, 1]], [1.0], file["one"]]
        assert [is_deferred(d) for d in late + plain] == [True] * len(late) + [False] * len(plain)


@pytest.mark.parametrize(
    "indices", [[5], [3, 0, 19], [2, 2, 1], list(range(19, -1, -1)), list(range(10, 20)) + list(range(10))]
)
def test_rows_are_taken_in_any_order(path, indices, monkeypatch):
    monkeypatch.setattr("lamella.data.rows._ROWS_A_RUN", 8)  # both ways to read
    with h5py.File(path) as file:
        assert np.array_equal(Rows(file["x"]).take(np.array(indices)), TABLE[indices])
        assert np.array_equal(Rows(file["x"]).part(slice(4, 16))[2:5], TABLE[6:9])
        assert np.array_equal(Rows(file["x"]).part(slice(4, 16)).part(slice(-3, None)), TABLE[13:16])


def test_pieces_are_all_rows(path, monkeypatch):
    monkeypatch.setattr("lamella.data.rows._PIECE_BYTES", 40)
    with h5py.File(path) as file:
        assert [len(piece) for piece in Rows(file["x"]).pieces()] == [3] * 6 + [2]
        assert np.array_equal(np.concatenate(list(Rows(file["x"]).pieces())), TABLE)


def test_data_that_has_become_shorter(tmp_path):
    with h5py.File(tmp_path / "r.h5", "w") as file:
        data = file.create_dataset("x", data=TABLE, maxshape=(None, 3))
        rows = Rows(data, "input 'a'")
        data.resize(12, axis=0)
        for read in (lambda: rows[:4], lambda: rows.take(np.array([1, 5])), lambda: rows[10:14]):
            with pytest.raises(ValueError, match="input 'a': the data had at least 20 rows .* but has 12 now"):
                read()


def test_no_numbers(path):
    with h5py.File(path, "a") as file:
        file["names"] = ["a", "b"]
        with pytest.raises(TypeError, match="input: expected numbers that convert to float64, got dtype object from Dataset"):
            Rows(file["names"], "input")


@pytest.mark.parametrize("key", [(slice(0, 2), 1), 1.5, None, "a", [0.5], [[0]], [True, False], True])
def test_what_is_no_index(path, key):
    with pytest.raises(TypeError, match="HDF5Matrix: expected an index, a slice, or a list of indices or a mask of 7, got"):
        HDF5Matrix(path, "x", 4, 11)[key]


def test_a_file_that_was_replaced_is_read_anew(tmp_path):
    for name, value in (("a", 0), ("b", 1)):
        with h5py.File(tmp_path / name, "w") as file:
            file["x"] = np.full(3, value)
    before = HDF5Matrix(str(tmp_path / "a"), "x")
    os.replace(tmp_path / "b", tmp_path / "a")
    assert HDF5Matrix(str(tmp_path / "a"), "x")[:].tolist() == [1, 1, 1]
    assert before[:].tolist() == [0, 0, 0]


def test_a_mapped_number_is_no_data_of_rows(tmp_path):
    number = np.memmap(tmp_path / "n", np.float32, "w+", shape=())
    assert not is_deferred(number)


def test_a_normalizer_that_raises_stop_iteration_does_not_end_the_epoch(path):
    model = Sequential([Activation("linear", input_shape=(3,))])
    asked = []

    def normalizer(rows):
        asked.append(len(rows))
        return next(iter([])) if len(asked) > 3 else rows

    with pytest.raises(RuntimeError, match="^input 'activation_1_input': reading rows raised StopIteration"):
        model.predict(HDF5Matrix(path, "x", normalizer=normalizer), batch_size=2)


def test_a_sparse_matrix_is_converted_once():
    converted = []

    class Other:
        shape, dtype = (4, 2), np.dtype("f4")

        def tocsr(self):
            converted.append(1)
            return np.arange(8, dtype="f4").reshape(4, 2)

    rows = Rows(Other()).converted("x", lambda a, where: 2 * a).reshaped((2, 1)).part(slice(1, 3))
    np.testing.assert_array_equal(rows[:], [[[4], [6]], [[8], [10]]])
    assert len(converted) == 1
