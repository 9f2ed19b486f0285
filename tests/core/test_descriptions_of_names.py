"""Each room accepts its own descriptions: each registered name, alone and as {"class_name": ..., "config": ...}."""

import inspect

import numpy as np
import pytest

from lamella import activations, constraints, initializers, losses, metrics, optimizers, regularizers
from lamella.core import registry
from lamella.core.configurable import Configurable

ROOMS = {
    "activations": activations,
    "constraints": constraints,
    "initializers": initializers,
    "losses": losses,
    "metrics": metrics,
    "optimizers": optimizers,
    "regularizers": regularizers,
}
NAMES = [(room, name) for room in ROOMS for name in registry.names(room)]


def needs_arguments(found):
    return any(
        p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        for p in inspect.signature(found).parameters.values()
    )


@pytest.mark.parametrize("room, name", NAMES)
def test_a_description_makes_the_same_object(room, name):
    get, serialize = ROOMS[room].get, ROOMS[room].serialize
    found = registry.get(room, name)
    if isinstance(found, type) and needs_arguments(found):
        pytest.skip("cannot be made by its name alone")
    made = get(name)
    described = serialize(made)
    again = get(described)
    if isinstance(made, Configurable):
        assert set(described) == {"class_name", "config"} and type(again) is type(made)
        assert serialize(again) == described
    else:
        assert again is made and get({"class_name": name, "config": {}}) is made


class Scaled(Configurable):
    """A loss with an argument."""

    def __init__(self, scale=1.0):
        self.scale = scale

    def __call__(self, y_true, y_pred):
        return self.scale * losses.mse(y_true, y_pred)


def test_a_loss_with_a_config():
    with registry.custom_object_scope({"Scaled": Scaled}):
        loss = losses.get({"class_name": "Scaled", "config": {"scale": 3.0}})
        again = losses.get(losses.serialize(loss))
    assert type(again) is Scaled and again.scale == 3.0
    np.testing.assert_allclose(again(np.zeros((2, 2)), np.ones((2, 2))), [3, 3])


@pytest.mark.parametrize("bad", [{}, {"class_name": "mse"}, 3, ["mse"]])
def test_wrong_descriptions_are_refused(bad):
    for room in ROOMS.values():
        with pytest.raises(ValueError, match="Improper config format|Could not interpret"):
            room.get(bad)
