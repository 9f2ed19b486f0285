"""Numbers of steps that are floats, as n / batch_size in Python 3."""

import warnings

import numpy as np
import pytest

from lamella import callbacks, layers, models

X, Y = np.ones((8, 2), "float32"), np.ones((8, 1), "float32")


class Count(callbacks.Callback):
    trained = validated = 0

    def on_batch_end(self, batch, logs=None):
        self.trained += 1


class Ones:
    """An endless generator that counts what was drawn."""

    drawn = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.drawn += 1
        return X[:4], Y[:4]


def model():
    made = models.Sequential([layers.Dense(1, input_shape=(2,))])
    made.compile("sgd", "mse")
    return made


@pytest.mark.parametrize("steps", [2, 2.0, np.float64(2), 8 / 4])
def test_a_float_without_a_fraction_is_accepted(steps):
    counts = [Count(), Count(), Count()]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model().fit_generator(Ones(), steps_per_epoch=steps, verbose=0, callbacks=[counts[0]], workers=0)
        model().fit(Ones(), steps_per_epoch=steps, verbose=0, callbacks=[counts[1]], workers=0)
        model().fit(
            X, Y, steps_per_epoch=steps, validation_data=(X, Y), validation_steps=steps, verbose=0, callbacks=[counts[2]]
        )
    assert [count.trained for count in counts] == [2, 2, 2]
    evaluated, predicted = Ones(), Ones()
    model().evaluate_generator(evaluated, steps=steps, workers=0)
    assert model().predict_generator(predicted, steps=steps, workers=0).shape == (8, 1)
    assert evaluated.drawn == predicted.drawn == 2


def test_a_fraction_is_rounded_up_with_a_warning():
    count = Count()
    with pytest.warns(UserWarning, match="steps_per_epoch=2.5 is not a whole number of batches; 3 are taken") as record:
        model().fit_generator(Ones(), steps_per_epoch=10 / 4, verbose=0, callbacks=[count], workers=0)
    assert count.trained == 3 and record[0].filename == __file__
    drawn = Ones()
    with pytest.warns(UserWarning, match="validation_steps=1.25 is not a whole number of batches; 2 are taken"):
        model().fit_generator(Ones(), 1, verbose=0, validation_data=drawn, validation_steps=5 / 4, workers=0)
    assert drawn.drawn == 2


@pytest.mark.parametrize(
    "steps, error",
    [
        (0.0, ValueError),
        (-1.5, ValueError),
        (float("nan"), TypeError),
        (float("inf"), TypeError),
        ("2", TypeError),
        (True, TypeError),
    ],
)
def test_wrong_numbers_of_steps_raise(steps, error):
    with pytest.raises(error, match="expected steps_per_epoch to be"):
        model().fit_generator(Ones(), steps_per_epoch=steps, verbose=0, workers=0)
