"""Ctrl-C at any bytecode: all state is that of the last finished step, training is possible, and continues to the same bits.

LAMELLA_INTERRUPTS is the number of interrupts; a few dozen by default.
"""

import gc
import os
import shutil
import signal
import sys
import time
import weakref

import numpy as np
import pytest

from lamella import backend as K
from lamella.callbacks import BackupAndRestore, Callback, ReduceLROnPlateau
from lamella.constraints import MaxNorm, NonNeg
from lamella.layers import BatchNormalization, Dense, Dropout, Layer
from lamella.metrics import AUC, Metric
from lamella.models import Sequential
from lamella.optimizers import SGD, Adam, Nadam, Optimizer
from lamella.utils import set_random_seed
from tests.interrupts import Interrupt

TIMES = int(os.environ.get("LAMELLA_INTERRUPTS", "40"))
BATCH, STEPS = 8, 5
rng = np.random.default_rng(7)
X, Y = rng.normal(size=(BATCH * STEPS, 6)).astype("float32"), rng.integers(0, 2, (BATCH * STEPS, 2)).astype("float32")


class Counting(Layer):
    """A layer that counts the rows on which it was trained."""

    def build(self, input_shape):
        self.rows = self.add_weight("rows", (1,), initializer="zeros", trainable=False)
        super().build(input_shape)

    def call(self, inputs):
        self.add_update((self.rows, self.rows.value + len(inputs)))
        return inputs


class Plain(Optimizer):
    """An optimizer with one slot that is updated in NumPy."""

    slots = ("sums",)

    def update(self, params, grads, iterations, bounds):
        for p, s, g in zip(params, self.state_of("sums"), self.read(grads, bounds)):
            s += g * g
            p -= 0.01 * g / (np.sqrt(s) + 1e-7)


class Listing(Metric):
    """A metric that changes its state in place: a list of the means of batches, and an array with their sum."""

    def __init__(self, name=None):
        super().__init__(name)
        self.means, self.total = [], np.zeros(1)

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.means.append(float(np.mean(y_pred)))
        self.total += self.means[-1]

    def result(self):
        return self.total[0] / len(self.means)

    def reset_states(self):
        self.means.clear()
        self.total[...] = 0


class AsInKeras2(Layer):
    """A metric as in scripts for Keras 2.2: a layer whose state is a K.variable."""

    stateful = True

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.right = K.variable(0, "float64")

    def __call__(self, y_true, y_pred):
        self.add_update(K.update_add(self.right, np.sum((y_pred > 0.5) == y_true)), inputs=[y_true, y_pred])
        return K.get_value(self.right)

    def reset_states(self):
        K.set_value(self.right, 0)


OPTIMIZERS = {
    "adam": lambda: Adam(0.05, decay=0.01),
    "accumulated": lambda: SGD(0.1, momentum=0.9, gradient_accumulation_steps=2),
    "late slots": lambda: SGD(0.1),
    "nadam": lambda: Nadam(0.01),
    "in numpy": lambda: Plain(),
}


def made(optimizer):
    set_random_seed(3)
    model = Sequential(
        [
            Dense(5, activation="relu", kernel_constraint=NonNeg(), input_shape=(6,)),
            BatchNormalization(),
            Dropout(0.4),
            Counting(),
            Dense(2, activation="sigmoid", kernel_constraint=MaxNorm(0.5)),
        ]
    )
    model.compile(
        OPTIMIZERS[optimizer](),
        loss="mse",
        metrics=["mae", AUC(), AUC(None, name="exact"), Listing(), AsInKeras2(name="right")],
    )
    return model


def state_of(model):
    """Everything that a step changes. The number of steps is first."""
    steps = model.prepared_steps
    state = {f"weight {i}": w for i, w in enumerate(model.get_weights())}
    # Before the first step there are no slots, or slots of zeros.
    state |= {name: a for name, a in model.optimizer.get_state().items() if np.any(a)}
    return (steps.stream.step if steps is not None else 0), state


def with_metrics(model):
    """`state_of` and what the metrics of the epoch have gathered."""
    step, state = state_of(model)
    for metric in model.metrics[1:]:
        for name, value in vars(metric).items():
            if name == "_kept":  # of AUC: parts of several arrays
                state[f"{metric.name} {name}"] = np.concatenate([np.ravel(a) for part in value for a in part] or [[0.0]])
            elif isinstance(value, (list, np.ndarray, float)) or name == "right":
                state[f"{metric.name} {name}"] = np.array(value, "f8")
    return step, state


class Recorder(Callback):
    def __init__(self):
        super().__init__()
        self.states = []

    def on_train_begin(self, logs=None):
        self.states.append(with_metrics(self.model))

    def on_batch_end(self, batch, logs=None):
        self.states.append(with_metrics(self.model))


def train(model, first=0):
    model.fit(X[first * BATCH :], Y[first * BATCH :], BATCH, shuffle=False, verbose=0)


def same(a, b):
    assert a[0] == b[0]
    differing = [name for name in {*a[1], *b[1]} if not np.array_equal(a[1].get(name, 0), b[1].get(name, 0))]
    assert not differing, f"of another step: {differing}"


@pytest.fixture(params=OPTIMIZERS)
def case(request):
    recorder = Recorder()
    model = made(request.param)
    model.fit(X, Y, BATCH, shuffle=False, verbose=0, callbacks=[recorder])
    assert [step for step, _ in recorder.states] == list(range(STEPS + 1))
    return request.param, recorder.states


def interrupted(model, n):
    """The number of bytecodes of the training, which is interrupted at the n-th."""
    with Interrupt(n) as interrupt:
        train(model)
    return interrupt.seen


