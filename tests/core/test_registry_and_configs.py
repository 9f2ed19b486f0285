"""Names become objects only by the registry. Configs follow from constructors."""

import collections
import json

import numpy as np
import pytest

from lamella.core import registry
from lamella.core.configurable import Configurable, deserialize, own_arguments, plain, serialize
from lamella.core.variable import Variable


@registry.register("tests", "box")
class Box(Configurable):
    def __init__(self, width, height=2, inner=None, **kwargs):
        self.width, self.height, self.inner = width, height, inner


@registry.register_factory("tests")
def big_box():
    return Box(100)


def test_round_trip_of_nested_objects():
    box = Box(3, inner=Box(1, inner=None))
    config = serialize(box)
    assert config == {
        "class_name": "Box",
        "config": {"width": 3, "height": 2, "inner": {"class_name": "Box", "config": {"width": 1, "height": 2, "inner": None}}},
    }
    assert deserialize("tests", json.loads(json.dumps(config))).width == 3


def test_a_name_makes_an_object_of_a_class_or_factory_or_a_function():
    assert isinstance(deserialize("tests", "big_box"), Box)
    assert deserialize("tests", "f", {"f": len}) is len
    with pytest.raises(TypeError):
        deserialize("tests", "box")  # width has no default
    assert deserialize("tests", None) is None
    assert deserialize("tests", max) is max


def test_unknown_names_are_named():
    with pytest.raises(ValueError, match="^Unknown layer: Foo"):
        registry.get("layers", "Foo")
    with pytest.raises(ValueError, match="^Unknown loss function: foo"):
        registry.get("losses", "foo")
    with pytest.raises(ValueError, match="Could not interpret test identifier: 3"):
        deserialize("tests", 3)
    with pytest.raises(ValueError, match="Improper config format"):
        deserialize("tests", {"config": {}})


def test_a_name_that_is_already_taken_is_refused():
    with pytest.raises(ValueError, match="already taken"):
        registry.register("tests", "box")(type("Other", (), {}))


def test_scope_is_undone_also_after_an_error():
    with pytest.raises(KeyError), registry.custom_object_scope({"g": min}):
        assert registry.get("tests", "g") is min
        raise KeyError
    assert registry.find("tests", "g") is None


def test_an_argument_that_was_not_stored_is_named():
    class Forgetful(Configurable):
        def __init__(self, size):
            pass

    with pytest.raises(NotImplementedError, match="Forgetful.*'size'"):
        Forgetful(1).get_config()


def test_arguments_are_passed_on_only_by_kwargs():
    class Lid(Box):
        def __init__(self, color, **kwargs):
            super().__init__(**kwargs)

    class Closed(Box):
        def __init__(self, color):
            super().__init__(1)

    assert own_arguments(Lid) == ("color", "width", "height", "inner")
    assert own_arguments(Closed) == ("color",)


def test_plain_values():
    assert plain((np.float32(0.5), np.arange(2), Variable(1.5))) == (0.5, [0, 1], 1.5)
    assert plain({"a": np.tanh}) == {"a": "tanh"}
    Size = collections.namedtuple("Size", "rows columns")
    assert plain([Size(np.int64(2), 3)]) == [(2, 3)] and type(plain(Size(2, 3))) is tuple
