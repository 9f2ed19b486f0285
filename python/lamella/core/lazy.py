"""Names of a room that are loaded at their first use. Each room has one list of them, from which __all__, __dir__ and
__getattr__ are made.

The list is the block under `if TYPE_CHECKING:` in the room's __init__.py, so that type checkers, editors and this module read
the same lines. A line counts if it has the form that makes a name public for a type checker too:

    from lamella.layers.core.dense import Dense as Dense
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Mapping
from types import ModuleType

_BLOCK = re.compile(r"^if TYPE_CHECKING:\n((?:    .*\n|\n)+)", flags=re.M)
_LINE = re.compile(r"^    from (lamella[\w.]*) import (\w+) as \2$", flags=re.M)

_lists: dict[str, dict[str, str]] = {}


def attach(room: str) -> None:
    """Make the package `room` find its listed names. Its __init__.py calls this as its last statement.

    `import *` imports these names, and the public functions and classes that the __init__.py defines. Other names are searched
    among Keras's, see `core/keras_names.py`.

    Raises:
        ImportError: Only the byte code of the __init__.py exists, which does not contain the list.
    """
    module, names = sys.modules[room], listed(room)

    def find(name: str) -> object:
        if name in names:
            value = _load(room, names[name], name)
            setattr(module, name, value)  # so that the next use does not call this function
            return value
        from lamella.core import keras_names

        return keras_names.find(room.removeprefix("lamella").removeprefix("."), name)

    # Not of submodules: a module with a __getattr__ of its own may look for __module__ in this one, again and again.
    own = ((name, value) for name, value in vars(module).items() if not isinstance(value, ModuleType))
    defined = [name for name, value in own if getattr(value, "__module__", None) == room]
    vars(module).update(
        __getattr__=find,
        __dir__=lambda: sorted({*vars(module), *names}),
        __all__=[*names, *(name for name in defined if not name.startswith("_"))],
    )


def listed(room: str) -> Mapping[str, str]:
    """The names that a room lists, each with the module that defines it; for a module of the room this is the room itself."""
    if room not in _lists:
        source = _source(sys.modules[room])
        _lists[room] = {name: home for block in _BLOCK.findall(source) for home, name in _LINE.findall(block)}
    return _lists[room]


def _source(module: ModuleType) -> str:
    if str(module.__file__).endswith(".pyc"):
        raise ImportError(
            f"{module.__name__}: expected the source file __init__.py, from which lamella reads the list of its names, got "
            f"only {module.__file__}; install the .py files, too",
            name=module.__name__,
        )
    # Not get_source of the loader, which loads tokenize to find the encoding.
    source: bytes = module.__loader__.get_data(module.__file__)  # type: ignore[union-attr]
    return source.decode()


def _load(room: str, home: str, name: str) -> object:
    if home == room:
        return importlib.import_module(f"{room}.{name}")
    return getattr(importlib.import_module(home), name)
