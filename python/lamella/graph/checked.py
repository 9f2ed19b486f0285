"""Wraps functions of K: array-likes become tensors, and errors name the function."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
from numpy.exceptions import AxisError

from lamella.core import registry
from lamella.core.config import floatx
from lamella.core.graphs import GraphUpdate
from lamella.core.updates import computing
from lamella.core.user_array import UserArray, for_user
from lamella.core.variable import Variable
from lamella.graph.arguments import reads_variables
from lamella.graph.symbolic import Symbolic
from lamella.ops.tape import Tensor

P = ParamSpec("P")
R = TypeVar("R")

# The annotations, as text, of one tensor, and of a list of tensors.
_TENSOR = frozenset({"Value", "Array", "Array | Tensor", "Value | None"})
_TENSORS = frozenset({"Sequence[Value]"})

# Types that are not converted: as the first tensor, as a further tensor, and as any other argument.
_FIRST = frozenset({np.ndarray, UserArray, Tensor, Variable})
_FURTHER = _FIRST | {int, float, np.float32, np.float64}
_OTHERS = _FURTHER | {type(None), str, bool}

# What stands for a tensor where a user's function runs: K's functions make UserArrays of these.
_USERS = frozenset({UserArray, Tensor})

# Errors of NumPy for wrong arguments, and the errors that replace them: a wrong axis is a ValueError, an object without shape is
# a TypeError.
_KINDS = {
    ValueError: ValueError,
    TypeError: TypeError,
    IndexError: ValueError,
    AttributeError: TypeError,
    AxisError: ValueError,
}


class _Parameter(NamedTuple):
    name: str
    tensor: bool
    several: bool  # a list of tensors
    optional: bool
    passes: frozenset[type]


_ANY = _Parameter("", False, False, True, _OTHERS)


def checked(
    function: Callable[P, R], name: str | None = None, connect: Callable[..., Any] | None = None, *, always: bool = False
) -> Callable[P, R]:
    """Decorator for a function of K: converts array-likes, and names the function in errors.

    A parameter is a tensor if its annotation is Value or Array. Lists of numbers become arrays with the dtype of the other
    float tensors, or floatx. Lists of tensors are stacked, as in Keras. Everything else is a TypeError. Errors begin with K and
    the function's name. Errors of other types, for example from a callback, are not changed.

    Args:
        function: The function.
        name: Its name in K; None for its own name.
        connect: Function that is called instead, with the name and the arguments, if a symbolic tensor is among these; outside
            of a run also if a Variable is.
        always: Whether `connect` is called outside of a run with any arguments.
    """
    label = name or function.__name__
    parameters = _parameters(function)
    order = tuple(parameters.values())

    @functools.wraps(function)
    def call(*arguments: P.args, **named: P.kwargs) -> R:
        plain = _plain(order, arguments)
        if plain and named:
            others_plain = _plain([parameters.get(k, _ANY) for k in named], named.values())
            plain = max(plain, others_plain) if others_plain else 0
        if (plain != 1 or always) and connect is not None:
            every = [*arguments, *named.values()]
            if (not computing() and (always or plain == 2 or reads_variables(every))) or (not plain and _symbolic(every)):
                node: R = connect(label, *arguments, **named)
                return node
        values: Sequence[Any] = arguments
        others: Mapping[str, Any] = named
        try:
            if not plain:
                values, others = _converted(parameters, arguments, named)
            values = _beside_tensors(values)
            result = function(*values, **others)
        except (ValueError, TypeError, IndexError, AttributeError) as error:
            better = _named(error, label, [*values, *others.values()])
            if better is None:
                raise
            raise better from error
        if type(result) is np.ndarray:
            kinds = set(map(type, values))
            # In a run also what comes from Tensors or from numbers alone, such as K.zeros_like(x) and K.arange(n).
            if not _USERS.isdisjoint(kinds) or (np.ndarray not in kinds and computing()):
                return for_user(result)  # type: ignore[no-any-return]
        return result

    # The module in which users and pickle find it, also if it is a function of `ops`.
    call.__module__, call.__qualname__ = "lamella.backend", label
    return call


def _beside_tensors(values: Sequence[Any]) -> Sequence[Any]:
    """The arguments, with plain arrays of floats in the dtype of the tensors beside them, also within a list of tensors."""
    kinds = set(map(type, values))
    if list in kinds or tuple in kinds:
        values = [_beside_tensors(v) if type(v) is list or type(v) is tuple else v for v in values]
    if np.ndarray not in kinds or _USERS.isdisjoint(kinds):
        return values
    dtypes = {v.dtype for v in values if type(v) in _USERS and v.dtype.kind == "f"}
    if len(dtypes) != 1:
        return values
    (dtype,) = dtypes
    return [v.astype(dtype, copy=False) if type(v) is np.ndarray and v.dtype.kind == "f" else v for v in values]


def _parameters(function: Callable[..., Any]) -> dict[str, _Parameter]:
    try:
        signature = inspect.signature(function)
    except ValueError:  # a builtin function
        return {}
    found: dict[str, _Parameter] = {}
    for i, (name, parameter) in enumerate(signature.parameters.items()):
        kind = str(parameter.annotation)
        passes = _OTHERS if kind not in _TENSOR else _FURTHER if i else _FIRST
        optional = parameter.default is None or kind.endswith("| None")
        found[name] = _Parameter(name, kind in _TENSOR, kind in _TENSORS, optional, passes)
    return found


def _plain(parameters: Sequence[_Parameter], arguments: Iterable[object]) -> int:
    """Whether no argument needs conversion or is symbolic, judged by types: 0 or 1; 2 if Variables are among these arguments."""
    found = 1
    for value, parameter in zip(arguments, parameters):
        kind = type(value)
        if kind is np.ndarray:
            if value.dtype.kind not in "biuf" and parameter.tensor:  # type: ignore[attr-defined]
                return 0
        elif kind is Variable:
            found = 2
        elif kind not in parameter.passes:
            if not (parameter.several and kind in (list, tuple) and all(type(v) in _FIRST for v in value)):  # type: ignore[attr-defined]
                return 0
            if Variable in map(type, value):  # type: ignore[call-overload]
                found = 2
    return found


def _symbolic(values: Iterable[object]) -> bool:
    for value in values:
        kind = type(value)
        if kind is Symbolic or ((kind is list or kind is tuple) and _symbolic(value)):  # type: ignore[arg-type]
            return True
    return False


def _converted(
    parameters: Mapping[str, _Parameter], arguments: Sequence[object], named: Mapping[str, object]
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments, with tensors instead of array-likes. Raises TypeError for an object that is not a tensor."""
    came = _tensors([*arguments, *named.values()])
    dtype = next((d for x in came if (d := np.dtype(x.dtype)).kind == "f"), np.dtype(floatx()))
    values = [_as_declared(value, parameter, dtype) for value, parameter in zip(arguments, parameters.values())]
    return [*values, *arguments[len(values) :]], {
        name: _as_declared(value, parameters[name], dtype) if name in parameters else value for name, value in named.items()
    }


