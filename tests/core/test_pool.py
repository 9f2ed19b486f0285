"""The pool of memory for the arrays of steps: what it gives, counts, limits and returns to the system."""

import copy
import gc
import os
import pickle
import threading
from typing import ClassVar

import numpy as np
import pytest

from lamella import backend as K
from lamella import config
from lamella.callbacks import Callback, LambdaCallback
from lamella.core.pool import in_pool
from lamella.layers import Dense, Dropout
from lamella.models import Model, Sequential
from lamella.utils import set_random_seed

LARGE = (64, 1024)  # 256 KiB of float32
RNG = np.random.default_rng(0)
X = RNG.normal(size=(256, 256)).astype("f4")
Y = X[:, :128].copy()


@pytest.fixture(autouse=True)
def _empty():
    gc.collect()
    config.set_pool_limit(None)
    config.empty_pool()
    yield
    config.set_pool_limit(None)


def made(shape=LARGE, fill=1.0):
    """An array of the pool."""
    array = in_pool(np.empty, shape, np.float32)
    array[...] = fill
    return array


def trained():
    set_random_seed(3)
    model = Sequential([Dense(512, activation="relu", input_shape=(256,)), Dropout(0.3), Dense(128)])
    model.compile("adam", "mse")
    model.fit(X, Y, batch_size=64, epochs=3, verbose=0)
    return model


# --- arrays -------------------------------------------------------------------------------------------------------


def test_arrays_of_the_pool_own_their_memory():
    before = config.pool_counts()
    array = made()
    assert config.pool_counts().arrays == before.arrays + 1
    assert config.pool_counts().in_use - before.in_use == array.nbytes + 64
    assert array.flags.owndata and array.base is None and array.flags.writeable
    assert array.ctypes.data % 64 == 0


def page_flags(address):
    """The VmFlags of the mapping that contains the address."""
    inside = False
    with open("/proc/self/smaps") as lines:
        for line in lines:
            name, *values = line.split()
            if not name.endswith(":"):
                begin, end = (int(part, 16) for part in name.split("-"))
                inside = begin <= address < end
            elif inside and name == "VmFlags:":
                return values
    raise AssertionError(f"no mapping contains {address:#x}")


