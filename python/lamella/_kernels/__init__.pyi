"""The compiled module: one function for each line of cpp/kernels.def, and the choice of target and threads."""

from collections.abc import Callable

KERNELS: tuple[str, ...]

def targets() -> list[str]:
    """Those that this machine can run, best first."""

def target() -> str: ...
def select(target: str) -> None:
    """Raises ValueError for a target that this machine cannot run."""

def num_threads() -> int: ...
def set_num_threads(n: int) -> None: ...

# A kernel by its name. Raises TypeError for arrays that it does not take, ValueError where one of its checks fails.
def __getattr__(name: str) -> Callable[..., None]: ...
