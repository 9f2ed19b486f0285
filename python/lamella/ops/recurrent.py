"""Recurrent layers as one op over all time steps. The kernel multiplies the inputs of all steps first, then computes the steps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lamella import _kernels
from lamella.core.types import Array
from lamella.ops.arrays import absent, contiguous, empty_like
from lamella.ops.tape import BackwardOfSeveral, Gradients, differentiable

# The activations that the kernels can compute in a step, with their numbers in cpp/kernels/recurrent/recurrent.inl.h.
FUNCTIONS = {"linear": 0, "relu": 1, "tanh": 2, "sigmoid": 3, "hard_sigmoid": 4}


def _function(who: str, argument: str, name: str) -> int:
    """The kernels' number of an activation."""
    if name not in FUNCTIONS:
        raise ValueError(f"{who}: expected one of {sorted(FUNCTIONS)} for {argument}, got {name!r}")
    return FUNCTIONS[name]


class _Call:
    """The arrays of one call in the form that the kernels take.

    Attributes:
        n: Number of sequences.
        steps: Number of steps.
        units: Number of units.
        x: The inputs, contiguous.
        bias: The bias, contiguous; without elements if there is none.
        layer: The bundle RecurrentLayer of cpp/table/bundles.def.
    """

    def __init__(
        self,
        who: str,
        gates: int,
        x: Array,
        kernel: Array,
        recurrent_kernel: Array,
        bias: Array | None,
        bias_shape: Callable[[int], tuple[int, ...]],
        mask: Array | None,
        input_dropout: Array | None,
        recurrent_dropout: Array | None,
        go_backwards: bool,
    ) -> None:
        if x.ndim != 3:
            raise ValueError(f"{who}: expected x [N, T, F], got shape {x.shape}")
        self.who = who
        self.n, self.steps, features = x.shape
        self.units = units = recurrent_kernel.shape[0]
        if kernel.shape != (features, gates * units):
            raise ValueError(f"{who}: expected kernel [{features}, {gates * units}], got shape {kernel.shape}")
        if recurrent_kernel.shape != (units, gates * units):
            raise ValueError(f"{who}: expected recurrent_kernel [{units}, {gates * units}], got shape {recurrent_kernel.shape}")
        if mask is not None and mask.shape != x.shape[:2]:
            raise ValueError(f"{who}: expected a mask of shape {x.shape[:2]}, got {mask.shape}")
        self.none = absent(x.dtype)
        self.x = contiguous(x)
        self.bias = self._array("bias", bias, bias_shape(units))
        self.layer = (
            contiguous(kernel),
            contiguous(recurrent_kernel),
            absent(np.dtype(np.uint8)) if mask is None else np.not_equal(mask, 0).view(np.uint8),
            self._array("input_dropout", input_dropout, (1, self.n, features), (gates, self.n, features)),
            self._array("recurrent_dropout", recurrent_dropout, (1, self.n, units), (gates, self.n, units)),
            go_backwards,
        )

    def _array(self, name: str, array: Array | None, *shapes: tuple[int, ...]) -> Array:
        """`array`, contiguous, after a check that it has one of `shapes`; an empty array for None."""
        if array is None:
            return self.none
        if array.shape not in shapes:
            raise ValueError(f"{self.who}: expected {name} of shape {' or '.join(map(str, shapes))}, got {array.shape}")
        return contiguous(array)

    def function(self, argument: str, name: str) -> int:
        """The kernel's number of an activation."""
        return _function(self.who, argument, name)

    def state(self, name: str, state: Array | None) -> Array:
        """An initial state; zeros for None."""
        if state is None:
            return np.zeros((self.n, self.units), self.none.dtype)
        return self._array(name, state, (self.n, self.units))

    def new(self, *shape: int) -> Array:
        """A new array with x's dtype."""
        return empty_like(self.none, shape)

    def for_backward(self, gates: int = 1) -> Array:
        """A new array [N, T, gates * units] for values that only backward reads; an empty array if no tape records."""
        return self.none if _kernels.recorded() is None else self.new(self.n, self.steps, gates * self.units)

    def gradients_of_results(self, dys: Gradients) -> list[Array]:
        """The gradients of the results in the form that the kernels take; an empty array for None."""
        given = [self.none if dy is None else contiguous(dy) for dy in dys]
        if given[0].ndim == 2:
            given[0] = given[0][:, None]  # the op returned only the last output
        return given

    def gradients(self, need: tuple[bool, ...]) -> tuple[Array, Array, Array, Array, Array]:
        """New arrays for the gradients of x, kernel, recurrent_kernel and bias (empty if not needed), and of h0."""
        dx, dkernel, drecurrent, dbias = (
            empty_like(a) if needed else self.none
            for a, needed in zip((self.x, *self.layer[:2], self.bias), need, strict=False)
        )
        return dx, dkernel, drecurrent, dbias, self.new(self.n, self.units)


