"""Local convolution in torch, which has no layer for it: windows are unfolded and multiplied with bmm, position by position."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import fold, unfold

from bench.harness import Contender
from bench.kernels.reference import Array, Reference, distance

if TYPE_CHECKING:
    from bench.kernels.local_conv import Layer


def local_convolve(layer: Layer, x: Array, w: Array, bias: Array, dy: Array, wanted: Reference, direction: str) -> Contender:
    """The steps of autograd. For dw the windows are unfolded in advance, because autograd keeps them from the forward pass."""
    # A sequence is an image of one column. unfold and fold take [N, C, H, W] and the order [C, window].
    rows, columns = (*layer.sizes, 1)[:2]
    window = (layer.window, layer.window if len(layer.sizes) > 1 else 1)
    taps = window[0] * window[1]
    images = torch.from_numpy(x).reshape(layer.images, rows, columns, layer.channels).permute(0, 3, 1, 2).contiguous()
    ordered = w.reshape(layer.places, taps, layer.channels, layer.filters).swapaxes(1, 2)
    weights = torch.from_numpy(np.ascontiguousarray(ordered).reshape(w.shape))
    biases = torch.from_numpy(bias).reshape(layer.places, 1, layer.filters)
    to = torch.from_numpy(dy).reshape(layer.images, layer.places, layer.filters).transpose(0, 1).contiguous()
    kept = unfold(images, window).permute(2, 0, 1).contiguous()

    def run() -> torch.Tensor:
        if direction == "forward":
            return torch.baddbmm(biases, unfold(images, window).permute(2, 0, 1), weights)
        if direction == "dx":
            return fold(torch.bmm(to, weights.transpose(1, 2)).permute(1, 2, 0), (rows, columns), window)
        return torch.bmm(kept.transpose(1, 2), to)

    def error() -> float:
        result = run()
        if direction == "forward":
            got = result.transpose(0, 1)
        elif direction == "dx":
            got = result.permute(0, 2, 3, 1)
        else:
            got = result.reshape(layer.places, layer.channels, taps, layer.filters).transpose(1, 2)
        return distance(got.reshape(wanted.shape).numpy(), wanted)

    return Contender("torch unfold, bmm", "peer", run, layer.flops, error)
