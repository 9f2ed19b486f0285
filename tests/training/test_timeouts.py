"""timeout: a source that does not return a batch in time raises an error that says where it hangs."""

import os
import signal
import threading

import numpy as np
import pytest

from lamella.data.workers.processes import Process
from lamella.layers import Dense
from lamella.models import Model, Sequential
from lamella.optimizers import SGD
from lamella.utils import Sequence, set_random_seed

X = np.arange(24, dtype="f4").reshape(8, 3) / 24
Y = X[:, :1]
NEVER = 600.0


def linear(**shape):
    set_random_seed(2)
    model = Sequential([Dense(1, **shape)])
    model.compile(SGD(lr=0.1), "mse")
    return model


class Pairs(Sequence):
    """A Sequence of four batches. Batch number `at`, counted over all epochs, hangs."""

    def __init__(self, hang, at=None):
        self.hang, self.at, self.epoch = hang, at, 0

    def __len__(self):
        return 4

    def __getitem__(self, index):
        if self.at is not None and 4 * self.epoch + index == self.at:
            self.hang()
        return X[2 * index : 2 * index + 2], Y[2 * index : 2 * index + 2]

    def on_epoch_end(self):
        self.epoch += 1


def pairs(hang, at):
    for i in range(at):
        yield X[i % 8 : i % 8 + 1], Y[i % 8 : i % 8 + 1]
    hang()


@pytest.fixture
def hang():
    """A function that blocks until the test is over. Then all workers must end."""
    before, free = threading.active_count(), threading.Event()
    yield free.wait
    free.set()
    for thread in threading.enumerate():
        # A thread in the list may not be alive: another test interrupted its start.
        if thread.name.startswith("lamella-worker") and thread.is_alive():
            thread.join(NEVER)
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [1, 3])
def test_fit_names_the_batch_and_keeps_history_and_weights(workers, hang):
    alone = linear(input_shape=(3,))
    alone.fit(Pairs(hang), epochs=2, shuffle=False, verbose=0)
    alone.fit(X[:2], Y[:2], verbose=0)
    model = linear(input_shape=(3,))
    with pytest.raises(TimeoutError) as caught:
        model.fit_generator(
            Pairs(hang, at=9), epochs=5, shuffle=False, verbose=0, workers=workers, max_queue_size=1, timeout=0.2
        )
    assert str(caught.value) == "generator, the Sequence Pairs: batch 2 of 4 did not come within 0.2 seconds"
    assert model.history.epoch == [0, 1] and len(model.history.history["loss"]) == 2
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), alone.get_weights()))
    assert model.fit(X, Y, verbose=0).epoch == [0]


def block():
    signal.pause()


def test_a_late_process_is_killed_within_two_seconds(monkeypatch):
    pids, begin = [], Process._begin

    def noting(self, *arguments):
        begin(self, *arguments)
        pids.append(self._child.pid)

    monkeypatch.setattr(Process, "_begin", noting)
    model = linear(input_shape=(3,))
    with pytest.raises(TimeoutError, match="batch [123] of 4 did not come within 1.5 seconds"):
        model.fit(Pairs(block, at=2), shuffle=False, workers=2, use_multiprocessing=True, verbose=0, timeout=1.5)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert len(pids) == 2 and model.evaluate(Pairs(block), verbose=0) > 0


CALLS = {
    "fit": lambda model, source, **more: model.fit(source, steps_per_epoch=4, verbose=0, **more),
    "fit_generator": lambda model, source, **more: model.fit_generator(source, 4, verbose=0, **more),
    "evaluate": lambda model, source, **more: model.evaluate(source, steps=4, verbose=0, **more),
    "evaluate_generator": lambda model, source, **more: model.evaluate_generator(source, 4, **more),
    "predict": lambda model, source, **more: model.predict(source, steps=4, **more),
    "predict_generator": lambda model, source, **more: model.predict_generator(source, 4, **more),
}


