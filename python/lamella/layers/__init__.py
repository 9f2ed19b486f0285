"""Layers. A new one: its file, and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.core.configurable import deserialize as _deserialize
from lamella.core.configurable import serialize as serialize
from lamella.core.keras_names import complete as _complete
from lamella.graph import connect as _connect  # noqa: F401 - gives symbolic tensors Python's operators
from lamella.graph.function import Function as Function
from lamella.graph.input import Input as Input
from lamella.graph.input import InputLayer as InputLayer
from lamella.graph.input_spec import InputSpec as InputSpec
from lamella.graph.layer import Layer as Layer
from lamella.layers.conv import Conv2D as Conv2D
from lamella.layers.conv import Convolution2D as Convolution2D
from lamella.layers.core import Activation as Activation
from lamella.layers.core import Dense as Dense
from lamella.layers.core import Dropout as Dropout
from lamella.layers.core import Flatten as Flatten
from lamella.layers.core import Reshape as Reshape
from lamella.layers.masking import Masking as Masking
from lamella.layers.merge import Add as Add
from lamella.layers.merge import Concatenate as Concatenate
from lamella.layers.merge import add as add
from lamella.layers.merge import concatenate as concatenate
from lamella.layers.norm import BatchNormalization as BatchNormalization
from lamella.layers.pooling import AveragePooling2D as AveragePooling2D
from lamella.layers.pooling import AvgPool2D as AvgPool2D
from lamella.layers.pooling import GlobalAveragePooling2D as GlobalAveragePooling2D
from lamella.layers.pooling import GlobalAvgPool2D as GlobalAvgPool2D
from lamella.layers.pooling import GlobalMaxPool2D as GlobalMaxPool2D
from lamella.layers.pooling import GlobalMaxPooling2D as GlobalMaxPooling2D
from lamella.layers.pooling import MaxPool2D as MaxPool2D
from lamella.layers.pooling import MaxPooling2D as MaxPooling2D


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Layer:
    """The layer or model that `serialize` described. Raises ValueError "Unknown layer: Foo"."""
    layer: Layer = _deserialize("layers", config, custom_objects)
    return layer


_complete(__name__)
