"""Settings of the process: epsilon, floatx, image data format, limits, and the rules of Keras 2.2.5 or tf.keras."""

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
    """The small constant that losses and optimizers use against division by zero; Keras calls it the fuzz factor."""
    return _epsilon


def set_epsilon(e: float) -> None:
    """Set `epsilon` to the number e."""
    global _epsilon
    _epsilon = float(e)


def floatx() -> str:
    """The float dtype of new weights and inputs: "float32" or "float64"."""
    return _floatx


def set_floatx(floatx: str) -> None:
    """Set the float dtype of new weights and inputs.

    Args:
        floatx: "float32" or "float64", the dtypes of the kernels.

    Raises:
        ValueError: It is another name.
    """
    global _floatx
    if floatx not in _FLOATS:
        raise ValueError(f"Unknown floatx type: {floatx}. The kernels are built for {_FLOATS}.")
    _floatx = str(floatx)


def image_data_format() -> DataFormat:
    """The default of layers' data_format: "channels_last" or "channels_first"."""
    return _image_data_format


def set_image_data_format(data_format: str) -> None:
    """Set the default of layers' data_format.

    Args:
        data_format: "channels_last" or "channels_first".

    Raises:
        ValueError: It is another name.
    """
    global _image_data_format
    _image_data_format = normalize_data_format(data_format)


def normalize_data_format(value: str | None) -> DataFormat:
    """The data format `value` in lower case; None stands for `image_data_format()`.

    Raises:
        ValueError: The name is unknown.
    """
    if value is None:
        return _image_data_format
    name = value.lower() if isinstance(value, str) else value
    if name == "channels_last":
        return "channels_last"
    if name == "channels_first":
        return "channels_first"
    raise ValueError(f'The `data_format` argument must be one of "channels_first", "channels_last". Received: {value}')


def legacy_frozen_batch_norm() -> bool:
    """Whether BatchNormalization with trainable=False normalizes with batch statistics in training, as in Keras 2.2.5."""
    return _legacy_frozen_batch_norm


def set_legacy_frozen_batch_norm(value: bool) -> None:
    """Set `legacy_frozen_batch_norm`."""
    global _legacy_frozen_batch_norm
    _legacy_frozen_batch_norm = bool(value)


def max_file_bytes() -> int | None:
    """The limit in bytes of all arrays of a model file, or of the weights of a description without a file.

    None is the default: four times the size of the file, and 2 GiB for a description without a file.
    """
    return _max_file_bytes


def set_max_file_bytes(limit: int | None) -> None:
    """Set `max_file_bytes`.

    Raises:
        ValueError: `limit` is neither a positive int nor None.
    """
    global _max_file_bytes
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ValueError(f"set_max_file_bytes: expected a positive number of bytes or None, got {limit!r}")
    _max_file_bytes = limit


def is_keras() -> bool:
    """Whether `import keras` means lamella in this process, see install_as_keras."""
    return _is_keras


def set_is_keras() -> None:
    """Set `is_keras`."""
    global _is_keras
    _is_keras = True


def dialect() -> Dialect:
    """Which rules are used if Keras 2.2.5 ("keras2") and tf.keras of TensorFlow 2 ("tf") differ, see `set_dialect`."""
    return _dialect


def set_dialect(name: str) -> None:
    """Choose the rules for models and layers that are made or compiled from now on.

    The rules of "tf":

    - The first two layers of a class are named dense and dense_1, instead of dense_1 and dense_2.
    - The logs name metrics as they were given to compile.
    - A loss with sample weights is divided by the number of rows, and a loss with a mask by the number of rows that are not
      masked, instead of the number of weights that are not 0.
    - Weighted metrics are divided by the sum of the weights.

    Args:
        name: "keras2" or "tf".

    Raises:
        ValueError: It is another name.
    """
    global _dialect
    if name == "keras2":
        _dialect = "keras2"
    elif name == "tf":
        _dialect = "tf"
    else:
        raise ValueError(f"set_dialect: expected 'keras2' or 'tf', got {name!r}")


def get_state() -> dict[str, Any]:
    """All settings of this module as plain data, for another process."""
    return {name: globals()[name] for name in _ALL}


def set_state(state: dict[str, Any]) -> None:
    """Apply the settings that `get_state` returned in another process."""
    globals().update(state)
