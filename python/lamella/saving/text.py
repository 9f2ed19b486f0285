"""JSON of files: objects of a size and depth that a model can have."""

from __future__ import annotations

import json

from lamella.core.configurable import Config
from lamella.saving.errors import ModelFileError

# Descriptions of the largest networks of keras.applications are some hundred KiB.
_LIMIT = 16 * 2**20


def parse_json(text: str | bytes, what: str, path: str, limit: int = _LIMIT) -> Config:
    """The object that `text` holds. Raises ModelFileError naming `what` and `path` otherwise."""
    if len(text) > limit:
        raise ModelFileError(path, f"{what} has {len(text)} bytes, more than the {limit} that it may have")
    try:
        value = json.loads(text)
    except RecursionError:
        raise ModelFileError(path, f"{what} is nested too deeply") from None
    except ValueError as error:
        raise ModelFileError(path, f"{what} is no JSON ({error})") from None
    if not isinstance(value, dict):
        raise ModelFileError(path, f"{what}: expected an object, got {type(value).__name__}")
    return value
