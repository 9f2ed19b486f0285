"""Iterator: order, passes and random numbers, which do not depend on the workers."""

import gc
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import lamella
from lamella.core.pool import pool_counts
from lamella.data.sequence import within_pass
from lamella.data.workers.options import WorkerOptions
from lamella.data.workers.pool import Item, WorkerPool
from lamella.preprocessing.image import DirectoryIterator, Iterator, NumpyArrayIterator
from lamella.utils import Sequence
from tests.preprocessing.image.folder import make


class Numbered(Iterator):
    """Its batches are the indices of the samples with a random number for each."""

    def _get_batches_of_transformed_samples(self, index_array):
        draws = self.draws()
        x = np.array([[j, draws.of(j).random()] for j in index_array]).reshape(-1, 2)
        return x.astype("float32"), index_array[:, None].astype("float32")


def model():
    model = lamella.Sequential([lamella.layers.Dense(1, input_shape=(2,), kernel_initializer="ones")])
    model.compile(lamella.optimizers.SGD(0.001), "mse")
    return model


def one_pass(iterator):
    return np.concatenate([iterator[i][0] for i in range(len(iterator))])


def test_length_batches_and_bounds():
    iterator = Numbered(10, 4, shuffle=False, seed=0)
    assert len(iterator) == 3 and [len(iterator[i][0]) for i in range(3)] == [4, 4, 2]
    np.testing.assert_array_equal(iterator[-1][0], iterator[2][0])
    np.testing.assert_array_equal(one_pass(iterator)[:, 0], np.arange(10))
    assert iterator.total_batches_seen == 8
    for index in (3, -4):
        with pytest.raises(ValueError, match=f"Asked to retrieve element {index}, but the Sequence has length 3"):
            iterator[index]
    for wrong in (0, -1, 2.5):
        with pytest.raises((ValueError, TypeError), match="batch_size"):
            Numbered(10, wrong, shuffle=False, seed=0)


def test_each_pass_has_all_samples_in_a_new_order():
    iterator = Numbered(50, 8, shuffle=True, seed=3)
    orders = []
    for _ in range(3):
        orders.append(one_pass(iterator))
        np.testing.assert_array_equal(orders[-1][:, 0], iterator.index_array)
        iterator.on_epoch_end()
    for order in orders:
        np.testing.assert_array_equal(np.sort(order[:, 0]), np.arange(50))
    assert len({tuple(order[:, 0]) for order in orders}) == 3
    # The random number of a sample depends on the pass, not on its place in the pass.
    numbers = [order[np.argsort(order[:, 0]), 1] for order in orders]
    assert len({tuple(n) for n in numbers}) == 3 and len(set(numbers[0])) == 50


def test_random_numbers_do_not_depend_on_order_or_batch_size():
    a, b = Numbered(20, 7, shuffle=True, seed=9), Numbered(20, 3, shuffle=False, seed=9)
    x, y = one_pass(a), one_pass(b)
    np.testing.assert_array_equal(x[np.argsort(x[:, 0])], y)


def test_seed_none_follows_set_random_seed():
    np.testing.assert_array_equal(one_pass(Numbered(9, 2, True, 5)), one_pass(Numbered(9, 2, True, 5)))
    assert not np.array_equal(one_pass(Numbered(9, 2, True, 5)), one_pass(Numbered(9, 2, True, 6)))
    np.testing.assert_array_equal(one_pass(Numbered(9, 2, True, -5)), one_pass(Numbered(9, 2, True, -5)))
    passes = []
    for _ in range(2):
        lamella.utils.set_random_seed(1)
        passes.append([one_pass(Numbered(9, 2, True, None)) for _ in range(2)])
    np.testing.assert_array_equal(*passes)
    assert not np.array_equal(*passes[0])


def test_iterating_repeats_passes():
    iterator, indexed = Numbered(5, 2, True, 1), Numbered(5, 2, True, 1)
    assert iter(iterator) is iterator
    for epoch in range(3):
        for index in range(3):
            assert iterator.batch_index == index
            np.testing.assert_array_equal(next(iterator)[0], indexed[index][0])
            assert iterator.epoch == epoch
        indexed.on_epoch_end()
    assert iterator.total_batches_seen == 9


