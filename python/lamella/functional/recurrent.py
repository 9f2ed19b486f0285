"""Recurrent layers over all time steps, forward and backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lamella import _kernels
from lamella.core.types import Array
from lamella.functional.arguments import of_arrays, or_absent, result, results
from lamella.ops.arrays import absent, empty_like
from lamella.ops.recurrent import FUNCTIONS


class Saved(NamedTuple):
    """What a forward function stores for the backward function, which may be called only once: it overwrites `gates` and `inner`.

    It then makes `gates` read-only, by which a second call is recognized.

    Attributes:
        gates: The gates of all steps.
        previous: h before each step.
        inner: LSTM: c before each step. GRU: the reset state.
        activation: The kernel's number of the activation.
        recurrent_activation: The kernel's number of the gates' activation.
        reset_after: GRU: whether the reset gate applies after the product.
    """

    gates: Array
    previous: Array
    inner: Array
    activation: int
    recurrent_activation: int
    reset_after: bool


@of_arrays
def lstm(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None = None,
    h0: Array | None = None,
    c0: Array | None = None,
    *,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    out: Array | None = None,
) -> tuple[Array, Array, Array, Saved]:
    """LSTM: i, f, o = rec(x K + h R + b), g = act(x K + h R + b), c' = f c + i g, h' = o act(c').

    Args:
        x: float32 or float64 [N, T, F].
        kernel: K, [F, 4 units], gates in the order i, f, g, o.
        recurrent_kernel: R, [units, 4 units].
        bias: b, [4 units] or None.
        h0: h before the first step, [N, units]; None is zeros.
        c0: c before the first step, [N, units]; None is zeros.
        activation: "linear", "relu", "tanh", "sigmoid" or "hard_sigmoid".
        recurrent_activation: The same for the gates.
        out: The array for the outputs; a new one if None.

    Returns:
        (outputs [N, T, units], h [N, units], c [N, units], saved), the last for `lstm_backward`.

    Raises:
        ValueError: Shapes do not fit, or an activation has another name.
        TypeError: The dtypes differ, or an array is not C-contiguous.

    Source: Keras 2.2.5.
    """
    n, steps, units = _sizes("lstm", x, kernel, recurrent_kernel, 4)
    outputs = result("lstm", "out", out, x, (n, steps, units))
    h, c = empty_like(x, (n, units)), empty_like(x, (n, units))
    saved = _saved("lstm", x, 4, units, activation, recurrent_activation)
    _kernels.lstm_forward(
        x,
        _layer(kernel, recurrent_kernel),
        saved.activation,
        saved.recurrent_activation,
        or_absent(bias, x),
        _state(h0, x, units),
        _state(c0, x, units),
        saved.gates,
        saved.previous,
        saved.inner,
        outputs,
        h,
        c,
    )
    return outputs, h, c, saved


@of_arrays
def lstm_backward(
    doutputs: Array | None,
    dh: Array | None,
    dc: Array | None,
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    saved: Saved,
    *,
    need: Sequence[bool] = (True, True, True, True),
    out: Sequence[Array | None] | None = None,
) -> tuple[Array | None, ...]:
    """The gradients of `lstm`. `saved` cannot be used again.

    Args:
        doutputs: The gradient of the outputs, [N, T, units]; None is zeros.
        dh: The gradient of the last h, [N, units]; None is zeros.
        dc: The gradient of the last c, [N, units]; None is zeros.
        x: As in `lstm`.
        kernel: As in `lstm`.
        recurrent_kernel: As in `lstm`.
        saved: As `lstm` returned it.
        need: Which of dx, dkernel, drecurrent and dbias are computed.
        out: Arrays for them, or None for each that is to be a new array.

    Returns:
        (dx, dkernel, drecurrent, dbias, dh0, dc0), None for what is not needed.

    Raises:
        ValueError, TypeError: As `lstm`.
    """
    n, _, units = _sizes("lstm_backward", x, kernel, recurrent_kernel, 4)
    _check_unused("lstm", saved)
    made = _gradients("lstm_backward", x, kernel, recurrent_kernel, (4 * units,), need, out)
    dh0, dc0 = empty_like(x, (n, units)), empty_like(x, (n, units))
    _kernels.lstm_backward(
        x,
        _layer(kernel, recurrent_kernel),
        saved.activation,
        saved.recurrent_activation,
        saved.gates,
        saved.previous,
        saved.inner,
        or_absent(doutputs, x),
        or_absent(dh, x),
        or_absent(dc, x),
        saved.gates,
        _bundle(made, dh0),
        dc0,
    )
    saved.gates.flags.writeable = False
    return *made, dh0, dc0


@of_arrays
def gru(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None = None,
    h0: Array | None = None,
    *,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    reset_after: bool = True,
    out: Array | None = None,
) -> tuple[Array, Array, Saved]:
    """GRU: z, r = rec(x K + h R + b), n = act(x K + b + r (h R + b')), h' = z h + (1-z) n.

    Args:
        x: float32 or float64 [N, T, F].
        kernel: K, [F, 3 units], gates in the order z, r, n.
        recurrent_kernel: R, [units, 3 units].
        bias: None, or with reset_after [2, 3 units]: b, then b', which z and r add, too; else [3 units].
        h0: h before the first step, [N, units]; None is zeros.
        activation: As in `lstm`.
        recurrent_activation: As in `lstm`.
        reset_after: As PyTorch, cuDNN and tf.keras. False: n = act(x K + b + (r h) R), as Keras 2.2.5.
        out: The array for the outputs; a new one if None.

    Returns:
        (outputs [N, T, units], h [N, units], saved), the last for `gru_backward`.

    Raises:
        ValueError, TypeError: As `lstm`.

    Source: Keras 2.2.5; reset_after: tf.keras and cuDNN.
    """
    n, steps, units = _sizes("gru", x, kernel, recurrent_kernel, 3)
    outputs = result("gru", "out", out, x, (n, steps, units))
    h = empty_like(x, (n, units))
    saved = _saved("gru", x, 3, units, activation, recurrent_activation, reset_after)
    _kernels.gru_forward(
        x,
        _layer(kernel, recurrent_kernel),
        saved.activation,
        saved.recurrent_activation,
        reset_after,
        or_absent(bias, x),
        _state(h0, x, units),
        saved.gates,
        saved.previous,
        saved.inner,
        outputs,
        h,
    )
    return outputs, h, saved


@of_arrays
def gru_backward(
    doutputs: Array | None,
    dh: Array | None,
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    saved: Saved,
    *,
    need: Sequence[bool] = (True, True, True, True),
    out: Sequence[Array | None] | None = None,
) -> tuple[Array | None, ...]:
    """The gradients of `gru`. `saved` cannot be used again.

    Args:
        doutputs: The gradient of the outputs, [N, T, units]; None is zeros.
        dh: The gradient of the last h, [N, units]; None is zeros.
        x: As in `gru`.
        kernel: As in `gru`.
        recurrent_kernel: As in `gru`.
        saved: As `gru` returned it.
        need: Which of dx, dkernel, drecurrent and dbias are computed.
        out: Arrays for them, or None for each that is to be a new array.

    Returns:
        (dx, dkernel, drecurrent, dbias, dh0), None for what is not needed.

    Raises:
        ValueError, TypeError: As `lstm`.
    """
    n, _, units = _sizes("gru_backward", x, kernel, recurrent_kernel, 3)
    _check_unused("gru", saved)
    bias_shape = (2, 3 * units) if saved.reset_after else (3 * units,)
    made = _gradients("gru_backward", x, kernel, recurrent_kernel, bias_shape, need, out)
    dh0 = empty_like(x, (n, units))
    _kernels.gru_backward(
        x,
        _layer(kernel, recurrent_kernel),
        saved.activation,
        saved.recurrent_activation,
        saved.reset_after,
        saved.gates,
        saved.previous,
        saved.inner,
        or_absent(doutputs, x),
        or_absent(dh, x),
        saved.gates,
        saved.inner if saved.reset_after else absent(x.dtype),
        _bundle(made, dh0),
    )
    saved.gates.flags.writeable = False
    return *made, dh0


def _sizes(who: str, x: Array, kernel: Array, recurrent_kernel: Array, gates: int) -> tuple[int, int, int]:
    """(N, T, units).

    Raises:
        ValueError: The shapes do not fit.
    """
    units = recurrent_kernel.shape[0] if recurrent_kernel.ndim else 0
    wanted = (x.shape[-1] if x.ndim else 0, gates * units), (units, gates * units)
    if x.ndim != 3 or (kernel.shape, recurrent_kernel.shape) != wanted:
        raise ValueError(
            f"{who}: expected x [N, T, F], kernel [F, {gates} units] and recurrent_kernel [units, {gates} units], "
            f"got shapes {x.shape}, {kernel.shape} and {recurrent_kernel.shape}"
        )
    return x.shape[0], x.shape[1], units


def _check_unused(who: str, saved: Saved) -> None:
    """Raises TypeError or ValueError if `saved` is not what a call of `who` returned, or if a backward call has overwritten it."""
    if not isinstance(saved, Saved):
        raise TypeError(f"{who}_backward: expected saved to be what {who} returned, got {type(saved).__name__}")
    if not saved.gates.flags.writeable:
        raise ValueError(f"{who}_backward: expected saved of a new call of {who}, got one that was used")


def _layer(kernel: Array, recurrent_kernel: Array) -> tuple[Array, Array, Array, Array, Array, int]:
    """The bundle RecurrentLayer of cpp/table/bundles.def without a mask and dropout."""
    none = absent(kernel.dtype)
    return kernel, recurrent_kernel, absent(np.dtype(np.uint8)), none, none, 0


def _bundle(made: list[Array | None], dh0: Array) -> tuple[Array, Array, Array, Array, Array]:
    """The bundle RecurrentGradients."""
    dx, dkernel, drecurrent, dbias = (or_absent(each, dh0) for each in made)
    return dx, dkernel, drecurrent, dbias, dh0


def _state(state: Array | None, x: Array, units: int) -> Array:
    return np.zeros((x.shape[0], units), x.dtype) if state is None else state


def _saved(
    who: str, x: Array, gates: int, units: int, activation: str, recurrent_activation: str, reset_after: bool = False
) -> Saved:
    """New arrays for what backward reads, and the kernel's numbers of the activations.

    Raises:
        ValueError: An activation has another name.
    """
    for name, given in (("activation", activation), ("recurrent_activation", recurrent_activation)):
        if given not in FUNCTIONS:
            raise ValueError(f"{who}: expected one of {sorted(FUNCTIONS)} for {name}, got {given!r}")
    all_gates, previous, inner = (empty_like(x, (*x.shape[:2], n * units)) for n in (gates, 1, 1))
    return Saved(all_gates, previous, inner, FUNCTIONS[activation], FUNCTIONS[recurrent_activation], reset_after)


def _gradients(
    who: str,
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias_shape: tuple[int, ...],
    need: Sequence[bool],
    out: Sequence[Array | None] | None,
) -> list[Array | None]:
    names = ("dx", "dkernel", "drecurrent", "dbias")
    shapes = x.shape, kernel.shape, recurrent_kernel.shape, bias_shape
    return results(who, names, need, out, (x, kernel, recurrent_kernel, kernel), shapes)
