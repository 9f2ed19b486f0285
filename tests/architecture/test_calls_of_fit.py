"""The set-up of fit goes down through the rooms: from the call to the first step, at most two calls go to a higher room.

A higher room is one that the caller's room may not import, by the table of ARCHITECTURE.md. Two things are not counted: what a
run sets on the model (`history`, `stop_training`), because `Model.__setattr__` only checks it; and the deletion of models.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType

import numpy as np
import pytest

import lamella
from lamella.callbacks import EarlyStopping
from lamella.layers import BatchNormalization, Dense, Input
from lamella.models import Model, Sequential
from lamella.training.step import Steps
from lamella.utils import Sequence
from tests.architecture.test_imports import MAY_IMPORT

PACKAGE = Path(lamella.__file__).parent  # the package that runs, which may be an installed one
X, Y = np.ones((8, 4), "float32"), np.ones((8, 1), "float32")
FIRST_STEP = Steps.train.__code__
# `takes` makes the method that users call: it converts their arguments to FitOptions and calls the model's method.
ENTRY = ("training: with_fields", "models: fit")


def room_of(code: CodeType) -> str | None:
    """The room of a function; None for functions outside of the package."""
    if not code.co_filename.startswith(f"{PACKAGE}/"):
        return None
    return code.co_filename[len(f"{PACKAGE}/") :].partition("/")[0].removesuffix(".py")


def may_call(room: str, other: str) -> bool:
    return other in (room, "__init__") or any(name.partition(".")[0] == other for name in MAY_IMPORT.get(room, ()))


def calls_up(run: Callable[[], object]) -> list[tuple[str, str]]:
    """(caller, called function) for each call of a higher room before the first step of `run`."""
    found: list[tuple[str, str]] = []
    stepped = []

    def profile(frame: FrameType, event: str, argument: object) -> None:
        room = room_of(frame.f_code) if event == "call" and not stepped else None
        if room is None:
            return
        if frame.f_code is FIRST_STEP:
            stepped.append(True)
        caller = frame.f_back
        while caller is not None and room_of(caller.f_code) is None:
            caller = caller.f_back
        if caller is None or frame.f_code.co_name in ("__setattr__", "__del__"):
            return
        above = room_of(caller.f_code)
        assert above is not None
        if not may_call(above, room):
            found.append((f"{above}: {caller.f_code.co_name}", f"{room}: {frame.f_code.co_name}"))

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        run()
    finally:
        sys.setprofile(before)
    assert stepped, "no step was made"
    return found


def sequential() -> Model:
    return Sequential([Dense(3, input_shape=(4,)), BatchNormalization(), Dense(1)])


def of_graph() -> Model:
    x = Input((4,))
    return Model(x, Dense(1)(Dense(3, activation="relu", kernel_regularizer="l2")(x)))


class Own(Model):
    def __init__(self) -> None:
        super().__init__()
        self.dense = Dense(1)

    def call(self, inputs):
        return self.dense(inputs)


class Batches(Sequence):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index):
        return X[:4], Y[:4]


def generated():
    while True:
        yield X, Y


RUNS = {
    "fit": lambda model, stopping: model.fit(X, Y, batch_size=4, verbose=0),
    "fit with options": lambda model, stopping: model.fit(
        X, Y, validation_split=0.5, sample_weight=np.ones(8), class_weight={1: 2.0}, callbacks=[stopping], verbose=0
    ),
    "fit of a Sequence": lambda model, stopping: model.fit(Batches(), validation_data=(X, Y), verbose=0),
    "fit_generator": lambda model, stopping: model.fit_generator(
        generated(), steps_per_epoch=2, validation_data=generated(), validation_steps=1, verbose=0
    ),
}
# EarlyStopping asks its model whether a smaller value is better.
DIRECTION = ("callbacks: declared_direction", "models: metric_direction")
EXPECTED = {"fit": [ENTRY], "fit with options": [ENTRY, DIRECTION], "fit of a Sequence": [ENTRY], "fit_generator": []}


@pytest.mark.parametrize("kind", [sequential, of_graph, Own])
@pytest.mark.parametrize("run", RUNS)
def test_the_set_up_of_fit_calls_higher_rooms_at_most_twice(run, kind):
    model = kind()
    model.build((None, 4))  # else a subclassed model makes its graph in fit
    model.compile("adam", "mse", metrics=["mae"])
    stopping = EarlyStopping("loss")
    assert calls_up(lambda: RUNS[run](model, stopping)) == EXPECTED[run]


def test_a_call_of_a_higher_room_is_found():
    class Asking(Batches):
        def __len__(self) -> int:
            return model.count_params() - 3

    model = Sequential([Dense(1, input_shape=(4,))])
    model.compile("sgd", "mse")
    found = calls_up(lambda: model.fit(Asking(), verbose=0))
    assert ENTRY in found and any(called == "graph: count_params" for _, called in found[1:]), found
