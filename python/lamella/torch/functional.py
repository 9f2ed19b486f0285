"""torch.nn.functional's conv2d, linear and cross_entropy on lamella's kernels, for tensors on the CPU, with their gradients.

    from lamella.torch import replace
    replace(model)      # its Conv2d and Linear layers use lamella's kernels; parameters and state_dict do not change

Images in channels_last memory are read and written without a copy; others are copied once. Gradients of gradients are not computed.
Within torch.autocast, tensors of fewer bits are computed in float32.
"""

from __future__ import annotations

from math import prod
from operator import index
from typing import Any, TypeVar

import numpy as np
import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from lamella import _kernels
from lamella import functional as F
from lamella.core.types import Array

Module = TypeVar("Module", bound=Any)


def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> Any:
    """torch.nn.functional.conv2d with its arguments.

    Args:
        input: float32 or float64 [N, C, H, W] or [C, H, W] on the CPU.
        weight: [K, C // groups, kH, kW].
        bias: [K] or None.
        stride: One number, or one for each axis.
        padding: Zeros on both ends of each axis, "valid", or "same" with stride 1.
        dilation: One number, or one for each axis.
        groups: 1, or C: each channel on its own.

    Returns:
        [N, K, H', W'] in channels_last memory, or [K, H', W'].

    Raises:
        TypeError: A tensor is not on the CPU, or is neither float32 nor float64.
        ValueError: Shapes do not fit, or groups is neither 1 nor C.
    """
    input, weight, bias = _taken("conv2d", input=input, weight=weight, bias=bias)
    if input.ndim == 3:
        y = conv2d(input[None], weight, bias, stride, padding, dilation, groups)
        return y[0]
    if input.ndim != 4 or weight.ndim != 4 or input.shape[1] != weight.shape[1] * groups:
        raise ValueError(
            f"conv2d: expected input [N, C, H, W] and weight [K, C // {groups}, kH, kW], "
            f"got shapes {tuple(input.shape)} and {tuple(weight.shape)}"
        )
    if groups not in (1, input.shape[1]) or weight.shape[0] % groups:
        raise ValueError(f"conv2d: expected groups to be 1 or the number of channels, {input.shape[1]}, got {groups}")
    _check_bias("conv2d", bias, weight)
    strides, gaps = _pair("stride", stride), _pair("dilation", dilation)
    if not isinstance(padding, str):
        padding = _pair("padding", padding)
    elif padding not in ("valid", "same"):
        raise ValueError(f"conv2d: expected padding 'valid', 'same' or numbers, got {padding!r}")
    if padding == "same" and strides != (1, 1):
        raise ValueError(f"conv2d: expected stride 1 with padding 'same', got {stride}")
    return _Conv2d.apply(input, weight, bias, strides, padding, gaps, groups)


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """torch.nn.functional.linear: input weight^T + bias.

    Args:
        input: float32 or float64 [..., K] on the CPU.
        weight: [N, K].
        bias: [N] or None.

    Returns:
        [..., N].

    Raises:
        TypeError: A tensor is not on the CPU, or is neither float32 nor float64.
        ValueError: Shapes do not fit.
    """
    input, weight, bias = _taken("linear", input=input, weight=weight, bias=bias)
    if weight.ndim != 2 or input.ndim < 1 or input.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: expected input [..., K] and weight [N, K], got shapes {tuple(input.shape)} and {tuple(weight.shape)}"
        )
    _check_bias("linear", bias, weight)
    y = _Linear.apply(input.reshape(prod(input.shape[:-1]), input.shape[-1]), weight, bias)
    return y.reshape(*input.shape[:-1], weight.shape[0])


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """torch.nn.functional.cross_entropy with its arguments.

    Args:
        input: Logits, float32 or float64 [N, C] or [N, C, ...] on the CPU.
        target: Labels, whole numbers [N] or [N, ...], or probabilities in the shape of `input`.
        weight: Must be None.
        ignore_index: Rows with this label are not counted, and their gradient is 0, also where logits are not finite.
        reduction: "mean" over the rows that count, "sum" or "none".
        label_smoothing: Must be 0.

    Returns:
        The loss: a number, or [N, ...] with "none".

    Raises:
        TypeError: A tensor is not on the CPU, or is neither float32 nor float64.
        ValueError: Shapes do not fit, a label is outside of [0, C), or an argument has another value.
    """
    (input,) = _taken("cross_entropy", input=input)
    if weight is not None or label_smoothing:
        raise ValueError("cross_entropy: expected weight=None and label_smoothing=0: lamella has no kernel for other values")
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"cross_entropy: expected reduction 'mean', 'sum' or 'none', got {reduction!r}")
    if input.ndim < 2:
        raise ValueError(f"cross_entropy: expected input [N, C, ...], got shape {tuple(input.shape)}")
    rows = input.movedim(1, -1)
    if target.is_floating_point():
        if target.shape != input.shape:
            raise ValueError(f"cross_entropy: expected target of shape {tuple(input.shape)}, got {tuple(target.shape)}")
        if target.requires_grad:
            raise ValueError("cross_entropy: expected a target without a gradient")
        loss = _CrossEntropy.apply(rows, target.to(input.dtype).movedim(1, -1), None)
        return loss if reduction == "none" else loss.sum() if reduction == "sum" else loss.mean()
    if target.shape != rows.shape[:-1]:
        raise ValueError(f"cross_entropy: expected target of shape {tuple(rows.shape[:-1])}, got {tuple(target.shape)}")
    labels = target.to(torch.int64)  # torch wraps the -100 that a tensor of uint8 is compared with
    counts = labels != ignore_index
    loss = _CrossEntropy.apply(rows, torch.where(counts, labels, 0), counts)
    return loss if reduction == "none" else loss.sum() if reduction == "sum" else loss.sum() / counts.sum()


