"""ModelFileError: a file that is no whole model file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

# What constructors and shapes raise for values that no model has, beside ValueError.
WRONG = (LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, AssertionError)


class ModelFileError(ValueError, OSError):
    """A file that is damaged, or laid out in a way that no model file is.

    Args:
        path: Of the file, or what stands for it.
        reason: What was found.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[ModelFileError], tuple[str, str]]:
        return type(self), (self.path, self.reason)


@contextlib.contextmanager
def refusing(path: str, what: str) -> Iterator[None]:
    """Within the block, whatever is wrong with data is a ValueError; what is none becomes a ModelFileError that says `what`."""
    try:
        yield
    except RecursionError:
        raise ModelFileError(path, f"{what}: it is nested too deeply") from None
    except WRONG as error:
        raise ModelFileError(path, f"{what} ({error!r})") from error
