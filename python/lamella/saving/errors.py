"""ModelFileError: the error for a file that is not a complete model file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

# Errors, beside ValueError, that constructors and shape rules raise for impossible values in a file.
WRONG = (LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, AssertionError)


class ModelFileError(ValueError, OSError):
    """A file is damaged, or does not have the layout of a model file.

    Args:
        path: Path of the file, or another name for it.
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
    """A block in which bad data raises ValueError: other errors of bad data become a ModelFileError that says `what`."""
    try:
        yield
    except RecursionError:
        raise ModelFileError(path, f"{what}: it is nested too deeply") from None
    except WRONG as error:
        raise ModelFileError(path, f"{what} ({error!r})") from error