@pytest.mark.skipif(not os.path.exists("/sys/kernel/mm/transparent_hugepage"), reason="the system has no huge pages")
def test_large_arrays_may_have_huge_pages():
    array = made((16, 1 << 20))
    assert "hg" in page_flags(array.ctypes.data + array.nbytes // 2)


def test_small_arrays_are_not_pooled():
    before = config.pool_counts()
    array = in_pool(np.zeros, 8191, np.float32)
    assert config.pool_counts() == before
    assert not array.any()
    large = in_pool(np.zeros, 8192, np.float32)
    assert config.pool_counts().arrays == before.arrays + 1
    assert not large.any()


def test_arrays_outside_of_in_pool_are_not_pooled():
    before = config.pool_counts().arrays
    np.empty(LARGE, np.float32)
    with pytest.raises(ZeroDivisionError):
        in_pool(lambda: 1 / 0)
    np.empty(LARGE, np.float32)
    assert config.pool_counts().arrays == before


def test_in_pool_passes_arguments_on():
    assert in_pool(lambda *a, **k: (a, k), 1, 2, b=3) == ((1, 2), {"b": 3})
    assert in_pool(in_pool, dict, a=1) == {"a": 1}
    with pytest.raises(TypeError, match="in_pool: expected a function"):
        in_pool()


@pytest.mark.parametrize("rows", [1, 8, 63, 64, 65, 1000])
def test_pooled_arrays_can_be_resized(rows):
    array = made(fill=0)
    array[...] = np.arange(array.size).reshape(LARGE)
    kept = array.ravel()[: rows * 1024].copy()
    array.resize((rows, 1024), refcheck=False)
    assert np.array_equal(array.ravel()[: len(kept)], kept)
    assert not array.ravel()[len(kept) :].any()
    small = in_pool(np.arange, 100.0)
    small.resize(100_000, refcheck=False)
    assert small[:100].tolist() == list(range(100)) and not small[100:].any()


def test_copies_and_pickles_do_not_use_the_pool():
    array = made(fill=3)
    before = config.pool_counts()
    twins = [copy.deepcopy(array), array.copy(), pickle.loads(pickle.dumps(array)), np.array(array)]
    assert config.pool_counts() == before
    assert all(np.array_equal(twin, array) for twin in twins)


def test_memory_is_not_reused_while_a_view_exists():
    array = made(fill=1)
    address = array.ctypes.data
    row, transposed, bytes_of_it = array[3], array.T, memoryview(array)
    del array
    others = [made(fill=2) for _ in range(20)]
    assert np.all(row == 1) and np.all(transposed == 1) and bytes_of_it[63, 1023] == 1
    assert address not in [other.ctypes.data for other in others]
    del row, transposed
    others.append(made(fill=2))
    assert bytes_of_it[63, 1023] == 1
    del others, bytes_of_it
    assert made().ctypes.data == address


# --- counts, limit, return to the system ------------------------------------------------------------------------


def test_released_memory_is_free_and_used_again():
    array = made()
    used = config.pool_counts().in_use
    del array
    counts = config.pool_counts()
    assert counts.in_use == used - (256 << 10) - 64 and counts.free == (256 << 10) + 64
    again = made()
    assert config.pool_counts().fresh == counts.fresh
    assert config.pool_counts().most_in_use >= again.nbytes
    del again
    assert config.empty_pool() == (256 << 10) + 64
    assert config.pool_counts().free == 0


def test_after_empty_pool_memory_in_use_is_returned_on_release():
    array = made(fill=5)
    assert config.empty_pool() == 0
    assert np.all(array == 5)
    del array
    assert config.pool_counts().free == 0


def test_the_limit_bounds_the_free_memory():
    assert config.pool_limit() is None
    config.set_pool_limit(600 << 10)
    assert config.pool_limit() == 600 << 10
    arrays = [made() for _ in range(4)]
    arrays.pop()
    arrays.pop()
    assert 512 << 10 < config.pool_counts().free <= 600 << 10
    arrays.pop()
    assert config.pool_counts().free == 0
    config.set_pool_limit(None)
    arrays.pop()
    assert config.pool_counts().free > 256 << 10


def test_a_limit_of_zero_uses_the_memory_of_numpy():
    config.set_pool_limit(0)
    before = config.pool_counts()
    made()
    trained()
    assert config.pool_counts() == before


@pytest.mark.parametrize("wrong, error", [(1.5, TypeError), (True, TypeError), ("1", TypeError), (-1, ValueError)])
def test_wrong_limits_are_refused(wrong, error):
    with pytest.raises(error, match="set_pool_limit: expected"):
        config.set_pool_limit(wrong)
    assert config.pool_limit() is None


def lazily_free():
    """Bytes of this process that the system may take without asking (MADV_FREE)."""
    with open("/proc/self/smaps") as maps:
        return 1024 * sum(int(line.split()[1]) for line in maps if line.startswith("LazyFree:"))


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps"), reason="needs Linux's /proc")
def test_fit_offers_its_memory_to_the_system():
    before = lazily_free()
    model = trained()
    free = config.pool_counts().free
    assert free > 1 << 20
    # The pages of the blocks' headers are kept, and Linux counts offered pages in batches: up to 31 pages on each
    # CPU are offered and not yet counted.
    assert 0.8 * free < lazily_free() - before <= free
    model.fit(X, Y, batch_size=32, epochs=1, verbose=0)
    assert config.pool_counts().free == free  # the same blocks were used again
    model.train_on_batch(X, Y)
    assert lazily_free() - before < 0.5 * free  # memory that was written to is no longer offered


def test_clear_session_returns_memory():
    model = trained()
    model.train_on_batch(X, Y)
    assert config.pool_counts().free > 0
    K.clear_session()
    assert config.pool_counts().free == 0


@pytest.mark.parametrize("train", [True, False])
def test_deleting_a_model_returns_memory(train):
    model = trained()
    if train:
        model.train_on_batch(X, Y)
    model.predict(X)
    assert config.pool_counts().free > 0
    del model
    gc.collect()
    assert config.pool_counts().free == 0 and config.pool_counts().in_use == 0


def test_networks_that_come_and_go_leave_the_pool_to_a_running_fit():
    """Each of them emptied the pool, and the next step had page faults for all its memory."""
    free = []

    class Looks(Callback):
        def on_batch_end(self, batch, logs=None):
            before = config.pool_counts().free
            look = Model(self.model.inputs, self.model.layers[0].output)
            assert look.output_shape == (None, 512)
            del look
            gc.collect()
            free.append((before, config.pool_counts().free))

    model = trained()
    model.fit(X, Y, batch_size=32, verbose=0, callbacks=[Looks()])
    assert len(free) > 1 and all(before == after > 0 for before, after in free)


# --- training ---------------------------------------------------------------------------------------------------


def test_the_pool_does_not_change_the_bits_of_a_training():
    pooled = trained().get_weights()
    config.set_pool_limit(0)
    plain = trained().get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(pooled, plain, strict=True))


