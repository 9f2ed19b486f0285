"""The functions of bench/functions.py in torch eager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from lamella.core.types import Array

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "x**3": lambda x: x**3,
    "x*x / sqrt(x*x + 1)": lambda x: torch.square(x) / torch.sqrt(torch.square(x) + 1.0),
    "swish": lambda x: x * torch.sigmoid(x),
    "gelu": lambda x: 0.5 * x * (1 + torch.tanh(0.7978846 * (x + 0.044715 * x**3))),
    "clip": lambda x: torch.clamp(x, -0.5, 0.5),
    "maximum": lambda x: torch.maximum(x, 0.1 * x),
    "switch": lambda x: torch.where(x > 0, x, 0.1 * x),
    "normalized rows": lambda x: (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-3),
    "x times mean of maps": lambda x: x * x.mean((1, 2), keepdim=True),
    "x - max": lambda x: x - x.amax(-1, keepdim=True),
    "x - min of maps": lambda x: x - x.amin((1, 2), keepdim=True),
    "x - logsumexp": lambda x: x - x.logsumexp(-1, keepdim=True),
    "softmax of maps": lambda x: x.softmax(1),
    "cumulative sums": lambda x: x.cumsum(1),
    "twice as large, bilinear": lambda x: F.interpolate(x.movedim(-1, 1), scale_factor=2, mode="bilinear").movedim(1, -1),
    "batch normalization": lambda x: F.batch_norm(x.movedim(-1, 1), None, None, training=True, eps=1e-3).movedim(1, -1),
    "group normalization": lambda x: F.group_norm(x.movedim(-1, 1), 8, eps=1e-3).movedim(1, -1),
    "gaussian noise": lambda x: x + 0.1 * torch.randn_like(x),
}


def gradient(name: str, x: Array, dy: Array) -> Callable[[], Array]:
    source, slope = torch.from_numpy(x).requires_grad_(), torch.from_numpy(dy)

    def run() -> Array:
        source.grad = None
        FUNCTIONS[name](source).backward(slope)
        assert source.grad is not None
        return source.grad.numpy()

    return run
