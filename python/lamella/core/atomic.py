"""What an interrupt must not tear apart.

Ctrl-C, as any signal, is raised between two bytecodes, also in a `finally` and at the entry of an `__exit__` written in
Python. It is never raised within a call of C. So what must happen whole, or must be undone however a block ends, is in C
(cpp/bindings/atomic.cpp). Python's own `with` is safe for a block whose `__enter__` and `__exit__` are C; `run` needs not
even that.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import setitem
from typing import Any, TypeAlias

from numpy.typing import NDArray

from lamella._kernels import Scope as Scope
from lamella._kernels import commit as commit

# A function and its arguments, for `commit`. Of a C function the call is atomic: setattr, setitem, a kernel.
Call: TypeAlias = tuple[Callable[..., object], tuple[Any, ...]]


def write(array: NDArray[Any], value: Any) -> Call:
    """The call that fills `array`; `value` is a number or an array of its shape."""
    return setitem, (array, ..., value)
