"""The enqueuers of keras.utils, as scripts with loops of their own use them."""

import os
import threading

import numpy as np
import pytest

from lamella.data.enqueuers import GeneratorEnqueuer, OrderedEnqueuer
from lamella.data.sequence import Sequence
from lamella.utils import set_random_seed


class Five(Sequence):
    def __init__(self):
        self.ended = []

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return None if index == 3 else 10 * len(self.ended) + index

    def on_epoch_end(self):
        self.ended.append(threading.current_thread())


def taken(iterator, count):
    return [item for _, item in zip(range(count), iterator)]


@pytest.fixture(autouse=True)
def nothing_stays():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.mark.parametrize("workers, processes", [(0, False), (1, False), (3, False), (2, True)])
def test_pass_after_pass_without_none(workers, processes):
    five = Five()
    enqueuer = OrderedEnqueuer(five, processes)
    assert not enqueuer.is_running() and enqueuer.queue is None
    enqueuer.start(workers=workers, max_queue_size=3)
    assert enqueuer.is_running() and enqueuer.queue.qsize() == min(3, 3 * workers)
    got = enqueuer.get()
    assert taken(got, 9) == [0, 1, 2, 4, 10, 11, 12, 14, 20]
    assert five.ended == [threading.current_thread()] * 2
    enqueuer.stop()
    assert not enqueuer.is_running() and list(got) == []
    enqueuer.start()
    assert next(enqueuer.get()) == 20
    enqueuer.stop(timeout=1)


def test_shuffled_passes_do_not_depend_on_the_workers():
    def orders(workers):
        set_random_seed(3)
        enqueuer = OrderedEnqueuer(Five(), shuffle=True)
        enqueuer.start(workers)
        got = taken(enqueuer.get(), 8)
        enqueuer.stop()
        return got

    first = orders(0)
    assert orders(1) == orders(4) == first
    assert sorted(first[:4]) == [0, 1, 2, 4] != first[:4] or [x - 10 for x in first[4:]] != first[:4]


def test_a_generator_until_it_ends():
    for processes in (False, True):
        enqueuer = GeneratorEnqueuer((i for i in range(6)), use_multiprocessing=processes)
        enqueuer.start(max_queue_size=2)
        assert list(enqueuer.get()) == [0, 1, 2, 3, 4, 5]
        enqueuer.stop()


def test_random_seed_is_of_the_process():
    def draws():
        while True:
            yield os.getpid(), np.random.random()

    np.random.seed(0)
    seen = []
    for seed in (7, 7, 8):
        enqueuer = GeneratorEnqueuer(draws(), use_multiprocessing=True, random_seed=seed)
        enqueuer.start()
        seen.append(taken(enqueuer.get(), 3))
        enqueuer.stop()
    a, b, c = ([x for _, x in got] for got in seen)
    assert a == b != c and a == np.random.RandomState(7).random(3).tolist()
    assert os.getpid() not in {pid for pid, _ in seen[0]}


def test_an_error_stops_the_workers():
    class Broken(Five):
        def __getitem__(self, index):
            raise ZeroDivisionError("here")

    enqueuer = OrderedEnqueuer(Broken())
    enqueuer.start(3)
    with pytest.raises(ZeroDivisionError, match="here"):
        next(enqueuer.get())
    assert not enqueuer.is_running()


def test_an_error_comes_out_although_another_worker_never_ends():
    go_on = threading.Event()

    class Stuck(Five):
        def __getitem__(self, index):
            if index:
                go_on.wait()
            raise ZeroDivisionError("here")

    enqueuer = OrderedEnqueuer(Stuck())
    enqueuer.start(2)
    try:
        with pytest.raises(ZeroDivisionError, match="here"):
            next(enqueuer.get())
    finally:
        go_on.set()
        for thread in threading.enumerate():
            if thread.name.startswith("lamella-worker"):
                thread.join(10)


def test_an_empty_sequence_is_refused():
    class Empty(Five):
        def __len__(self):
            return 0

    with pytest.raises(ValueError, match="expected a Sequence of at least one batch, got a length of 0"):
        OrderedEnqueuer(Empty()).start()


def test_what_cannot_be():
    with pytest.raises(RuntimeError, match=r"OrderedEnqueuer: call start\(\) before get\(\)"):
        OrderedEnqueuer(Five()).get()
    with pytest.warns(DeprecationWarning, match="`wait_time` is not used anymore"):
        GeneratorEnqueuer(iter([]), wait_time=0.05)
    for method in (lambda s: s[0], len):
        with pytest.raises(NotImplementedError):
            method(Sequence())


def test_a_sequence_is_iterated_once():
    assert list(Five()) == [0, 1, 2, None, 4] and Five.use_sequence_api
