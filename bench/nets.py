"""The whole models, described once; each side builds its own model from the description."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Conv:
    """3x3 convolution, bias, relu; with norm: convolution, batch normalization, relu."""

    filters: int
    padding: str = "valid"
    norm: bool = False


@dataclass(frozen=True)
class Separable:
    """MobileNet's block: depthwise 3x3, batch normalization, relu up to 6; the same with a pointwise convolution. No bias."""

    filters: int


@dataclass(frozen=True)
class Pool:
    """The maximum of 2x2, stride 2."""


@dataclass(frozen=True)
class GlobalPool:
    """The mean over rows and columns, or over the steps of a sequence."""


@dataclass(frozen=True)
class Flatten:
    pass


@dataclass(frozen=True)
class Drop:
    rate: float


@dataclass(frozen=True)
class Dense:
    """Matrix product, bias, relu."""

    units: int


@dataclass(frozen=True)
class Embed:
    """Integers below `words` to vectors."""

    words: int
    units: int


@dataclass(frozen=True)
class Lstm:
    """LSTM with sigmoid and tanh; the last output."""

    units: int


@dataclass(frozen=True)
class ConvLstm:
    """ConvLSTM2D of 3x3 with sigmoid and tanh, padding "same"; all outputs or the last one."""

    filters: int
    sequences: bool = False


@dataclass(frozen=True)
class Encoder:
    """A block of a transformer's encoder: attention, sum, normalization; two dense layers with relu between, sum, normalization."""

    heads: int
    hidden: int


Layer: TypeAlias = Conv | Separable | Pool | GlobalPool | Flatten | Drop | Dense | Embed | Lstm | ConvLstm | Encoder
Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Net:
    """A net that ends in a dense layer of `classes` units and softmax cross-entropy. batches: in one pass over the data."""

    name: str
    input: Shape
    classes: int
    batch: int
    batches: int
    layers: tuple[Layer, ...]

    @property
    def samples(self) -> int:
        return self.batch * self.batches


# The learning rate of the steps whose losses are compared.
CHECK_RATE = 0.01

NETS = [
    Net("tabular_mlp", (30,), 2, 32, 500, (Dense(64), Dense(32))),
    Net("mnist_mlp", (784,), 10, 128, 40, (Dense(512), Drop(0.2), Dense(512), Drop(0.2))),
    Net(
        "mnist_cnn",
        (28, 28, 1),
        10,
        128,
        4,
        (Conv(32), Conv(64), Pool(), Drop(0.25), Flatten(), Dense(128), Drop(0.5)),
    ),
    Net(
        "cifar10_cnn",
        (32, 32, 3),
        10,
        32,
        12,
        (
            *(Conv(32, "same"), Conv(32), Pool(), Drop(0.25)),
            *(Conv(64, "same"), Conv(64), Pool(), Drop(0.25)),
            *(Flatten(), Dense(512), Drop(0.5)),
        ),
    ),
    Net(
        "vgg_bn",
        (32, 32, 3),
        10,
        32,
        4,
        (
            *(Conv(64, "same", norm=True), Conv(64, "same", norm=True), Pool()),
            *(Conv(128, "same", norm=True), Conv(128, "same", norm=True), Pool()),
            *(Conv(256, "same", norm=True), Conv(256, "same", norm=True), GlobalPool()),
        ),
    ),
    Net("imdb_lstm", (80,), 2, 32, 20, (Embed(20_000, 128), Lstm(128))),
    Net("text_generation", (40, 57), 57, 128, 8, (Lstm(128),)),
]


# Parts of models. Two blocks, so that one computes the gradient of its input.
BLOCKS = [
    Net("mobilenet_block", (28, 28, 256), 10, 8, 4, (Separable(256), Separable(256), GlobalPool())),
    Net("transformer_block", (64, 256), 10, 32, 4, (Encoder(8, 1024), Encoder(8, 1024), GlobalPool())),
    Net("conv_lstm_block", (10, 32, 32, 16), 10, 8, 4, (ConvLstm(32, sequences=True), ConvLstm(32), GlobalPool())),
]