def _as_declared(value: Any, parameter: _Parameter, dtype: np.dtype[Any]) -> Any:
    if parameter.several and isinstance(value, (list, tuple)):
        return [as_tensor(entry, parameter.name, dtype) for entry in value]
    if not parameter.tensor or (value is None and parameter.optional):
        return value
    if parameter.passes is _FIRST and isinstance(value, (int, float)) and not isinstance(value, np.generic):
        return np.asarray(value, dtype if isinstance(value, float) else None)  # an int is also a Dimension
    return as_tensor(value, parameter.name, dtype)


def as_tensor(value: Any, name: str, dtype: np.dtype[Any] | None = None) -> Any:
    """`value` itself if it is a tensor, a number, a function or an update that K.update returned, else an array.

    Args:
        value: A tensor, a number, a function, or nested lists of numbers.
        name: Name of the argument, for messages.
        dtype: The dtype of an array of floats; None for floatx. Integers and booleans get the dtype of NumPy.

    Raises:
        TypeError: It does not consist of numbers.
    """
    if isinstance(value, (Tensor, Variable, Symbolic, GraphUpdate, int, float)) or callable(value):
        return value
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biuf":
        return value
    if isinstance(value, (list, tuple)):
        inside = list(_tensors(value))
        if any(isinstance(v, Symbolic) for v in inside):
            return value  # becomes a node's argument, and is stacked in each run
        if any(not isinstance(v, np.ndarray) for v in inside):
            stack: Callable[[list[Any]], Any] = registry.get("functions", "stack")
            return stack([as_tensor(v, name, dtype) for v in value])
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise TypeError(f"expected {name} to be a tensor or numbers, got {type(value).__name__} ({error})") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"expected {name} to be a tensor or numbers, got {_said(value)}")
    return array.astype(dtype or floatx()) if array.dtype.kind == "f" and not hasattr(value, "dtype") else array


def _said(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}"
    return repr(value) if value is None or isinstance(value, str) else f"a {type(value).__name__}"


def _tensors(values: Sequence[object]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (np.ndarray, Tensor, Variable, Symbolic)):
            if isinstance(value, (Tensor, Symbolic)) or value.ndim:
                yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


def _named(error: Exception, name: str, values: Sequence[object]) -> Exception | None:
    """The error that replaces `error`; None if it already names the function, or comes from elsewhere."""
    text, kind = str(error), _KINDS.get(type(error))
    if kind is None and type(error).__module__.startswith("numpy"):
        kind = TypeError if isinstance(error, TypeError) else ValueError
    if kind is None:
        return None
    kernel = re.match(r"\w+: (argument '|requires )", text)
    if kernel:
        return kind(f"K.{name}: {_without_kernel(text[kernel.start(1) :], values)}")
    return None if re.match(rf"(K\.)?{name}\b", text) else kind(f"K.{name}: {text}")


def _without_kernel(text: str, values: Sequence[object]) -> str:
    """The message of a kernel about its arguments, translated for the caller of the function."""
    tensors = list(_tensors(values)) or [np.asarray(v) for v in values if isinstance(v, (np.ndarray, np.generic, int))]
    came = [(np.dtype(v.dtype).name, tuple(v.shape)) for v in tensors]
    names = {name for name, _ in came}
    if not names <= {"float32", "float64"}:
        return f"expected tensors of float32 or float64, got {_described(came)}; K.cast converts"
    if len(names) > 1:
        return f"expected tensors of one dtype, got {_described(came)}; K.cast converts"
    return f"the arguments do not fit: {text}, got {_described(came)}"


def _described(came: Sequence[tuple[str, tuple[int, ...]]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in came)
