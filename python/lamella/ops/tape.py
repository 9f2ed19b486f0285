"""Gradients: a tape over coarse ops.

An op is a function over plain ndarrays that returns its result and a closure for the way back:

    @differentiable
    def square(x):
        def backward(dy, need):
            return (2 * x * dy,)
        return x * x, backward

Outside a tape the op returns the ndarray and the closure is dropped. Inside one, an input that stems from a source of
the tape makes the result a Tensor, and the closure is kept until `gradients` has used it. What each op passes through is
in cpp/bindings/ops.cpp. An op may return a tuple of arrays: its closure is then given a tuple of gradients, None for a result
that has none.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeAlias, overload

import numpy as np

from lamella import _kernels
from lamella.core.rows_gradient import RowsGradient, dense
from lamella.core.shapes import TensorShape
from lamella.core.types import Array
from lamella.core.variable import Variable

Gradients: TypeAlias = tuple[Array | None, ...]
# That of a Variable may be in rows, see ops/rows.py.
Found: TypeAlias = tuple[Array | RowsGradient | None, ...]
# backward(dy, need): dy has y's shape and is not written to; need says for each positional input whether its gradient
# is wanted, and where it is not, None may stand for it.
Backward: TypeAlias = Callable[[Array, tuple[bool, ...]], Found]
# The same for an op of several results; one of their gradients at least is there.
BackwardOfSeveral: TypeAlias = Callable[[Gradients, tuple[bool, ...]], Gradients]


class Tensor(_kernels.Held):
    """An ndarray whose making stands on a tape. Python's operators are those of `ops.operators`.

    Attributes:
        index: Its place on the tape.
        block: Which block of a tape it was made in, so that one of an earlier step is known.
        logits: ("softmax" | "sigmoid", what it made this from), so that a cross-entropy can go back past both at once.
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

    def get_shape(self) -> TensorShape:
        return TensorShape(self.value.shape)

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
            f"{self!r} stands on a tape: NumPy's functions would lose its gradient. Use those of lamella.backend, or "
            "K.stop_gradient for its value"
        )

    def __repr__(self) -> str:
        return f"Tensor(shape={self.shape}, dtype={self.dtype})"


class Tape(_kernels.Recorder):
    """Records what is computed from `sources` in its `with` block, or in `run`, in this thread; each block begins anew.

    Args:
        sources: The Variables whose gradients are asked for; `watch` adds arrays to them.

    Raises:
        RuntimeError: On entry if another tape records in this thread.
    """

    def __init__(self, sources: Sequence[Variable] = ()) -> None:
        super().__init__({variable: i for i, variable in enumerate(sources)}, len(sources))

    def __reduce__(self) -> tuple[type[Tape], tuple[list[Variable]]]:
        return Tape, (list(self.places),)  # a copy has recorded nothing

    def watch(self, value: Array) -> Tensor:
        """A Tensor that is a source itself: its gradient is in what `gradients` returns, after those of the sources.

        Raises:
            RuntimeError: Outside of the tape's block, or after an op.
        """
        if not self.recording or self.nodes:
            raise RuntimeError("Tape.watch: sources come in the tape's block, before the first op")
        self.first += 1
        return Tensor(value, self.first - 1, self.block)

    def gradients(self, loss: Tensor | Sequence[tuple[Tensor, Array]], in_rows: bool = False) -> list[Any]:
        """d loss / d source for each source (then each watched array); None where the loss does not depend on it.

        loss: a scalar; or what it is a weighted sum of, as pairs (Tensor, weights of its shape), of which the weights are
        not written to. Each closure is freed as soon as it was used. Called within the block, it begins the block anew.
        in_rows: that of a Variable of which few rows were taken may be a RowsGradient.

        Raises:
            RuntimeError: For a Tensor of an earlier block, or one whose closures have been used.
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
                raise RuntimeError(f"Tape.gradients: {tensor!r} is of an earlier block, or its gradients were asked for before")
            sum_so_far = gradients[tensor.index]
            gradients[tensor.index] = weights if sum_so_far is None else sum_so_far + weights
        _kernels.backpropagate(nodes, gradients)
        found = gradients[: self.first]
        return found if in_rows else dense(found)


def recording() -> Tape | None:
    """The tape that records in this thread."""
    tape: Tape | None = _kernels.recorded()
    return tape


def value_of(x: object) -> Array | None:
    """The ndarray in a Tensor or Variable; another array-like as an ndarray; None as it is."""
    if type(x) is Tensor or type(x) is Variable:
        return x.value
    return x if type(x) is np.ndarray or x is None else np.asarray(x)


@overload
def differentiable(forward: Callable[..., tuple[Array, Backward]]) -> Callable[..., Array | Tensor]: ...
@overload
def differentiable(
    forward: Callable[..., tuple[tuple[Array, ...], BackwardOfSeveral]],
) -> Callable[..., tuple[Array | Tensor, ...]]: ...
def differentiable(forward: Callable[..., object]) -> Callable[..., object]:
    """Makes an op of a function (*ndarrays, **configuration) -> (y, backward); see the top of this file."""
    return functools.update_wrapper(_kernels.Op(forward, Tensor, Variable), forward)
