"""What surrounds the body of each network: its input, its top, its weights, and the arguments that all networks share."""

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

Top = Callable[[Value, int], Value]  # features and the number of classes to the network's output


class Assembly:
    """A network under construction: its input first, then its body by the caller, then `model`.

    Args:
        network: Name of the network's function, for errors.
        size: Rows and columns of the images that it was trained on.
        min_size: The fewest rows and columns that it takes.
        include_top: Whether the classifier stands at the end.
        weights: None for initial ones; "imagenet" for the published ones, downloaded once into `models` of Keras's cache
            ($KERAS_HOME or ~/.keras); or the path of a file that load_weights reads.
        input_tensor: A symbolic tensor that the network reads; None for a new Input. An array or a Variable becomes one.
        input_shape: Of one image, without the batch; None: `size` with the top, sides of any length without it.
        pooling: Without the top: "avg" or "max" over each feature map, None for the maps.
        classes: With the top: length of the output.
        kwargs: backend, layers, models and utils, as keras_applications takes them: those of lamella, which are used anyway.
        static: Whether every side of the image must be known; None: only with the top.

    Raises:
        ValueError: As in Keras; also for an unknown pooling, for classes that is not a positive integer, and for modules that are
            not lamella's.
        TypeError: For another keyword.

    Source: keras_applications 1.0.8. It takes an unknown pooling for None.
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
        # What an Input stands for, a placeholder of K say, is computed by K.function, and no input of the model.
        given = isinstance(input_tensor, Symbolic) and self.input is input_tensor
        self.inputs = get_source_inputs(self.input) if given else [self.input]

    def model(self, x: Value, name: str, *, top: Top, published: Published, pool_name: str = "") -> Model:
        """The network that ends in the features x, with what the arguments ask for after them, and its weights.

        Args:
            top: Makes the classifier.
            published: The files of weights="imagenet".
            pool_name: Of the pooling without the top, with {} for "avg" or "max"; "" for a default name.
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
    """The classifier of most networks: the mean of each map, then a softmax over the classes. Layers have the names given."""

    def top(x: Value, classes: int) -> Value:
        x = GlobalAveragePooling2D(name=pool)(x)
        return Dense(classes, activation="softmax", name=dense)(x)

    return top


def channel_axis(last: int = 3) -> int:
    """The axis of the channels: 1 in channels_first; else `last`, 3 or -1, as the network's published configs write it."""
    return 1 if image_data_format() == "channels_first" else last


def sides(shape: Sequence[int | None]) -> tuple[int | None, int | None]:
    """(rows, columns) of an image's shape, without the batch."""
    rows, columns = shape[1:3] if image_data_format() == "channels_first" else shape[:2]
    return rows, columns


def padding_before_stride(x: Symbolic, window: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """What ZeroPadding2D must add so that a window with strides of 2 ends at the image's end, as in TensorFlow's networks."""
    rows, columns = sides(x.shape[1:])
    half = window // 2
    before = (half - 1, half - 1) if rows is None or columns is None else (half - 1 + rows % 2, half - 1 + columns % 2)
    return (before[0], half), (before[1], half)
