"""Changes that an interrupt must not leave half done.

Ctrl-C, like every signal, is raised between two bytecodes, also in a `finally` block and at the start of an `__exit__` written
in Python. It is never raised inside a call of a C function. So changes that must happen as a whole, and settings that must be
restored at the end of a block in any case, are made in C (cpp/bindings/atomic.cpp). A `with` statement is safe if `__enter__`
and `__exit__` are C functions; `Scope.run` is safe without a `with` statement.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import setitem
from typing import Any, TypeAlias

from numpy.typing import NDArray

from lamella._kernels import Scope as Scope
from lamella._kernels import commit as commit

# A function and its arguments, for `commit`. A call of a C function, such as setattr, setitem or a kernel, is atomic.
Call: TypeAlias = tuple[Callable[..., object], tuple[Any, ...]]


def write(array: NDArray[Any], value: Any) -> Call:
    """The call that writes `value`, a number or an array of the same shape, into `array`."""
    return setitem, (array, ..., value)
