"""The layers of a net by Keras's names, for lamella and for Keras 3. It imports neither: it also runs where only Keras is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench import nets

SAME: dict[str, Any] = {"padding": "same", "use_bias": False}


def keras_layers(net: nets.Net, layers: Any, *, dropout: bool) -> Iterator[Any]:
    """All layers after the input.

    Args:
        net: The net.
        layers: The module that has the layers: lamella.layers or keras.layers.
        dropout: False leaves out the Dropout layers.
    """
    for layer, (_, shape) in zip(net.layers, nets.walk(net)):
        if isinstance(layer, nets.Conv):
            activation = "linear" if layer.norm else "relu"
            yield layers.Conv2D(layer.filters, 3, padding=layer.padding, activation=activation)
            if layer.norm:
                yield layers.BatchNormalization()
                yield layers.Activation("relu")
        elif isinstance(layer, nets.Separable):
            for convolution in (layers.DepthwiseConv2D(3, **SAME), layers.Conv2D(layer.filters, 1, **SAME)):
                yield convolution
                yield layers.BatchNormalization()
                yield layers.ReLU(6.0)
        elif isinstance(layer, nets.Pool):
            yield layers.MaxPooling2D()
        elif isinstance(layer, nets.GlobalPool):
            yield layers.GlobalAveragePooling1D() if len(shape) == 2 else layers.GlobalAveragePooling2D()
        elif isinstance(layer, nets.Flatten):
            yield layers.Flatten()
        elif isinstance(layer, nets.Dense):
            yield layers.Dense(layer.units, activation="relu")
        elif isinstance(layer, nets.Embed):
            yield layers.Embedding(layer.words, layer.units)
        elif isinstance(layer, nets.Lstm):
            yield layers.LSTM(layer.units, recurrent_activation="sigmoid")
        elif isinstance(layer, nets.ConvLstm):
            yield layers.ConvLSTM2D(
                layer.filters, 3, padding="same", return_sequences=layer.sequences, recurrent_activation="sigmoid"
            )
        elif isinstance(layer, nets.Encoder):
            from bench.encoder import EncoderBlock  # of lamella: only its suite `blocks` has this layer

            yield EncoderBlock(layer.heads, layer.hidden)
        elif dropout:
            yield layers.Dropout(layer.rate)
    yield layers.Dense(net.classes, activation="softmax")
