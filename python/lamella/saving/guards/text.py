"""Reads JSON and YAML from unknown sources: objects of a size and depth that a model can have."""

from __future__ import annotations

import json
from typing import Any

from lamella.core.configurable import Config
from lamella.saving.errors import ModelFileError

# Bytes. The descriptions of the largest networks of keras.applications have some hundred KiB.
LIMIT = 16 * 2**20
# Limit of the nodes of a YAML text as a multiple of its characters: an alias has two characters and may stand for many nodes.
_COPIES = 4


def parse_json(text: str | bytes, what: str, path: str, limit: int = LIMIT) -> Config:
    """The object in a JSON text.

    Args:
        text: The text.
        what: What the text is, for messages.
        path: The file that it comes from, for messages.
        limit: Limit of its length.

    Raises:
        ModelFileError: The text is not JSON, not an object, or too large or too deeply nested.
    """
    _check_length(text, what, path, limit)
    try:
        value = json.loads(text)
    except RecursionError:
        raise ModelFileError(path, f"{what} is nested too deeply") from None
    except ValueError as error:
        raise ModelFileError(path, f"{what} is not JSON ({error})") from None
    return _object(value, what, path)


def parse_yaml(text: str | bytes, what: str, path: str) -> Config:
    """The object in a YAML text of plain data.

    `!!python/tuple`, which Keras 2 writes, becomes a list. No other tag of Python is accepted.

    Args:
        text: The text.
        what: What the text is, for messages.
        path: The file that it comes from, for messages.

    Raises:
        ModelFileError: As in `parse_json`.
        ImportError: PyYAML is not installed. The message names the extra.
    """
    yaml = yaml_library(path)
    _check_length(text, what, path, LIMIT)
    try:
        loader = _loader(yaml)(text)
        node = loader.get_single_node()
        if node is not None and _size(node) > _COPIES * len(text):
            raise ModelFileError(path, f"{what} repeats itself by aliases more than {_COPIES} times")
        value = None if node is None else loader.construct_document(node)
    except RecursionError:
        raise ModelFileError(path, f"{what} is nested too deeply") from None
    except yaml.YAMLError as error:
        raise ModelFileError(path, f"{what} is not YAML of plain data ({error})") from None
    return _object(value, what, path)


def yaml_library(who: str) -> Any:
    """The module yaml.

    Args:
        who: What needs it, for the message.

    Raises:
        ImportError: PyYAML is not installed. The message names the extra.
    """
    try:
        import yaml
    except ImportError as error:
        raise ImportError(f"{who} needs the library PyYAML: pip install 'lamella[yaml]'") from error
    return yaml


def _loader(yaml: Any) -> Any:
    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        pass

    Loader.add_constructor("tag:yaml.org,2002:python/tuple", lambda self, node: self.construct_sequence(node, deep=True))
    return Loader


def _size(node: Any) -> int:
    """The number of nodes below `node` if each alias is a copy.

    Raises:
        RecursionError: A node contains itself.
    """
    sizes: dict[int, int] = {}

    def size(node: Any) -> int:
        found = sizes.get(id(node))
        if found is None:
            below = node.value if isinstance(node.value, list) else []
            found = 1 + sum(size(part) for entry in below for part in (entry if isinstance(entry, tuple) else (entry,)))
            sizes[id(node)] = found
        return found

    return size(node)


def _check_length(text: str | bytes, what: str, path: str, limit: int) -> None:
    if len(text) > limit:
        raise ModelFileError(path, f"{what} has {len(text)} bytes, more than the limit of {limit}")


def _object(value: Any, what: str, path: str) -> Config:
    if not isinstance(value, dict):
        raise ModelFileError(path, f"{what}: expected an object, got {type(value).__name__}")
    return value
