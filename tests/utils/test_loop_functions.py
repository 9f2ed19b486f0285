"""Functions for custom training loops: keras.engine.training_utils, and the pools of keras.utils.data_utils."""

import itertools

import numpy as np
import pytest
from lamella.engine import training_utils

import lamella  # noqa: F401
from lamella.utils import Sequence, data_utils


class Squares(Sequence):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return index**2


@pytest.mark.parametrize(
    ("size", "batch", "wanted"),
    [(0, 4, []), (4, 4, [(0, 4)]), (5, 4, [(0, 4), (4, 5)]), (3, 4, [(0, 3)]), (8, 3, [(0, 3), (3, 6), (6, 8)])],
)
def test_batches(size, batch, wanted):
    assert training_utils.make_batches(size, batch) == wanted


def test_whole_batches_are_shuffled_and_the_rest_stays_last():
    np.random.seed(0)
    index = np.arange(11)
    shuffled = training_utils.batch_shuffle(index, 3)
    np.random.seed(0)
    order = np.arange(3)
    np.random.shuffle(order)
    np.testing.assert_array_equal(shuffled, [*(np.arange(9).reshape(3, 3)[order].ravel()), 9, 10])
    np.testing.assert_array_equal(index, np.arange(11))


def test_kinds_of_data():
    squares, generator = Squares(), (i for i in range(3))
    assert training_utils.is_sequence(squares) and not training_utils.is_sequence(generator)
    assert training_utils.is_generator_or_sequence(generator) and training_utils.is_generator_or_sequence(squares)
    assert not training_utils.is_generator_or_sequence([1, 2])
    assert list(itertools.islice(training_utils.iter_sequence_infinite(squares), 7)) == [0, 1, 4, 0, 1, 4, 0]


def test_should_run_validation():
    assert [training_utils.should_run_validation(2, epoch) for epoch in range(4)] == [False, True, False, True]
    assert [training_utils.should_run_validation([1, 4], epoch) for epoch in range(4)] == [True, False, False, True]
    with pytest.raises(ValueError, match="can not be less than 1"):
        training_utils.should_run_validation(0, 1)
    with pytest.raises(ValueError, match="must be an Integer or"):
        training_utils.should_run_validation(None, 1)


def test_what_a_pool_of_processes_shares(monkeypatch):
    monkeypatch.setattr(data_utils, "_shared", {})
    data_utils.init_pool({7: Squares()})
    assert [data_utils.get_index(7, i) for i in range(3)] == [0, 1, 4]
    state = np.random.get_state()
    try:
        data_utils.init_pool_generator({1: iter("ab")}, random_seed=3)
        assert [data_utils.next_sample(1), data_utils.next_sample(1)] == ["a", "b"]
        drawn = np.random.random()
        data_utils.init_pool_generator({}, random_seed=3)
        assert np.random.random() == drawn
    finally:
        np.random.set_state(state)