def test_a_second_step_needs_no_new_memory():
    model = trained()
    for _ in range(2):
        model.train_on_batch(X, Y)
    before = config.pool_counts()
    for _ in range(10):
        model.train_on_batch(X, Y)
    after = config.pool_counts()
    assert after.arrays - before.arrays > 50
    assert after.fresh == before.fresh
    assert (after.in_use, after.free) == (before.in_use, before.free)


class Keeping(Dense):
    """Keeps its inputs and outputs in many forms."""

    kept: ClassVar[list] = []

    def call(self, inputs):
        y = super().call(inputs)
        for value in (inputs, y):
            array = getattr(value, "value", value)
            self.kept.append((array, array.copy()))
            self.kept.append((array[1:, ::2], array[1:, ::2].copy()))
        return y


def test_arrays_that_are_kept_never_change():
    Keeping.kept = []
    set_random_seed(3)
    model = Sequential([Dense(512, activation="relu", input_shape=(256,)), Dropout(0.3), Keeping(512), Dense(128)])
    model.compile("adam", "mse")
    predictions = []

    def keep(batch, logs):
        y = model.predict_on_batch(X)
        predictions.append((y[::-1], y[::-1].copy()))

    model.fit(X, Y, batch_size=64, epochs=3, verbose=0, callbacks=[LambdaCallback(on_batch_end=keep)])
    inside = Model(model.input, model.layers[0].output)
    for _ in range(3):
        y = inside.predict_on_batch(X)
        predictions.append((y, y.copy()))
        grads = model.gradients_on_batch(X, Y)
        predictions += [(g, g.copy()) for g in grads]
    gc.collect()
    kept = Keeping.kept + predictions
    assert len(kept) > 80 and config.pool_counts().in_use > 1 << 20
    assert all(np.array_equal(array, values) for array, values in kept)


def test_threads_predict_and_train_at_the_same_time():
    models = [trained() for _ in range(3)]
    wanted = [model.predict(X) for model in models]
    right = []

    def work(model, y):
        right.append(all(np.array_equal(model.predict(X, batch_size=64), y) for _ in range(20)))

    trainer = trained()
    threads = [threading.Thread(target=work, args=pair) for pair in zip(models, wanted, strict=True)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        trainer.fit(X, Y, batch_size=64, verbose=0)
    for thread in threads:
        thread.join()
    assert right == [True] * 3


def test_a_forked_child_has_its_own_pool():
    model = trained()
    model.train_on_batch(X, Y)
    held = made(fill=7)
    wanted = model.predict(X)
    child = os.fork()
    if child == 0:
        right = False
        try:
            right = np.array_equal(model.predict(X), wanted)
            model.fit(X, Y, batch_size=64, verbose=0)
            made(fill=9)
            right = right and bool(np.all(held == 7)) and config.pool_counts().free > 0
        finally:
            os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert np.all(held == 7) and np.array_equal(model.predict(X), wanted)
