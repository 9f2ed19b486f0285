"""The compiled module: one function for each line of the table (cpp/table), and the choice of target and threads."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Self, TypeVar

import numpy as np

T = TypeVar("T")

KERNELS: tuple[str, ...]

def targets() -> list[str]:
    """Those that this machine can run, best first."""

def target() -> str: ...
def select(target: str) -> None:
    """Raises ValueError for a target that this machine cannot run."""

def thread_backends() -> list[str]:
    """Where threads can come from, the default first."""

def thread_backend() -> str: ...
def select_thread_backend(name: str) -> None:
    """Raises ValueError for a name that thread_backends() does not list."""

def cpu_limit() -> int:
    """The least of affinity and the control group's quota, as found by the first call."""

def read_cpu_quota() -> int:
    """CPUs' worth of time that the control group grants now, rounded up; 0 for no limit."""

def num_threads() -> int: ...
def set_num_threads(n: int) -> None: ...
def contiguous(x: np.ndarray) -> np.ndarray: ...
def empty_like(x: np.ndarray, shape: tuple[int, ...] = ..., /) -> np.ndarray: ...

# What lamella.core.pool is made of; it says what these mean.
def in_pool(function: Callable[..., T], /, *arguments: Any, **named: Any) -> T: ...
def pool_limit() -> int:
    """-1: none was set."""

def set_pool_limit(limit: int) -> None: ...
def empty_pool() -> int: ...
def pool_counts() -> tuple[int, int, int, int, int]: ...

# What lamella.ops.tape is made of; it says what these mean.
class Held:
    """What a Tensor holds, where ops read and write it."""

    value: np.ndarray
    index: int
    block: object
    logits: tuple[str, Any] | None  # None to begin with

class Op:
    """An op, as `differentiable` makes it.

    Args:  forward: (*ndarrays, **configuration) -> (y, backward), y an array or a tuple of them.  tensor, variable: the types
        whose `value` is computed on.
    """

    def __init__(self, forward: Callable[..., Any], tensor: type[Held], variable: type) -> None: ...
    def __call__(self, *inputs: Any, **config: Any) -> Any: ...

class Recorder:
    """What a Tape records. Within `run` or a `with` block ops of this thread append to `nodes`, in which results count on
    from `first`, where an input is in `places` or of this `block`. While `calls` is a list, such calls of ops are added to it:
    op, inputs, configuration, result. A new `run` or block begins without one.

    Raises:  RuntimeError if one records in this thread already.
    """

    nodes: list[Any]
    places: dict[Any, int]
    block: object
    calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] | None
    first: int
    recording: bool  # in this thread

    def __init__(self, places: dict[Any, int], first: int) -> None: ...
    def run(self, function: Callable[..., T], /, *arguments: Any, **named: Any) -> T: ...
    def renew(self) -> None:
        """Begin a new block."""

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: object, error: object, trace: object, /) -> None: ...

def recorded() -> Any:
    """The Recorder that records in this thread, or None."""

def backpropagate(nodes: list[Any], gradients: list[Any]) -> None:
    """Empties `nodes` from the end: hands each result's gradient to its closure, and adds up what comes back."""

# What lamella.core.atomic is made of.
def commit(
    calls: list[tuple[Callable[..., Any], tuple[Any, ...]]], undo: list[tuple[Callable[..., Any], tuple[Any, ...]]] = ..., /
) -> list[Any]:
    """Make the calls (function, arguments) in order; returns what they return. Without a bytecode between them: if all are
    C functions, no signal comes in between. Where one raises, the calls of `undo` are made, then the error is raised.
    """

class Scope:
    """Attributes and context variables that have another value for a while.

    Args:  bindings: (object, name of the attribute, its value meanwhile), or (context variable, its value meanwhile).
    """

    def __init__(self, *bindings: tuple[object, str, object] | tuple[ContextVar[Any], object]) -> None: ...
    def run(self, function: Callable[..., T], /, *arguments: Any, **named: Any) -> T:
        """What function(*arguments) returns; then the attributes are as before, whatever came."""

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: object, error: object, trace: object, /) -> None: ...

# A kernel by its name. Raises TypeError for arrays that it does not take, ValueError where one of its checks fails.
def __getattr__(name: str) -> Callable[..., None]: ...
