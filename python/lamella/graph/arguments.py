"""The arguments of a function in a graph as data: JSON-like values, with a place for each tensor.

    3, "same", None, [1, 2]       themselves
    {"tensor": 0}                 the layer's input 0
    {"tuple": [1, 2]}             a tuple; {"slice": [0, None, 2]} a slice; {"ellipsis": True} three dots
    {"array": [1.0], "dtype": "float32"}

What cannot be written so (Variables, functions, large arrays) stands there itself, and keeps the graph from being saved.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from lamella.core.variable import Variable
from lamella.graph.inner_gradients import Asking
from lamella.graph.symbolic import Symbolic
from lamella.ops.tape import Tensor

Data = Any  # see the top of this file
Template = Any  # values, with a Place for each tensor

# Elements of an array that is written into a config; larger ones are weights, and belong into a layer.
LARGEST_ARRAY = 4096


class Place:
    """Where the input of that number goes."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


def symbols(values: Any) -> list[Symbolic]:
    """The symbolic tensors in lists, tuples, slices of values, each once."""
    found: dict[int, Symbolic] = {}
    _walk(values, lambda v: found.setdefault(id(v), v) if isinstance(v, Symbolic) else None)
    return list(found.values())


def reads_variables(values: Any) -> bool:
    """Whether a Variable is among the values, also in lists and tuples."""
    for value in values:  # noqa: SIM110 - each call of a function of K runs it, and a generator takes longer
        if isinstance(value, Variable) or (isinstance(value, (list, tuple)) and reads_variables(value)):
            return True
    return False


def describe(value: Any, tensors: Sequence[Symbolic], dtype: str | None) -> Data:
    """`value` as data, in which `tensors` are the layer's inputs.

    Args:
        dtype: Of the float arrays in it, which become constants: copies.

    Raises:
        TypeError: For a tensor of a running tape, and for a dict.
    """
    if isinstance(value, Symbolic):
        return {"tensor": next(i for i, x in enumerate(tensors) if x is value)}
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biuf":
        array = np.array(value, dtype if value.dtype.kind == "f" else None)
        return {"array": array.tolist(), "dtype": array.dtype.name} if array.size <= LARGEST_ARRAY else array
    if isinstance(value, list):
        return [describe(v, tensors, dtype) for v in value]
    if isinstance(value, tuple):
        return {"tuple": [describe(v, tensors, dtype) for v in value]}
    if isinstance(value, slice):
        return {"slice": [describe(v, tensors, dtype) for v in (value.start, value.stop, value.step)]}
    if value is Ellipsis:
        return {"ellipsis": True}
    if isinstance(value, (Tensor, dict)):
        raise TypeError(f"expected symbolic tensors, arrays, numbers and names in a graph, got {value!r}")
    return value


def read(data: Data, who: str) -> Template:
    """The values that `describe` described. Raises ValueError for what it does not write."""
    if isinstance(data, list):
        return [read(v, who) for v in data]
    if not isinstance(data, dict):
        return data
    match data:
        case {"tensor": index} if len(data) == 1 and type(index) is int and index >= 0:
            return Place(index)
        case {"tuple": [*entries]} if len(data) == 1:
            return tuple(read(v, who) for v in entries)
        case {"slice": [start, stop, step]} if len(data) == 1:
            return slice(read(start, who), read(stop, who), read(step, who))
        case {"ellipsis": True} if len(data) == 1:
            return Ellipsis
        case {"array": entries, "dtype": dtype} if len(data) == 2:
            try:
                array = np.array(entries, number_dtype(dtype))
            except (ValueError, TypeError, OverflowError) as error:
                raise ValueError(f"{who}: no array of {dtype!r}: {error}") from None
            return array if array.ndim else array[()]
    raise ValueError(f"{who}: expected arguments of a function as a graph saves them, got {data!r}")


_DTYPES = frozenset(
    ["bool", "float16", "float32", "float64", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))]
)


def number_dtype(name: object) -> str:
    """The name of a dtype of numbers. Raises ValueError for any other."""
    if not isinstance(name, str) or name not in _DTYPES:
        raise ValueError(f"expected the name of a dtype of numbers, got {name!r}")
    return name


def placed(values: Any, tensors: Sequence[Symbolic]) -> Template:
    """The values, with a Place for each of `tensors` in their lists, tuples, slices and dicts."""
    kind = type(values)
    if kind is list or kind is tuple:
        return kind(placed(v, tensors) for v in values)
    if kind is dict:
        return {key: placed(v, tensors) for key, v in values.items()}
    if kind is slice:
        return slice(*(placed(v, tensors) for v in (values.start, values.stop, values.step)))
    return Place(next(i for i, x in enumerate(tensors) if x is values)) if isinstance(values, Symbolic) else values


def fill(template: Template, inputs: Sequence[Any]) -> Any:
    """The template with the inputs in their places."""
    kind = type(template)
    if kind is Place:
        return inputs[template.index]
    if kind is list or kind is tuple:
        return kind(fill(v, inputs) for v in template)
    if kind is dict:
        return {key: fill(v, inputs) for key, v in template.items()}
    if kind is slice:
        return slice(fill(template.start, inputs), fill(template.stop, inputs), fill(template.step, inputs))
    return template


def places(template: Template) -> set[int]:
    """The numbers of the inputs that have a place."""
    found: set[int] = set()
    _walk(template, lambda v: found.add(v.index) if type(v) is Place else None)
    return found


def leaves(template: Template) -> list[object]:
    """What stands in the lists, tuples and slices."""
    found: list[object] = []
    _walk(template, found.append)
    return found


def read_by(function: object) -> list[Variable]:
    """The Variables that a function of Python reads by a name of its module or of the functions around it, also as weights of a
    layer that it names so.

    Those that it reads as other attributes, or in other functions that it calls, are not found.
    """
    if not isinstance(function, FunctionType):
        return []
    code, found = function.__code__, []
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # of a name that has no value yet
            found += leaves(cell.cell_contents)
    found += [function.__globals__[name] for name in code.co_names if name in function.__globals__]
    weights = [w for v in found if isinstance(v, Asking) for w in v.weights]
    return [*(v for v in found if isinstance(v, Variable)), *weights]


def lasting(data: Data) -> list[object]:
    """What in `data` cannot be written to a file."""
    found: list[object] = []
    _walk(data, lambda v: None if v is None or isinstance(v, (bool, int, float, str)) else found.append(v))
    return found


def _walk(value: Any, visit: Callable[[Any], object]) -> None:
    if isinstance(value, (list, tuple)):
        for v in value:
            _walk(v, visit)
    elif isinstance(value, slice):
        _walk([value.start, value.stop, value.step], visit)
    elif isinstance(value, dict):
        _walk(list(value.values()), visit)
    else:
        visit(value)
