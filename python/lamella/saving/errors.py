"""ModelFileError: a file that is no whole model file."""

from __future__ import annotations


class ModelFileError(ValueError, OSError):
    """A file that is damaged, or laid out in a way that no model file is.

    Args:  path: of the file, or what stands for it.  reason: what was found.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[ModelFileError], tuple[str, str]]:
        return type(self), (self.path, self.reason)
