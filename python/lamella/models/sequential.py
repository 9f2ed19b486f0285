"""Sequential: a stack of layers. Source: Keras 2.2.5 keras/engine/sequential.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamella.core.configurable import Config, deserialize, plain
from lamella.core.registry import register
from lamella.core.shapes import Shape, as_shape
from lamella.core.types import Value
from lamella.core.warn import warn
from lamella.graph.input import Input, InputLayer
from lamella.graph.layer import Layer
from lamella.graph.symbolic import Symbolic
from lamella.models.architecture import config_of
from lamella.models.model import Model
from lamella.models.network import Network


@register("layers")
class Sequential(Model, self_contained=True):
    """Layers, one after the other.

    If the first layer has no input shape, the model is built by `build(input_shape)` or with the first data.

    Args:
        layers: The layers; `add` adds more.
        name: Name of the model; None for a default name.

    Raises:
        TypeError: As in `add`.
        ValueError: As in `add`.

    Source: Keras 2.2.5.
    """

    unbuilt_message = (
        "This model has not yet been built. Build the model first by calling build() or calling fit() with some data. Or "
        "specify input_shape or batch_input_shape in the first layer for automatic build. "
    )

    def __init__(self, layers: Sequence[Layer] | None = None, name: str | None = None) -> None:
        Layer.__init__(self, name=name)
        self._stack: list[Layer] = []
        self._tensors: list[Symbolic] = []  # the input, then each layer's output
        self.inputs: list[Symbolic] = []
        self.outputs: list[Symbolic] = []
        for layer in layers or []:
            self.add(layer)

    @property
    def layers(self) -> list[Layer]:
        """The layers, in the order in which they were added, without the InputLayer."""
        return list(self._stack)

    @property
    def model(self) -> Sequential:
        """The model itself, with a warning: Keras 2.2.5 has this name for scripts of older releases."""
        warn(
            "`Sequential.model` is deprecated. `Sequential` is a subclass of `Model`, you can just use your `Sequential` "
            "instance directly.",
            DeprecationWarning,
        )
        return self

    def add(self, layer: Layer) -> None:
        """Add a layer at the end. A compiled model then trains all layers, and its optimizer starts with a new state.

        Args:
            layer: The layer.

        Raises:
            TypeError: It is not a layer, or it has several outputs.
            ValueError: The model already has a layer of this name.
        """
        if not isinstance(layer, Layer):
            raise TypeError(f"The added layer must be an instance of class Layer. Found: {layer}")
        if any(layer.name == other.name for other in self._stack):
            raise ValueError(f'The name "{layer.name}" is used 2 times in the model. All layer names should be unique.')
        if not self._stack and not self._tensors:
            if isinstance(layer, InputLayer):
                self._tensors = [layer.input]
                return
            first = _input_of(layer)
            if first is not None:
                self._tensors = [Input(batch_shape=first[0], dtype=first[1], name=f"{layer.name}_input")]
        if self._tensors:
            self._connect_top(layer)
        self._stack.append(layer)
        self.prepared_steps = None

    def pop(self) -> None:
        """Remove the last layer. A compiled model then trains the others, and its optimizer starts with a new state.

        In Keras 2.2.5, fit continues with the layers of compile.

        Raises:
            TypeError: There is no layer.
        """
        if not self._stack:
            raise TypeError("There are no layers in the model.")
        self._stack.pop()
        self.prepared_steps = None
        if self._tensors:
            self._tensors.pop()
        if self._stack and self._tensors:
            self._set_ends(self._tensors[:1], self._tensors[-1:])
        else:
            self._tensors, self.inputs, self.outputs, self.built = [], [], [], False
            del self._inbound_nodes[: self.first_node]

    def build(self, input_shape: Any = None) -> None:
        """Make the weights.

        Args:
            input_shape: Shape of the input, the batch axis included.

        Raises:
            ValueError: There is no shape, or no layer.
        """
        if self.built:
            return
        if input_shape is None or not self._stack:
            raise ValueError(f"Model '{self.name}': build() needs an input shape and at least one layer")
        self._tensors = [Input(batch_shape=as_shape(input_shape), name=f"{self.name}_input")]
        for layer in self._stack:
            self._connect_top(layer)

    def build_from(self, inputs: Sequence[Value]) -> None:
        """Call `build` with the shape of data.

        Args:
            inputs: One array.

        Raises:
            ValueError: There is more than one array.
        """
        if len(inputs) != 1:
            raise ValueError(f"Model '{self.name}': a Sequential takes 1 array, got {len(inputs)}")
        self.build((None, *inputs[0].shape[1:]))

    def _connect_top(self, layer: Layer) -> None:
        y = layer(self._tensors[-1])
        if isinstance(y, list):
            raise TypeError(
                "All layers in a Sequential model should have a single output tensor. "
                "For multi-output layers, use the functional API."
            )
        self._tensors.append(y)
        self._set_ends(self._tensors[:1], [y])

    def predict_proba(self, x: Any, batch_size: int = 32, verbose: int | str = 0) -> NDArray[Any]:
        """`predict` for classifiers. It warns if the outputs are not probabilities.

        Args:
            x: As in `predict`.
            batch_size: Samples in a batch.
            verbose: As in `predict`.

        Returns:
            The outputs.
        """
        scores = np.asarray(self.predict(x, batch_size=batch_size, verbose=verbose))
        if scores.size and (scores.min() < 0.0 or scores.max() > 1.0):
            warn(
                "Network returning invalid probability values. The last layer might not normalize predictions into "
                "probabilities (like softmax or sigmoid would)."
            )
        return scores

    def predict_classes(self, x: Any, batch_size: int = 32, verbose: int | str = 0) -> NDArray[Any]:
        """The predicted classes.

        Args:
            x: As in `predict`.
            batch_size: Samples in a batch.
            verbose: As in `predict`.

        Returns:
            The index of the largest output, int [N]; or whether a single output is above 0.5, int [N, 1].
        """
        scores = np.asarray(self.predict(x, batch_size=batch_size, verbose=verbose))
        if scores.shape[-1] > 1:
            return np.asarray(scores.argmax(axis=-1))
        return np.asarray(scores > 0.5, "int32")

    def get_config(self) -> Config:
        layers = [{"class_name": type(layer).__name__, "config": config_of(layer)} for layer in self._stack]
        config: Config = {"name": self.name, "layers": layers}
        if self.inputs and _input_of(self._stack[0]) is None:
            config["build_input_shape"] = plain(self.inputs[0].shape)
        return config

    @classmethod
    def from_config(cls, config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """The model of a config.

        Args:
            config: As get_config returns it, or only a list of layers, as Keras before 2.2 wrote.
            custom_objects: Classes and functions by name.
        """
        if isinstance(config, list):
            config = {"layers": config}
        model = cls(name=config.get("name"))
        for entry in config["layers"]:
            model.add(deserialize("layers", entry, custom_objects))
        if not model.built and config.get("build_input_shape"):
            model.build(config["build_input_shape"])
        model.trainable = bool(config.get("trainable", True))
        return model


def _input_of(layer: Layer) -> tuple[Shape, str] | None:
    """The shape and dtype of the input that a first layer declares."""
    if isinstance(layer, Network) and layer.inputs:
        return layer.inputs[0].shape, layer.inputs[0].dtype
    if layer.batch_input_shape is not None:
        return layer.batch_input_shape, layer.dtype
    return None
