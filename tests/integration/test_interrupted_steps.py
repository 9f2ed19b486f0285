"""Ctrl-C at any bytecode: everything is of the last finished step, the thread can train, and the rest gives the same bits.

LAMELLA_INTERRUPTS says how many; a few dozen by default.
"""

import os
import signal
import time

import numpy as np
import pytest

from lamella.callbacks import Callback
from lamella.constraints import MaxNorm, NonNeg
from lamella.layers import BatchNormalization, Dense, Dropout, Layer
from lamella.models import Sequential
from lamella.optimizers import SGD, Adam, Nadam, Optimizer
from lamella.utils import set_random_seed
from tests.interrupts import Interrupt

TIMES = int(os.environ.get("LAMELLA_INTERRUPTS", "40"))
BATCH, STEPS = 8, 5
rng = np.random.default_rng(7)
X, Y = rng.normal(size=(BATCH * STEPS, 6)).astype("float32"), rng.normal(size=(BATCH * STEPS, 2)).astype("float32")


class Counting(Layer):
    """Counts the rows that it was trained on."""

    def build(self, input_shape):
        self.rows = self.add_weight("rows", (1,), initializer="zeros", trainable=False)
        super().build(input_shape)

    def call(self, inputs):
        self.add_update((self.rows, self.rows.value + len(inputs)))
        return inputs


class Plain(Optimizer):
    """An update in NumPy, of one slot."""

    slots = ("sums",)

    def update(self, params, grads, iterations, reading):
        for p, s, g in zip(params, self.state_of("sums"), self.read(grads, reading)):
            s += g * g
            p -= 0.01 * g / (np.sqrt(s) + 1e-7)


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
            Dense(2, kernel_constraint=MaxNorm(0.5)),
        ]
    )
    model.compile(OPTIMIZERS[optimizer](), loss="mse", metrics=["mae"])
    return model


def state_of(model):
    """All that a step changes, the count of steps first."""
    steps = model._steps
    state = {f"weight {i}": w for i, w in enumerate(model.get_weights())}
    # Without a step there are no slots, or slots of zeros.
    state |= {name: a for name, a in model.optimizer.get_state().items() if np.any(a)}
    return (steps.stream.step if steps is not None else 0), state


class Recorder(Callback):
    def __init__(self):
        super().__init__()
        self.states = []

    def on_train_begin(self, logs=None):
        self.states.append(state_of(self.model))

    def on_batch_end(self, batch, logs=None):
        self.states.append(state_of(self.model))


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
    """Bytecodes of the training, which is cut off at the n-th."""
    with Interrupt(n) as interrupt:
        train(model)
    return interrupt.seen


def check(model, states):
    step, _ = now = state_of(model)
    same(now, states[step])
    if step < STEPS:
        train(model, first=step)
    same(state_of(model), states[-1])
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


# Python drops what is raised in the callback of a weak reference; the training then goes on.
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
