"""Workers: order, bounds, errors and the end, for threads and for processes."""

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from lamella.data.sequence import Sequence
from lamella.data.workers import processes as worker_processes
from lamella.data.workers.options import WorkerOptions
from lamella.data.workers.pool import Item, WorkerPool
from lamella.data.workers.processes import WorkerDiedError


class Squares(Sequence):
    """Batches that say who made them; this module can be imported anew, so it travels to fresh processes."""

    def __init__(self, length=12):
        self.length, self.bias = length, 0
        self.table = np.arange(length, dtype="f8")

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return np.array([self.table[index] ** 2 + self.bias]), os.getpid()


class Faulty(Squares):
    """Fails at one index in some way."""

    def __init__(self, how, at=3):
        super().__init__()
        self.how, self.at = how, at

    def __getitem__(self, index):
        if index == self.at:
            if self.how == "raise":
                raise KeyError(index, "no such file")
            if self.how == "odd":
                raise Odd(1, 2)
            if self.how == "exit":
                os._exit(3)
            if self.how == "sleep":
                time.sleep(600)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


class Parcels(Squares):
    """Batches that do not unpickle."""

    def __init__(self, kinds):
        super().__init__()
        self.kinds = kinds

    def __getitem__(self, index):
        return Travels(self.kinds[index])


class Odd(Exception):
    """Does not unpickle: its arguments are not what it was made of."""

    def __init__(self, a, b):
        super().__init__(f"{a}/{b}")


class Travels:
    """Raises its own error when it is unpickled."""

    def __init__(self, kind):
        self.kind = kind

    def __reduce__(self):
        return _refuse, (self.kind,)


def _refuse(kind):
    raise kind("of the object")


def items(*indices):
    return [Item(i, 7 * i) for i in indices]


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.fixture
def pools():
    """Makes pools, and sees that none is left."""
    threads, made = threading.active_count(), []

    def make(source, *options):
        made.append(WorkerPool(source, WorkerOptions(*options)))
        return made[-1]

    yield make
    for pool in made:
        pool.stop()
        assert pool.alive == 0 and all(gone(p._child.pid) for p in pool._processes)
    assert threading.active_count() == threads


@pytest.mark.parametrize("workers, processes", [(0, False), (1, False), (3, False), (0, True), (1, True), (2, True)])
def test_results_come_in_order(workers, processes, pools):
    pool = pools(Squares(), workers, 4, processes)
    for indices in ([0, 1, 2, 3, 4, 5, 6, 7], [5, 2, 5], []):
        got = list(pool.results(items(*indices)))
        assert [int(x[0]) for x, _ in got] == [i * i for i in indices]
        assert all((pid != os.getpid()) == (processes and workers > 0) for _, pid in got)
        assert all(x.flags.writeable for x, _ in got)


def test_no_more_than_the_queue_holds_is_begun(pools):
    begun, may_go, has_begun = [], threading.Semaphore(0), threading.Semaphore(0)

    class Watched(Squares):
        def __getitem__(self, index):
            may_go.acquire()
            begun.append(index)
            has_begun.release()
            return index

    pool = pools(Watched(20), 5, 3)
    results = pool.results(items(*range(20)))
    may_go.release(20)
    assert next(results) == 0
    assert all(has_begun.acquire(timeout=10) for _ in range(4))
    pool._threads.dismiss(), pool._threads.join()
    # One was taken, and three wait.
    assert sorted(begun) == [0, 1, 2, 3] and results.queue.qsize() == 3


def test_a_generator_is_drawn_by_one_worker_in_order(pools):
    def count():
        yield from range(50)

    assert list(pools(count(), 4, 10).results([None] * 60)) == list(range(50))
    with pytest.warns(UserWarning, match="may duplicate your data.*`keras.utils.Sequence` class"):
        pool = pools(count(), 4, 10, True)
    assert list(pool.results([None] * 60)) == list(range(50))
    assert len(pool._processes) == 1


@pytest.mark.parametrize("processes", [False, True])
def test_an_error_comes_out_with_type_arguments_and_traceback(processes, pools):
    results = pools(Faulty("raise"), 2, 4, processes).results(items(*range(8)))
    assert [int(next(results)[0][0]) for _ in range(3)] == [0, 1, 4]
    with pytest.raises(KeyError) as caught:
        next(results)
    assert caught.value.args == (3, "no such file")
    if processes:
        assert 'raise KeyError(index, "no such file")' in str(caught.value.__cause__)
    else:
        assert caught.traceback[-1].name == "__getitem__"