def walk(net: Net) -> Iterator[tuple[Layer, Shape]]:
    """Each layer, including the output layer, with the shape of its input, channels last."""
    shape = net.input
    for layer in (*net.layers, Dense(net.classes)):
        yield layer, shape
        if isinstance(layer, Conv):
            shrink = 0 if layer.padding == "same" else 2
            shape = (shape[0] - shrink, shape[1] - shrink, layer.filters)
        elif isinstance(layer, Separable):
            shape = (*shape[:2], layer.filters)
        elif isinstance(layer, Pool):
            shape = (shape[0] // 2, shape[1] // 2, shape[2])
        elif isinstance(layer, GlobalPool):
            shape = shape[-1:]
        elif isinstance(layer, ConvLstm):
            shape = (*shape[0 if layer.sequences else 1 : -1], layer.filters)
        elif isinstance(layer, Flatten):
            shape = (int(np.prod(shape)),)
        elif isinstance(layer, Embed):
            shape = (*shape, layer.units)
        elif isinstance(layer, Dense | Lstm):
            shape = (layer.units,)


def initial_weights(net: Net) -> list[NDArray[np.float32]]:
    """Keras's starting weights in the order of get_weights: Glorot uniform, zeros, ones."""
    generator = np.random.default_rng(1)
    weights: list[NDArray[np.float32]] = []

    def uniform(limit: float, shape: Shape) -> None:
        weights.append(generator.uniform(-limit, limit, shape).astype(np.float32))

    def kernel(window: int, inputs: int, units: int, shape: Shape) -> None:
        uniform((6 / (window * (inputs + units))) ** 0.5, shape)
        weights.append(np.zeros(units, np.float32))

    def norm(channels: int) -> None:
        one, zero = np.ones(channels, np.float32), np.zeros(channels, np.float32)
        weights.extend([one, zero, zero, one])

    for layer, shape in walk(net):
        if isinstance(layer, Dense):
            kernel(1, shape[0], layer.units, (shape[0], layer.units))
        elif isinstance(layer, Conv):
            kernel(9, shape[2], layer.filters, (3, 3, shape[2], layer.filters))
            if layer.norm:
                norm(layer.filters)
        elif isinstance(layer, Embed):
            uniform(0.05, (layer.words, layer.units))
        elif isinstance(layer, Lstm):
            uniform((6 / (shape[-1] + 4 * layer.units)) ** 0.5, (shape[-1], 4 * layer.units))
            uniform((3 / layer.units) ** 0.5, (layer.units, 4 * layer.units))  # the deviation of Keras's orthogonal matrix
            weights.append(np.zeros(4 * layer.units, np.float32))
        elif isinstance(layer, ConvLstm):
            channels, filters = shape[-1], layer.filters
            uniform((6 / (9 * (channels + 4 * filters))) ** 0.5, (3, 3, channels, 4 * filters))
            uniform((3 / (9 * filters)) ** 0.5, (3, 3, filters, 4 * filters))
            weights.append(np.zeros(4 * filters, np.float32))
        elif isinstance(layer, Encoder):
            units, ends = shape[-1], (np.ones(shape[-1], np.float32), np.zeros(shape[-1], np.float32))
            for _ in range(4):
                kernel(1, units, units, (units, units))
            weights.extend(ends)
            kernel(1, units, layer.hidden, (units, layer.hidden))
            kernel(1, layer.hidden, units, (layer.hidden, units))
            weights.extend(ends)
        elif isinstance(layer, Separable):
            uniform((6 / (9 * (shape[2] + 1))) ** 0.5, (3, 3, shape[2], 1))
            norm(shape[2])
            uniform((6 / (shape[2] + layer.filters)) ** 0.5, (1, 1, shape[2], layer.filters))
            norm(layer.filters)
    return weights


def data(net: Net) -> tuple[NDArray[np.float32] | NDArray[np.int64], NDArray[np.int64]]:
    """Synthetic samples (channels last) or words, and labels."""
    generator = np.random.default_rng(2)
    x: NDArray[np.float32] | NDArray[np.int64]
    if isinstance(net.layers[0], Embed):
        x = generator.integers(0, net.layers[0].words, (net.samples, *net.input))
    else:
        x = generator.standard_normal((net.samples, *net.input), np.float32)
    return x, generator.integers(0, net.classes, net.samples)