def check(model, states):
    step, _ = now = with_metrics(model)
    same(now, states[step])
    if step < STEPS:
        train(model, first=step)  # the metrics of a new epoch
    now, last = state_of(model), states[-1]
    same(now, (last[0], {name: value for name, value in last[1].items() if name in now[1]}))
    return step


def test_any_bytecode(case):
    optimizer, states = case
    total = interrupted(made(optimizer), None)
    assert total > 1000
    places = np.random.default_rng(TIMES).integers(1, total, TIMES // len(OPTIMIZERS) + 1)
    reached = []
    for n in map(int, places):
        model = made(optimizer)
        interrupted(model, n)
        reached.append(check(model, states))
    assert len(set(reached)) > 1


# Python drops an error that is raised in the callback of a weak reference. The training then continues.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_real_signals(case):
    optimizer, states = case
    random = np.random.default_rng(TIMES)
    began = time.perf_counter()
    train(made(optimizer))
    took = time.perf_counter() - began

    def raise_interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, raise_interrupt)
    try:
        for _ in range(TIMES // len(OPTIMIZERS) + 1):
            model = made(optimizer)
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, took))
                train(model)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                pass
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            check(model, states)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_no_interrupt_is_dropped_in_the_deletion_of_a_model(monkeypatch):
    """CPython prints and drops an error that is raised in __del__, or in the callback of a weak reference."""
    dropped = []
    monkeypatch.setattr(sys, "unraisablehook", lambda error: dropped.append(getattr(error.object, "__name__", "")))

    def make():
        return [Sequential([Dense(1, input_shape=(2,))])]

    def delete(models):
        models.clear()
        gc.collect()

    delete(make())
    models = make()
    with Interrupt() as interrupt:
        delete(models)
    for n in range(1, interrupt.seen + 1):
        models = make()
        reference = weakref.ref(models[0])
        with Interrupt(n):
            delete(models)
        delete(models)
        assert reference() is None and "__del__" not in dropped


def one_by_one(model, batches):
    return [model.train_on_batch(X[i * BATCH : (i + 1) * BATCH], Y[i * BATCH : (i + 1) * BATCH]) for i in batches]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_metrics_of_single_batches_are_of_the_finished_steps():
    """With train_on_batch, the state of metrics is that of the finished steps, and no batch is counted twice."""
    quiet = made("adam")
    states, numbers = [with_metrics(quiet)], []
    for i in range(STEPS):
        numbers += one_by_one(quiet, [i])
        states.append(with_metrics(quiet))
    model = made("adam")
    with Interrupt() as interrupt:
        one_by_one(model, range(STEPS))
    total = interrupt.seen
    reached = set()
    for n in np.random.default_rng(TIMES).integers(1, total, max(10, TIMES)):
        model = made("adam")
        with Interrupt(int(n)):
            one_by_one(model, range(STEPS))
        step, _ = now = with_metrics(model)
        same(now, states[step])
        assert one_by_one(model, range(step, STEPS)) == numbers[step:]
        reached.add(step)
    assert len(reached) > 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_evaluation_of_single_batches_counts_each_once():
    def scored(model):
        return [model.test_on_batch(X[i * BATCH : (i + 1) * BATCH], Y[i * BATCH : (i + 1) * BATCH]) for i in range(2)]

    def gathered(model):
        return with_metrics(model)[1]["auc _positives"]

    quiet = made("adam")
    quiet.test_on_batch(X[:BATCH], Y[:BATCH])
    once = {name: np.copy(value) for name, value in with_metrics(quiet)[1].items()}
    quiet.test_on_batch(X[BATCH : 2 * BATCH], Y[BATCH : 2 * BATCH])
    twice = with_metrics(quiet)[1]
    none = with_metrics(made("adam"))[1]
    model = made("adam")
    with Interrupt() as interrupt:
        scored(model)
    for n in np.random.default_rng(TIMES).integers(1, interrupt.seen, max(10, TIMES)):
        model = made("adam")
        with Interrupt(int(n)):
            scored(model)
        now = with_metrics(model)
        matching = [states for states in (none, once, twice) if gathered(model) == states["auc _positives"]]
        same(now, (0, matching[0]))


def backed_up(model, directory):
    backup = BackupAndRestore(directory, save_freq=1)
    callbacks = [ReduceLROnPlateau("loss", patience=1), backup]
    return model.fit(X, Y, BATCH, epochs=2, verbose=0, callbacks=callbacks).history


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_backup_continues_to_the_same_bits(tmp_path):
    """With shuffling and stateful metrics, after an interrupt anywhere, the resumed fit ends as if it had not been interrupted.

    A new model, as in a new process, resumes it, and the interrupted model, too.
    """
    quiet = made("adam")
    history = backed_up(quiet, tmp_path / "quiet")
    model = made("adam")
    with Interrupt() as interrupt:
        backed_up(model, tmp_path / "counted")
    for i, n in enumerate(np.random.default_rng(TIMES).integers(1, interrupt.seen, max(8, TIMES // 5))):
        directory, copy = tmp_path / str(i), tmp_path / f"{i} copied"
        model = made("adam")
        try:
            with Interrupt(int(n)):
                backed_up(model, directory)
        except ValueError as error:  # raised by Python's zipfile if it is interrupted while NumPy writes
            assert isinstance(error.__context__, KeyboardInterrupt)
        runs = [(made("adam"), copy)]
        # Only a fit with a backup continues. There is no backup before the first one, and none after the end.
        if (directory / "training.npz").exists():
            runs.append((model, directory))
        if directory.exists():
            shutil.copytree(directory, copy)
        for taking_up, folder in runs:
            assert backed_up(taking_up, folder) == history, f"bytecode {n}"
            same(with_metrics(taking_up), with_metrics(quiet))
