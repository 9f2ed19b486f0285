"""Depthwise 3x3 convolution: forward, gradient of the input, gradient of the weights, at MobileNet's shapes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.harness import Case, Contender, Plan
from bench.kernels.reference import Array, Reference, after, numbers, unwritten
from bench.machine import fma_peak, stream
from lamella import _kernels
from lamella.core.window import Geometry

PASSES = ("forward", "dx", "dw")
WINDOW = 3


@dataclass(frozen=True)
class Layer:
    """8 images of size x size x channels, one zero on each side."""

    size: int
    channels: int
    stride: int = 1
    images: int = 8

    @property
    def name(self) -> str:
        return f"{self.size}x{self.size}x{self.channels}" + f" stride {self.stride}" * (self.stride > 1)

    @property
    def out(self) -> int:
        return (self.size - 1) // self.stride + 1

    @property
    def geometry(self) -> Geometry:
        """The window argument of the kernels."""
        return (WINDOW, WINDOW), (self.stride, self.stride), (1, 1), (1, 1)

    @property
    def floats(self) -> int:
        """Elements of x and y, which each pass reads or writes once."""
        return self.images * self.channels * (self.size**2 + self.out**2)

    @property
    def flops(self) -> float:
        return 2.0 * WINDOW**2 * self.images * self.channels * self.out**2


LAYERS = [Layer(112, 32), Layer(56, 128, stride=2), Layer(28, 256), Layer(14, 512), Layer(7, 1024)]


def cases(plan: Plan) -> Iterator[Case]:
    for layer in LAYERS[-1:] if plan.quick else LAYERS:
        for direction in PASSES:
            if plan.wants(f"{layer.name} {direction}"):
                yield case(layer, direction, plan)


def case(layer: Layer, direction: str, plan: Plan) -> Case:
    """The amount is bytes of x and y. The limits: the stream over as many bytes, and the peak of the same flops, as bytes."""
    x = numbers((layer.images, layer.size, layer.size, layer.channels), 1)
    w = numbers((WINDOW, WINDOW, layer.channels, 1), 2)
    bias = numbers((layer.channels,), 3)
    dy = numbers((layer.images, layer.out, layer.out, layer.channels), 4)
    out = {"forward": unwritten(dy.shape), "dx": unwritten(x.shape), "dw": unwritten(w.shape)}[direction]
    dbias = unwritten(bias.shape)
    wanted = reference(layer, x, w, bias, dy, direction)
    amount = 4.0 * layer.floats

    def ours() -> None:
        if direction == "forward":
            _kernels.depthwise_conv_forward(x, w, bias, layer.geometry, 0, out)
        elif direction == "dx":
            _kernels.depthwise_conv_backward_input(dy, w, layer.geometry, out)
        else:
            _kernels.depthwise_conv_backward_weights(x, dy, layer.geometry, out, dbias)

    contenders = [Contender("lamella", "ours", ours, amount, lambda: after(ours, out, wanted))]
    if plan.torch:
        from bench.peers import torch_peer

        contenders += torch_peer.depthwise(layer, x, w, bias, dy, wanted, direction, amount)
    peak = fma_peak(plan.threads)
    # The stream has four arrays.
    limits = stream(layer.floats // 4), Contender(peak.name, "limit", peak.run, peak.amount * amount / layer.flops)
    return Case(f"{layer.name} {direction}", "GB/s", [*contenders, *limits])


def reference(layer: Layer, x: Array, w: Array, bias: Array, dy: Array, direction: str) -> Reference:
    """Tap by tap, in float64."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    wide, weights = dy.astype(np.float64), w[..., 0].astype(np.float64)
    y, dx, dw = np.zeros(dy.shape) + bias, np.zeros_like(padded), np.zeros(w.shape)
    reach = (layer.out - 1) * layer.stride + 1
    for i, j in np.ndindex(WINDOW, WINDOW):
        seen = np.s_[:, i : i + reach : layer.stride, j : j + reach : layer.stride]
        if direction == "forward":
            y += padded[seen] * weights[i, j]
        elif direction == "dx":
            dx[seen] += wide * weights[i, j]
        else:
            dw[i, j, :, 0] = (padded[seen] * wide).sum(axis=(0, 1, 2))
    return {"forward": y, "dx": dx[:, 1:-1, 1:-1], "dw": dw}[direction]
