"""fit with workers: the same training for any number of workers, and all workers end, also after errors."""

import contextlib
import gc
import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest

from lamella.callbacks import Callback
from lamella.data.sequence import Sequence
from lamella.data.workers.processes import WorkerDiedError
from lamella.layers import Dense
from lamella.models import Sequential
from lamella.optimizers import SGD
from lamella.utils import set_random_seed

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(24, 3)).astype("f4"), RNG.normal(size=(24, 1)).astype("f4")

# workers, use_multiprocessing
STAFF = [(0, False), (1, False), (3, False), (2, True)]


def linear():
    set_random_seed(2)
    model = Sequential([Dense(1, input_shape=(3,))])
    model.compile(SGD(lr=0.1), "mse")
    return model


class Rows(Sequence):
    """8 batches of 3 rows; noise that grows with each epoch, and where on_epoch_end ran."""

    def __init__(self, length=8):
        self.length, self.epochs, self.threads = length, 0, []

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        noise = np.random.default_rng([self.epochs, index]).normal(size=(3, 3)) * 0.1 * self.epochs
        rows = slice(3 * index, 3 * index + 3)
        return X[rows] + noise.astype("f4"), Y[rows]

    def on_epoch_end(self):
        self.epochs += 1
        self.threads.append(threading.current_thread().name)


class Unpicklable(Rows):
    """A Sequence for which the workers must be forked, and again after each epoch."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


def forever(size=3):
    while True:
        for i in range(0, 24, size):
            yield X[i : i + size], Y[i : i + size]


def open_files():
    """{descriptor: the file, pipe or socket}

    Pipes with both ends in this process are left out: if Ctrl-C arrives just after Python's subprocess has made its pipe, the
    pipe stays open.
    """
    files = {}
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the descriptor of the listing itself
            files[descriptor] = os.readlink(f"/proc/self/fd/{descriptor}")
    of = list(files.values())
    return {descriptor: what for descriptor, what in files.items() if not (what.startswith("pipe:") and of.count(what) == 2)}


@pytest.fixture(autouse=True)
def nothing_stays():
    """Threads, processes and file descriptors are as before."""
    threads, files = threading.active_count(), open_files()
    yield
    # On a busy machine a thread or a killed process may need longer than `stop` waits for it (GRACE_SECONDS).
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if threading.active_count() <= threads and not multiprocessing.active_children() and len(open_files()) <= len(files):
            break
        gc.collect()  # a traceback may keep a pipe open
        time.sleep(0.05)
    assert threading.active_count() <= threads, threading.enumerate()
    assert multiprocessing.active_children() == []
    after = open_files()
    assert len(after) <= len(files), {d: what for d, what in after.items() if files.get(d) != what}


@pytest.mark.parametrize("make", [Rows, Unpicklable])
def test_a_sequence_trains_the_same_with_any_workers(make):
    def trained(workers, processes):
        model, rows = linear(), make()
        model.fit(rows, epochs=3, workers=workers, use_multiprocessing=processes, max_queue_size=3, verbose=0)
        assert rows.epochs == 3 and set(rows.threads) == {"MainThread"}
        return model.get_weights()

    first, *others = [trained(*staff) for staff in STAFF]
    for weights in others:
        assert all(np.array_equal(a, b) for a, b in zip(first, weights))


@pytest.mark.parametrize("workers, processes", STAFF)
def test_a_generator_trains_the_same_with_any_worker(workers, processes):
    model, reference = linear(), linear()
    reference.fit(X, Y, batch_size=3, epochs=2, shuffle=False, verbose=0)
    workers = min(workers, 1)
    model.fit(forever(), steps_per_epoch=8, epochs=2, workers=workers, use_multiprocessing=processes, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), reference.get_weights()))


class Asked(Rows):
    def __init__(self, length=8):
        super().__init__(length)
        self.asked = []

    def __getitem__(self, index):
        self.asked.append(index)
        return super().__getitem__(index)


def test_shorter_epochs_continue_in_the_sequence():
    plain, shuffled = Asked(), Asked()
    linear().fit(plain, steps_per_epoch=3, epochs=4, shuffle=False, verbose=0)
    assert plain.asked == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3] and plain.epochs == 4
    linear().fit(shuffled, steps_per_epoch=3, epochs=8, verbose=0)
    passes = [shuffled.asked[i : i + 8] for i in (0, 8, 16)]
    assert [sorted(p) for p in passes] == [list(range(8))] * 3 and passes[0] != passes[1] != passes[2]


def test_longer_epochs_have_several_passes():
    plain = Asked(4)
    linear().fit(plain, steps_per_epoch=6, epochs=2, shuffle=False, verbose=0)
    assert plain.asked == [0, 1, 2, 3] * 3 and plain.epochs == 2


def test_initial_epoch_does_not_change_the_order_of_an_epoch():
    whole, rest = Asked(), Asked()
    model = linear()
    model.fit(whole, steps_per_epoch=3, epochs=5, verbose=0)
    model = linear()
    model.fit(Rows(), steps_per_epoch=3, epochs=2, verbose=0)
    model.fit(rest, steps_per_epoch=3, epochs=5, initial_epoch=2, verbose=0)
    assert rest.asked == whole.asked[6:]
    again = Asked()
    model.fit(again, steps_per_epoch=3, epochs=5, verbose=0)
    assert again.asked != whole.asked


def test_the_length_may_change_from_epoch_to_epoch():
    class Shrinking(Asked):
        def on_epoch_end(self):
            self.length -= 2

    rows = Shrinking(6)
    linear().fit(rows, epochs=3, shuffle=False, verbose=0)
    assert rows.asked == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 0, 1]


def test_a_validation_sequence_continues_and_gets_on_epoch_end():
    held = Asked()
    history = linear().fit(Rows(), epochs=6, validation_data=held, validation_steps=3, validation_freq=2, verbose=0).history
    assert held.asked == [0, 1, 2, 3, 4, 5, 6, 7, 0] and held.epochs == 3 and len(history["val_loss"]) == 3
    resumed = Asked()
    linear().fit(
        Rows(), epochs=6, initial_epoch=2, validation_data=resumed, validation_steps=3, validation_freq=[2, 4, 6], verbose=0
    )
    assert resumed.asked == [3, 4, 5, 6, 7, 0]


def test_a_validation_generator_is_asked_only_for_used_batches():
    drawn = []

    def counted():
        for item in forever():
            drawn.append(1)
            yield item

    linear().fit(Rows(), epochs=4, validation_data=counted(), validation_steps=2, validation_freq=2, verbose=0)
    assert len(drawn) == 4


def test_arrays_are_validated_in_batches_of_the_last_training_batch():
    sizes = []

    class Sizes(Callback):
        def on_test_batch_end(self, batch, logs=None):
            sizes.append(logs["size"])

    def uneven():
        while True:
            yield X[:16], Y[:16]
            yield X[:10], Y[:10]

    model = linear()
    history = model.fit(uneven(), steps_per_epoch=2, validation_data=(X, Y), callbacks=[Sizes()], verbose=0).history
    assert sizes == [10, 10, 4]
    assert history["val_loss"] == [pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-6)]
    with pytest.warns(UserWarning, match="`validation_steps` is ignored: it is only for generators"):
        model.fit(uneven(), steps_per_epoch=1, validation_data=(X, Y), validation_steps=1, verbose=0)


# An item that looks like the end of the data, or like no data, is an error -------------------------------------


class Hollow(Rows):
    """The item at index 5 is None, or raises an error that usually means the end of an iteration."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def __getitem__(self, index):
        if index == 5:
            if self.kind is not None:
                raise self.kind("here")
            return None
        return super().__getitem__(index)


