"""fit on generators, iterators and Sequences: the same loop as for arrays."""

import tracemalloc

import numpy as np
import pytest

from lamella.callbacks import Callback, LambdaCallback
from lamella.data.sequence import ReducedItem
from lamella.layers import Dense
from lamella.models import Sequential
from lamella.optimizers import SGD
from lamella.utils import Sequence, set_random_seed

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(10, 3)).astype("f4"), RNG.normal(size=(10, 1)).astype("f4")


def linear(**arguments):
    set_random_seed(2)
    model = Sequential([Dense(1, **(arguments or {"input_shape": (3,)}))])
    model.compile(SGD(lr=0.1), "mse")
    return model


def forever(size=4, weights=None):
    while True:
        for i in range(0, 10, size):
            item = (X[i : i + size], Y[i : i + size])
            yield item if weights is None else (*item, weights[i : i + size])


class Batches:
    """An object with the methods of a Sequence."""

    def __init__(self):
        self.asked, self.ended = [], 0

    def __len__(self):
        return 5

    def __getitem__(self, index):
        self.asked.append(index)
        return X[2 * index : 2 * index + 2], Y[2 * index : 2 * index + 2]

    def on_epoch_end(self):
        self.ended += 1


def same(a, b):
    return all(np.array_equal(p, q) for p, q in zip(a.get_weights(), b.get_weights()))


def test_a_generator_trains_as_its_arrays():
    weights = np.linspace(0.5, 2, 10)
    arrays, generated = linear(), linear()
    first = arrays.fit(X, Y, batch_size=4, epochs=3, shuffle=False, sample_weight=weights, verbose=0)
    second = generated.fit(forever(weights=weights), steps_per_epoch=3, epochs=3, verbose=0)
    assert same(arrays, generated) and first.history == second.history


@pytest.mark.parametrize("built", [True, False])
def test_an_item_may_be_a_list_as_in_keras(built):
    """Keras 2.2.5 unpacks any item of two or three entries; only in predict a list stands for several inputs."""
    weights = np.linspace(0.5, 2, 10)

    def trained(items):
        model = linear(**({} if built else {"activation": "tanh"}))
        history = model.fit(items(forever(weights=weights)), steps_per_epoch=3, epochs=2, verbose=0,
                            validation_data=items(forever()), validation_steps=2).history  # fmt: skip
        return model, history, model.evaluate(items(forever()), steps=3)

    (lists, *numbers), (tuples, *others) = trained(lambda items: map(list, items)), trained(iter)
    assert same(lists, tuples) and numbers == others
    np.testing.assert_array_equal(lists.predict(iter([[X]]), steps=1), lists.predict(X))


def test_a_sequence_without_shuffle_and_with():
    arrays, sequenced, batches = linear(), linear(), Batches()
    arrays.fit(X, Y, batch_size=2, epochs=2, shuffle=False, verbose=0)
    sequenced.fit(batches, epochs=2, shuffle=False, verbose=0)
    assert same(arrays, sequenced) and batches.asked == [0, 1, 2, 3, 4] * 2 and batches.ended == 2
    batches, again = Batches(), Batches()
    linear().fit(batches, epochs=2, verbose=0), linear().fit(again, epochs=2, verbose=0)
    assert sorted(batches.asked) == sorted([0, 1, 2, 3, 4] * 2) and batches.asked == again.asked
    assert batches.asked[:5] != batches.asked[5:]


def test_validation_by_generator_and_by_arrays():
    model = linear()
    by_arrays = model.fit(forever(), steps_per_epoch=3, validation_data=(X, Y), verbose=0).history["val_loss"]
    assert by_arrays == [pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-6)]
    by_batches = model.fit(Batches(), validation_data=forever(), validation_steps=3, verbose=0).history["val_loss"]
    assert by_batches == [pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-6)]


def test_an_unbuilt_model_sees_the_first_batch_once():
    plain, waiting = linear(), linear(use_bias=True)
    plain.fit(forever(), steps_per_epoch=3, verbose=0)
    waiting.fit(iter([*(item for item, _ in zip(forever(), range(3)))]), steps_per_epoch=3, verbose=0)
    assert same(plain, waiting)


def test_params_count_steps():
    spy = Callback()
    linear().fit(forever(), steps_per_epoch=3, verbose=0, callbacks=[spy])
    # The keys of the real Keras 2.2.5: callbacks of keras_tqdm test `"samples" in params`.
    assert spy.params == {"epochs": 1, "steps": 3, "verbose": 0, "do_validation": False, "metrics": ["loss", "val_loss"]}


@pytest.mark.parametrize(
    "source, arguments, words",
    [
        (forever(), dict(batch_size=4, steps_per_epoch=1), "`batch_size` argument must not be specified"),
        (forever(), dict(y=Y, steps_per_epoch=1), "`y` argument is not supported when data is a generator"),
        (forever(), dict(sample_weight=Y, steps_per_epoch=1), "`sample_weight` argument is not supported"),
        (forever(), dict(validation_split=0.5, steps_per_epoch=1), "`validation_split` argument is not supported"),
        (forever(), {}, "`steps_per_epoch=None` is only valid for a generator based on"),
        (iter([X]), dict(steps_per_epoch=1), "Output of generator should be a tuple"),
        (iter([]), dict(steps_per_epoch=2), "the generator gave no batch at all, expected 2"),
        (iter([(X[:0], Y[:0])]), dict(steps_per_epoch=1), "^Received an empty batch. Batches should contain at least one"),
        (iter([(X[:, :2], Y)]), dict(steps_per_epoch=1), "expected .* to have shape"),
    ],
)
def test_bad_generators(source, arguments, words):
    with pytest.raises(ValueError, match=words):
        linear().fit(source, verbose=0, **arguments)


def test_fit_raises_the_error_of_the_generator():
    def broken():
        yield X, Y
        raise KeyError("disk")

    with pytest.raises(KeyError, match="disk"):
        linear().fit(broken(), steps_per_epoch=3, verbose=0)


class Unreadable(Sequence):
    """Batches without a sample, as an iterator of files with on_error="skip" gives them."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return ReducedItem.of((np.zeros((0, 3)), np.zeros((0, 1))), 0, (f"{index}.jpg: empty",))


@pytest.mark.filterwarnings("ignore:skipped 1 of the samples")
@pytest.mark.parametrize("method", ["fit_generator", "evaluate_generator", "predict_generator"])
def test_an_epoch_without_a_readable_sample_is_an_error(method):
    net = Sequential([Dense(1, input_shape=(3,))])
    net.compile("sgd", "mse")
    message = "^generator, the Sequence Unreadable: no sample of this epoch could be read; 2 samples of 2 batches were skipped$"
    with pytest.raises(ValueError, match=message):
        getattr(net, method)(Unreadable(), steps=2) if method != "fit_generator" else net.fit_generator(Unreadable(), verbose=0)


@pytest.mark.parametrize("source", [forever(), Batches()])
def test_a_long_epoch_needs_no_memory_for_its_steps(source):
    model, peaks = linear(), []

    def stop(batch, logs):
        peaks.append(tracemalloc.get_traced_memory()[1])
        model.stop_training = True

    tracemalloc.start()
    try:
        model.fit(source, steps_per_epoch=10**9, verbose=0, callbacks=[LambdaCallback(on_batch_end=stop)])
    finally:
        tracemalloc.stop()
    assert len(peaks) == 1 and peaks[0] < 2**20
