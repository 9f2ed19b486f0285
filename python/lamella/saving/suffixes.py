"""Refuses file names with the suffix of a format that is not written, so that no HDF5 file gets a wrong name."""

from __future__ import annotations

import os
from typing import Any

from lamella.core.warn import warn
from lamella.saving import formats

_INSTEAD = "save as .h5, the HDF5 layout of Keras 2, which Keras 3 and tf.keras read, or as .safetensors"
# Suffixes of other formats: the name of the format, and what to do instead.
_FOREIGN = {
    ".keras": ("the zip format of Keras 3", _INSTEAD),
    ".onnx": ("ONNX", _INSTEAD),
    ".pb": ("TensorFlow's SavedModel", _INSTEAD),
    ".tf": ("TensorFlow's SavedModel", _INSTEAD),
    ".ckpt": ("TensorFlow's checkpoints", _INSTEAD),
    ".tflite": ("TensorFlow Lite", _INSTEAD),
    ".pt": ("PyTorch's format", _INSTEAD),
    ".pth": ("PyTorch's format", _INSTEAD),
    ".mlmodel": ("Core ML", _INSTEAD),
    ".zip": ("a zip file", _INSTEAD),
    ".npz": ("NumPy's format", "numpy.savez takes what get_weights() returns; or " + _INSTEAD),
    ".npy": ("NumPy's format", "numpy.save takes an array of get_weights(); or " + _INSTEAD),
    ".pkl": ("pickle", "pickle.dump takes a model; or " + _INSTEAD),
    ".pickle": ("pickle", "pickle.dump takes a model; or " + _INSTEAD),
    ".joblib": ("joblib's format", "joblib.dump takes a model; or " + _INSTEAD),
    ".json": ("JSON", "to_json() gives the description without weights; or " + _INSTEAD),
    ".yaml": ("YAML", "to_yaml() gives the description without weights; or " + _INSTEAD),
    ".yml": ("YAML", "to_yaml() gives the description without weights; or " + _INSTEAD),
}


def check_written(path: Any) -> None:
    """Check the suffix of a file that is to be written. An unknown suffix is a warning: the file will be HDF5.

    Raises:
        ValueError: The suffix belongs to a format that is not written.
    """
    name, kind = os.fsdecode(path), formats.suffix(path)
    if kind in _FOREIGN:
        what, instead = _FOREIGN[kind]
        raise ValueError(f"{name}: {what} is not written; {instead}")
    if formats.known(path) is None:
        warn(f"{name}: the suffix {kind!r} is not known; the file will be HDF5, which is called .h5")