SIGNALS = [None, StopIteration, StopAsyncIteration, EOFError, OSError, queue.Empty, TimeoutError, GeneratorExit, IndexError]
METHODS = ["fit_generator", "evaluate_generator", "predict_generator", "fit", "evaluate", "predict"]


@pytest.mark.parametrize(
    "workers, use_multiprocessing, kind",
    [(*staff, kind) for staff in STAFF for kind in (SIGNALS[:4] if staff[1] else SIGNALS)],
)
def test_an_item_of_a_sequence_that_looks_like_an_end_is_an_error(workers, use_multiprocessing, kind):
    options = dict(workers=workers, use_multiprocessing=use_multiprocessing, verbose=0)
    error, words = {
        None: (ValueError, "the Sequence Hollow: batch .* of 8, the item at index 5, is None; expected a tuple"),
        StopIteration: (RuntimeError, "the Sequence Hollow: the item at index 5 raised StopIteration"),
    }.get(kind, (kind, "here"))
    for method in METHODS if workers == 1 else METHODS[:1]:
        with pytest.raises(error, match=words) as caught:
            getattr(linear(), method)(Hollow(kind), **options)
        assert caught.type is error


@pytest.mark.filterwarnings("ignore:Using a generator with `use_multiprocessing=True`")
@pytest.mark.parametrize("workers, use_multiprocessing", STAFF)
def test_an_item_of_a_generator_that_is_none_is_an_error(workers, use_multiprocessing):
    def batches():
        for i in range(8):
            yield None if i == 5 else (X[i : i + 3], Y[i : i + 3])

    options = dict(workers=workers, use_multiprocessing=use_multiprocessing, verbose=0)
    with pytest.raises(ValueError, match="^generator, the generator batches: batch 6 of 8 is None; expected a tuple"):
        linear().fit_generator(batches(), 8, **options)
    with pytest.raises(ValueError, match="^validation_data, the generator batches: batch 6 of 6 is None"):
        linear().fit(X, Y, validation_data=batches(), validation_steps=6, **options)
    with pytest.raises(ValueError, match="^generator, the generator batches: batch 6 of 8 is None"):
        linear().predict_generator(batches(), 8, **options)