@differentiable
def lstm(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None,
    h0: Array | None = None,
    c0: Array | None = None,
    *,
    mask: Array | None = None,
    input_dropout: Array | None = None,
    recurrent_dropout: Array | None = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
    activation: str = "tanh",
    recurrent_activation: str = "hard_sigmoid",
) -> tuple[tuple[Array, ...], BackwardOfSeveral]:
    """LSTM: i, f, o = rec(x K + h R + b), g = act(x K + h R + b), c' = f c + i g, h' = o act(c').

    Args:
        x: float [N, T, F].
        kernel: K, [F, 4 units], gates in the order i, f, g, o.
        recurrent_kernel: R, [units, 4 units].
        bias: b, [4 units] or None.
        h0: h before the first step, [N, units]; None is zeros.
        c0: c before the first step, [N, units]; None is zeros.
        mask: [N, T]. A step where it is 0 does not change the states and repeats the output of the step before, or 0 if there
            is none.
        input_dropout: Factors of x in each step, [1, N, F], or [4, N, F] with different factors for each gate.
        recurrent_dropout: Factors of h in the product with R, [1, N, units] or [4, N, units].
        go_backwards: Whether the steps are computed from the last to the first; outputs are in the order of computation.
        return_sequences: Whether all outputs are returned, or only the last one.
        activation: act, a name in FUNCTIONS.
        recurrent_activation: rec, a name in FUNCTIONS.

    Returns:
        (outputs [N, T, units] or [N, units], h [N, units], c [N, units]). mask and dropout get no gradient.

    Raises:
        ValueError: Shapes do not fit, or an activation is not in FUNCTIONS.
        TypeError: The dtypes differ.

    Source: Keras 2.2.5.
    """
    call = _Call(
        "lstm", 4, x, kernel, recurrent_kernel, bias, lambda u: (4 * u,), mask, input_dropout, recurrent_dropout, go_backwards
    )
    act, rec = call.function("activation", activation), call.function("recurrent_activation", recurrent_activation)
    before = call.state("h0", h0), call.state("c0", c0)
    gates, previous, cells = call.for_backward(4), call.for_backward(), call.for_backward()
    outputs = call.new(call.n, call.steps if return_sequences else 1, call.units)
    h, c = empty_like(before[0]), empty_like(before[1])
    _kernels.lstm_forward(call.x, call.layer, act, rec, call.bias, *before, gates, previous, cells, outputs, h, c)

    def backward(dys: Gradients, need: tuple[bool, ...]) -> Gradients:
        dy, dh, dc = call.gradients_of_results(dys)
        gradients, dc0 = call.gradients(need), call.new(call.n, call.units)
        # The gradients of the gates' pre-activations overwrite the gates, which are not needed any more.
        _kernels.lstm_backward(call.x, call.layer, act, rec, gates, previous, cells, dy, dh, dc, gates, gradients, dc0)
        return *gradients, dc0

    return (outputs if return_sequences else outputs[:, 0], h, c), backward


@differentiable
def lstm_step(
    of_x: Array, of_h: Array, c: Array, *, activation: str = "tanh", recurrent_activation: str = "hard_sigmoid"
) -> tuple[tuple[Array, ...], BackwardOfSeveral]:
    """One step of an LSTM from its products: i, f, g, o = of_x + of_h, c' = rec(f) c + rec(i) act(g), h' = rec(o) act(c').

    Args:
        of_x: float [..., 4 units], what the input adds to the gates' sums, in the order i, f, g, o.
        of_h: What h adds to them, the same shape.
        c: [..., units].
        activation: act, a name in FUNCTIONS.
        recurrent_activation: rec, a name in FUNCTIONS.

    Returns:
        (h', c'), the shape of c.

    Raises:
        ValueError: Shapes do not fit, or an activation is not in FUNCTIONS.
        TypeError: The dtypes differ.

    Source: Keras 2.2.5, ConvLSTM2DCell.
    """
    act, rec = (
        _function("lstm_step", *named) for named in (("activation", activation), ("recurrent_activation", recurrent_activation))
    )
    of_x, of_h, c = contiguous(of_x), contiguous(of_h), contiguous(c)
    none = absent(c.dtype)
    gates = none if _kernels.recorded() is None else empty_like(of_x)
    h, new_c = empty_like(c), empty_like(c)
    _kernels.lstm_step_forward(of_x, of_h, c, act, rec, gates, h, new_c)

    def backward(dys: Gradients, need: tuple[bool, ...]) -> Gradients:
        dh, dnew_c = (none if dy is None else contiguous(dy) for dy in dys)
        dsums, dc = empty_like(gates), empty_like(c)
        _kernels.lstm_step_backward(gates, c, new_c, act, rec, dh, dnew_c, dsums, dc)
        return dsums, dsums, dc

    return (h, new_c), backward