def replace(module: Module) -> Module:
    """Make the Conv2d and Linear layers of a model use lamella's kernels. Only their class changes, to a subclass of it.

    Layers that the kernels cannot compute do not change: subclasses, other groups, padding modes except zeros, other dtypes and
    devices.

    Args:
        module: A torch.nn.Module; it is changed.

    Returns:
        The same module.
    """
    for each in module.modules():
        plain = all(p.device.type == "cpu" and p.dtype in _DTYPES for p in each.parameters(recurse=False))
        if type(each) is torch.nn.Linear and plain:
            each.__class__ = Linear
        elif type(each) is torch.nn.Conv2d and plain and each.padding_mode == "zeros" and each.groups in (1, each.in_channels):
            each.__class__ = Conv2d
    return module


class Linear(torch.nn.Linear):  # type: ignore[misc]  # mypy does not read torch
    """torch.nn.Linear on lamella's kernels."""

    def forward(self, input: Any) -> Any:
        return linear(input, self.weight, self.bias)


class Conv2d(torch.nn.Conv2d):  # type: ignore[misc]  # mypy does not read torch
    """torch.nn.Conv2d on lamella's kernels. groups is 1 or in_channels, padding_mode "zeros"."""

    def _conv_forward(self, input: Any, weight: Any, bias: Any) -> Any:
        if self.padding_mode != "zeros":
            return super()._conv_forward(input, weight, bias)
        return conv2d(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)


_DTYPES = (torch.float32, torch.float64)


def _taken(who: str, **tensors: Any) -> list[Any]:
    """The tensors as the kernels take them: within autocast, those of bfloat16 and float16 in float32.

    Raises:
        TypeError: One is not a dense tensor on the CPU, or of another dtype.
    """
    if torch.is_autocast_enabled("cpu"):
        for name, tensor in tensors.items():
            if tensor is not None and tensor.dtype in (torch.bfloat16, torch.float16) and tensor.device.type == "cpu":
                tensors[name] = tensor.float()
    dtype = next(iter(tensors.values())).dtype
    for name, tensor in tensors.items():
        if tensor is None:
            continue
        if tensor.device.type != "cpu" or tensor.dtype not in _DTYPES or tensor.layout is not torch.strided:
            raise TypeError(
                f"{who}: expected {name} to be a dense float32 or float64 tensor on the CPU, got {tensor.dtype} on {tensor.device}"
            )
        if tensor.dtype != dtype:
            raise TypeError(f"{who}: expected {name} of {dtype}, as the input, got {tensor.dtype}")
    return list(tensors.values())


def _check_bias(who: str, bias: Any, weight: Any) -> None:
    if bias is not None and tuple(bias.shape) != tuple(weight.shape[:1]):
        raise ValueError(f"{who}: expected bias of shape {tuple(weight.shape[:1])}, got {tuple(bias.shape)}")