def test_an_error_that_cannot_travel_is_told(pools):
    results = pools(Faulty("odd", 0), 1, 4, True).results(items(0))
    with pytest.raises(RuntimeError, match="^Odd: 1/2$") as caught:
        next(results)
    assert "raise Odd(1, 2)" in str(caught.value.__cause__)


def local_sequence(how):
    """Of a class that does not pickle, so that it is forked."""

    class Local(Faulty):
        pass

    return Local(how, 3)


@pytest.mark.parametrize("kind", [EOFError, FileNotFoundError, BrokenPipeError, KeyError])
def test_an_object_that_does_not_unpickle_is_no_dead_worker(kind, pools):
    """Neither a Sequence in the worker nor a batch in the owner, whatever is raised there."""
    sequence = Squares()
    sequence.table = Travels(kind)
    with pytest.raises(kind, match="of the object"):
        next(pools(sequence, 1, 2, True).results(items(0)))
    pool = pools(Parcels(dict.fromkeys(range(4), kind)), 1, 2, True)
    results = pool.results(items(0, 1, 2))
    for _ in range(2):  # the worker works on
        with pytest.raises(kind, match="of the object"):
            next(results)
    assert pool.alive == 1


@pytest.mark.parametrize("make", [Faulty, local_sequence])
@pytest.mark.parametrize("how, words", [("kill", r"was killed by signal 9 \(SIGKILL\)"), ("exit", "exited with status 3")])
def test_a_worker_that_dies_is_named(make, how, words, pools):
    pool = pools(make(how), 2, 4, True)
    pids = [process._child.pid for process in pool._processes]
    results = pool.results(items(*range(8)))
    for _ in range(3):
        next(results)
    with pytest.raises(WorkerDiedError, match=rf"worker process \d+ {words}") as caught:
        next(results)
    assert caught.value.pid in pids
    assert (caught.value.signal, caught.value.status) == ((9, None) if how == "kill" else (None, 3))


def test_a_worker_killed_from_outside_is_named(pools):
    pool = pools(Faulty("sleep", 0), 1, 2, True)
    results = pool.results(items(0))
    os.kill(pool._processes[0]._child.pid, signal.SIGTERM)
    with pytest.raises(WorkerDiedError, match="SIGTERM"):
        next(results)


def test_stop_does_not_wait_for_a_busy_process(pools):
    pool = pools(Faulty("sleep", 0), 2, 2, True)
    pool.results(items(0, 1))
    pool.stop()  # the process would go on for longer than a test may take
    assert pool.alive == 0


@pytest.mark.parametrize("make", [Faulty, local_sequence])
def test_no_pipe_is_closed_while_a_thread_uses_it(make, monkeypatch, pools):
    """The system may give the number of a closed file to another one at once."""
    receive, states, begun = worker_processes.receive, [], threading.Semaphore(0)

    def slow(connection):
        begun.release()
        try:
            return receive(connection)
        finally:
            time.sleep(0.2)
            states.append(connection.closed)

    monkeypatch.setattr(worker_processes, "receive", slow)
    sequence = make("sleep")
    sequence.at = 0
    pool = pools(sequence, 2, 2, True)
    pool.results(items(0, 0))
    assert all(begun.acquire(timeout=10) for _ in range(2))
    connections = [process._connection for process in pool._processes]
    pool.stop(timeout=60)
    assert states == [False, False] and pool.alive == 0
    assert all(connection.closed for connection in connections)


class Parents(Squares):
    """Each batch starts a process that lives on."""

    def __getitem__(self, index):
        child = os.fork()
        if not child:
            time.sleep(600)
        return child, os.getpid()


@pytest.mark.parametrize("make", [Parents, lambda: type("Local", (Parents,), {})()])
def test_a_process_that_a_worker_started_does_not_hide_its_death(make, pools):
    pool = pools(make(), 1, 1, True, 10.0)
    results = pool.results(items(0, 1))
    child, worker = next(results)
    started = [child]
    try:
        started.append(next(results)[0])
        os.kill(worker, signal.SIGKILL)
        died = pool.results(items(2))
        with pytest.raises(WorkerDiedError, match="SIGKILL"):
            next(died)  # the child keeps the pipe open for longer than a test may take
    finally:
        for pid in started:
            os.kill(pid, signal.SIGKILL)


