"""Convolution: forward, gradient of the input, gradient of the weights, on the layers of bench/models.py and less usual ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.harness import Case, Contender, Plan
from bench.kernels.reference import Array, Reference, after, numbers, unwritten
from bench.machine import fma_peak
from lamella import _kernels
from lamella.core.window import Geometry


@dataclass(frozen=True)
class Layer:
    """images x size x size x channels -> filters; `padding` zeros on each side. first: dx is not needed.

    axes: 1 for sequences of `size` elements, 3 for volumes of size x size x size.
    """

    name: str
    images: int
    size: int
    channels: int
    filters: int
    window: int = 3
    stride: int = 1
    dilation: int = 1
    padding: int = 0
    first: bool = False
    axes: int = 2

    @property
    def out(self) -> int:
        return (self.size + 2 * self.padding - self.dilation * (self.window - 1) - 1) // self.stride + 1

    @property
    def flops(self) -> float:
        """Flops of one pass; products with padding count, as they do for the peers."""
        return 2.0 * self.images * (self.out * self.window) ** self.axes * self.channels * self.filters

    @property
    def geometry(self) -> Geometry:
        """The window argument of the kernels."""
        numbers = self.window, self.stride, self.dilation, self.padding
        size, strides, dilation, before = ((n,) * self.axes for n in numbers)
        return size, strides, dilation, before


LAYERS = [
    Layer("vgg 2", 32, 32, 64, 64, padding=1),
    Layer("vgg 1, first", 32, 32, 3, 64, padding=1, first=True),
    Layer("vgg 3", 32, 16, 64, 128, padding=1),
    Layer("vgg 4", 32, 16, 128, 128, padding=1),
    Layer("vgg 5", 32, 8, 128, 256, padding=1),
    Layer("vgg 6", 32, 8, 256, 256, padding=1),
    Layer("cifar 1, first", 32, 32, 3, 32, padding=1, first=True),
    Layer("cifar 2", 32, 32, 32, 32),
    Layer("cifar 3", 32, 15, 32, 64, padding=1),
    Layer("cifar 4", 32, 15, 64, 64),
    Layer("mnist 1, first", 128, 28, 1, 32, first=True),
    Layer("mnist 2", 128, 26, 32, 64),
    Layer("stride 2", 32, 32, 64, 128, stride=2, padding=1),
    Layer("7x7 stride 2, first", 8, 112, 3, 64, window=7, stride=2, padding=3, first=True),
    Layer("dilation 2", 32, 16, 128, 128, dilation=2, padding=2),
    Layer("1x1", 32, 16, 256, 64, window=1),
    Layer("1x1 stride 2", 32, 16, 256, 512, window=1, stride=2),
    Layer("5x5", 32, 16, 128, 128, window=5, padding=2),
    Layer("3x3, 1 filter", 16, 64, 64, 1, padding=1),
    Layer("5x5, 3 filters", 16, 64, 32, 3, window=5, padding=2),
    Layer("4x4 stride 2, an image's gradient", 32, 64, 3, 64, window=4, stride=2, padding=1),
    Layer("sequence", 32, 256, 128, 128, padding=1, axes=1),
    Layer("sequence, window 5", 32, 256, 128, 128, window=5, padding=2, axes=1),
    Layer("volume", 4, 16, 64, 64, padding=1, axes=3),
]
PASSES = ("forward", "dx", "dw")


def cases(plan: Plan) -> Iterator[Case]:
    for layer in LAYERS[:2] if plan.quick else LAYERS:
        for direction in PASSES:
            if (direction != "dx" or not layer.first) and plan.wants(f"{layer.name} {direction}"):
                yield case(layer, direction, plan)


def case(layer: Layer, direction: str, plan: Plan) -> Case:
    x = numbers((layer.images, *[layer.size] * layer.axes, layer.channels), 1)
    w = numbers((*[layer.window] * layer.axes, layer.channels, layer.filters), 2)
    bias = numbers((layer.filters,), 3)
    dy = numbers((layer.images, *[layer.out] * layer.axes, layer.filters), 4)
    out = {"forward": unwritten(dy.shape), "dx": unwritten(x.shape), "dw": unwritten(w.shape)}[direction]
    dbias = unwritten(bias.shape)
    wanted = reference(layer, x, w, bias, dy, direction)

    def ours() -> None:
        if direction == "forward":
            _kernels.conv_forward(x, w, bias, layer.geometry, 0, out)
        elif direction == "dx":
            _kernels.conv_backward_input(dy, w, layer.geometry, out)
        else:
            _kernels.conv_backward_weights(x, dy, layer.geometry, out, dbias)

    contenders = [Contender("lamella", "ours", ours, layer.flops, lambda: after(ours, out, wanted))]
    if plan.torch:
        from bench.peers import torch_peer

        contenders += torch_peer.convolve(layer, x, w, bias, dy, wanted, direction)
    contenders.append(fma_peak(plan.threads))
    return Case(f"{layer.name} {direction}", "GFLOP/s", contenders)


def reference(layer: Layer, x: Array, w: Array, bias: Array, dy: Array, direction: str) -> Reference:
    """Tap by tap, in float64."""
    pad, step, wide = layer.padding, layer.stride, dy.astype(np.float64)
    padded = np.pad(x.astype(np.float64), ((0, 0), *[(pad, pad)] * layer.axes, (0, 0)))
    y = np.zeros(dy.shape) + bias
    dx, dw = np.zeros_like(padded), np.zeros(w.shape)
    reach = (layer.out - 1) * step + 1
    points = list(range(layer.axes + 1))
    for place in np.ndindex(w.shape[:-2]):
        begins = [i * layer.dilation for i in place]
        seen = (slice(None), *(slice(begin, begin + reach, step) for begin in begins))
        if direction == "forward":
            y += padded[seen] @ w[place].astype(np.float64)
        elif direction == "dx":
            dx[seen] += wide @ w[place].T.astype(np.float64)
        else:
            dw[place] = np.tensordot(padded[seen], wide, axes=(points, points))
    inside = dx[(slice(None), *[slice(pad, pad + layer.size)] * layer.axes)]
    return {"forward": y, "dx": inside, "dw": dw}[direction]
