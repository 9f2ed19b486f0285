"""Ctrl-C at any bytecode of a fit with workers leaves no thread and no process."""

import gc
import multiprocessing
import os
import threading
import time

import numpy as np
import pytest

from lamella.data.batches import Data
from lamella.data.generated import GeneratedBatches
from lamella.data.workers.options import WorkerOptions
from lamella.layers import Dense
from lamella.models import Sequential
from lamella.utils import Sequence
from tests.interrupts import Interrupt

TIMES = int(os.environ.get("LAMELLA_INTERRUPTS", "40"))


class Ones(Sequence):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return np.ones((4, 3)), np.ones((4, 1))


class Local:
    """An object that cannot be pickled, so that the workers are forked."""

    def __init__(self):
        self.inner = lambda: None


def fit(source, **options):
    model = Sequential([Dense(1, input_shape=(3,))])
    model.compile("sgd", "mse")
    model.fit_generator(source, epochs=1, verbose=0, validation_data=source, **options)


def build_from_the_first_batch(source, **options):
    model = Sequential([Dense(1)])
    model.compile("sgd", "mse")
    model.fit_generator(source, epochs=1, verbose=0, **options)


def left():
    """The workers that exist."""
    gc.collect()
    # Python's threading also lists a thread whose start was interrupted. It has no identity.
    threads = [t for t in threading.enumerate() if t.name.startswith("lamella-worker") and t.ident is not None]
    return [*threads, *multiprocessing.active_children()]


def check_nothing_is_left(n):
    deadline = time.monotonic() + 10
    while (there := left()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not there, f"bytecode {n}"


def cut_off(n, run):
    try:
        with Interrupt(n):
            run()
    except RuntimeError as error:  # raised by Python's threading if it is interrupted while it handles a lock
        assert "lock" in str(error)


def test_an_interrupt_keeps_no_lock_of_threading():
    def start():
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()

    with Interrupt() as interrupt:
        start()
    for n in range(1, interrupt.seen + 1):
        cut_off(n, start)
        assert not threading._active_limbo_lock._is_owned(), n


def forked():
    source = Ones()
    source.local = Local()
    return source


# Python prints and drops errors that are raised while it ends a thread or a process.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("run", [fit, build_from_the_first_batch])
@pytest.mark.parametrize(
    ("source", "options"),
    [(Ones, {"workers": 2}), (forked, {"workers": 1, "use_multiprocessing": True})],
    ids=["threads", "processes"],
)
def test_no_worker_is_left(run, source, options):
    with Interrupt() as interrupt:
        run(source(), **options)
    check_nothing_is_left(None)
    for n in map(int, np.random.default_rng(TIMES).integers(1, interrupt.seen, TIMES // 2)):
        cut_off(n, lambda: run(source(), **options))
        check_nothing_is_left(n)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_thread_is_left_if_the_start_of_workers_is_interrupted():
    def make():
        batches = GeneratedBatches(
            Ones(), None, lambda item: Data([item[0]], [item[1]], [None]), WorkerOptions(1, 2, False, None)
        )
        try:
            assert len(list(batches.epoch(0))) == 2
        finally:
            batches.close()

    with Interrupt() as interrupt:
        make()
    for n in map(int, np.random.default_rng(TIMES).integers(1, interrupt.seen, TIMES * 2)):
        cut_off(n, make)
    check_nothing_is_left(None)
