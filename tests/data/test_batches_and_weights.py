"""Data: batches from arrays, orders, splits; weights; what standardize makes of containers."""

import numpy as np
import pytest

from lamella.data.adapt.arrays import check_lengths, standardize
from lamella.data.adapt.targets import as_target
from lamella.data.adapt.weights import combine, per_output
from lamella.data.batches import ArrayBatches, Data, WholeBatches


def data(n=10, weights=None):
    rows = np.arange(n, dtype="f4")
    return Data([np.stack([rows, -rows], axis=1)], [rows[:, None] * 10], [weights])


def order():
    return np.random.default_rng(0)


def rows_of(batches, epoch=0):
    return [inputs[0][:, 0].astype(int).tolist() for inputs, _, _, _ in batches.epoch(epoch)]


@pytest.mark.parametrize("n", [1, 3, 4, 5, 8, 1001])
@pytest.mark.parametrize("shuffle", [False, True, "batch"])
def test_every_sample_comes_once_with_its_target_and_weight(n, shuffle):
    batches = ArrayBatches(data(n, np.arange(n, dtype="f4") + 1), 4, shuffle, order)
    assert (batches.samples, batches.steps) == (n, -(-n // 4))
    for epoch in range(2):
        seen = []
        for (x,), (y,), (w,), size in batches.epoch(epoch):
            assert len(x) == len(y) == len(w) == size and x.flags.c_contiguous
            assert np.array_equal(y[:, 0], x[:, 0] * 10) and np.array_equal(w, x[:, 0] + 1)
            assert np.array_equal(x[:, 1], -x[:, 0])
            seen += x[:, 0].astype(int).tolist()
        assert sorted(seen) == list(range(n))


def test_big_rows_are_gathered_in_blocks_and_small_ones_too():
    n = 40
    big = Data([np.repeat(np.arange(n, dtype="f4")[:, None], 20000, axis=1)], [], [])
    batches = ArrayBatches(big, 3, True, order)
    rows = [row for batch in rows_of(batches) for row in batch]
    small = ArrayBatches(Data([np.arange(n, dtype="f4")[:, None]], [], []), 3, True, order)
    assert rows == [row for batch in rows_of(small) for row in batch] != list(range(n))


def test_an_order_follows_the_generator_of_its_epoch_alone():
    seeds = iter([5, 6, 5])
    batches = ArrayBatches(data(20), 20, True, lambda: np.random.default_rng(next(seeds)))
    first, second, again = rows_of(batches), rows_of(batches, 1), rows_of(batches, 2)
    assert first == again != second
    rows = np.arange(20)
    np.random.default_rng(5).shuffle(rows)
    assert first == [rows.tolist()]


def test_without_weights_none_is_handed_on():
    assert all(w == [None] for _, _, w, _ in ArrayBatches(data(), 4).epoch(0))


def test_slices_of_arrays_are_views_where_nothing_moves():
    d = data()
    assert all(np.shares_memory(x[0], d.inputs[0]) for x, _, _, _ in ArrayBatches(d, 4).epoch(0))


def test_split_takes_the_tail():
    head, tail = data(10, np.arange(10.0)).split(0.25)
    assert (head.samples, tail.samples) == (7, 3)
    assert tail.inputs[0][:, 0].tolist() == [7, 8, 9] == tail.weights[0].tolist()
    with pytest.raises(ValueError, match="leaves no samples"):
        data(3).split(0.99)


def test_whole_batches():
    d = data(3)
    taken = list(WholeBatches(d, 2).epoch(0))
    assert len(taken) == 2 and all(x[0] is d.inputs[0] and size == 3 for x, _, _, size in taken)


def test_standardize_keeps_the_users_object():
    a, b = np.zeros((4, 2)), np.zeros((4, 3))
    assert standardize(a, ["x"], [(None, 2)], "input")[0] is a
    got = standardize({"y": b, "x": a, "z": 0}, ["x", "y"], None, "input")
    assert got[0] is a and got[1] is b
    got = standardize([a, b], ["x", "y"], [(None, 2), None], "input")
    assert got[0] is a and got[1] is b
    assert standardize(None, [], None, "target") == [] == standardize([], [], None, "target")
    with pytest.raises(ValueError, match="expected no data, but got"):
        standardize(a, [], None, "target")


def test_frames_and_sparse_matrices_by_duck_type():
    class Frame:
        iloc = None
        values = np.ones((3, 2))

    class Sparse:
        def toarray(self):
            return np.full((3, 2), 2.0)

    assert standardize(Frame(), ["x"], [(None, 2)], "input")[0] is Frame.values
    assert standardize(Sparse(), ["x"], [(None, 2)], "input")[0].tolist() == [[2.0, 2.0]] * 3


def test_lengths():
    a = np.zeros((4, 1))
    assert check_lengths([a, a], [a], [None, np.zeros(4)]) == 4
    with pytest.raises(ValueError, match=r"All input arrays \(x\) .* Got array shapes: \[\(4, 1\), \(3, 1\)\]"):
        check_lengths([a, a[:3]], [])
    with pytest.raises(ValueError, match="All sample_weight arrays"):
        check_lengths([a], [a, a], [np.zeros(4), np.zeros(3)])


def test_labels_become_int64_and_others_floatx():
    sparse = "sparse_categorical_crossentropy"
    for given in (np.array([[0], [2]], "u1"), np.array([[0.0], [2.0]]), np.array([[0], [2]], ">i4")):
        labels = as_target(given, (None, 3), sparse, "out")
        assert labels.dtype == np.int64 and labels.tolist() == [[0], [2]]
    assert as_target(np.array([[1]]), (None, 1), "mean_squared_error", "out").dtype == np.float32
    with pytest.raises(ValueError, match="whole class labels, got inf"):
        as_target(np.array([[np.inf]]), (None, 3), sparse, "out")


def test_weights_multiply():
    y = np.array([[0], [1], [1]])
    assert combine(None, None, y, None) is None
    assert combine(None, {0: 2.0, 1: 3.0}, y, None).tolist() == [2.0, 3.0, 3.0]
    assert combine([1.0, 0.5, 0.0], {0: 2.0, 1: 3.0}, y, None).tolist() == [2.0, 1.5, 0.0]
    with pytest.raises(ValueError, match="not supported for 3"):
        combine(None, {0: 1.0}, np.zeros((2, 2, 2)), None)


def test_temporal_weights():
    y = np.zeros((2, 3, 4))
    assert combine(np.ones((2, 3)), None, y, "temporal").shape == (2, 3)
    with pytest.raises(ValueError, match="you should pass a 2D sample_weight array"):
        combine(np.ones(2), None, y, "temporal")
    with pytest.raises(ValueError, match="sample_weight cannot be broadcast"):
        combine(np.ones((2, 2)), None, y, "temporal")
    with pytest.raises(ValueError, match="restricted to outputs that are at least 3D"):
        combine(np.ones((2, 2)), None, np.zeros((2, 2)), "temporal")


def test_weights_by_output():
    a = np.ones(3)
    assert per_output(None, ["x", "y"], "sample_weight") == [None, None]
    got = per_output({"y": a}, ["x", "y"], "sample_weight")
    assert got[0] is None and got[1] is a
    assert per_output([a, None], ["x", "y"], "sample_weight")[0] is a
    assert per_output(a, ["x"], "sample_weight")[0] is a is per_output([a], ["x"], "sample_weight")[0]
    assert per_output([0.5, 1.0], ["x"], "sample_weight") == [[0.5, 1.0]]
    with pytest.raises(ValueError, match="names outputs that the model does not have: \\['z'\\]"):
        per_output({"z": a}, ["x", "y"], "sample_weight")
