"""Local convolution of images and of sequences: forward, gradient of the input, gradient of the weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.harness import Case, Contender, Plan
from bench.kernels.reference import Array, Reference, after, numbers, unwritten
from bench.machine import fma_peak
from lamella import _kernels
from lamella.core.window import Geometry

PASSES = ("forward", "dx", "dw")


@dataclass(frozen=True)
class Layer:
    """images x sizes x channels -> filters; a window of `window` elements on each axis, at each position."""

    sizes: tuple[int, ...]
    channels: int
    filters: int
    window: int = 3
    images: int = 32

    @property
    def name(self) -> str:
        return "x".join(map(str, (*self.sizes, self.channels))) + f" to {self.filters}"

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(n - self.window + 1 for n in self.sizes)

    @property
    def places(self) -> int:
        return int(np.prod(self.counts))

    @property
    def terms(self) -> int:
        return self.window ** len(self.sizes) * self.channels

    @property
    def flops(self) -> float:
        return 2.0 * self.images * self.places * self.terms * self.filters

    @property
    def geometry(self) -> Geometry:
        """The window argument of the kernels."""
        axes = len(self.sizes)
        return (self.window,) * axes, (1,) * axes, (1,) * axes, (0,) * axes


LAYERS = [
    Layer((28, 28), 1, 32),
    Layer((14, 14), 32, 32),
    Layer((8, 8), 64, 128),
    Layer((100,), 64, 64),
    Layer((400,), 50, 250),
]


def cases(plan: Plan) -> Iterator[Case]:
    for layer in [Layer((6, 6), 8, 16)] if plan.quick else LAYERS:
        for direction in PASSES:
            if plan.wants(f"{layer.name} {direction}"):
                yield case(layer, direction, plan)


def case(layer: Layer, direction: str, plan: Plan) -> Case:
    x = numbers((layer.images, *layer.sizes, layer.channels), 1)
    w = numbers((layer.places, layer.terms, layer.filters), 2)
    bias = numbers((*layer.counts, layer.filters), 3)
    dy = numbers((layer.images, *layer.counts, layer.filters), 4)
    out = {"forward": unwritten(dy.shape), "dx": unwritten(x.shape), "dw": unwritten(w.shape)}[direction]
    dbias = unwritten(bias.shape)
    wanted = reference(layer, x, w, bias, dy, direction)

    def ours() -> None:
        if direction == "forward":
            _kernels.local_conv_forward(x, w, bias, layer.geometry, 0, out)
        elif direction == "dx":
            _kernels.local_conv_backward_input(dy, w, layer.geometry, 0, out)
        else:
            _kernels.local_conv_backward_weights(x, dy, layer.geometry, 0, out, dbias)

    contenders = [Contender("lamella", "ours", ours, layer.flops, lambda: after(ours, out, wanted))]
    if plan.torch:
        from bench.peers import torch_local

        contenders.append(torch_local.local_convolve(layer, x, w, bias, dy, wanted, direction))
    contenders.append(fma_peak(plan.threads))
    return Case(f"{layer.name} {direction}", "GFLOP/s", contenders)


def reference(layer: Layer, x: Array, w: Array, bias: Array, dy: Array, direction: str) -> Reference:
    """Position by position, in float64."""
    y, dx, dw = np.zeros(dy.shape) + bias, np.zeros(x.shape), np.zeros(w.shape)
    for p, place in enumerate(np.ndindex(*layer.counts)):
        at, seen = (slice(None), *place), (slice(None), *(slice(i, i + layer.window) for i in place))
        rows, here, to = (
            x[seen].reshape(layer.images, -1).astype(np.float64),
            w[p].astype(np.float64),
            dy[at].astype(np.float64),
        )
        if direction == "forward":
            y[at] += rows @ here
        elif direction == "dx":
            dx[seen] += (to @ here.T).reshape(dx[seen].shape)
        else:
            dw[p] = rows.T @ to
    return {"forward": y, "dx": dx, "dw": dw}[direction]
