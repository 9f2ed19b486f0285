"""fit_generator, evaluate_generator, predict_generator; and fit, evaluate, predict on generators."""

import inspect

import numpy as np
import pytest

from lamella.callbacks import Callback
from lamella.layers import Concatenate, Dense, Flatten, Input
from lamella.models import Model, Sequential
from lamella.optimizers import SGD
from lamella.utils import Sequence, set_random_seed

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(10, 3)).astype("f4"), RNG.normal(size=(10, 1)).astype("f4")
W = np.linspace(0.5, 2, 10)


def linear(**arguments):
    set_random_seed(2)
    model = Sequential([Dense(1, **(arguments or {"input_shape": (3,)}))])
    model.compile(SGD(lr=0.1), "mse", metrics=["mae"])
    return model


def forever(make, size=4):
    while True:
        for i in range(0, 10, size):
            yield make(slice(i, i + size))


def xy(rows):
    return X[rows], Y[rows]


class Batches(Sequence):
    batch_size = 2

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return xy(slice(2 * index, 2 * index + 2))


SIGNATURES = {
    "fit_generator": "generator steps_per_epoch=None epochs=1 verbose=1 callbacks=None validation_data=None "
    "validation_steps=None validation_freq=1 class_weight=None max_queue_size=10 workers=1 use_multiprocessing=False "
    "shuffle=True initial_epoch=0 timeout=None",
    "evaluate_generator": "generator steps=None callbacks=None max_queue_size=10 workers=1 use_multiprocessing=False "
    "verbose=0 timeout=None",
    "predict_generator": "generator steps=None callbacks=None max_queue_size=10 workers=1 use_multiprocessing=False "
    "verbose=0 timeout=None",
    "evaluate": "x=None y=None batch_size=None verbose=1 sample_weight=None steps=None callbacks=None max_queue_size=10 "
    "workers=1 use_multiprocessing=False timeout=None return_dict=False",
    "predict": "x batch_size=None verbose=0 steps=None callbacks=None max_queue_size=10 workers=1 use_multiprocessing=False timeout=None",
}


@pytest.mark.parametrize("method", SIGNATURES)
def test_signatures_begin_with_the_arguments_of_keras(method):
    parameters = list(inspect.signature(getattr(Model, method)).parameters.values())[1:]
    shown = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters]
    assert " ".join(shown) == SIGNATURES[method]


def test_fit_generator_is_fit():
    one = linear()
    a = one.fit(Batches(), epochs=2, validation_data=(X, Y), verbose=0).history
    two = linear()
    b = two.fit_generator(Batches(), None, 2, validation_data=(X, Y), verbose=0).history
    assert a == b and set(a) == {"loss", "mean_absolute_error", "val_loss", "val_mean_absolute_error"}
    assert all(np.array_equal(p, q) for p, q in zip(one.get_weights(), two.get_weights()))


