"""torch's contenders with their best documented settings. Tensors get their best layout before the timing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from bench.harness import Contender
from bench.kernels import rules
from bench.kernels.reference import Array, Reference, distance

if TYPE_CHECKING:
    from bench.kernels.conv import Layer
    from bench.kernels.depthwise import Layer as Depthwise

FORMATS = {"torch channels_last": torch.channels_last, "torch contiguous": torch.contiguous_format}


def multiply(left: Array, right: Array, wanted: Reference, amount: float) -> list[Contender]:
    """torch.mm, or torch.bmm of batches, into a given tensor; a transposed factor stays a view, as in torch's autograd."""
    a, b = torch.from_numpy(left), torch.from_numpy(right)
    out, product = torch.empty(wanted.shape), torch.mm if left.ndim == 2 else torch.bmm

    def run() -> None:
        product(a, b, out=out)

    def error() -> float:
        run()
        return distance(out.numpy(), wanted)

    return [Contender("torch", "peer", run, amount, error)]


def convolve(layer: Layer, x: Array, w: Array, bias: Array, dy: Array, wanted: Reference, direction: str) -> list[Contender]:
    """torch's convolution, and autograd's function for its gradients, in both memory formats. Arrays have lamella's layout."""
    steps = Steps(layer.stride, layer.padding, layer.dilation, 1)
    return [
        _convolve(name, steps, [x, dy], w, bias, wanted, direction, memory_format, layer.flops)
        for name, memory_format in FORMATS.items()
    ]


def depthwise(
    layer: Depthwise, x: Array, w: Array, bias: Array, dy: Array, wanted: Reference, direction: str, amount: float
) -> list[Contender]:
    """The same with a group for each channel. w: [rows, columns, C, 1]."""
    steps = Steps(layer.stride, 1, 1, layer.channels)
    if direction == "dw":
        wanted = wanted.swapaxes(2, 3)
    return [
        _convolve(name, steps, [x, dy], w.swapaxes(2, 3), bias, wanted, direction, memory_format, amount)
        for name, memory_format in FORMATS.items()
    ]


class Steps(NamedTuple):
    """How windows move, the same on all axes."""

    stride: int
    padding: int
    dilation: int
    groups: int


def _convolve(
    name: str,
    steps: Steps,
    images: Sequence[Array],
    w: Array,
    bias: Array,
    wanted: Reference,
    direction: str,
    memory_format: torch.memory_format,
    amount: float,
) -> Contender:
    axes = w.ndim - 2
    stride, padding, dilation = [steps.stride] * axes, [steps.padding] * axes, [steps.dilation] * axes
    if axes == 1:
        # torch has no memory format for sequences: they are images of one row, as inside of torch.conv1d.
        images, w = [a[:, None] for a in images], w[None]
        stride, padding, dilation = [1, *stride], [0, *padding], [1, *dilation]
        wanted = wanted[None] if direction == "dw" else wanted[:, None]
    rank = w.ndim
    if rank == 5 and memory_format is torch.channels_last:
        memory_format = torch.channels_last_3d
    inner = range(1, rank - 1)
    x, dy = (torch.from_numpy(a).permute(0, rank - 1, *inner).clone(memory_format=memory_format) for a in images)
    weights = torch.from_numpy(w).permute(rank - 1, rank - 2, *range(rank - 2)).clone(memory_format=memory_format)
    biases = torch.from_numpy(bias)
    mask = [direction == "dx", direction == "dw", direction == "dw"]

    def run() -> torch.Tensor:
        if direction == "forward":
            return torch.convolution(x, weights, biases, stride, padding, dilation, False, [0] * len(stride), steps.groups)
        dx, dw, _ = torch.ops.aten.convolution_backward(
            dy, x, weights, [bias.size], stride, padding, dilation, False, [0] * len(stride), steps.groups, mask
        )
        result: torch.Tensor = dx if direction == "dx" else dw
        return result

    def error() -> float:
        order = (*range(2, rank), 1, 0) if direction == "dw" else (0, *range(2, rank), 1)
        return distance(run().permute(order).numpy(), wanted)

    return Contender(name, "peer", run, amount, error)


def optimizers(rule: str, params: Sequence[Array], grads: Sequence[Array], amount: float, norm: float) -> list[Contender]:
    """fused=True, where torch has it, and foreach=True, each with its own state, over one set of tensors.

    norm: the bound for "Adam, norm"; torch clips the gradients in place before the step.
    """
    tensors = [torch.nn.Parameter(torch.from_numpy(p).clone()) for p in params]
    for tensor, g in zip(tensors, grads, strict=True):
        tensor.grad = torch.from_numpy(g).clone()
    views = [t.detach().numpy() for t in tensors]

    def contender(name: str, optimizer: torch.optim.Optimizer) -> Contender:
        def clipped() -> None:
            torch.nn.utils.clip_grad_norm_(tensors, norm)
            optimizer.step()

        step: Callable[[], object] = clipped if rule == "Adam, norm" else optimizer.step
        return Contender(name, "peer", step, amount, lambda: rules.error(rule, "torch", step, views, grads, norm))

    makers: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "Adam": lambda **how: torch.optim.Adam(tensors, lr=1e-3, **how),
        "Adam, norm": lambda **how: torch.optim.Adam(tensors, lr=1e-3, **how),
        "AMSGrad": lambda **how: torch.optim.Adam(tensors, lr=1e-3, amsgrad=True, **how),
        "AdamW": lambda **how: torch.optim.AdamW(tensors, lr=1e-3, weight_decay=0.01, **how),
        "SGD": lambda **how: torch.optim.SGD(tensors, lr=1e-2, **how),
        "SGD momentum": lambda **how: torch.optim.SGD(tensors, lr=1e-2, momentum=0.9, **how),
        "Adagrad": lambda **how: torch.optim.Adagrad(tensors, lr=1e-2, **how),
        "RMSprop": lambda **how: torch.optim.RMSprop(tensors, lr=1e-3, alpha=0.9, eps=1e-7, **how),
        "Adadelta": lambda **how: torch.optim.Adadelta(tensors, lr=1.0, rho=0.95, eps=1e-7, **how),
        "Adamax": lambda **how: torch.optim.Adamax(tensors, lr=2e-3, eps=1e-7, **how),
        "Nadam": lambda **how: torch.optim.NAdam(tensors, lr=2e-3, eps=1e-7, **how),
    }
    hows = ("foreach",) if rule in ("RMSprop", "Adadelta", "Adamax", "Nadam") else ("fused", "foreach")
    return [contender(f"torch {how}", makers[rule](**{how: True})) for how in hows]


def set_threads(threads: int) -> None:
    torch.set_num_threads(threads)


def describe() -> str:
    """torch's version, threads and instruction set, as torch reports them."""
    return f"{torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"
