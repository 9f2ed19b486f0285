"""Ctrl-C during fit; one model in two threads; many models in many threads."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from lamella.callbacks import Callback, EarlyStopping
from lamella.layers import Dense
from lamella.models import Sequential
from lamella.optimizers import SGD


@pytest.fixture
def interruptible():
    """Python's handler of Ctrl-C. A shell starts background jobs with SIGINT ignored, and Python does not change this."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def problem(units=64):
    rng = np.random.default_rng(0)
    m = Sequential([Dense(units, activation="relu", input_shape=(20,)), Dense(1)])
    m.compile(SGD(lr=0.001), "mse")
    return m, rng.normal(size=(2000, 20)).astype("f4"), rng.normal(size=(2000, 1)).astype("f4")


class Snapshots(Callback):
    """The weights after each completed step."""

    def __init__(self):
        super().__init__()
        self.after, self.ended = [], 0
        self.started = threading.Event()

    def on_batch_end(self, batch, logs=None):
        self.after.append(self.model.get_weights())
        self.started.set()

    def on_train_end(self, logs=None):
        self.ended += 1


@pytest.mark.parametrize("delay", [0.0, 0.03, 0.11])
def test_ctrl_c_ends_fit_after_a_completed_step(delay, interruptible):
    m, x, y = problem()
    spy = Snapshots()
    pressed = []  # completed steps
    signal.signal(signal.SIGINT, lambda *_: (pressed.append(len(spy.after)), signal.default_int_handler(*_)))

    def press():
        spy.started.wait()
        time.sleep(delay)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        m.fit(x, y, epochs=1000, verbose=0, callbacks=[spy])
    thread.join()
    assert len(spy.after) - pressed[0] in (0, 1)
    assert spy.ended == 1
    now = m.get_weights()
    assert all(np.isfinite(w).all() for w in now)
    # The interrupt may be between a step and its snapshot, so one more step may be completed.
    if not all(np.array_equal(a, b) for a, b in zip(now, spy.after[-1])):
        assert int(m.optimizer.iterations) in (len(spy.after), len(spy.after) + 1)
    m.fit(x, y, epochs=1, verbose=0)


def test_ctrl_c_restores_the_best_weights():
    m, x, y = problem(4)

    class Interrupt(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["score"] = [5.0, 3.0, 4.0][epoch]
            self.seen = getattr(self, "seen", []) + [self.model.get_weights()]

        def on_batch_end(self, batch, logs=None):
            if len(getattr(self, "seen", [])) == 3:
                raise KeyboardInterrupt

    first = Interrupt()
    with pytest.raises(KeyboardInterrupt):
        m.fit(x, y, epochs=9, verbose=0, callbacks=[first, EarlyStopping("score", patience=9, restore_best_weights=True)])
    assert all(np.array_equal(a, b) for a, b in zip(m.get_weights(), first.seen[1]))


class Meet(Callback):
    """Lets the test run code while fit runs."""

    def __init__(self, act):
        super().__init__()
        self.act = act

    def on_epoch_end(self, epoch, logs=None):
        self.act()


def in_a_thread(function):
    caught = []

    def run():
        try:
            function()
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return caught


def test_training_the_same_model_in_two_threads_raises():
    m, x, y = problem(4)
    errors = []
    act = lambda: errors.extend(in_a_thread(lambda: m.fit(x, y, verbose=0)) + in_a_thread(lambda: m.train_on_batch(x, y)))
    history = m.fit(x, y, epochs=1, verbose=0, callbacks=[Meet(act)])
    assert [type(e) for e in errors] == [RuntimeError] * 2
    assert "is being trained by another thread" in str(errors[0])
    assert m.history is history
    assert in_a_thread(lambda: m.fit(x, y, verbose=0)) == []


def test_predict_beside_fit_is_allowed():
    m, x, y = problem(4)
    errors = []
    m.fit(x, y, epochs=1, verbose=0, callbacks=[Meet(lambda: errors.extend(in_a_thread(lambda: m.predict(x))))])
    assert errors == []


def test_models_trained_at_the_same_time_get_the_same_results():
    def trained(seed):
        m, x, y = problem(8)
        m.set_weights([np.full(w.shape, 0.01 * seed) for w in m.get_weights()])
        m.fit(x, y, epochs=2, shuffle=False, verbose=0)
        return m.get_weights()

    alone = [trained(seed) for seed in range(4)]
    beside = [None] * 4
    threads = [threading.Thread(target=lambda i=i: beside.__setitem__(i, trained(i))) for i in range(4)]
    [t.start() for t in threads], [t.join() for t in threads]
    for a, b in zip(alone, beside):
        assert all(np.array_equal(p, q) for p, q in zip(a, b))


STUBBORN = """
import signal, threading
import numpy as np
from lamella.callbacks import Callback
from lamella.data.workers.processes import Process
from lamella.layers import Dense
from lamella.models import Sequential
from lamella.utils import Sequence

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with it ignored
begin = Process._begin
def noting(self, *arguments):
    begin(self, *arguments)
    print("worker", self._child.pid, flush=True)
Process._begin = noting

class Rows(Sequence):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return np.ones((2, 3), "f4"), np.ones((2, 1), "f4")

class Stubborn(Callback):
    def on_batch_end(self, batch, logs=None):
        if self.now == 1:
            print("training", flush=True)

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_end(self, logs=None):
        print("ending", flush=True)
        threading.Event().wait()

model = Sequential([Dense(1, input_shape=(3,))])
model.compile("sgd", "mse")
model.fit(Rows(), epochs=10**9, workers=2, use_multiprocessing=True, verbose=0, callbacks=[Stubborn()])
"""


def test_a_second_ctrl_c_ends_the_end_of_training(tmp_path):
    """It ends a callback that never returns from on_train_end, and no process remains."""
    script = tmp_path / "stubborn.py"
    script.write_text(STUBBORN)
    child = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        pids = [int(child.stdout.readline().split()[1]) for _ in range(2)]
        assert child.stdout.readline() == "training\n"
        child.send_signal(signal.SIGINT)
        assert any(line == "ending\n" for line in child.stdout)  # reads only up to this line
        child.send_signal(signal.SIGINT)
        _, error = child.communicate(timeout=60)
    finally:
        child.kill()
        child.wait()
    assert child.returncode in (1, -signal.SIGINT) and error.rstrip().endswith("KeyboardInterrupt")
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
