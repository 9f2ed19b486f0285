"""Streams: the draws of a training depend only on its seed and its step, and not on earlier draws."""

import hashlib
import random
import threading

import numpy as np
import pytest

from lamella.callbacks import Callback
from lamella.core.atomic import commit
from lamella.core.random import Stream, draw_key, generator, next_seed, set_random_seed
from lamella.layers import Dense, Dropout
from lamella.models import Sequential
from lamella.optimizers import SGD
from tests.interrupts import Interrupt


def test_keys_of_a_step_follow_from_seed_step_and_number():
    stream = Stream()
    keys = stream.run(lambda: [draw_key(), draw_key(), draw_key(5)])
    seed = stream.seed
    assert keys == [(seed, 0), (seed, 1), (5, 2)] and stream.step == 0
    commit([stream.count_step()])
    assert stream.run(draw_key) == (seed, 1 << 20) and stream.step == 1
    other = Stream()
    other.set_state({"seed": seed, "step": 1, "epoch": 0})
    assert other.run(draw_key) == (seed, 1 << 20)


def test_a_step_that_raises_is_repeated_from_its_start():
    def failing():
        draw_key()
        raise KeyError

    stream = Stream()
    with pytest.raises(KeyError):
        stream.run(failing)
    assert stream.step == 0 and draw_key()[0] != stream.seed
    assert stream.run(draw_key) == (stream.seed, 0)


def test_random_arrays_in_a_step_depend_only_on_the_step():
    drawn = []
    for _ in range(2):
        stream = Stream()
        stream.set_state({"seed": 3, "step": 7, "epoch": 0})
        generator().random(5)  # other draws have no effect
        drawn.append(stream.run(lambda: [next_seed("random"), next_seed("random"), *generator(None, "noise").random(2)]))
    assert drawn[0] == drawn[1] and drawn[0][0] != drawn[0][1]


def test_steps_belong_to_a_thread_and_can_be_nested():
    outer, inner = Stream(), Stream()
    inner.begin_epoch()  # gets its own seed before the step of the other
    seen = []

    def step():
        worker = threading.Thread(target=lambda: seen.append(draw_key()))
        worker.start()
        worker.join()
        first = draw_key()
        assert inner.run(draw_key) == (inner.seed, 0)
        assert draw_key() == (outer.seed, 1)
        return first

    first = outer.run(step)
    assert first == (outer.seed, 0) and seen[0][0] not in (outer.seed, inner.seed)


def test_draws_outside_of_steps_are_new_and_seeded():
    set_random_seed(4)
    first = [draw_key(), draw_key()]
    set_random_seed(4)
    assert first == [draw_key(), draw_key()] and first[0] != first[1]


def test_set_random_seed_restarts_a_stream():
    stream = Stream()
    set_random_seed(4)
    first = stream.run(draw_key)
    set_random_seed(4)
    assert stream.run(draw_key) == first


def test_the_order_of_an_epoch_is_repeatable():
    stream = Stream()
    stream.begin_epoch()
    first = stream.order().permutation(50).tolist()
    commit([stream.count_step()])
    assert stream.order().permutation(50).tolist() == first
    stream.begin_epoch()
    assert stream.order().permutation(50).tolist() != first
    stream.set_state({**stream.get_state(), "epoch": 0})
    assert stream.order().permutation(50).tolist() == first


@pytest.mark.parametrize("state", [{}, {"seed": 1, "step": -1, "epoch": 0}, {"seed": 1.0, "step": 1, "epoch": 0}])
def test_a_wrong_state_is_refused(state):
    with pytest.raises(ValueError, match="random state: expected seed, step and epoch"):
        Stream().set_state(state)


def test_two_fits_shuffle_and_drop_differently_and_repeat_after_seeding():
    x = np.arange(32, dtype="f4")[:, None]

    def run():
        set_random_seed(3)
        model = Sequential([Dense(4, input_shape=(1,)), Dropout(0.5), Dense(1)])
        model.compile(SGD(lr=0.0), "mse")
        losses = []
        spy = Callback()
        spy.on_batch_end = lambda batch, logs: losses.append(logs["loss"])
        for _ in range(2):
            model.fit(x, x, batch_size=8, epochs=1, verbose=0, callbacks=[spy])
        return losses

    first = run()
    assert first == run() and sorted(first[:4]) != sorted(first[4:])


def test_no_interrupt_leaves_a_partly_set_seed():
    """All generators have the old seed, or all have the new one."""

    def state():
        drawn = random.getstate(), np.random.get_state()[1].tobytes(), next_seed("initializer"), next_seed("dropout")
        return hashlib.sha256(repr(drawn).encode()).hexdigest()

    def seeded(seed):
        set_random_seed(seed)
        random.gauss(0, 1)  # keeps a second number for the next call
        return seed

    before, after = [(seeded(1), state())[1], (seeded(1), set_random_seed(2), state())[2]]
    with Interrupt() as interrupt:
        set_random_seed(2)
    for n in range(1, interrupt.seen + 1):
        seeded(1)
        with Interrupt(n):
            set_random_seed(2)
        assert state() in (before, after), f"bytecode {n}"


def test_the_seed_of_python_equals_random_seed():
    set_random_seed(5)
    ours = [random.random(), random.gauss(0, 1), random.getstate()]
    random.gauss(0, 1)
    random.seed(5)
    assert ours == [random.random(), random.gauss(0, 1), random.getstate()]
