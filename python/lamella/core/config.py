"""Numeric defaults of the process: epsilon, floatx, image data format, and the switches for old rules."""

from __future__ import annotations

from typing import Any, Literal

DataFormat = Literal["channels_last", "channels_first"]
Dialect = Literal["keras2", "tf"]

_FLOATS = ("float32", "float64")
_FORMATS = ("channels_last", "channels_first")

_epsilon: float = 1e-7
_floatx: str = "float32"
_image_data_format: DataFormat = "channels_last"
_legacy_frozen_batch_norm: bool = False
_max_file_bytes: int | None = None
_is_keras: bool = False
_dialect: Dialect = "keras2"

_ALL = ("_epsilon", "_floatx", "_image_data_format", "_legacy_frozen_batch_norm", "_max_file_bytes", "_is_keras", "_dialect")


def epsilon() -> float:
    """The fuzz factor of losses and optimizers."""
    return _epsilon


def set_epsilon(e: float) -> None:
    global _epsilon
    _epsilon = float(e)


def floatx() -> str:
    """Name of the float dtype that new weights and inputs get: "float32" or "float64"."""
    return _floatx


def set_floatx(floatx: str) -> None:
    """Raises ValueError for anything that no kernel is built for."""
    global _floatx
    if floatx not in _FLOATS:
        raise ValueError(f"Unknown floatx type: {floatx}. The kernels are built for {_FLOATS}.")
    _floatx = str(floatx)


def image_data_format() -> DataFormat:
    return _image_data_format


def set_image_data_format(data_format: str) -> None:
    global _image_data_format
    _image_data_format = normalize_data_format(data_format)


def normalize_data_format(value: str | None) -> DataFormat:
    """None means the process default. Raises ValueError for an unknown name."""
    if value is None:
        return _image_data_format
    name = value.lower() if isinstance(value, str) else value
    if name == "channels_last":
        return "channels_last"
    if name == "channels_first":
        return "channels_first"
    raise ValueError(f'The `data_format` argument must be one of "channels_first", "channels_last". Received: {value}')


def legacy_frozen_batch_norm() -> bool:
    """True: BatchNormalization with trainable=False normalizes with batch statistics in training, as Keras 2.2.5 does."""
    return _legacy_frozen_batch_norm


def set_legacy_frozen_batch_norm(value: bool) -> None:
    global _legacy_frozen_batch_norm
    _legacy_frozen_batch_norm = bool(value)


def max_file_bytes() -> int | None:
    """What the arrays of a model file, or the weights of a description alone, may hold together.

    None sets no limit beyond four times the file's size, and 2 GiB for a description alone.
    """
    return _max_file_bytes


def set_max_file_bytes(limit: int | None) -> None:
    """Raises ValueError unless `limit` is a positive int or None."""
    global _max_file_bytes
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ValueError(f"set_max_file_bytes: expected a positive number of bytes or None, got {limit!r}")
    _max_file_bytes = limit


def is_keras() -> bool:
    """Whether `import keras` means lamella in this process, see install_as_keras."""
    return _is_keras


def set_is_keras() -> None:
    global _is_keras
    _is_keras = True


def dialect() -> Dialect:
    """Whose rules hold where Keras 2.2.5 ("keras2") and tf.keras of TensorFlow 2 ("tf") differ, see `set_dialect`."""
    return _dialect


def set_dialect(name: str) -> None:
    """Choose the rules for models and layers that are made, and compiled, from now on.

    "tf": the first layer of a kind is called dense and the next dense_1, not dense_1 and dense_2; metrics are named in
    the logs as compile was given them; losses with sample weights are divided by the number of rows, those with masks by
    the number of rows that count, not by the number of weights that are not 0; weighted metrics by the sum of the weights.

    Args:
        name: "keras2" or "tf".

    Raises:
        ValueError: For another name.
    """
    global _dialect
    if name == "keras2":
        _dialect = "keras2"
    elif name == "tf":
        _dialect = "tf"
    else:
        raise ValueError(f"set_dialect: expected 'keras2' or 'tf', got {name!r}")


def get_state() -> dict[str, Any]:
    """All of these settings as plain data, for another process."""
    return {name: globals()[name] for name in _ALL}


def set_state(state: dict[str, Any]) -> None:
    """Make the settings those of the process that called get_state."""
    globals().update(state)