def test_reset_begins_a_pass():
    iterator = Numbered(5, 2, True, 1)
    first = next(iterator)[0]
    iterator.reset()
    assert iterator.batch_index == 0
    again = next(iterator)[0]
    assert iterator.epoch == 1 and not np.array_equal(first, again)
    fresh = Numbered(5, 2, True, 1)
    fresh.reset()
    np.testing.assert_array_equal(next(fresh)[0], first)
    plain = Numbered(5, 2, False, 1)
    next(plain)
    plain.reset()
    np.testing.assert_array_equal(next(plain)[1][:, 0], [0, 1])


def test_threads_that_iterate_share_a_pass():
    iterator, alone = Numbered(64, 2, True, 1), Numbered(64, 2, True, 1)
    with ThreadPoolExecutor(8) as pool:
        batches = list(pool.map(lambda _: next(iterator)[0], range(64)))
    wanted = [next(alone)[0] for _ in range(64)]
    assert {b.tobytes() for b in batches} == {b.tobytes() for b in wanted}


def test_a_subclass_may_iterate_as_in_keras():
    class Own(Numbered):
        def next(self):
            with self.lock:
                index_array = next(self.index_generator)
            return self._get_batches_of_transformed_samples(index_array)

    np.testing.assert_array_equal(next(Own(5, 2, True, 1))[0], next(Numbered(5, 2, True, 1))[0])


def test_a_copy_continues_at_the_place_of_the_original():
    iterator = Numbered(5, 2, True, None)
    for _ in range(4):
        next(iterator)
    copy = pickle.loads(pickle.dumps(iterator))
    for _ in range(4):
        np.testing.assert_array_equal(next(copy)[0], next(iterator)[0])


def test_no_samples():
    iterator = Numbered(0, 4, True, 0)
    assert len(iterator) == 0
    with pytest.raises(ValueError, match="at least one batch"):
        model().fit_generator(iterator, verbose=0)


def test_a_sequence_that_becomes_empty():
    class Shrinking(Numbered):
        def on_epoch_end(self):
            super().on_epoch_end()
            self.empty = True

        def __len__(self):
            return 0 if getattr(self, "empty", False) else super().__len__()

    net = model()
    with pytest.raises(ValueError, match="at least one batch, got a length of 0"):
        net.fit_generator(Shrinking(6, 2, False, 0), steps_per_epoch=4, epochs=3, verbose=0)
    assert net.history.epoch == [0]


