"""The layers of tf.keras whose arguments or defaults are others than those of Keras 2.2.5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import layers
from lamella.core.configurable import own_arguments
from lamella.tf_keras import rest_of

__getattr__, __dir__ = rest_of("layers", globals())


def _arguments(kind: Any, args: Sequence[Any], kwargs: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    """All arguments by name. In tf.keras there is no `implementation` by position, and reset_after is the last one.

    Raises:
        TypeError: An argument is given by position and by name, or there are too many.
        ValueError: For time_major=True.
    """
    who = kind.__name__
    if kwargs.pop("time_major", False):
        raise ValueError(f"{who}: sequences are [N, T, F] here; expected time_major=False, got True")
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
    """See lamella.layers.LSTMCell: here with recurrent_activation "sigmoid"."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(**_arguments(layers.LSTMCell, args, kwargs, recurrent_activation="sigmoid", implementation=2))


class LSTM(layers.LSTM):
    """See lamella.layers.LSTM: here with recurrent_activation "sigmoid"."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(**_arguments(layers.LSTM, args, kwargs, recurrent_activation="sigmoid", implementation=2))


class GRUCell(layers.GRUCell, self_contained=True):
    """See lamella.layers.GRUCell: here with recurrent_activation "sigmoid" and reset_after."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        defaults = {"recurrent_activation": "sigmoid", "implementation": 2, "reset_after": True}
        super().__init__(**_arguments(layers.GRUCell, args, kwargs, **defaults))


class GRU(layers.GRU):
    """See lamella.layers.GRU: here with recurrent_activation "sigmoid" and reset_after."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        defaults = {"recurrent_activation": "sigmoid", "implementation": 2, "reset_after": True}
        super().__init__(**_arguments(layers.GRU, args, kwargs, **defaults))


class UpSampling2D(layers.UpSampling2D, self_contained=True):
    """See lamella.layers.UpSampling2D.

    Raises:
        ValueError: For an interpolation other than "nearest": TensorFlow 2's places lie half a pixel beside those of Keras 2.
    """

    def __init__(
        self, size: Any = (2, 2), data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ) -> None:
        if interpolation != "nearest":
            raise ValueError(
                f"UpSampling2D: expected interpolation='nearest', got {interpolation!r}: TensorFlow 2 interpolates between the "
                "middles of pixels, which lamella does not; lamella.layers.UpSampling2D does it as Keras 2.2.5"
            )
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
        shape: Without the batch.
        batch_size: The batch's, if it is fixed.
        batch_shape, batch_input_shape: With the batch.

    Raises:
        ValueError: For ragged=True, which no layer takes, and without any shape.
    """
    if ragged:
        raise ValueError("Input: rows of unequal length have no array; expected ragged=False, got True. Pad them")
    whole = batch_shape if batch_shape is not None else batch_input_shape
    if whole is None and batch_size is not None and shape is not None:
        whole = (batch_size, *shape)
    return layers.Input(shape=shape, batch_shape=whole, name=name, dtype=dtype, sparse=bool(sparse), tensor=tensor)
