"""K: functions that call a function for each row of a tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lamella import ops
from lamella.backend.shapes import stack
from lamella.backend.values import cast, int_shape, is_tensor
from lamella.core.types import Value
from lamella.core.updates import looped
from lamella.graph.checked import as_tensor
from lamella.graph.connect import in_graphs, in_this_run
from lamella.ops.time_steps import unstack_time

__all__ = ["foldl", "foldr", "map_fn"]


@in_graphs
def map_fn(
    fn: Callable[[Value], Value],
    elems: Value | Sequence[Value],
    name: str | None = None,
    dtype: str | Sequence[str] | None = None,
) -> Value:
    """fn(row) for each row, stacked.

    Args:
        fn: The function.
        elems: A tensor; or a list or tuple of tensors with the same number of rows. fn then gets a list or tuple of their rows.
        name: Has no effect.
        dtype: The dtype of the result; None is that of fn's results. If fn returns a list of tensors, a list of their dtypes.

    Raises:
        ValueError: There are no rows, or the tensors have different numbers of rows.
    """
    several = isinstance(elems, (list, tuple)) and all(is_tensor(e) for e in elems)
    tensors = [as_tensor(e, "elems") for e in (elems if several else [elems])]
    columns = [_rows(x) for x in tensors]
    if not columns[0] or len({len(column) for column in columns}) > 1:
        raise ValueError(
            f"expected tensors with the same number of rows, at least one, got shapes {[int_shape(x) for x in tensors]}"
        )
    kind = tuple if isinstance(elems, tuple) else list
    each = looped(fn)
    found = [_present(each(kind(row) if several else row[0])) for row in zip(*columns)]
    if dtype is None or isinstance(dtype, str):
        return _stacked(found, dtype)
    return [_stacked([y[i] for y in found], kind) for i, kind in enumerate(dtype)]


def _present(y: Value) -> Value:
    return [in_this_run(each) for each in y] if isinstance(y, (list, tuple)) else in_this_run(y)


def _rows(x: Value) -> list[Value]:
    if not int_shape(x):
        raise ValueError(f"expected a tensor with rows, got a number: {x!r}")
    # As steps in time, whose gradients are written into one array.
    steps = unstack_time(ops.reshape(x, shape=(1, *x.shape)))
    return [ops.reshape(step, shape=x.shape[1:]) for step in steps]


def _stacked(rows: list[Value], dtype: str | None) -> Value:
    y = stack(rows)
    return y if dtype is None else cast(y, dtype)


@in_graphs
def foldl(
    fn: Callable[[Value, Value], Value], elems: Value, initializer: Value | None = None, name: str | None = None
) -> Value:
    """fn(... fn(fn(initializer, row 0), row 1) ..., last row). If there is no initializer, it begins with fn(row 0, row 1).

    Args:
        fn: A function of two values.
        elems: A tensor [N, ...]: N rows.
        initializer: The first value; None for row 0.
        name: Has no effect.

    Returns:
        What the last call of fn returns; its shape and dtype are those of fn's result.

    Raises:
        ValueError: There are no rows, and no initializer.
    """
    return _fold(fn, _rows(elems), initializer)


@in_graphs
def foldr(
    fn: Callable[[Value, Value], Value], elems: Value, initializer: Value | None = None, name: str | None = None
) -> Value:
    """The same as `foldl`, from the last row to the first."""
    return _fold(fn, _rows(elems)[::-1], initializer)


def _fold(fn: Callable[[Value, Value], Value], rows: list[Value], initializer: Value) -> Value:
    if not rows and initializer is None:
        raise ValueError("expected at least one row, or an initializer, got none")
    value, rest = (rows[0], rows[1:]) if initializer is None else (initializer, rows)
    each = looped(fn)
    for row in rest:
        value = in_this_run(each(value, row))
    return value
