"""`_obtain_input_shape`, a private function of Keras that scripts import, with each of its signatures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from lamella.core.warn import warn

Shape = Sequence[int | None]

_NOT_GIVEN: Final = object()


def _obtain_input_shape(
    input_shape: Shape | None,
    default_size: int | None,
    min_size: int,
    data_format: str,
    require_flatten: Any = _NOT_GIVEN,
    weights: Any = _NOT_GIVEN,
    *,
    include_top: Any = _NOT_GIVEN,
) -> Shape:
    """The input shape of an image network, without the batch.

    Three functions of Keras had this name; the arguments decide which one is used. Flags are converted to bool, so
    include_top="imagenet" is True.

    Args:
        input_shape: The user's shape, or None.
        default_size: Rows and columns of the images on which the network was trained.
        min_size: The smallest number of rows and columns that it accepts.
        data_format: "channels_last" or "channels_first".
        require_flatten: The flag of Keras 2.0.8 to 2.2.0 and keras_applications; also the fifth positional argument.
        weights: "imagenet", another value, or None.
        include_top: The flag of Keras 2.0.0 to 2.0.6, and together with `weights` of 2.0.7.

    Raises:
        ValueError: With the messages of the function that is used.
        TypeError: Both flags are given, or neither.

    Source: Keras 2.0.6, 2.0.7, 2.0.8 keras/applications/imagenet_utils.py; keras_applications 1.0.8.
    """
    if data_format not in ("channels_first", "channels_last"):
        raise ValueError(f"_obtain_input_shape: unknown data_format {data_format!r}")
    if (include_top is _NOT_GIVEN) == (require_flatten is _NOT_GIVEN):
        raise TypeError("_obtain_input_shape: expected one of include_top and require_flatten")
    if include_top is _NOT_GIVEN:
        weights = None if weights is _NOT_GIVEN else weights
        return _since_2_0_8(input_shape, default_size, min_size, data_format, bool(require_flatten), weights)
    weights = "imagenet" if weights is _NOT_GIVEN else weights
    return _before_2_0_8(input_shape, default_size, min_size, data_format, bool(include_top), weights)


def _before_2_0_8(
    given: Shape | None, default_size: int | None, min_size: int, data_format: str, include_top: bool, weights: Any
) -> Shape:
    default = _default(given, default_size, data_format, weights, "passed")
    if include_top:
        if given is not None and given != default:
            raise ValueError(f"When setting`include_top=True`, `input_shape` should be {default}.")
        return default
    if given is None:
        return _square(None, 3, data_format)
    _check(given, min_size, data_format, weights, ",")
    return given


def _since_2_0_8(
    given: Shape | None, default_size: int | None, min_size: int, data_format: str, require_flatten: bool, weights: Any
) -> Shape:
    default = _default(given, default_size, data_format, weights, "passed an input_shape with")
    if weights == "imagenet" and require_flatten:
        if given is not None and given != default:
            raise ValueError(
                f"When setting `include_top=True` and loading `imagenet` weights, `input_shape` should be {default}."
            )
        return default
    if given:
        _check(given, min_size, data_format, weights, ";")
        shape = given
    else:
        shape = default if require_flatten else _square(None, 3, data_format)
    if require_flatten and None in shape:
        raise ValueError(f"If `include_top` is True, you should specify a static `input_shape`. Got `input_shape={shape}`")
    return shape


def _default(given: Shape | None, size: int | None, data_format: str, weights: Any, passed: str) -> Shape:
    """The square shape with the network's size. It has 3 channels with ImageNet's weights, else the given channels."""
    if weights == "imagenet" or not isinstance(given, (tuple, list)) or len(given) != 3:
        return _square(size, 3, data_format)
    channels = _channels(given, data_format)
    if channels not in (1, 3):
        warn(f"This model usually expects 1 or 3 input channels. However, it was {passed} {channels} input channels.")
    return _square(size, channels, data_format)


def _check(given: Any, min_size: int, data_format: str, weights: Any, mark: str) -> None:
    whole = isinstance(given, (tuple, list)) and all(size is None or isinstance(size, int) for size in given)
    if not whole or len(given) != 3:
        raise ValueError("`input_shape` must be a tuple of three integers.")
    if weights == "imagenet" and _channels(given, data_format) != 3:
        raise ValueError(f"The input must have 3 channels; got `input_shape={given}`")
    sides = given[1:] if data_format == "channels_first" else given[:2]
    if any(side is not None and side < min_size for side in sides):
        raise ValueError(f"Input size must be at least {min_size}x{min_size}{mark} got `input_shape={given}`")


def _channels(shape: Shape, data_format: str) -> int | None:
    return shape[0] if data_format == "channels_first" else shape[-1]


def _square(size: int | None, channels: int | None, data_format: str) -> Shape:
    return (channels, size, size) if data_format == "channels_first" else (size, size, channels)
