"""get_training_state and the model's file: with every optimizer, training continues to the same bits."""

import numpy as np
import pytest

from lamella import optimizers
from lamella.core import registry
from lamella.layers import BatchNormalization, Dense, Dropout
from lamella.models import Sequential, load_model
from lamella.saving import tree
from lamella.utils import set_random_seed

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 5)).astype("f4"), RNG.normal(size=(12, 2)).astype("f4")
NAMES = sorted({registry.get("optimizers", name).__name__ for name in registry.names("optimizers")})
EXTRA = {"SGD": dict(momentum=0.9, nesterov=True), "Adam": dict(amsgrad=True)}


def model(name, accumulation=None):
    net = Sequential([Dense(4, input_shape=(5,), activation="tanh"), BatchNormalization(), Dropout(0.4), Dense(2)])
    arguments = dict(EXTRA.get(name, {}), clipnorm=1.0)
    if accumulation:
        arguments["gradient_accumulation_steps"] = accumulation
    net.compile(getattr(optimizers, name)(**arguments), "mse")
    return net


def train(net, steps):
    for step in steps:
        net.train_on_batch(X[step % 3 :: 3], Y[step % 3 :: 3])


def all_bits(net):
    return [w.tobytes() for w in [*net.get_weights(), *net.optimizer.get_weights()]]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("accumulation", [None, 3])
@pytest.mark.parametrize("way", ["state", "file"])
def test_eight_steps_equal_five_and_three(tmp_path, name, accumulation, way):
    straight = model(name, accumulation)
    train(straight, range(8))
    set_random_seed(1)
    first = model(name, accumulation)
    train(first, range(5))
    if way == "file":
        first.save(tmp_path / "m.h5")
        set_random_seed(2)
        second = load_model(tmp_path / "m.h5")
    else:
        state = tree.from_bytes(tree.to_bytes(first.get_training_state()), "x")
        set_random_seed(2)
        second = model(name, accumulation)
        second.set_training_state(state)
    train(second, range(5, 8))
    assert all_bits(second) == all_bits(straight)


def test_the_state_is_a_copy():
    net = model("Adam")
    train(net, range(2))
    state = net.get_training_state()
    kept = [w.copy() for w in state["weights"]]
    train(net, range(2))
    assert all(np.array_equal(a, b) for a, b in zip(kept, state["weights"]))
    assert not np.array_equal(kept[0], net.get_weights()[0])


def test_a_state_before_the_first_step():
    net = model("Adam")
    state = net.get_training_state()
    other = model("Adam")
    other.set_training_state(state)
    train(net, range(3))
    train(other, range(3))
    assert all_bits(net) == all_bits(other)


def test_the_optimizer_also_refuses_weights_of_other_shapes():
    state = model("SGD").get_training_state()
    train(net := model("SGD"), range(1))
    state["optimizer"]["weights"] = net.optimizer.get_weights()[:-1]
    before = all_bits(net)
    with pytest.raises(ValueError, match="weight list"):
        net.set_training_state(state)
    assert all_bits(net) == before


@pytest.mark.parametrize("way", ["state", "file"])
def test_models_that_share_an_optimizer_keep_their_own_state(tmp_path, way):
    """The state of the optimizer is that of the model that made the last step, in the states of both models."""
    shared = optimizers.Adam(lr=0.1)
    first, second = (Sequential([Dense(2, input_shape=(5,))]) for _ in range(2))
    for net in (first, second):
        net.compile(shared, "mse")
    train(first, range(3))
    own = first.optimizer.get_weights()[1:]
    train(second, range(2))
    if way == "file":
        first.save(tmp_path / "m.h5")
        kept = load_model(tmp_path / "m.h5").optimizer.get_weights()
    else:
        kept = first.get_training_state()["optimizer"]["weights"]
        state = first.get_training_state()
        train(second, range(1))
        before = second.get_training_state()["optimizer"]["weights"][1:]
        first.set_training_state(state)
        after = second.get_training_state()["optimizer"]["weights"][1:]
        assert all(np.array_equal(a, b) for a, b in zip(before, after))
    assert int(kept[0]) == 5 and all(np.array_equal(a, b) for a, b in zip(kept[1:], own))