class Recorder(lamella.callbacks.Callback):
    """Records the weights after each batch, which are equal only if all batches are equal."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_batch_end(self, batch, logs=None):
        self.seen.append(self.model.get_weights()[0].copy())


def trained(source=None, method="fit_generator", **arguments):
    lamella.utils.set_random_seed(4)
    one, recorder = model(), Recorder()
    source = Numbered(22, 4, True, 7) if source is None else source
    getattr(one, method)(source, epochs=3, verbose=0, callbacks=[recorder], **arguments)
    return np.array(recorder.seen)


def test_workers_do_not_change_the_result():
    wanted = trained(workers=0)
    assert len(wanted) == 18 and len(np.unique(wanted, axis=0)) == 18
    for workers in (1, 4):
        np.testing.assert_array_equal(trained(workers=workers), wanted)
    np.testing.assert_array_equal(trained(workers=2, use_multiprocessing=True), wanted)
    np.testing.assert_array_equal(trained(method="fit", workers=3), wanted)


def test_a_sequence_around_iterators_has_their_passes():
    class Pair(Sequence):
        def __init__(self):
            self.parts = [Numbered(22, 4, True, 7) for _ in range(2)]

        def __len__(self):
            return len(self.parts[0])

        def __getitem__(self, index):
            (x, y), (again, _) = self.parts[0][index], self.parts[1][index]
            np.testing.assert_array_equal(x, again)
            return x, y

    np.testing.assert_array_equal(trained(Pair(), workers=2), trained(workers=0))


def collected(monkeypatch, run):
    """The (pass, sample, number) of each sample that `run` trains on, in order."""
    seen = []
    original = Numbered._get_batches_of_transformed_samples

    def record(self, index_array):
        item = original(self, index_array)
        seen.append(item[0].copy())
        return item

    monkeypatch.setattr(Numbered, "_get_batches_of_transformed_samples", record)
    run()
    monkeypatch.setattr(Numbered, "_get_batches_of_transformed_samples", original)
    return seen


def test_passes_are_complete_if_epochs_are_not(monkeypatch):
    for steps in (1, 2, 4):

        def run(steps=steps):
            model().fit_generator(Numbered(9, 3, True, 7), steps, epochs=12 // steps, verbose=0, workers=0, shuffle=False)

        seen = collected(monkeypatch, run)
        assert len(seen) == 12
        passes = [np.concatenate(seen[i : i + 3]) for i in range(0, 12, 3)]
        for one in passes:
            np.testing.assert_array_equal(np.sort(one[:, 0]), np.arange(9))
        assert len({tuple(np.sort(one[:, 1])) for one in passes}) == 4


def test_a_second_fit_draws_other_numbers(monkeypatch):
    one, iterator = model(), Numbered(9, 3, True, 7)
    passes = [
        np.concatenate(collected(monkeypatch, lambda: one.fit_generator(iterator, verbose=0, workers=0, shuffle=False)))
        for _ in range(3)
    ]
    assert len({one.tobytes() for one in passes}) == 3


def test_resumed_training_sees_the_same_batches(tmp_path):
    wanted = trained(workers=2)

    class Stop(Exception):
        pass

    class Stops(Recorder):
        def on_batch_end(self, batch, logs=None):
            super().on_batch_end(batch, logs)
            if len(self.seen) == 9:
                raise Stop

    def run(recorder):
        lamella.utils.set_random_seed(4)
        backup = lamella.callbacks.BackupAndRestore(str(tmp_path / "backup"), save_freq=2)
        model().fit_generator(Numbered(22, 4, True, 7), epochs=3, verbose=0, callbacks=[backup, recorder], workers=2)
        return np.array(recorder.seen)

    stops = Stops()
    with pytest.raises(Stop):
        run(stops)
    rest = run(Recorder())
    np.testing.assert_array_equal(np.array(stops.seen), wanted[:9])
    np.testing.assert_array_equal(rest, wanted[-len(rest) :])
    assert 18 - len(rest) in (8, 9)


def test_validation_and_prediction_leave_the_iterator_where_it_is():
    iterator = Numbered(6, 2, True, 7)
    first = one_pass(iterator)
    lone = model()
    with pytest.warns(UserWarning, match="predict: the Sequence Numbered shuffles, .* create it with shuffle=False"):
        predicted = lone.predict_generator(iterator)
    np.testing.assert_allclose(predicted, first @ [[1], [1]], rtol=1e-6)
    np.testing.assert_array_equal(iterator.index_array, first[:, 0])
    lone.predict_generator(Numbered(6, 2, False, 7))


def test_a_script_asks_for_a_new_order():
    """Generators that mix two iterators reset both before a pass, and make a new order by the private name of Keras."""
    iterator, orders = Numbered(20, 6, True, 7), []
    for _ in range(3):
        iterator.reset()
        iterator._set_index_array()
        orders.append(np.concatenate([iterator.next()[0][:, 0] for _ in range(len(iterator))]))
    assert all(np.array_equal(np.sort(order), np.arange(20)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3 and iterator.epoch == 3


class Reversed(Numbered):
    """Each pass has the usual order, reversed, with the first sample twice."""

    orders = 0

    def _set_index_array(self):
        super()._set_index_array()
        self.index_array = np.append(self.index_array[::-1], 0)[1:]
        self.orders += 1


class Alone(Numbered):
    """Sets the order without the method of Iterator."""

    def _set_index_array(self):
        self.index_array = np.array([0, 1, 1, 1, 4, 5])


def test_a_subclass_sets_the_order_of_each_pass():
    ours, usual = Reversed(6, 4, True, 7), Numbered(6, 4, True, 7)
    for _ in range(2):
        wanted = np.append(one_pass(usual)[::-1, 0], 0)[1:]
        np.testing.assert_array_equal(np.concatenate([ours.next()[0] for _ in range(2)])[:, 0], wanted)
        np.testing.assert_array_equal(one_pass(ours)[:, 0], wanted)
        usual.on_epoch_end()
    assert ours.orders == ours.epoch + 1 == 2
    alone = Alone(6, 4, True, 7)
    for processes in (False, True):
        assert one_pass(alone)[:, 0].tolist() == [0, 1, 1, 1, 4, 5]
        model().fit_generator(alone, epochs=2, workers=2, use_multiprocessing=processes, verbose=0)


def test_worker_processes_use_one_order_of_a_subclass():
    class Drawn(Numbered):
        def _set_index_array(self):
            self.index_array = np.random.default_rng().permutation(self.n)

    iterator = Drawn(60, 10, False, 7)
    pool = WorkerPool(iterator, WorkerOptions(3, 10, True))
    try:
        seen = [item[0][:, 0] for item in pool.results([Item(i, 0) for i in range(6)])]
    finally:
        pool.stop()
    np.testing.assert_array_equal(np.concatenate(seen), one_pass(iterator)[:, 0])


def test_a_script_sets_the_order_of_a_pass():
    iterator = Numbered(6, 4, True, 7)
    usual = iterator.index_array
    iterator.index_array = [3, 3, 1, 0, 5, 2]
    assert one_pass(iterator)[:, 0].tolist() == [3, 3, 1, 0, 5, 2]
    iterator.index_array = None
    np.testing.assert_array_equal(one_pass(iterator)[:, 0], usual)
    iterator.index_array = np.zeros(6, int)
    iterator.on_epoch_end()
    np.testing.assert_array_equal(np.sort(one_pass(iterator)[:, 0]), np.arange(6))


def test_a_script_sets_seed_and_shuffle():
    iterator, other = Numbered(20, 8, True, 7), Numbered(20, 8, True, 8)
    assert not np.array_equal(one_pass(iterator), one_pass(other))
    iterator.seed = 8
    np.testing.assert_array_equal(one_pass(iterator), one_pass(other))
    iterator.shuffle = False
    np.testing.assert_array_equal(one_pass(iterator)[:, 0], np.arange(20))


def test_sample_weights_without_y_warn():
    with pytest.warns(UserWarning, match="NumpyArrayIterator: sample_weight has no effect without y"):
        assert NumpyArrayIterator(np.zeros((2, 3, 3, 1)), None, None, sample_weight=[1, 2])[0].shape == (2, 3, 3, 1)


def test_nothing_to_iterate_over():
    with pytest.raises(ValueError, match="Numbered: there is no sample"):
        Numbered(0, 4, True, 7).next()


def test_the_pass_of_a_thread_ends_with_the_batch():
    iterator = Numbered(6, 6, True, 7)
    other = within_pass(5, iterator.__getitem__, 0)[0]
    assert not np.array_equal(other, iterator[0][0])
    iterator.epoch = 5
    np.testing.assert_array_equal(iterator[0][0], other)


# NumpyArrayIterator -------------------------------------------------------------------------------------------------------

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 4, 5, 3), dtype=np.uint8)
LABELS = np.arange(10) % 2


def arrays(x=IMAGES, y=LABELS, **arguments):
    return NumpyArrayIterator(x, y, None, **{"batch_size": 4, **arguments})


def test_batches_of_arrays():
    x, y = arrays()[1]
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, IMAGES[4:8])
    np.testing.assert_array_equal(y, LABELS[4:8])
    assert arrays(dtype="float64")[0][0].dtype == np.float64
    only = arrays(y=None)[2]
    np.testing.assert_array_equal(only, IMAGES[8:])
    weighted = arrays(sample_weight=np.arange(10.0))[1]
    assert len(weighted) == 3
    np.testing.assert_array_equal(weighted[2], [4, 5, 6, 7])
    np.testing.assert_array_equal(next(arrays(x=IMAGES.tolist()))[0], IMAGES[:4])


def test_batches_take_their_memory_from_the_pool(tmp_path):
    gc.collect()  # models of other tests: the pool gives memory back when one goes
    make(tmp_path, {"a": 12})
    files = DirectoryIterator(tmp_path, None, target_size=(64, 64), class_mode=None, batch_size=4)
    pixels = NumpyArrayIterator(np.zeros((12, 64, 64, 3), "uint8"), None, None, batch_size=4)
    for iterator in (files, pixels):
        with ThreadPoolExecutor(1) as worker:
            list(worker.map(lambda i: iterator[i].shape, range(3)))
            before = pool_counts()
            list(worker.map(lambda i: iterator[i].shape, [0, 1, 2] * 3))
            after = pool_counts()
        assert (after.arrays - before.arrays, after.fresh - before.fresh) == (9, 0)


def test_the_array_is_not_copied():
    iterator = arrays()
    assert iterator.x is IMAGES and iterator.n == 10


def test_other_arrays_beside_the_images():
    misc = np.arange(20).reshape(10, 2)
    for given in ((IMAGES, misc), [IMAGES, misc], (IMAGES, [misc])):
        x, y = arrays(x=given)[1]
        assert isinstance(x, list) and len(x) == 2
        np.testing.assert_array_equal(x[0], IMAGES[4:8])
        np.testing.assert_array_equal(x[1], misc[4:8])
        np.testing.assert_array_equal(y, LABELS[4:8])
    x = arrays(x=(IMAGES, [misc, LABELS]), y=None)[0]
    assert [part.shape for part in x] == [(4, 4, 5, 3), (4, 2), (4,)]
    np.testing.assert_array_equal(arrays(x=[IMAGES[0], IMAGES[1]], y=None)[0], IMAGES[:2])
    with pytest.raises(ValueError, match="same length. Found a pair with: .* = 10, .* = 9"):
        arrays(x=(IMAGES, misc[:9]))


def test_wrong_arrays():
    with pytest.raises(ValueError, match=r"`x` \(images tensor\) and `y` \(labels\).*x.shape = \(10, .*y.shape = \(9,\)"):
        arrays(y=LABELS[:9])
    with pytest.raises(ValueError, match=r"and `sample_weight` should .*sample_weight.shape = \(3,\)"):
        arrays(sample_weight=[1, 2, 3])
    with pytest.raises(ValueError, match="should have rank 4. You passed an array with shape"):
        arrays(x=IMAGES[..., 0])
    with pytest.warns(
        UserWarning, match=r"expected either 1, 3 or 4 channels on axis 1. .* \(4 channels\)|4 channels on axis 3"
    ):
        arrays(x=IMAGES[..., :2])
    with pytest.raises(ValueError, match="`data_format` should be"):
        arrays(data_format="channels_middle")


def test_channels_first():
    first = IMAGES.transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(arrays(x=first, data_format="channels_first")[0][0], first[:4])


def test_batches_are_saved_to_a_folder(tmp_path):
    from lamella.preprocessing.image import img_to_array, load_img

    x, _ = arrays(save_to_dir=str(tmp_path), save_prefix="a")[1]
    files = sorted(tmp_path.iterdir())
    assert [file.name.split("_")[:2] for file in files] == [["a", str(j)] for j in range(4, 8)]
    for file, image in zip(files, x):
        stretched = image / image.max() * 255
        np.testing.assert_allclose(img_to_array(load_img(file)), stretched, atol=1)
    arrays(save_to_dir=str(tmp_path / ""), save_format="jpeg", save_prefix="b")[0]
    assert len(list(tmp_path.glob("b_*.jpeg"))) == 4
