"""The layers of tf.keras whose arguments or defaults differ from those of Keras 2.2.5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import layers
from lamella.core.configurable import own_arguments
from lamella.tf_keras import rest_of

__getattr__, __dir__ = rest_of("layers", globals())


def _arguments(kind: Any, args: Sequence[Any], kwargs: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    """All arguments by name. In tf.keras `implementation` is not positional, and reset_after is the last argument.

    Args:
        kind: The class of lamella.layers.
        args: The positional arguments.
        kwargs: The keyword arguments.
        defaults: The defaults of tf.keras that differ.

    Raises:
        TypeError: An argument is given by position and by name, or there are too many.
        ValueError: time_major is True.
    """
    who = kind.__name__
    if kwargs.pop("time_major", False):
        raise ValueError(f"{who}: sequences must be [N, T, F]; expected time_major=False, got True")
    names = [name for name in own_arguments(kind) if name != "implementation"]
    names = names[: names.index("trainable")] if "trainable" in names else names
    if len(args) > len(names):
        raise TypeError(f"{who}: expected at most {len(names)} arguments by position, got {len(args)}")
    given = dict(zip(names, args))
    for name in given:
        if name in kwargs:
            raise TypeError(f"{who}: got argument {name!r} by position and by name")
    return defaults | given | kwargs


class LSTMCell(layers.LSTMCell, self_contained=True):
    """See lamella.layers.LSTMCell. The default of recurrent_activation is "sigmoid"."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(**_arguments(layers.LSTMCell, args, kwargs, recurrent_activation="sigmoid", implementation=2))


class LSTM(layers.LSTM):
    """See lamella.layers.LSTM. The default of recurrent_activation is "sigmoid"."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(**_arguments(layers.LSTM, args, kwargs, recurrent_activation="sigmoid", implementation=2))


class GRUCell(layers.GRUCell, self_contained=True):
    """See lamella.layers.GRUCell. The default of recurrent_activation is "sigmoid", and that of reset_after is True."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        defaults = {"recurrent_activation": "sigmoid", "implementation": 2, "reset_after": True}
        super().__init__(**_arguments(layers.GRUCell, args, kwargs, **defaults))


class GRU(layers.GRU):
    """See lamella.layers.GRU. The default of recurrent_activation is "sigmoid", and that of reset_after is True."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        defaults = {"recurrent_activation": "sigmoid", "implementation": 2, "reset_after": True}
        super().__init__(**_arguments(layers.GRU, args, kwargs, **defaults))


class UpSampling2D(layers.UpSampling2D, self_contained=True):
    """See lamella.layers.UpSampling2D. interpolation="bilinear" reads at half-pixel centres, as TensorFlow 2 does."""

    def __init__(
        self, size: Any = (2, 2), data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ) -> None:
        kwargs.setdefault("half_pixel_centers", interpolation == "bilinear")
        super().__init__(size=size, data_format=data_format, interpolation=interpolation, **kwargs)


def Input(
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    name: str | None = None,
    dtype: str | None = None,
    sparse: bool | None = None,
    tensor: object = None,
    ragged: bool | None = None,
    *,
    batch_shape: Sequence[int | None] | None = None,
    batch_input_shape: Sequence[int | None] | None = None,
) -> Any:
    """A symbolic tensor, see lamella.layers.Input.

    Args:
        shape: Shape of one sample, without the batch.
        batch_size: Size of the batch, if it is fixed.
        name: See lamella.layers.Input.
        dtype: See lamella.layers.Input.
        sparse: See lamella.layers.Input.
        tensor: See lamella.layers.Input.
        ragged: Must not be True.
        batch_shape: Shape with the batch, instead of shape and batch_size.
        batch_input_shape: The same as batch_shape.

    Raises:
        ValueError: `ragged` is True, which no layer supports; or no shape is given.
    """
    if ragged:
        raise ValueError("Input: an array cannot have rows of unequal length; expected ragged=False, got True. Pad the rows")
    whole = batch_shape if batch_shape is not None else batch_input_shape
    if whole is None and batch_size is not None and shape is not None:
        whole = (batch_size, *shape)
    return layers.Input(shape=shape, batch_shape=whole, name=name, dtype=dtype, sparse=bool(sparse), tensor=tensor)