@pytest.mark.parametrize("source", [iter([None] * 3), Hollow(None)])
def test_a_first_item_of_none_raises_for_a_model_without_a_shape(source):
    model = Sequential([Dense(1)])
    model.compile("sgd", "mse")
    if isinstance(source, Hollow):
        source.__class__ = type("Hollow", (Hollow,), {"__getitem__": lambda self, index: None})
    with pytest.raises(ValueError, match="the (Sequence Hollow|generator list_iterator): the first item is None"):
        model.fit_generator(source, 3, verbose=0)


def test_workers_stay_for_all_epochs():
    names = set()

    class Named(Rows):
        def __getitem__(self, index):
            names.add(threading.current_thread())
            return super().__getitem__(index)

    linear().fit(Named(), epochs=5, workers=2, verbose=0)
    assert len(names) <= 2 and threading.main_thread() not in names


class Failing(Rows):
    def __getitem__(self, index):
        if index == 5 and self.epochs == 1:
            raise OSError(5, "cannot read", "photo.jpg")
        return super().__getitem__(index)


@pytest.mark.parametrize("workers, processes", STAFF)
def test_an_error_of_a_worker_ends_fit_with_its_traceback(workers, processes):
    model, rows = linear(), Failing()
    with pytest.raises(OSError, match="photo.jpg") as caught:
        model.fit(rows, epochs=3, workers=workers, use_multiprocessing=processes, verbose=0)
    assert caught.value.errno == 5
    where = str(caught.value.__cause__) if processes else str(caught.traceback[-1].statement)
    assert 'raise OSError(5, "cannot read", "photo.jpg")' in where
    assert model.history.epoch == [0]
    model.fit(X, Y, verbose=0)


def test_the_other_workers_end_after_an_error():
    asked, failed = [], threading.Event()

    class Slow(Rows):
        def __getitem__(self, index):
            asked.append(index)
            if index == 0:
                failed.set()
                raise ValueError("bad row")
            failed.wait()
            time.sleep(0.2)
            return super().__getitem__(index % 8)

    before = threading.active_count()
    with pytest.raises(ValueError, match="bad row"):
        linear().fit(Slow(100_000), workers=4, shuffle=False, verbose=0)
    assert threading.active_count() <= before
    assert len(asked) < 1000


class Deadly(Rows):
    def __getitem__(self, index):
        if index == 5 and self.epochs == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


def test_a_killed_worker_ends_fit_with_pid_and_signal():
    model = linear()
    with pytest.raises(WorkerDiedError, match=r"worker process \d+ was killed by signal 9 \(SIGKILL\)"):
        model.fit(Deadly(), epochs=3, workers=2, use_multiprocessing=True, verbose=0)
    assert model.history.epoch == [0] and np.isfinite(model.get_weights()[0]).all()


def some(count):
    return (item for item, _ in zip(forever(), range(count)))


@pytest.mark.parametrize("workers, processes", [(0, False), (1, False), (1, True)])
@pytest.mark.parametrize("count, epochs, words", [(13, [0, 1], "after 5 of 8"), (8, [0], "after 0 of 8")])
def test_a_generator_that_ends_early_ends_the_training_cleanly(workers, processes, count, epochs, words):
    ended = []

    class End(Callback):
        def on_train_end(self, logs=None):
            ended.append(1)

    model = linear()
    with pytest.warns(UserWarning, match=f"the generator ended {words} batches"):
        history = model.fit(
            some(count), steps_per_epoch=8, epochs=4, verbose=0, workers=workers, use_multiprocessing=processes,
            validation_data=(X, Y), callbacks=[End()],
        )  # fmt: skip
    assert history.epoch == epochs and len(history.history["val_loss"]) == len(epochs) and ended == [1]


def test_a_validation_generator_that_ends_early():
    model = linear()
    with pytest.warns(UserWarning, match="the generator ended after 3 of 8 batches"):
        history = model.fit(Rows(), validation_data=some(3), validation_steps=8, verbose=0)
    assert history.history["val_loss"] == [pytest.approx(model.evaluate(X[:9], Y[:9], verbose=0), rel=1e-6)]


