"""Applies the settings file of Keras, ~/.keras/keras.json."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from lamella.core import config
from lamella.core.warn import warn


def keras_home() -> str:
    """The directory of Keras's settings and cache: $KERAS_HOME, or else ~/.keras. A leading ~ is the user's home directory."""
    return os.path.expanduser(os.environ.get("KERAS_HOME") or os.path.join("~", ".keras"))


def apply_keras_json() -> None:
    """Set floatx, epsilon and image_data_format from keras.json in `keras_home`, if there is such a file.

    Settings that are damaged or have no meaning here are ignored with a warning that names them, so that an import never fails.
    The file is read once, by install_as_keras. It is never written; Keras 2.2.5 writes one with its defaults if there is none.
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
        warn(f"{path} is ignored: {error}")
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
                warn(f"{path}: {name} is ignored: {error}")
    backend = settings.get("backend", "tensorflow")
    if backend != "tensorflow":
        warn(f"{path} asks for the backend {backend!r}, which is ignored: lamella computes with its own kernels")


def _set_epsilon(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        raise ValueError(f"expected a number between 0 and 1, got {value!r}")
    config.set_epsilon(value)
