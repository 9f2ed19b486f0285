"""Gradients: a tape over coarse ops.

An op is a function of plain ndarrays that returns its result and a closure, its backward:

    @differentiable
    def square(x):
        def backward(dy, need):
            return (2 * x * dy,)
        return x * x, backward

Outside of a tape the op returns the ndarray, and the closure is not kept. Inside a tape, if an input depends on a source of the
tape, the result is a Tensor, and the tape keeps the closure until `gradients` has used it. cpp/bindings/ops.cpp has the code that
runs in each call of an op, cpp/bindings/recorder.cpp the tape's record, and cpp/bindings/backpropagation.cpp the backward pass. An
op may return a tuple of arrays: its closure then gets a tuple of gradients, with None for a result without a gradient.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeAlias, overload

import numpy as np

from lamella import _kernels
from lamella.core.graphs import GraphTensor
from lamella.core.rows_gradient import RowsGradient, dense
from lamella.core.shapes import Dim, TensorShape, merged
from lamella.core.types import Array
from lamella.core.variable import Variable

Gradients: TypeAlias = tuple[Array | None, ...]
# The gradient of a Variable may be a RowsGradient, see ops/rows.py.
Found: TypeAlias = tuple[Array | RowsGradient | None, ...]
# backward(dy, need): dy has y's shape and must not be changed; ops.arrays.in_place_of(dy) gives memory for a result that may
# replace it. need says for each positional input whether its gradient is needed; if it is not, it may be None.
Backward: TypeAlias = Callable[[Array, tuple[bool, ...]], Found]
# The same for an op with several results. At least one of their gradients is not None.
BackwardOfSeveral: TypeAlias = Callable[[Gradients, tuple[bool, ...]], Gradients]


class Tensor(_kernels.TensorBase):
    """An ndarray that was computed by an op on a tape. `ops.operators` defines its operators.

    Attributes:
        value: The ndarray.
        index: Its number on the tape.
        block: The block of the tape in which it was made, which identifies Tensors of an earlier step.
        logits: ("softmax" | "sigmoid", its input) if one of these ops made it, so that a cross-entropy can compute the gradient
            of both at once.
    """

    __slots__ = ()
    __array_ufunc__ = None  # ndarray + Tensor asks Tensor

    def __init__(self, value: Array, index: int, block: object) -> None:
        self.value = value
        self.index = index
        self.block = block

    @property
    def shape(self) -> tuple[int, ...]:
        return TensorShape(self.value.shape)  # type: ignore[return-value]  # none is free

    @property
    def _keras_shape(self) -> tuple[int, ...]:
        """What the call of a layer from Keras's time reads, such as the anchors of SSD.

        Calls that were written for Theano too set it, where functions of K did not know the shape; here it is `set_shape`.
        """
        return self.value.shape

    @_keras_shape.setter
    def _keras_shape(self, shape: Sequence[Dim]) -> None:
        self.set_shape(shape)

    def get_shape(self) -> TensorShape:
        return TensorShape(self.value.shape)

    def set_shape(self, shape: Sequence[Dim]) -> None:
        """Check a shape, in which None allows any size, as TensorFlow does. Raises ValueError if it is another one."""
        merged(self.value.shape, shape, "this tensor")

    @property
    def dtype(self) -> np.dtype:
        return self.value.dtype

    @property
    def ndim(self) -> int:
        return self.value.ndim

    def __len__(self) -> int:
        return len(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __array__(self, *_: object, **__: object) -> NoReturn:
        raise TypeError(
            f"{self!r} is recorded on a tape, and NumPy's functions would lose its gradient. Use the functions of "
            "lamella.backend, or K.stop_gradient for its value"
        )

    def __repr__(self) -> str:
        return f"Tensor(shape={self.shape}, dtype={self.dtype})"


class Tape(_kernels.Recorder):
    """Records the ops on `sources` in its `with` block, or in `run`, in this thread. Each block starts empty.

    Args:
        sources: The Variables whose gradients are needed. `watch` adds arrays to them.

    Raises:
        RuntimeError: On entry, if another tape records in this thread.
    """

    def __init__(self, sources: Sequence[Variable] = ()) -> None:
        super().__init__({variable: i for i, variable in enumerate(sources)}, len(sources))

    def __reduce__(self) -> tuple[type[Tape], tuple[list[Variable]]]:
        return Tape, (list(self.places),)  # a copy has recorded nothing

    def watch(self, value: Array) -> Tensor:
        """A Tensor that is a source too. `gradients` returns its gradient after those of the Variables.

        Raises:
            RuntimeError: It is called outside of the tape's block, or after an op.
        """
        if not self.recording or self.nodes:
            raise RuntimeError("Tape.watch: expected a call in the tape's block, before the first op")
        self.first += 1
        return Tensor(value, self.first - 1, self.block)

    def gradients(self, loss: Tensor | Sequence[tuple[Tensor, Array]], in_rows: bool = False) -> list[Any]:
        """d loss / d source for each source, then for each watched array; None if the loss does not depend on it.

        Each closure is freed after its use. A call inside the block starts a new block.

        Args:
            loss: A scalar Tensor; or a weighted sum, as pairs (Tensor, weights of its shape). The weights are not changed.
            in_rows: Whether the gradient of a Variable of which only some rows were taken may be a RowsGradient.

        Raises:
            ValueError: The loss is not a scalar.
            RuntimeError: A Tensor is from an earlier block, or its gradients were already computed.
        """
        nodes, block = self.nodes, self.block
        self.renew()
        gradients: list[Array | None] = [None] * (self.first + len(nodes))
        if isinstance(loss, Tensor):
            if loss.value.size != 1:
                raise ValueError(f"Tape.gradients: expected a scalar loss, got shape {loss.shape}")
            terms: Sequence[tuple[Tensor, Array]] = [(loss, np.ones(loss.shape, loss.dtype))]
        else:
            terms = loss
        for tensor, weights in terms:
            if tensor.block is not block:
                raise RuntimeError(
                    f"Tape.gradients: {tensor!r} is from an earlier block, or its gradients were already computed"
                )
            sum_so_far = gradients[tensor.index]
            gradients[tensor.index] = weights if sum_so_far is None else sum_so_far + weights
        _kernels.backpropagate(nodes, gradients)
        found = gradients[: self.first]
        return found if in_rows else dense(found)


def recording() -> Tape | None:
    """The tape that records in this thread, or None."""
    tape: Tape | None = _kernels.recorded()
    return tape


def value_of(x: object) -> Array | None:
    """The ndarray of a Tensor or Variable; another array-like as an ndarray; None for None."""
    if type(x) is Tensor or type(x) is Variable:
        return x.value
    return x if type(x) is np.ndarray or x is None else np.asarray(x)


def array_of(x: object) -> Array:
    """`value_of` for anything but None."""
    value = value_of(x)
    assert value is not None
    return value


@overload
def differentiable(forward: Callable[..., tuple[Array, Backward]]) -> Callable[..., Array | Tensor]: ...
@overload
def differentiable(
    forward: Callable[..., tuple[tuple[Array, ...], BackwardOfSeveral]],
) -> Callable[..., tuple[Array | Tensor, ...]]: ...
def differentiable(forward: Callable[..., object]) -> Callable[..., object]:
    """An op made of a function (*ndarrays, **configuration) -> (y, backward); see the top of this file."""
    return functools.update_wrapper(_kernels.Op(forward, Tensor, Variable, GraphTensor), forward)
