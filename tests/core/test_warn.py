"""Warnings name the line of the user's program, from any depth of calls in the package."""

import warnings

import numpy as np
import pytest

from lamella.callbacks import EarlyStopping, ReduceLROnPlateau
from lamella.layers import Activation, Dense, Input
from lamella.models import Model, Sequential, load_model
from lamella.utils import GeneratorEnqueuer


def small_model() -> Sequential:
    return Sequential([Dense(1, input_dim=2)])


def model_of_an_inner_tensor(folder):
    middle = Activation("relu")(Input((2,)))
    Model(middle, Activation("relu")(middle))


def load_an_uncompiled_model(folder):
    model = small_model()
    model.save(str(folder / "m.h5"))
    load_model(str(folder / "m.h5"))


def compile_with_metrics_of_another_output(folder):
    small_model().compile("sgd", "mse", metrics={"other": "mae"})


def monitor_what_is_not_in_the_logs(folder):
    model = small_model()
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 2)), np.ones((2, 1)), verbose=0, callbacks=[EarlyStopping("other")])


def read_model_of_sequential(folder):
    assert small_model().model


def end_a_generator_early(folder):
    small_model().predict_generator(iter([np.ones((2, 2), "float32")]), steps=2)


def deprecated_epsilon(folder):
    ReduceLROnPlateau(epsilon=0.1)


def wait_time(folder):
    GeneratorEnqueuer(iter([]), wait_time=0.1)


@pytest.mark.parametrize(
    "cause",
    [
        model_of_an_inner_tensor,
        load_an_uncompiled_model,
        compile_with_metrics_of_another_output,
        monitor_what_is_not_in_the_logs,
        read_model_of_sequential,
        end_a_generator_early,
        deprecated_epsilon,
        wait_time,
    ],
)
def test_a_warning_points_at_the_users_line(cause, tmp_path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cause(tmp_path)
    assert caught and {warning.filename for warning in caught} == {__file__}
