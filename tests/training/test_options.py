"""The options of fit, evaluate and predict: each argument is listed once, and the methods follow."""

import inspect
from dataclasses import FrozenInstanceError, dataclass, fields

import pytest

from lamella.models import Model, Sequential
from lamella.training.options import EvaluateOptions, FitOptions, PredictOptions, takes

METHODS = [(Model.fit, FitOptions), (Model.evaluate, EvaluateOptions), (Model.predict, PredictOptions)]


@pytest.mark.parametrize("method, options", METHODS)
def test_a_method_has_the_signature_of_its_options(method, options):
    taken = inspect.signature(method).parameters
    assert list(taken) == ["self", *(field.name for field in fields(options))]
    assert {name: p.default for name, p in taken.items() if name != "self"} == {
        name: p.default for name, p in inspect.signature(options).parameters.items()
    }
    assert taken["timeout"].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize("method, options", METHODS)
def test_each_argument_has_its_line_of_help(method, options):
    described = inspect.getdoc(method).partition("\n\nArgs:\n")[2].partition("\n\n")[0].splitlines()
    names = [line.strip().partition(":")[0] for line in described if line.startswith("    ") and line[4] != " "]
    assert names == [field.name for field in fields(options)]


@dataclass(frozen=True)
class Colours:
    """The options of paint.

    Args:
        colour: Its name.
        coats: How many.
    """

    colour: str
    coats: int = 1

    def __post_init__(self):
        if not isinstance(self.coats, int):
            raise TypeError("coats: expected an integer")


class Wall:
    @takes(Colours, renamed={"layers": "coats"})
    def paint(self, options):
        """Paint it.

        Returns:
            The options.
        """
        return options


def test_a_new_field_is_a_new_argument():
    assert str(inspect.signature(Wall.paint)) == "(self, colour: str, coats: int = 1)"
    assert Wall().paint("red", 2) == Colours("red", 2) == Wall().paint(coats=2, colour="red")
    assert inspect.getdoc(Wall.paint) == (
        "Paint it.\n\nArgs:\n    colour: Its name.\n    coats: How many.\n\nReturns:\n    The options."
    )


def test_an_old_name_is_accepted_with_a_warning_at_the_callers_line():
    with pytest.warns(UserWarning, match="The `layers` argument in `paint` has been renamed `coats`.") as caught:
        assert Wall().paint("red", layers=3) == Colours("red", 3)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "args, kwargs, message",
    [
        (("red",), {"shade": 1}, r"paint: Unrecognized keyword arguments: {'shade': 1}"),
        ((), {}, "paint: missing a required argument: 'colour'"),
        (("red", 1, 2), {}, "paint: too many positional arguments"),
        (("red",), {"colour": "blue"}, "paint: multiple values for argument 'colour'"),
        (("red", "two"), {}, "coats: expected an integer"),
    ],
)
def test_errors_of_arguments_name_the_method(args, kwargs, message):
    with pytest.raises(TypeError, match=f"^{message}$"):
        Wall().paint(*args, **kwargs)


def test_options_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        FitOptions().epochs = 2


def test_arguments_are_checked_before_the_model_is_used():
    with pytest.raises(TypeError, match="expected epochs to be an integer, got 1.5"):
        Sequential().fit([1.0], [1.0], epochs=1.5)
