"""The settings file of Keras, ~/.keras/keras.json: which of its settings hold here, and what to say of a file that is damaged."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from lamella.core import config
from lamella.core.warn import warn


def keras_home() -> str:
    """The directory of Keras's settings and cache: $KERAS_HOME, else ~/.keras; a leading ~ is the user's home."""
    return os.path.expanduser(os.environ.get("KERAS_HOME") or os.path.join("~", ".keras"))


def apply_keras_json() -> None:
    """Set floatx, epsilon and image_data_format as keras.json in `keras_home` says, if there is such a file.

    What cannot be read, or means nothing here, is named in a warning and left as it is: an import never fails by it. The file is
    read once, by install_as_keras, and never written; Keras 2.2.5 writes one with its defaults where there is none.
    """
    path = os.path.join(keras_home(), "keras.json")
    if not os.path.exists(path):
        return
    import json  # most people have no such file

    try:
        with open(path, encoding="utf-8") as file:
            settings = json.load(file)
        if not isinstance(settings, dict):
            raise ValueError(f"expected names and values, got {type(settings).__name__}")
    except (OSError, ValueError, RecursionError) as error:
        warn(f"{path} is left out of account: {error}")
        return
    setters: dict[str, Callable[[Any], None]] = {
        "floatx": config.set_floatx,
        "epsilon": _set_epsilon,
        "image_data_format": config.set_image_data_format,
    }
    for name, setter in setters.items():
        if name in settings:
            try:
                setter(settings[name])
            except ValueError as error:
                warn(f"{path}: {name} is left as it is: {error}")
    backend = settings.get("backend", "tensorflow")
    if backend != "tensorflow":
        warn(f"{path} asks for the backend {backend!r}; lamella computes by kernels of its own, whatever it says")


def _set_epsilon(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        raise ValueError(f"expected a number between 0 and 1, got {value!r}")
    config.set_epsilon(value)