@pytest.mark.parametrize("method", CALLS)
def test_every_method_that_takes_a_generator(method, hang):
    text = "^generator, the generator pairs: batch 3 of 4 did not come within 0.1 seconds$"
    with pytest.raises(TimeoutError, match=text):
        CALLS[method](linear(input_shape=(3,)), pairs(hang, 2), timeout=0.1)
    CALLS[method](linear(input_shape=(3,)), pairs(hang, 4), timeout=NEVER)


@pytest.mark.parametrize("method", CALLS)
def test_the_batch_from_which_a_model_is_built_has_a_timeout(method, hang):
    with pytest.raises(TimeoutError, match="^the generator pairs: the first batch did not come within 0.1 seconds$"):
        CALLS[method](linear(), pairs(hang, 0), timeout=0.1)
    CALLS[method](linear(), pairs(hang, 4), timeout=NEVER)


def test_validation_has_a_timeout(hang):
    model = linear(input_shape=(3,))
    text = "^validation_data, the generator pairs: batch 2 of 3 did not come within 0.1 seconds$"
    with pytest.raises(TimeoutError, match=text):
        model.fit(Pairs(hang), validation_data=pairs(hang, 1), validation_steps=3, verbose=0, timeout=0.1)
    assert model.evaluate(X, Y, verbose=0) > 0


def test_a_timeout_error_of_the_generator_is_not_changed():
    def raises():
        yield X, Y
        raise TimeoutError("the database")

    with pytest.raises(TimeoutError, match="^the database$"):
        linear(input_shape=(3,)).fit(raises(), steps_per_epoch=2, verbose=0, timeout=NEVER)


@pytest.mark.parametrize(
    ("timeout", "workers", "error", "words"),
    [
        (0, 1, ValueError, "expected timeout to be above 0 seconds and at most [0-9]+, got 0$"),
        (-1.0, 1, ValueError, "above 0 seconds"),
        (float("nan"), 1, ValueError, "above 0 seconds"),
        (float("inf"), 1, ValueError, "None|above 0 seconds"),
        ("3", 1, TypeError, "expected timeout to be a number of seconds or None, got '3'"),
        (True, 1, TypeError, "got True"),
        (2.0, 0, ValueError, "timeout=2.0 needs a worker; with workers=0 the calling thread prepares the batches"),
    ],
)
@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("built", [True, False])
def test_wrong_timeouts_raise(timeout, workers, error, words, method, built):
    def never_drawn():
        raise AssertionError
        yield

    model = linear(**({"input_shape": (3,)} if built else {}))
    with pytest.raises(error, match=words):
        CALLS[method](model, never_drawn(), timeout=timeout, workers=workers)


def test_arrays_take_no_timeout():
    model = linear(input_shape=(3,))
    calls = [lambda **more: model.fit(X, Y, **more), lambda **more: model.evaluate(X, Y, **more)]
    for call in [*calls, lambda **more: model.predict(X, **more)]:
        with pytest.raises(ValueError, match="timeout=1 is only for a generator or Sequence"):
            call(timeout=1)


def test_progress_of_a_slow_generator_shows_each_finished_batch(capsys, monkeypatch):
    from lamella.callbacks import progress

    now, shown = [0.0], []
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr(progress, "perf_counter", lambda: now[0])

    def slow():
        for i in range(4):
            now[0] += 3.0
            shown.append(capsys.readouterr().out)
            yield X[i : i + 1], Y[i : i + 1]

    linear(input_shape=(3,)).fit(slow(), steps_per_epoch=4, workers=0)
    assert "/4" not in shown[0]
    assert [("1/4" in text, "2/4" in text, "3/4" in text) for text in shown[1:]] == [
        (True, False, False), (False, True, False), (False, False, True)
    ]  # fmt: skip
    assert "4/4" in capsys.readouterr().out


def test_a_functional_model_has_the_timeout(hang):
    base = linear(input_shape=(3,))
    model = Model(base.inputs, base.outputs)
    with pytest.raises(TimeoutError, match="batch 1 of 2"):
        model.predict_generator(pairs(hang, 0), 2, timeout=0.1)


def test_any_number_is_a_timeout(hang):
    with pytest.raises(TimeoutError, match="did not come within 0.2"):
        linear(input_shape=(3,)).fit_generator(pairs(hang, 1), 4, timeout=np.float32(0.2), verbose=0)