def test_epochs_without_validation_have_no_old_values():
    history = linear().fit_generator(Batches(), epochs=5, validation_data=(X, Y), validation_freq=2, verbose=0)
    seen = []

    class Keys(Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append("val_loss" in logs)

    linear().fit_generator(Batches(), epochs=5, validation_data=Batches(), validation_freq=2, verbose=0, callbacks=[Keys()])
    assert seen == [False, True, False, True, False]
    assert len(history.history["val_loss"]) == 2


def test_class_weights_and_sample_weights_of_a_generator():
    labels = (Y > 0).astype("f4")
    make = lambda rows: (X[rows], labels[rows], W[rows])
    one, two = linear(), linear()
    one.fit(X, labels, batch_size=4, shuffle=False, sample_weight=W, class_weight={0: 1.0, 1: 3.0}, verbose=0)
    two.fit_generator(forever(make), 3, class_weight={0: 1.0, 1: 3.0}, verbose=0)
    assert all(np.array_equal(p, q) for p, q in zip(one.get_weights(), two.get_weights()))


@pytest.mark.parametrize("workers, processes", [(0, False), (1, False), (1, True)])
def test_evaluate_generator_weights_batches_by_size(workers, processes):
    model = linear()
    arguments = dict(workers=workers, use_multiprocessing=processes)
    expected = model.evaluate(X, Y, batch_size=4, verbose=0)
    assert model.evaluate_generator(forever(xy), 3, **arguments) == expected
    assert model.evaluate(forever(xy), steps=3, verbose=0, **arguments) == expected
    assert model.evaluate_generator(Batches(), **arguments) == pytest.approx(expected, rel=1e-6)
    weighted = model.evaluate_generator(forever(lambda rows: (X[rows], Y[rows], W[rows])), 3, **arguments)
    assert weighted == model.evaluate(X, Y, batch_size=4, sample_weight=W, verbose=0)


@pytest.mark.parametrize("make", [lambda r: X[r], lambda r: [X[r]], lambda r: (X[r], Y[r]), lambda r: (X[r], Y[r], W[r])])
@pytest.mark.parametrize("workers, processes", [(0, False), (1, False), (1, True)])
def test_predict_generator_takes_x_alone_or_in_a_tuple(make, workers, processes):
    model = linear()
    arguments = dict(workers=workers, use_multiprocessing=processes)
    expected = model.predict(X, batch_size=4)
    np.testing.assert_array_equal(model.predict_generator(forever(make), 3, **arguments), expected)
    np.testing.assert_array_equal(model.predict(forever(make), steps=3, **arguments), expected)


def test_predict_generator_with_several_inputs_and_outputs():
    a, b = Input((3,)), Input((1,))
    model = Model([a, b], [Concatenate()([a, b]), Dense(2)(a)])
    got = model.predict_generator(forever(lambda r: [X[r], Y[r]]), 3)
    for one, two in zip(got, model.predict([X, Y])):
        np.testing.assert_array_equal(one, two)


def test_predictions_are_not_views_of_a_reused_buffer():
    buffer = np.empty((2, 3, 1), "f4")

    def reusing():
        for i in range(3):
            buffer[:] = i
            yield buffer

    model = Sequential([Flatten(input_shape=(3, 1))])
    got = model.predict_generator(reusing(), 3, workers=0)
    assert got[:, 0].tolist() == [0, 0, 1, 1, 2, 2]


def test_predict_with_steps_repeats_the_arrays():
    model = linear()
    np.testing.assert_array_equal(model.predict(X, steps=3), np.tile(model.predict(X), (3, 1)))


def test_unbuilt_models_learn_their_shape_from_the_first_batch():
    for method, arguments in (("evaluate_generator", ()), ("predict_generator", ()), ("fit_generator", ())):
        model = linear(use_bias=True)
        drawn = iter([xy(slice(0, 4)), xy(slice(4, 8))])
        getattr(model, method)(drawn, 2, *arguments)
        assert model.input_shape == (None, 3) and next(drawn, None) is None


def test_hooks_see_steps():
    class Spy(Callback):
        def __init__(self):
            super().__init__()
            self.calls = []

        def on_test_batch_end(self, batch, logs=None):
            self.calls.append(("test", batch, logs["size"]))

        def on_predict_batch_end(self, batch, logs=None):
            self.calls.append(("predict", batch, logs["size"], logs["outputs"][0].shape))

    spy = Spy()
    linear().evaluate_generator(forever(xy), 3, [spy])
    assert spy.params == {"steps": 3, "verbose": 0, "metrics": ["loss", "mean_absolute_error"]}
    linear().predict_generator(Batches(), callbacks=[spy])
    assert spy.params == {"steps": 5, "verbose": 0}
    predicted = [("predict", i, 2, (2, 1)) for i in range(5)]
    assert spy.calls == [("test", 0, 4), ("test", 1, 4), ("test", 2, 2), *predicted]


def test_progress_counts_batches(capsys):
    linear().evaluate_generator(forever(xy), 3, verbose=1)
    linear().predict_generator(Batches(), verbose=1)
    out = capsys.readouterr().out
    assert "3/3 [" in out and "5/5 [" in out


def test_a_sequence_is_neither_shuffled_nor_ended_by_evaluate_and_predict():
    class Ended(Batches):
        def on_epoch_end(self):
            raise AssertionError

    np.testing.assert_array_equal(linear().predict_generator(Ended(), workers=2), linear().predict(X))
    linear().evaluate_generator(Ended())


@pytest.mark.parametrize(
    "method, source, arguments, error, words",
    [
        (
            "fit_generator",
            [xy(slice(0, 4))],
            dict(steps_per_epoch=1),
            TypeError,
            "fit_generator: expected a generator.* got list",
        ),
        (
            "fit_generator",
            forever,
            dict(steps_per_epoch=1),
            TypeError,
            r"fit_generator: expected a generator.* got function; pass what it returns, forever\(\)",
        ),
        ("fit_generator", forever(xy), {}, ValueError, "`steps_per_epoch=None` is only valid .* `keras.utils.Sequence` class"),
        ("evaluate_generator", forever(xy), {}, ValueError, "`steps=None` is only valid .* specify `steps` or"),
        ("predict_generator", forever(xy), {}, ValueError, "`steps=None` is only valid"),
        ("predict_generator", iter([X[:0]]), dict(steps=1), ValueError, "^Received an empty batch. Batches should contain at"),
        ("evaluate_generator", iter([(X[:0], Y[:0])]), dict(steps=1), ValueError, "^Received an empty batch."),
        ("evaluate_generator", iter([]), dict(steps=1), ValueError, "gave no batch at all"),
        (
            "predict_generator",
            iter([(X,)]),
            dict(steps=1),
            ValueError,
            r"should be a tuple.* Found: tuple of 1: ndarray \(10, 3\)$",
        ),
        ("evaluate_generator", iter([X]), dict(steps=1), ValueError, r"should be a tuple.* Found: ndarray \(10, 3\)$"),
        ("evaluate_generator", iter([[[X, X]] * 4]), dict(steps=1), ValueError, "Found: list of 4: list of 2: ndarray"),
        ("evaluate_generator", iter([{"x": 1}]), dict(steps=1), ValueError, "Found: dict {'x': 1}$"),
        ("evaluate", forever(xy), dict(y=Y), ValueError, "`y` argument is not supported when data is a generator"),
        ("predict", forever(xy), dict(batch_size=2), ValueError, "`batch_size` argument must not be specified"),
        ("fit_generator", Batches(), dict(workers=-1), ValueError, "expected workers to be at least 0, got -1"),
        ("fit_generator", Batches(), dict(max_queue_size=0), ValueError, "expected max_queue_size to be at least 1"),
        ("fit_generator", Batches(), dict(steps_per_epoch=0), ValueError, "expected steps_per_epoch to be at least 1, got 0"),
        ("predict_generator", Batches(), dict(steps="2"), TypeError, "expected steps to be an integer, got '2'"),
        ("fit_generator", Batches(), dict(nonsense=1), TypeError, "nonsense"),
    ],
)
def test_wrong_arguments_raise(method, source, arguments, error, words):
    with pytest.raises(error, match=words):
        getattr(linear(), method)(source, **arguments)


def test_a_validation_generator_needs_its_steps():
    with pytest.raises(ValueError, match="`validation_steps=None` is only valid"):
        linear().fit_generator(Batches(), validation_data=forever(xy), verbose=0)


def test_at_most_three_positional_arguments():
    with pytest.raises(TypeError, match=r"`fit_generator` can accept only 3 positional arguments \('generator', 'steps_per_"):
        linear().fit_generator(forever(xy), 3, 1, 0)
    with pytest.raises(TypeError, match="`predict_generator` can accept only 3 positional"):
        linear().predict_generator(forever(xy), 3, None, 10)


def test_keras_1_names():
    model = linear()
    with pytest.warns(UserWarning) as caught:
        history = model.fit_generator(
            Batches(), samples_per_epoch=9, nb_epoch=2, validation_data=Batches(), nb_val_samples=3, nb_worker=2,
            pickle_safe=False, max_q_size=2, verbose=0,
        )  # fmt: skip
    text = str(caught[0].message)
    assert len(caught) == 1 and "`fit_generator(..., steps_per_epoch=4, epochs=2, validation_steps=3, workers=2," in text
    assert "['samples_per_epoch', 'nb_val_samples'] counted samples" in text
    assert history.epoch == [0, 1] and history.params["steps"] == 4
    with pytest.warns(UserWarning, match=r"`evaluate_generator\(..., steps=3\)`"):
        assert model.evaluate_generator(forever(xy), val_samples=3) == model.evaluate(X, Y, batch_size=4, verbose=0)
    with pytest.warns(UserWarning, match=r"max_queue_size=2\)`$"):
        assert model.predict_generator(forever(xy), 3, max_q_size=2).shape == (10, 1)