def test_waiting_for_batches_warns_once(monkeypatch):
    import lamella.data.generated as generated

    now = [0.0]
    monkeypatch.setattr(generated, "perf_counter", lambda: now[0])

    class Slow(Rows):
        def __getitem__(self, index):
            now[0] += 3.0
            return super().__getitem__(index)

    class Works(Callback):
        def __init__(self, seconds):
            super().__init__()
            self.seconds = seconds

        def on_batch_end(self, batch, logs=None):
            now[0] += self.seconds

    with pytest.warns(RuntimeWarning) as caught:
        linear().fit(Slow(), epochs=3, workers=0, verbose=0, callbacks=[Works(1.0)])
    assert [str(w.message)[:57] for w in caught] == ["input-bound: 75% of the epoch's 32.0 s were spent waiting"]
    with warnings.catch_warnings(action="error"):
        linear().fit(Slow(), workers=0, verbose=0, callbacks=[Works(4.0)])


@pytest.fixture
def interruptible():
    """Python's handler of Ctrl-C. A shell starts background jobs with SIGINT ignored, and Python does not change this."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Endless(Rows):
    """So many batches that Ctrl-C arrives in the first epoch also on a busy machine.

    If it arrives while the workers of the validation start, it can interrupt Python's `multiprocessing.Pipe` between
    `socket.detach()` and `Connection(...)`, and then nothing closes this socket. tests/training/test_interrupted_workers.py
    interrupts the start of workers.
    """

    def __init__(self):
        super().__init__(100_000)

    def __getitem__(self, index):
        return super().__getitem__(index % 8)


@pytest.mark.parametrize("processes", [False, True])
def test_ctrl_c_leaves_no_worker(processes, interruptible):
    started = threading.Event()

    class Started(Callback):
        def on_batch_end(self, batch, logs=None):
            started.set()

    def press():
        started.wait()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        linear().fit(
            Endless(), workers=3, use_multiprocessing=processes, verbose=0, callbacks=[Started()], validation_data=Rows()
        )  # fmt: skip
    thread.join()


def test_models_trained_at_the_same_time_get_the_same_results():
    def trained():
        model = Sequential([Dense(1, input_shape=(3,), kernel_initializer="ones")])
        model.compile(SGD(lr=0.1), "mse")
        model.fit(Rows(), epochs=3, workers=2, shuffle=False, verbose=0)
        return model.get_weights()[0]

    alone, beside = trained(), [None] * 3
    threads = [threading.Thread(target=lambda i=i: beside.__setitem__(i, trained())) for i in range(3)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert all(np.array_equal(alone, weights) for weights in beside)


def test_a_forked_worker_may_use_the_kernels():
    helper = linear()
    helper.fit(np.tile(X, (2000, 1)), np.tile(Y, (2000, 1)), batch_size=4096, verbose=0)  # starts the threads of the kernels
    expected = helper.predict(np.tile(X, (2000, 1)))

    def predicted():
        while True:
            out = helper.predict(np.tile(X, (2000, 1)))
            yield X, np.full((24, 1), np.array_equal(out, expected), "f4")

    model = linear()
    model.set_weights([np.zeros((3, 1)), np.ones(1)])
    history = model.fit(predicted(), steps_per_epoch=2, workers=1, use_multiprocessing=True, verbose=0)
    assert history.history["loss"] == [0.0]  # 0 only if the child computes the same numbers as the parent


SCRIPT = """
import sys, threading, time
import numpy as np
from lamella.layers import Dense
from lamella.models import Sequential
from lamella.data.sequence import Sequence
from lamella.data.enqueuers import OrderedEnqueuer

class Mine(Sequence):  # a class of the script itself, which has no `if __name__ == "__main__"`
    def __len__(self):
        return 4
    def __getitem__(self, index):
        return np.full((2, 3), index, "f4"), np.zeros((2, 1), "f4")

print("once")
model = Sequential([Dense(1, input_shape=(3,))])
model.compile("sgd", "mse")
print(len(model.fit(Mine(), workers=2, use_multiprocessing=True, verbose=0).epoch))

class Stuck(Mine):
    def __getitem__(self, index):
        time.sleep(600)

for processes in (False, True):
    OrderedEnqueuer(Stuck(), processes).start(2, 4)
print("end", flush=True)
"""


def test_a_script_without_main_guard_runs_once_and_ends_with_live_workers(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    run = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, timeout=60)
    assert run.stdout.split() == ["once", "1", "end"], run.stderr
    assert run.returncode == 0 and "Error" not in run.stderr
