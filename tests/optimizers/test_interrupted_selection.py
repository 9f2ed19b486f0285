"""Ctrl-C while an optimizer selects the state of another list of arrays: each list keeps its own state."""

import numpy as np
import pytest

from lamella.layers import Dense
from lamella.models import Sequential
from lamella.optimizers import SGD, Adam
from tests.interrupts import Interrupt

rng = np.random.default_rng(2)
STARTS = {"a": [(3, 2), (4,)], "b": [(3, 2), (4,)]}
GRADS = {name: [rng.normal(size=shape).astype("float32") for shape in shapes] for name, shapes in STARTS.items()}


class Pair:
    """Two lists of arrays with the same shapes and one optimizer, bound in the same way as a model's weights."""

    def __init__(self, named):
        self.optimizer = Adam(0.1)
        self.params = {name: [np.ones(shape, "float32") for shape in shapes] for name, shapes in STARTS.items()}
        self.states = {}
        for name, params in self.params.items():
            self.states[name] = self.optimizer.bind(params, [f"{name}{i}" for i in range(2)] if named else None)
        for name in "aab":
            self.step(name)

    def step(self, name):
        self.optimizer.select_state(self.params[name], self.states[name])
        self.optimizer.step(self.params[name], GRADS[name])

    def contents(self):
        arrays = [a for name in "ab" for a in self.params[name]]
        arrays += [a for name in "ab" for slot in self.states[name].slots for a in slot]
        return [a.tobytes() for a in arrays], int(self.optimizer.iterations)


@pytest.mark.parametrize("named", [True, False])
def test_each_list_keeps_its_state_at_any_interrupt(named):
    quiet = Pair(named)
    before = quiet.contents()[1]
    for name in "abab":
        quiet.step(name)
    with Interrupt() as all_of_it:
        Pair(named).step("a")
    with Interrupt() as making:
        Pair(named)
    for n in range(1, all_of_it.seen - making.seen + 1):
        pair = Pair(named)
        with Interrupt(n):
            pair.step("a")
        done = pair.contents()[1] - before
        for name in "abab"[done:]:
            pair.optimizer.step(pair.params[name], GRADS[name])
        assert pair.contents() == quiet.contents(), f"bytecode {n}"


def test_a_state_that_was_set_is_converted_completely_or_not():
    def given():
        optimizer = Adam(0.1)
        optimizer.set_weights([3, *(np.full(s, 0.5) for s in STARTS["a"] * 2), *[np.zeros(1)] * 2])
        return optimizer, [np.ones(shape, "float32") for shape in STARTS["a"]]

    def contents(optimizer, params):
        return [p.tobytes() for p in params], [w.tobytes() for w in optimizer.get_weights()]

    optimizer, params = given()
    optimizer.step(params, GRADS["a"])
    want = contents(optimizer, params)
    with Interrupt() as all_of_it:
        optimizer, params = given()
        optimizer.step(params, GRADS["a"])
    with Interrupt() as making:
        given()
    for n in range(1, all_of_it.seen - making.seen + 1):
        optimizer, params = given()
        with Interrupt(n):
            optimizer.step(params, GRADS["a"])
        if int(optimizer.iterations) == 3:
            optimizer.step(params, GRADS["a"])
        assert contents(optimizer, params) == want, f"bytecode {n}"


def test_a_model_uses_the_state_of_its_optimizer_after_any_interrupt():
    """The state is bound once, also if the interrupt comes after the binding and before the model knows of it."""
    x, y = rng.normal(size=(8, 3)).astype("float32"), rng.normal(size=(8, 2)).astype("float32")
    start = [rng.normal(size=(3, 2)).astype("float32"), np.zeros(2, "float32")]

    def given():
        model = Sequential([Dense(2, input_shape=(3,))])
        model.set_weights(start)
        model.compile(SGD(0.1, momentum=0.9), "mse")
        model.optimizer.set_weights([np.int64(7), np.ones((3, 2)), np.ones(2)])
        return model

    def contents(model):
        return [w.tobytes() for w in [*model.get_weights(), *model.optimizer.get_weights()]]

    quiet = given()
    quiet.train_on_batch(x, y)
    with Interrupt() as interrupt:
        given()._make_train_function()
    with Interrupt() as making:
        given()
    for n in range(1, interrupt.seen - making.seen + 1):
        model = given()
        with Interrupt(n):
            model._make_train_function()
        model.train_on_batch(x, y)
        assert contents(model) == contents(quiet), f"bytecode {n}"
