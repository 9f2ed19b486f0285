"""Wrong arguments of every constructor: the error names the layer, what was expected, and what was given."""

import inspect

import pytest

from lamella import layers
from tests.layers.layer_roster import ROSTER

pytestmark = pytest.mark.filterwarnings("ignore:The `.*` layer is deprecated")

SIDES = (["sam", "", -1, 1.5, None, (1, 2, 3, 4)], "`padding` |`cropping` ")
# argument: (wrong values, the message's text about the expected values)
WRONG = {
    "padding": (["sam", "", 3, None], '"valid", "same"|one of'),
    "data_format": (["channels_middle", "tf", 3], '"channels_first", "channels_last"'),
    "activation": (["rleu", 3], "activation function"),
    "strides": ([0, -1, 1.5, "a", (1, 2, 3, 4)], "`strides` argument must be|strides"),
    "kernel_size": ([0, None, "a", (1, 2, 3, 4)], "`kernel_size` argument must be|kernel_size"),
    "size": ([0, None, "a", (1, 2, 3, 4)], "`size` argument must be|size"),
    "cropping": SIDES,
    "pool_size": ([0, None, "a", (1, 2, 3, 4)], "`pool_size` argument must be|pool_size"),
    "dilation_rate": ([0, "a"], "`dilation_rate` argument must be|dilation_rate"),
    "units": ([0, -1, 2.5, "a", None], "expected units to be a positive integer"),
    "filters": ([0, -1, 2.5, "a", None], "expected filters to be a positive integer"),
    "rate": (["a", None, float("nan")], "expected rate to be a number|rate: expected a finite number"),
    "alpha": (["a", None, float("nan"), True], "alpha: expected a finite number"),
    "theta": (["a", None], "theta: expected a finite number"),
    "negative_slope": (["a", None], "negative_slope: expected a finite number"),
    "threshold": (["a", None], "threshold: expected a finite number"),
    "max_value": (["a", float("nan")], "max_value: expected a finite number"),
    "stddev": (["a", None, float("inf")], "stddev: expected a finite number"),
    "alpha_initializer": (["foo"], "initializer"),
    "shared_axes": (["x", [1.5], [None]], "expected shared_axes|whole number"),
    "axis": (["x", None, 1.5], "expected axis to be a whole number"),
    "momentum": (["x", float("nan")], "expected a finite number"),
    "epsilon": (["x", float("inf")], "expected a finite number"),
    "target_shape": ([(2, "a"), 3, None], "shape|target_shape"),
    "kernel_initializer": (["foo", 3], "initializer"),
    "bias_initializer": (["foo"], "initializer"),
    "gamma_initializer": (["foo"], "initializer"),
    "kernel_regularizer": (["foo", 3], "regularizer"),
    "kernel_constraint": (["foo", 3], "constraint"),
    "dtype": (["float12", "text"], "dtype of real numbers"),
}

# The same for arguments that have another meaning in one layer.
WRONG_HERE = {(f"ZeroPadding{axes}D", "padding"): SIDES for axes in (1, 2, 3)}


def rows():
    for name in sorted({row[0] for row in ROSTER}):
        arguments = next(row[1] for row in ROSTER if row[0] == name)
        cls = getattr(layers, name)
        taken = {*inspect.signature(cls).parameters, "dtype"}
        for argument in WRONG:
            if argument in taken:
                values, wanted = WRONG_HERE.get((name, argument), WRONG[argument])
                yield pytest.param(cls, arguments, argument, values, wanted, id=f"{name}-{argument}")


@pytest.mark.parametrize(("cls", "arguments", "argument", "values", "wanted"), [*rows()])
def test_the_error_names_the_layer(cls, arguments, argument, values, wanted):
    for value in values:
        with pytest.raises((ValueError, TypeError), match=wanted) as caught:
            cls(**{**arguments, argument: value, "name": "mine"})
        text = str(caught.value)
        assert "Layer mine" in text and "Layer Layer" not in text, text
        assert repr(value) in text or str(value) in text, text


def test_an_unknown_keyword_names_class_and_keyword():
    for name in sorted({row[0] for row in ROSTER}):
        arguments = next(row[1] for row in ROSTER if row[0] == name)
        with pytest.raises(TypeError, match=f"colour.*{name}|{name}.*colour"):
            getattr(layers, name)(**arguments, colour=3)
