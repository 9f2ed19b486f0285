"""The parts that all networks share: the checks of their arguments, the input, the top, and the weights."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lamella.applications.input_shape import _obtain_input_shape
from lamella.applications.modules import check_modules
from lamella.applications.weights import Published
from lamella.backend import is_keras_tensor
from lamella.core.config import image_data_format
from lamella.core.types import Value
from lamella.graph.symbolic import Symbolic
from lamella.layers import Dense, GlobalAveragePooling2D, GlobalMaxPooling2D, Input
from lamella.models import Model
from lamella.utils import get_source_inputs

Top = Callable[[Value, int], Value]  # from features and the number of classes to the network's output


class Assembly:
    """A network that is being built. The constructor makes its input, the caller adds the body, then `model` makes the model.

    Args:
        network: Name of the network's function, for errors.
        size: Rows and columns of the images on which it was trained.
        min_size: The smallest number of rows and columns that it accepts.
        include_top: Whether the network ends with the classifier.
        weights: None for initial weights; "imagenet" for the published weights, which are downloaded once to `models` in Keras's
            cache ($KERAS_HOME or ~/.keras); or the path of a file for load_weights.
        input_tensor: A symbolic tensor that is the input. None makes an Input, and so does an array or a Variable.
        input_shape: Shape of one image, without the batch. None means `size` with the top, and any sides without it.
        pooling: The last layer without the top: "avg" or "max" over each feature map; None for the feature maps.
        classes: Length of the output with the top.
        kwargs: backend, layers, models and utils of lamella, as for keras_applications. They have no effect.
        static: Whether every side of the image must be known. None means only with the top.

    Raises:
        ValueError: As in Keras. Also for an unknown pooling, for `classes` that is not a positive integer, and for modules that
            are not lamella's.
        TypeError: There is another keyword.

    Source: keras_applications 1.0.8, where an unknown pooling has the effect of None.
    """

    def __init__(
        self,
        network: str,
        *,
        size: int,
        min_size: int,
        include_top: Any,
        weights: str | os.PathLike[str] | None,
        input_tensor: Value,
        input_shape: Sequence[int | None] | None,
        pooling: str | None,
        classes: int,
        kwargs: Mapping[str, object],
        static: bool | None = None,
    ) -> None:
        check_modules(network, kwargs)
        if weights is not None and weights != "imagenet" and not os.path.exists(weights):
            raise ValueError(
                "The `weights` argument should be either `None` (random initialization), `imagenet` (pre-training on "
                f"ImageNet), or the path to the weights file to be loaded. {network} got {weights!r}"
            )
        if weights == "imagenet" and include_top and classes != 1000:
            raise ValueError(
                'If using `weights` as `"imagenet"` with `include_top` as true, `classes` should be 1000. '
                f"{network} got {classes!r}"
            )
        if pooling not in (None, "avg", "max"):
            raise ValueError(f'{network}: expected pooling None, "avg" or "max", got {pooling!r}')
        if include_top and (isinstance(classes, bool) or not isinstance(classes, (int, np.integer)) or classes < 1):
            raise ValueError(f"{network}: expected classes to be a positive integer, got {classes!r}")
        self.network = network
        self.include_top = bool(include_top)
        self.weights = weights
        self.pooling = pooling
        self.classes = int(classes)
        self.input_shape = _obtain_input_shape(
            input_shape,
            size,
            min_size,
            image_data_format(),
            require_flatten=include_top if static is None else static,
            weights=weights,
        )
        self.input: Symbolic
        self.inputs: list[Symbolic]
        if input_tensor is None:
            self.input = Input(shape=self.input_shape)
        elif isinstance(input_tensor, Symbolic) and is_keras_tensor(input_tensor):
            self.input = input_tensor
        else:
            self.input = Input(shape=self.input_shape, tensor=input_tensor)
        # If an Input stands for a tensor, for example a placeholder of K, K.function computes it; it is not an input of the model.
        given = isinstance(input_tensor, Symbolic) and self.input is input_tensor
        self.inputs = get_source_inputs(self.input) if given else [self.input]

    def model(self, x: Value, name: str, *, top: Top, published: Published, pool_name: str = "") -> Model:
        """The model: the body up to the features x, then the top or the pooling, with its weights.

        Args:
            x: The features, which are the output of the body.
            name: Name of the model.
            top: Makes the classifier.
            published: The files for weights="imagenet".
            pool_name: Name of the pooling layer without the top, where {} becomes "avg" or "max". "" means a default name.
        """
        if self.include_top:
            x = top(x, self.classes)
        elif self.pooling is not None:
            pool = GlobalAveragePooling2D if self.pooling == "avg" else GlobalMaxPooling2D
            x = pool(name=pool_name.format(self.pooling) or None)(x)
        model = Model(self.inputs, x, name=name)
        if self.weights == "imagenet":
            model.load_weights(published[self.include_top].fetch(f"{self.network}(weights='imagenet')"))
        elif self.weights is not None:
            model.load_weights(self.weights)
        return model


def pooled(pool: str | None, dense: str) -> Top:
    """The classifier of most networks: the mean of each feature map, then a softmax over the classes.

    Args:
        pool: Name of the pooling layer; None means a default name.
        dense: Name of the Dense layer.
    """

    def top(x: Value, classes: int) -> Value:
        x = GlobalAveragePooling2D(name=pool)(x)
        return Dense(classes, activation="softmax", name=dense)(x)

    return top


def channel_axis(last: int = 3) -> int:
    """The axis of the channels: 1 for channels_first, else `last`, which is 3 or -1, as in the network's published config."""
    return 1 if image_data_format() == "channels_first" else last


def sides(shape: Sequence[int | None]) -> tuple[int | None, int | None]:
    """(rows, columns) of an image's shape, without the batch."""
    rows, columns = shape[1:3] if image_data_format() == "channels_first" else shape[:2]
    return rows, columns


def padding_before_stride(x: Symbolic, window: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """The padding for ZeroPadding2D with which the last window with stride 2 ends at the image's edge, as in TensorFlow."""
    rows, columns = sides(x.shape[1:])
    half = window // 2
    before = (half - 1, half - 1) if rows is None or columns is None else (half - 1 + rows % 2, half - 1 + columns % 2)
    return (before[0], half), (before[1], half)