def test_stop_does_not_wait_for_ever_for_a_thread():
    begun, go_on = threading.Event(), threading.Event()

    def stuck():
        begun.set()
        go_on.wait()
        yield 1

    pool = WorkerPool(stuck(), WorkerOptions())
    results = pool.results([None] * 3)
    begun.wait()
    pool.stop(timeout=0.05)
    assert pool.alive == 1
    go_on.set()
    # Who waits for what was stopped is not left waiting.
    assert list(results) == [1]
    pool.stop()
    assert pool.alive == 0


@pytest.mark.parametrize("make", [Squares, lambda: type("Local", (Squares,), {})()])
def test_processes_learn_of_a_changed_sequence(make, pools):
    sequence = make()
    pool = pools(sequence, 2, 4, True)
    pids = {pid for _, pid in pool.results(items(*range(8)))}
    pool.renew()
    # A busy machine may give all items to one of them.
    assert {pid for _, pid in pool.results(items(*range(8)))} <= pids or make is not Squares
    sequence.bias = 5
    sequence.table[2] = 10  # in place, in a buffer that is sent after the pickle
    pool.renew()
    got = list(pool.results(items(1, 2)))
    assert [int(x[0]) for x, _ in got] == [6, 105]
    assert {pid for _, pid in got} <= pids or make is not Squares


def test_large_work_is_forked_and_not_copied(monkeypatch, pools):
    """Also again after an epoch: its pickle is not even made."""
    monkeypatch.setattr(worker_processes, "_LARGE", 1000)
    sequence, pickled = Squares(1000), []
    reduce = Squares.__reduce_ex__
    monkeypatch.setattr(Squares, "__reduce_ex__", lambda self, protocol: pickled.append(1) or reduce(self, protocol))
    pool = pools(sequence, 2, 4, True)
    assert all(type(process._child) is worker_processes._Forked for process in pool._processes) and len(pickled) == 1
    assert [int(x[0]) for x, _ in pool.results(items(1, 2))] == [1, 4]
    sequence.table[2] = 10
    pool.renew()
    assert [int(x[0]) for x, _ in pool.results(items(1, 2))] == [1, 100] and len(pickled) == 1


def test_a_sequence_is_pickled_once_for_all_processes(pools):
    pickled = []

    class Large(Squares):
        def __reduce__(self):
            pickled.append(1)
            return Squares, (self.length,)

    sequence = Large()
    pool = pools(sequence, 3, 4, True)
    assert len(pickled) == 1
    sequence.length = 13
    pool.renew()
    assert len(pickled) == 2
    assert [int(x[0]) for x, _ in pool.results(items(*[12] * 6))] == [144] * 6


class Draws(Squares):
    def __getitem__(self, index):
        import random

        return index, np.random.random(), random.random()


def test_global_random_numbers_of_processes_depend_on_the_batch_alone(pools):
    one, two = (list(pools(Draws(), n, 4, True).results(items(*range(8)))) for n in (1, 2))
    assert one == two and len({x for _, x, _ in one}) == len({x for _, _, x in one}) == 8


@pytest.mark.parametrize(
    "workers, queue, error, words",
    [
        (-1, 1, ValueError, "expected workers to be at least 0, got -1"),
        (1, 0, ValueError, "expected max_queue_size to be at least 1, got 0"),
        (1.5, 1, TypeError, "expected workers to be an integer, got 1.5"),
        (1, "4", TypeError, "expected max_queue_size to be an integer, got '4'"),
    ],
)
def test_bad_counts(workers, queue, error, words):
    with pytest.raises(error, match=words):
        WorkerPool(Squares(), WorkerOptions(workers, queue))


@pytest.mark.parametrize("processes", [False, True])
def test_ctrl_c_while_the_threads_start_leaves_none(processes, monkeypatch):
    start, started = threading.Thread.start, []

    def interrupted(thread):
        start(thread)
        if thread.name.startswith("lamella-worker"):
            started.append(thread)
            if len(started) == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        WorkerPool(Squares(), WorkerOptions(3, 10, processes))
    assert len(started) == 2 and not any(thread.is_alive() for thread in started)
    assert threading.active_count() == before
