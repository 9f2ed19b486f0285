"""Boolean arguments of constructors."""

import inspect

import numpy as np
import pytest

import lamella.layers
from lamella import callbacks, constraints, initializers, layers, losses, metrics, models, optimizers, regularizers
from lamella.core.configurable import Configurable

ROOMS = (layers, optimizers, callbacks, initializers, regularizers, constraints, losses, metrics, models)


def flags_of(cls):
    """The arguments of the class's own constructor whose default is True or False."""
    parameters = inspect.signature(vars(cls)["__init__"]).parameters.values() if "__init__" in vars(cls) else ()
    return [p.name for p in parameters if type(p.default) is bool]


CLASSES = {
    entry for room in ROOMS for name in dir(room) if isinstance(entry := getattr(room, name), type)
    and issubclass(entry, (Configurable, callbacks.Callback)) and entry.__module__.startswith("lamella.")
}  # fmt: skip
FLAGS = [(cls, flag) for cls in sorted(CLASSES, key=lambda cls: cls.__qualname__) for flag in flags_of(cls)]


def test_the_flags_are_known():
    found = {(cls.__name__, flag) for cls, flag in FLAGS}
    assert len(found) > 15
    assert found >= {
        ("Dense", "use_bias"),
        ("BatchNormalization", "scale"),
        ("Layer", "trainable"),
        ("SGD", "nesterov"),
        ("Adam", "amsgrad"),
        ("EarlyStopping", "restore_best_weights"),
    }


@pytest.mark.parametrize(("cls", "flag"), FLAGS, ids=lambda value: getattr(value, "__name__", value))
@pytest.mark.parametrize("wrong", ["yes", "False", "", 2, 0.5, [True]])
def test_a_value_that_is_not_a_flag_is_refused_by_name(cls, flag, wrong):
    with pytest.raises(TypeError) as caught:
        cls(**{flag: wrong})
    assert str(caught.value) == f"{cls.__name__}: expected {flag} to be True or False, got {wrong!r}"


def test_the_error_names_the_layer():
    with pytest.raises(TypeError, match="^Dense 'head': expected use_bias to be True or False, got 'yes'$"):
        layers.Dense(3, name="head", use_bias="yes")
    with pytest.raises(TypeError, match="^Dense: expected use_bias to be True or False, got 'no'$"):
        layers.Dense(3, "relu", "no")
    with pytest.raises(TypeError, match="^Dense 'head': expected trainable to be True or False, got 'no'$"):
        layers.Dense(3, name="head", trainable="no")


def test_a_custom_class_passes_its_arguments_on():
    class Mine(layers.Dense):
        def __init__(self, units, anything=True, **kwargs):
            super().__init__(units, **kwargs)
            self.anything = anything

    assert Mine(2, anything="yes").anything == "yes"
    with pytest.raises(TypeError, match="^Mine: expected use_bias to be True or False, got 'yes'$"):
        Mine(2, use_bias="yes")


def test_a_custom_class_checks_its_annotated_arguments():
    class Mine(layers.Dense):
        def __init__(self, units, turned: bool = False, **kwargs):
            super().__init__(units, **kwargs)
            self.turned = turned

    assert Mine(2, turned=1).turned == 1
    with pytest.raises(TypeError, match="^Mine 'head': expected turned to be True or False, got 'no'$"):
        Mine(2, turned="no", name="head")


@pytest.mark.parametrize("value", [True, 1, np.True_, np.int64(1), False, 0, np.False_, None])
def test_true_and_false_values_are_accepted(value):
    layer = layers.Dense(3, input_shape=(2,), use_bias=value)
    assert len(models.Sequential([layer]).get_weights()) == 1 + bool(value)
    assert optimizers.SGD(nesterov=value).nesterov is bool(value)


def test_signatures_do_not_change():
    assert list(inspect.signature(layers.Dense).parameters)[:3] == ["units", "activation", "use_bias"]
    assert lamella.layers.Dense(3, use_bias=False).get_config()["use_bias"] is False