def _pair(name: str, value: Any) -> tuple[int, int]:
    """One whole number for both axes, or one for each."""
    try:
        numbers = tuple(map(index, value)) if isinstance(value, (tuple, list)) else (index(value),)
    except TypeError:
        numbers = ()
    if len(numbers) not in (1, 2):
        raise ValueError(f"conv2d: expected {name} to be one whole number or two, got {value!r}")
    return numbers[0], numbers[-1]


def _array(tensor: Any) -> Array:
    """The tensor's memory as a C-contiguous array, a copy if it is not."""
    array: Array = tensor.detach().resolve_neg().contiguous().numpy()
    return array


def _last(image: Any) -> Array:
    """[N, C, H, W] as an array [N, H, W, C]."""
    return _array(image.permute(0, 2, 3, 1))


def _first(array: Array | None) -> Any:
    """An array [N, H, W, C] as a tensor [N, C, H, W] in channels_last memory."""
    return None if array is None else torch.from_numpy(array).permute(0, 3, 1, 2)


class _Conv2d(Function):  # type: ignore[misc]  # mypy does not read torch
    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
        ctx.depthwise = groups > 1
        if ctx.depthwise:  # [C*M, 1, kH, kW] -> [kH, kW, C, M]
            kernel = _array(weight.unflatten(0, (groups, -1)).squeeze(2).permute(2, 3, 0, 1))
        else:
            kernel = _array(weight.permute(2, 3, 1, 0))
        ctx.how = {"strides": stride, "padding": padding, "dilation": dilation}
        ctx.save_for_backward(x, weight)
        ctx.kernel = kernel
        forward = F.depthwise_conv if ctx.depthwise else F.conv
        return _first(forward(_last(x), kernel, None if bias is None else _array(bias), **ctx.how))

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, dy: Any) -> Any:
        x, weight = ctx.saved_tensors
        need = ctx.needs_input_grad[:3]
        backward = F.depthwise_conv_backward if ctx.depthwise else F.conv_backward
        dx, dkernel, dbias = backward(_last(dy), _last(x), ctx.kernel, need=need, **ctx.how)
        dweight = None
        if dkernel is not None:
            back = torch.from_numpy(dkernel)
            dweight = back.permute(2, 3, 0, 1).reshape(weight.shape) if ctx.depthwise else back.permute(3, 2, 0, 1)
        return _first(dx), dweight, None if dbias is None else torch.from_numpy(dbias), None, None, None, None


class _Linear(Function):  # type: ignore[misc]  # mypy does not read torch
    # x weight^T is the dx of a dense layer from N to K with the kernel `weight`, whose output has the gradient x. So no matrix
    # is transposed.
    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any) -> Any:
        ctx.save_for_backward(x, weight)
        rows, kernel = _array(x), _array(weight)
        y, _, _ = F.dense_backward(rows, np.empty((len(rows), len(kernel)), rows.dtype), kernel, need=(True, False, False))
        assert y is not None
        if bias is not None:
            y += _array(bias)
        return torch.from_numpy(y)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, dy: Any) -> Any:
        x, weight = ctx.saved_tensors
        need, rows = ctx.needs_input_grad, _array(dy)
        dx = F.dense(rows, _array(weight)) if need[0] else None
        dweight = F.dense_backward(_array(x), rows, _array(weight), need=(False, True, False))[1] if need[1] else None
        dbias = None
        if need[2]:
            dbias = np.empty(rows.shape[1], rows.dtype)
            _kernels.sum_columns(rows, dbias)
        return tuple(None if each is None else torch.from_numpy(each) for each in (dx, dweight, dbias))


class _CrossEntropy(Function):  # type: ignore[misc]  # mypy does not read torch
    @staticmethod
    def forward(ctx: Any, logits: Any, target: Any, counts: Any) -> Any:
        ctx.save_for_backward(target, counts)  # so that backward notices if the program has changed them
        loss, ctx.p = F.softmax_cross_entropy(_array(logits), _array(target))
        loss = torch.from_numpy(loss)
        return loss if counts is None else torch.where(counts, loss, 0)  # a product would be NaN where the loss is

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, dloss: Any) -> Any:
        target, counts = ctx.saved_tensors
        dlogits = torch.from_numpy(F.softmax_cross_entropy_backward(_array(dloss), ctx.p, _array(target)))
        if counts is not None and not counts.all():  # rows that may be NaN: of such logits, or of the mean of no rows
            dlogits[~counts] = 0
        return dlogits, None, None