@differentiable
def gru(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None,
    h0: Array | None = None,
    *,
    mask: Array | None = None,
    input_dropout: Array | None = None,
    recurrent_dropout: Array | None = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
    activation: str = "tanh",
    recurrent_activation: str = "hard_sigmoid",
    reset_after: bool = False,
) -> tuple[tuple[Array, ...], BackwardOfSeveral]:
    """GRU: z, r = rec(x K + h R + b), n = act(x K + (r h) R + b), h' = z h + (1-z) n.

    Args:
        x: float [N, T, F].
        kernel: K, [F, 3 units], gates in the order z, r, n.
        recurrent_kernel: R, [units, 3 units].
        bias: b, [3 units] or None; with reset_after [2, 3 units]: b, then b'.
        h0: h before the first step, [N, units]; None is zeros.
        mask: As in `lstm`.
        input_dropout: As in `lstm`, with 3 gates.
        recurrent_dropout: As in `lstm`, with 3 gates.
        go_backwards: As in `lstm`.
        return_sequences: As in `lstm`.
        activation: act, a name in FUNCTIONS.
        recurrent_activation: rec, a name in FUNCTIONS.
        reset_after: Whether n = act(x K + b + r (h R + b')). b' is also added for z and r.

    Returns:
        (outputs [N, T, units] or [N, units], h [N, units]). mask and dropout get no gradient.

    Raises:
        ValueError: Shapes do not fit, or an activation is not in FUNCTIONS.
        TypeError: The dtypes differ.

    Source: Keras 2.2.5, with one difference: recurrent_dropout applies to h only in products with R, for any number of masks.
    """

    def bias_shape(units: int) -> tuple[int, ...]:
        return (2, 3 * units) if reset_after else (3 * units,)

    call = _Call("gru", 3, x, kernel, recurrent_kernel, bias, bias_shape, mask, input_dropout, recurrent_dropout, go_backwards)
    act, rec = call.function("activation", activation), call.function("recurrent_activation", recurrent_activation)
    before = call.state("h0", h0)
    gates, previous, inner = call.for_backward(3), call.for_backward(), call.for_backward()
    outputs = call.new(call.n, call.steps if return_sequences else 1, call.units)
    h = empty_like(before)
    how = call.x, call.layer, act, rec, reset_after
    _kernels.gru_forward(*how, call.bias, before, gates, previous, inner, outputs, h)

    def backward(dys: Gradients, need: tuple[bool, ...]) -> Gradients:
        dy, dh = call.gradients_of_results(dys)
        gradients = call.gradients(need)
        dinner = inner if reset_after else call.none
        _kernels.gru_backward(*how, gates, previous, inner, dy, dh, gates, dinner, gradients)
        return gradients

    return (outputs if return_sequences else outputs[:, 0], h), backward


@differentiable
def simple_rnn(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None,
    h0: Array | None = None,
    *,
    mask: Array | None = None,
    input_dropout: Array | None = None,
    recurrent_dropout: Array | None = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
    activation: str = "tanh",
) -> tuple[tuple[Array, ...], BackwardOfSeveral]:
    """h' = act(x kernel + bias + h recurrent_kernel).

    Args:
        x: float [N, T, F].
        kernel: [F, units].
        recurrent_kernel: [units, units].
        bias: [units] or None.
        h0: h before the first step, [N, units]; None is zeros.
        mask: As in `lstm`.
        input_dropout: As in `lstm`, with one gate.
        recurrent_dropout: As in `lstm`, with one gate.
        go_backwards: As in `lstm`.
        return_sequences: As in `lstm`.
        activation: act, a name in FUNCTIONS.

    Returns:
        (outputs [N, T, units] or [N, units], h [N, units]). mask and dropout get no gradient.

    Raises:
        ValueError: Shapes do not fit, or the activation is not in FUNCTIONS.
        TypeError: The dtypes differ.

    Source: Keras 2.2.5.
    """
    call = _Call(
        "simple_rnn", 1, x, kernel, recurrent_kernel, bias, lambda u: (u,), mask, input_dropout, recurrent_dropout, go_backwards
    )
    act = call.function("activation", activation)
    before = call.state("h0", h0)
    computed, previous = call.for_backward(), call.for_backward()
    outputs = call.new(call.n, call.steps if return_sequences else 1, call.units)
    h = empty_like(before)
    _kernels.simple_rnn_forward(call.x, call.layer, act, call.bias, before, computed, previous, outputs, h)

    def backward(dys: Gradients, need: tuple[bool, ...]) -> Gradients:
        dy, dh = call.gradients_of_results(dys)
        gradients = call.gradients(need)
        _kernels.simple_rnn_backward(call.x, call.layer, act, computed, previous, dy, dh, computed, gradients)
        return gradients

    return (outputs if return_sequences else outputs[:, 0], h), backward
